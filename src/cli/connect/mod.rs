//! `--connect`: a running cluster that is looked at from outside, whoever deployed it.
//!
//! `args.rs` holds what was typed, `place.rs` what it means, `site.rs` what the files of zeekctl and of Zeek say, `target.rs`
//! joins the cluster, `rows.rs` turns what an observer sees into the rows of `nodes` and `peers`.

mod args;
mod place;
mod rows;
mod site;
mod target;

pub use args::ConnectArgs;
pub use target::{JOIN_WITHIN, Target};
