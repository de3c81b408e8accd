//! The tests that run the real program: one module per capability, and the tests that keep the source tidy.

mod support;

mod local;
mod mistakes;
mod pipes;
mod shells;
mod ssh;
mod tidy;
