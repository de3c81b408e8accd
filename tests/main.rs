//! The tests that run the real program: one module per capability, and the tests that keep the source tidy.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a test leaves out or saw is for its reader")]

mod support;

mod attacks;
mod boot;
mod doctor;
mod examples;
mod exec;
mod faults;
mod fleet;
mod formats;
mod keys;
mod life;
mod limits;
mod local;
mod locks;
mod metrics;
mod mistakes;
mod mixed;
mod movein;
mod observe;
mod operators;
mod orphans;
mod pipes;
mod plan;
mod ports;
mod program;
mod progress;
mod recorded;
mod reference;
mod remedies;
mod rollback;
mod sets;
mod shells;
mod ssh;
mod status;
mod stores;
mod storm;
mod system_ssh;
mod tidy;
mod truth;
mod usage;
mod websocket;
mod zeek;
