//! Masters, clones and backends together.

mod backends;
mod masters;
mod simulation;
mod world;
