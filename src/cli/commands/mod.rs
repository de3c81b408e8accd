//! One file per command: its arguments, whose documentation is its manual, and `run`, which parses, calls one verb and
//! hands the report to the printer.

mod agent;
mod check;
mod command;
mod completions;
mod count;
mod deploy;
mod df;
mod diag;
mod doctor;
mod events;
mod exec;
mod help;
mod history;
mod install;
mod keys;
mod layout;
mod log;
mod man;
mod metrics;
mod node;
mod nodes;
mod notify;
mod output;
mod peers;
mod plan;
mod publish;
mod releases;
mod remove;
mod restart;
mod rollback;
mod start;
mod status;
mod stop;
mod store;
mod subscribe;
mod top;
mod unlock;
mod wait;
mod zeekctl;

pub use command::Command;
