//! The layout: what an operator declares about a cluster. Text in, a checked model or a list of problems out.

mod model;

pub use model::*;
