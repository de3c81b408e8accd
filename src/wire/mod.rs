//! Bytes to data and back: Zeek's event formats and its log batches.
//!
//! Nothing here opens, waits or logs. Every decoder takes bytes of a stranger: it checks each length against what is
//! left before it takes memory for it, counts its nesting, and answers with a [`DecodeError`], never a panic.

pub mod broker_bin;
pub mod broker_json;
pub mod codec;
mod envelope;
pub mod log_batch;

pub use codec::DecodeError;

#[cfg(any(test, fuzzing))]
pub mod invariants;

#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(crate) mod vectors;
