//! The way of log batches into a logger, under traffic that changes its shape and connections that come and go.

use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{ANY_PORT, Real, hub, member, node_options, until};
use crate::transport::conformance::{Member, batch};
use crate::transport::zeromq::{Hub, Options};
use crate::transport::{Inbound, SendError};

/// Octets of a quiet worker's batch and of a busy one's: a thousand conn records.
const SMALL: usize = 200;
const LARGE: usize = 430_000;

fn logger(hub: &Hub) -> Member {
    member(Options { listen_log_endpoint: Some(ANY_PORT.to_owned()), ..node_options("logger", hub) })
}

/// A sender that waits for its batches when it closes.
fn sender(id: &str, hub: &Hub, logger: &Member) -> Member {
    member(Options {
        connect_log_endpoints: logger.log_endpoint.clone().into_iter().collect(),
        linger: Duration::from_secs(30),
        log_sndhwm: 0,
        ..node_options(id, hub)
    })
}

fn push(sender: &Member, octets: usize, count: usize) {
    let payload = "r".repeat(octets);
    for _ in 0..count {
        let push = || sender.transport.push_log(batch(&sender.id, &payload));
        until("room in the sender's queue", || push() != Err(SendError::Full));
    }
    assert_eq!(sender.transport.counters().log_drops, 0, "{}: no batch was dropped", sender.id);
}

/// Waits for so many batches; each is dropped as soon as it is there.
fn take(logger: &mut Member, count: usize) {
    let mut taken = 0;
    logger.wait(&mut Real, &format!("{count} batches"), |inbound| {
        taken += usize::from(matches!(inbound, Inbound::Log(_)));
        (taken == count).then_some(())
    });
}

/// Descriptors for both ends of thousands of connections.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("a soft limit up to the hard one");
}

/// A high-water mark that is lowered on a live PULL socket leaves libzmq's writer waiting for an acknowledgement that its
/// reader has no reason to send: the connection never moves again.
#[test]
fn every_batch_arrives_when_sizes_change() {
    let hub = hub();
    let mut logger = logger(&hub);
    let sender = sender("sender", &hub, &logger);
    for (octets, count) in [(SMALL, 300), (LARGE, 60), (SMALL, 900), (LARGE, 20), (SMALL, 300)] {
        push(&sender, octets, count);
        take(&mut logger, count);
    }
}

#[test]
fn every_batch_arrives_beside_a_port_scan_and_after_it() {
    raise_descriptor_limit();
    let hub = hub();
    let mut logger = logger(&hub);
    let sender = sender("sender", &hub, &logger);
    push(&sender, 1_000, 300);
    take(&mut logger, 300);
    let address = logger.log_endpoint.clone().expect("a logger listens");
    let address = address.strip_prefix("tcp://").expect("a TCP endpoint");
    let idle: Vec<TcpStream> = (0..1_500).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    push(&sender, 1_000, 3_000);
    take(&mut logger, 3_000);
    drop(idle);
    push(&sender, 1_000, 1_000);
    take(&mut logger, 1_000);
}

/// Thirty senders with batches of all sizes that leave at once: neither is a batch lost, nor does libzmq touch a pipe that
/// has gone, which would end this process.
#[test]
fn every_batch_of_senders_that_leave_at_once_arrives() {
    const SENDERS: usize = 30;
    let hub = hub();
    let mut logger = logger(&hub);
    for round in 0..10 {
        let senders: Vec<Member> =
            (0..SENDERS).map(|number| sender(&format!("worker-{round}-{number}"), &hub, &logger)).collect();
        for (number, sender) in senders.iter().enumerate() {
            push(sender, SMALL, 10);
            push(sender, if number % 5 == 0 { LARGE / 4 } else { SMALL }, 3);
        }
        let leaving: Vec<_> =
            senders.into_iter().map(|sender| std::thread::spawn(move || sender.transport.close())).collect();
        take(&mut logger, SENDERS * 13);
        leaving.into_iter().for_each(|thread| thread.join().expect("a sender closes"));
    }
}
