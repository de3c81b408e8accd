//! The layout: what an operator declares about a cluster. Text in, a checked model or a list of problems out.
//!
//! ```text
//! YAML --tree--> Tree --schema, yaml--> LayoutSpec --expand--> Layout
//!                                           ^      --validate--> problems
//! other tools' files --import------------->'
//! ```
//!
//! Each step goes on as far as it can, so that all problems of a file are reported at once, each with its place. Nothing
//! here opens a file or asks a resolver: both are the caller's, see [`Environment`].

mod duration;
mod effective;
mod expand;
mod habit;
mod import;
mod limits;
pub mod live;
mod load;
mod model;
pub mod nodeset;
pub mod options;
mod problem;
mod schema;
mod spec;
mod suggest;
mod tree;
mod validate;
mod write;
mod yaml;

#[cfg(test)]
mod tests;

pub use effective::{Effective, Origin, effective_options};
pub use import::*;
pub use load::{Environment, Loaded, load};
pub use model::*;
pub use problem::Problem;
pub use schema::schema;
pub(crate) use suggest::nearest;
pub use write::{to_value, to_yaml};

#[cfg(test)]
pub(crate) use tests::test_layout;
