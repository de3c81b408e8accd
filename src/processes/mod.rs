//! Processes of one cluster's folder, found without any file of it: by command line, by the mark in their environment, and by
//! what was remembered of those that can hide both. Whoever ends one holds a descriptor of it, so that a number that was
//! given away anew hits nobody.
//!
//! It refuses what other containers run: a process counts only in the mount namespace of whoever looks.

mod ending;
mod scan;
mod survivors;

pub use ending::{Held, end, end_by, hold};
pub use scan::{NodeProcess, agents, is_agent, is_node, nodes};
pub use survivors::{
    MARK_VARIABLE, Survivor, group_record, marked, remember_group, remember_process, survivors, zeek_record,
};
