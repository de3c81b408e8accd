//! What the core does to events and time: unit tests of each gap that it closes, simulations over many nodes, and Zeek's own
//! frames.

mod gaps;
mod handshake;
mod listeners;
mod pools;
mod simulation;
mod vectors;
mod world;
