//! What keeps the cluster busy: numbered log records, by a small ZMTP client of its own, so that it is known which batch was
//! handed to the kernel and when; and numbered events.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use zeek_cluster::transport::zeromq::{self, Options};
use zeek_cluster::transport::{EventFrame, Inbound, Transport};
use zeek_cluster::wire::log_batch::{BatchWriter, Field, Header, LogValue, TypeTag, WRITER_ASCII};

use crate::support::simulation::Random;

/// How long a blocked write waits before it looks whether it should end.
const PATIENCE: Duration = Duration::from_millis(500);
const TOPIC: &[u8] = b"storm.events";

/// Records of one batch.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub first: u64,
    pub count: u64,
    /// When the last octet was handed to the kernel.
    pub at: Instant,
}

/// Everything that was handed over to one logger.
#[derive(Debug)]
pub struct Sent {
    pub logger: String,
    pub batches: Vec<Batch>,
    /// Connections that ended.
    pub broken: usize,
}

/// A thread that sends records to one logger.
pub struct Records {
    stop: Sender<()>,
    thread: JoinHandle<Sent>,
}

impl Records {
    pub fn start(logger: &str, address: String, seed: u64) -> Records {
        let address: SocketAddr = address.parse().expect("an address");
        let (stop, stopped) = mpsc::channel();
        let logger = logger.to_owned();
        let thread = thread::spawn(move || {
            let mut random = Random::new(seed ^ address.port() as u64);
            let mut sent = Sent { logger, batches: Vec::new(), broken: 0 };
            let mut stream = None;
            let mut next = 0;
            loop {
                // The pace: some tens of batches in a second, and time between them for an end.
                match stopped.recv_timeout(Duration::from_millis(5 + random.below(60) as u64)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return sent,
                }
                let Some(connection) = stream.take().or_else(|| connect(address).ok()) else { continue };
                let count = *random.one_of(&[1, 1, 2, 5, 10, 10, 30, 100, 300, 3000]);
                let frame = message(&sent.logger, next, count);
                let over = || matches!(stopped.try_recv(), Ok(()) | Err(mpsc::TryRecvError::Disconnected));
                match write(connection, &frame, over) {
                    Ok(connection) => {
                        sent.batches.push(Batch { first: next, count, at: Instant::now() });
                        next += count;
                        stream = Some(connection);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => return sent,
                    Err(_) => sent.broken += 1,
                }
            }
        });
        Records { stop, thread }
    }

    pub fn stop(self) -> Sent {
        // A thread that has ended needs no word.
        let _ = self.stop.send(());
        self.thread.join().expect("the sender's thread")
    }
}

/// The text of a record: as long as its number says, so that a torn line is seen.
pub fn text(number: u64) -> String {
    format!("{}.", "x".repeat(number as usize % 120))
}

/// ZMTP 3.0 with the NULL mechanism, as a PUSH socket.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(10 * PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[8] = 1;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting)?;
    stream.read_exact(&mut [0; 64])?;
    stream.write_all(b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH")?;
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    stream.read_exact(&mut vec![0; usize::from(head[1])])?;
    Ok(stream)
}

/// Writes all of it, however long the other end is silent; interrupted where the sender is to end.
fn write(mut stream: TcpStream, mut octets: &[u8], over: impl Fn() -> bool) -> io::Result<TcpStream> {
    while !octets.is_empty() {
        match stream.write(octets) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => octets = &octets[count..],
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if over() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(stream)
}

fn message(logger: &str, first: u64, count: u64) -> Vec<u8> {
    let header = Header { stream: b"Storm::LOG", writer: WRITER_ASCII.as_bytes(), filter: b"default", path: b"storm" };
    let fields = [
        Field::new("logger", TypeTag::String),
        Field::new("number", TypeTag::Count),
        Field::new("text", TypeTag::String),
    ];
    let mut batch = BatchWriter::new(header, &fields).expect("a small head");
    for number in first..first + count {
        let string = |text: String| LogValue::String(text.into_bytes());
        let record = [string(logger.to_owned()), LogValue::Count(number), string(text(number))];
        batch.push(&record).expect("a record of these columns");
    }
    let payload = batch.finish();
    let mut wire = Vec::new();
    for (part, more) in [(&b"log-write"[..], 1), (b"storm", 1), (b"zeek-bin-serializer", 1), (&payload, 0)] {
        wire.push(2 | more);
        wire.extend_from_slice(&(part.len() as u64).to_be_bytes());
        wire.extend_from_slice(part);
    }
    wire
}

/// A publisher and a subscriber of numbered events.
pub struct Events {
    over: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    publisher: JoinHandle<()>,
    subscriber: JoinHandle<BTreeMap<u64, u64>>,
}

/// What became of the events.
pub struct EventsReport {
    sent: u64,
    /// How often each number came.
    came: BTreeMap<u64, u64>,
}

impl Events {
    pub fn start(host: &str, port: u16) -> Events {
        let options = |id: &str| Options {
            connect_xsub_endpoint: format!("tcp://{host}:{port}"),
            connect_xpub_endpoint: format!("tcp://{host}:{}", port + 1),
            ..Options::new(id)
        };
        let (publisher, unread) = zeromq::start(options("storm-publisher")).expect("the sockets");
        let (subscriber, mut inbox) = zeromq::start(options("storm-subscriber")).expect("the sockets");
        subscriber.subscribe(TOPIC).expect("there is room in the queue");
        let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ends, counts) = (over.clone(), sent.clone());
        let publisher = thread::spawn(move || {
            let _unread = unread;
            while !ends.load(Ordering::Relaxed) {
                thread::park_timeout(Duration::from_millis(20));
                let number = counts.fetch_add(1, Ordering::Relaxed);
                let part = |octets: &[u8]| Bytes::copy_from_slice(octets);
                let payload = part(number.to_string().as_bytes());
                // A full queue costs the event, which is counted as sent.
                let _ = publisher.publish(EventFrame {
                    topic: part(TOPIC),
                    sender: part(b"storm-publisher"),
                    format: part(b"storm"),
                    payload,
                });
            }
            publisher.close();
        });
        let ends = over.clone();
        let subscriber = thread::spawn(move || {
            let mut came = BTreeMap::new();
            while !ends.load(Ordering::Relaxed) {
                match inbox.try_recv() {
                    Ok(Inbound::Event(frame)) => {
                        let number = std::str::from_utf8(&frame.payload).ok().and_then(|text| text.parse().ok());
                        *came.entry(number.unwrap_or(u64::MAX)).or_default() += 1;
                    }
                    Ok(_) => {}
                    Err(_) => thread::park_timeout(Duration::from_millis(5)),
                }
            }
            subscriber.close();
            came
        });
        Events { over, sent, publisher, subscriber }
    }

    pub fn stop(self) -> EventsReport {
        self.over.store(true, Ordering::Relaxed);
        self.publisher.join().expect("the publisher's thread");
        let came = self.subscriber.join().expect("the subscriber's thread");
        EventsReport { sent: self.sent.load(Ordering::Relaxed), came }
    }
}

impl EventsReport {
    /// Events may be lost with a hub that is killed; none comes twice, and they flow again when all is over.
    pub fn wrong(&self) -> Vec<String> {
        let twice = self.came.values().filter(|count| **count > 1).count();
        let last = self.came.keys().copied().filter(|number| *number < self.sent).max().unwrap_or(0);
        let mut wrong = Vec::new();
        if twice > 0 {
            wrong.push(format!("{twice} events came twice"));
        }
        // Two seconds of them may be under way.
        if last + 100 < self.sent {
            wrong.push(format!("the last event that came is {last} of {}", self.sent));
        }
        wrong
    }
}

impl fmt::Display for EventsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "events: {} sent, {} came", self.sent, self.came.len())
    }
}
