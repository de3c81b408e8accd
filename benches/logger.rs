//! Records per second and memory of the logger, for the bar in `design.md`: at least five times Zeek's.
//!
//! A second process replays a recorded batch of conn records over a real PUSH socket; this one receives it as a logger
//! does, and writes `conn.log`. The peer: Zeek 8.2.2's logger took 119,000 to 136,000 records/s with 227 MiB resident, one
//! batch of 39 records and 22 columns replayed 3,000 times on a two-core virtual machine (`tests/vectors`, 2026-11-22).
//!
//! `cargo bench --bench logger -- [direct] [BATCHES]`: with `direct` the batches do not pass a socket.

use std::io::Write;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use bytes::Bytes;
use zeek_cluster::logs::{Logger, LoggerOptions};
use zeek_cluster::transport::zeromq::{Options, start};
use zeek_cluster::transport::{Inbound, LogFrame, Transport};
use zeek_cluster::wire::log_batch::{BatchReader, FORMAT};

/// Tells the second process where to push, and how many batches.
const PUSH_TO: &str = "LOGGER_BENCH_PUSH_TO";
/// As often as Zeek's logger got the batch.
const BATCHES: usize = 3000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` adds an argument, `cargo test` does not.
    let batches = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(BATCHES);
    if let Ok(endpoint) = std::env::var(PUSH_TO) {
        push(&endpoint, batches);
        return;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let direct = arguments.iter().any(|argument| argument == "direct");
    let figures = if direct { replay_directly(batches) } else { replay_over_a_socket(batches) };
    let way = if direct { "without a socket" } else { "from a PUSH socket" };
    let rate = figures.records as f64 / figures.elapsed.as_secs_f64();
    let megabytes = figures.written as f64 / 1e6 / figures.elapsed.as_secs_f64();
    writeln!(
        std::io::stdout(),
        "logger, {way}: {} records in {:.3} s: {rate:.0} records/s, {megabytes:.0} MB/s, {:.1} MiB resident at most",
        figures.records,
        figures.elapsed.as_secs_f64(),
        peak_resident_kib() as f64 / 1024.0,
    )
    .expect("standard output");
}

struct Figures {
    records: usize,
    written: u64,
    elapsed: Duration,
}

/// The recorded conn batch with the most records.
fn conn_batch() -> (Bytes, usize) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/logs-tsv/frames.jsonl");
    let text = std::fs::read_to_string(path).expect("the recorded frames");
    let logs = text.lines().filter(|line| line.contains("\"kind\": \"log\""));
    let payloads = logs.map(|line| unhex(line.rsplit('"').nth(1).expect("the last frame")));
    let largest = payloads.filter(|payload| reader(payload).header().path == b"conn").max_by_key(Vec::len);
    let payload = largest.expect("a conn batch");
    let records = reader(&payload).records();
    (payload.into(), records)
}

fn reader(payload: &[u8]) -> BatchReader<'_> {
    BatchReader::new(payload).expect("a batch of Zeek")
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |octet: u8| (octet as char).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn logger(folder: &tempfile::TempDir) -> Logger {
    let logs = folder.path().join("logs");
    Logger::start(LoggerOptions::new("logger-1", logs.join("current/logger-1"), &logs)).expect("a logger")
}

/// Waits until so many records are in files.
fn wait_for(logger: &Logger, records: usize) {
    while logger.counters().records < records as u64 || logger.counters().queued_octets > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn replay_directly(batches: usize) -> Figures {
    let folder = tempfile::tempdir().expect("a folder");
    let logger = logger(&folder);
    let (payload, records) = conn_batch();
    let started = Instant::now();
    for _ in 0..batches {
        // A copy, as each message of a socket is one.
        let payload = Bytes::copy_from_slice(&payload);
        logger.write_batch(Bytes::from_static(b"bench"), payload).expect("an open logger");
    }
    wait_for(&logger, records * batches);
    let elapsed = started.elapsed();
    Figures { records: records * batches, written: logger.counters().written_octets, elapsed }
}

fn replay_over_a_socket(batches: usize) -> Figures {
    let folder = tempfile::tempdir().expect("a folder");
    let logger = logger(&folder);
    let (_, records) = conn_batch();
    let options = Options { listen_log_endpoint: Some("tcp://127.0.0.1:*".to_owned()), ..Options::new("logger-1") };
    let (transport, mut inbox) = start(options).expect("a transport");
    let mut sender = sender(transport.log_endpoint().expect("a logger listens"), batches);
    let mut started = None;
    for _ in 0..batches {
        let frame = loop {
            match inbox.blocking_recv().expect("an open transport") {
                Inbound::Log(frame) => break frame,
                _ => continue,
            }
        };
        started.get_or_insert_with(Instant::now);
        logger.write_frame(frame.sender, &frame.format, frame.payload).expect("an open logger");
    }
    wait_for(&logger, records * batches);
    let elapsed = started.expect("a first batch").elapsed();
    transport.close();
    assert!(sender.wait().expect("the second process").success());
    Figures { records: records * batches, written: logger.counters().written_octets, elapsed }
}

fn sender(endpoint: &str, batches: usize) -> Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program).arg(batches.to_string()).env(PUSH_TO, endpoint).spawn().expect("a second process")
}

/// The second process: everything into the socket's queue, then it waits until it is gone.
fn push(endpoint: &str, batches: usize) {
    let (payload, _) = conn_batch();
    let options = Options {
        connect_log_endpoints: vec![endpoint.to_owned()],
        log_sndhwm: 0,
        linger: Duration::from_secs(600),
        ..Options::new("worker-1")
    };
    let (transport, _inbox) = start(options).expect("a transport");
    let (sender, format) = (Bytes::from_static(b"worker-1"), Bytes::from_static(FORMAT.as_bytes()));
    for _ in 0..batches {
        let frame = LogFrame { sender: sender.clone(), format: format.clone(), payload: payload.clone() };
        while transport.push_log(frame.clone()).is_err() {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    transport.close();
    assert_eq!(transport.counters().log_drops, 0);
}

fn peak_resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}
