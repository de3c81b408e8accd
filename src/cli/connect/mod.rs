//! `--connect`: a running cluster that is looked at from outside, whoever deployed it.
//!
//! `args.rs` holds what was typed, `place.rs` what it means, `zeekctl.rs` reads zeekctl's folder, `target.rs` joins the
//! cluster, `rows.rs` turns what an observer sees into the rows of `nodes` and `peers`.

mod args;
mod place;
mod rows;
mod target;
mod zeekctl;

pub use args::ConnectArgs;
pub use target::{JOIN_WITHIN, Target};
