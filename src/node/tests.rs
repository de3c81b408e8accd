//! Nodes of one cluster, each on its own thread with its own sockets, over real ZeroMQ on loopback.

mod cluster;
mod foreign;
mod life;
