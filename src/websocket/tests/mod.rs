//! The servers beside a real core, with real clients on real sockets.

mod client;
mod listening;
mod pressure;
mod sessions;
mod tls;
mod transcript;
mod violations;
