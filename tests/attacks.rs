//! Strangers and careless clients against a deployed cluster: no process ends, memory stays within the limits of
//! ARCHITECTURE.md, and nothing is lost that was taken.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Sandbox;

const LAYOUT: &str = "\
name: attacked
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager, websocket: { listen_port: WS1, ping_interval: 0s } }
  logger: { type: logger, count: 2 }
  proxy: { type: proxy, websocket: { listen_port: WS2, ping_interval: 0s } }
  worker: { type: worker, count: 2 }
";

/// No answer of a cluster on a loaded machine takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most memory of a node under attack: its own, a message of the largest size, and its decoded value.
const MOST_RESIDENT_KIB: u64 = 300 << 10;

struct Attacked {
    sandbox: Sandbox,
    pids: BTreeMap<String, u64>,
}

impl Attacked {
    fn deploy() -> Attacked {
        let sandbox = Sandbox::new();
        let (first, second) = (sandbox.port + 10, sandbox.port + 11);
        sandbox.write_layout(&LAYOUT.replace("WS1", &first.to_string()).replace("WS2", &second.to_string()));
        sandbox.expect(0, &["deploy"]);
        let pids = pids(&sandbox);
        Attacked { sandbox, pids }
    }

    fn websocket(&self, server: u16) -> u16 {
        self.sandbox.port + 10 + server
    }

    /// Where nodes subscribe, where they publish, where the loggers take batches.
    fn ports(&self) -> [(u16, &'static str); 4] {
        let port = self.sandbox.port;
        [(port, "SUB"), (port + 1, "PUB"), (port + 4, "PUSH"), (port + 5, "PUSH")]
    }

    /// Every process is the one that was there before, sees the others, and has not taken more memory than it may.
    fn stands(&self, after: &str) {
        assert_eq!(pids(&self.sandbox), self.pids, "after {after}");
        for (name, pid) in &self.pids {
            let peak = resident_peak_kib(*pid);
            assert!(peak < MOST_RESIDENT_KIB, "{name} took {peak} KiB after {after}");
        }
    }

    /// Records of a stream that are written, by a logger.
    fn lines(&self, logger: &str, stream: &str) -> usize {
        let path = self.sandbox.base().join(format!("attacked/logs/current/{logger}/{stream}.log"));
        fs::read_to_string(path).map_or(0, |text| text.lines().filter(|line| !line.starts_with('#')).count())
    }

    fn until_written(&self, logger: &str, stream: &str, records: usize) {
        self.sandbox.until(PATIENCE, &format!("{records} records of {stream}"), |_| {
            thread::sleep(Duration::from_millis(50));
            match self.lines(logger, stream) {
                lines if lines == records => Ok(()),
                lines => Err(format!("{lines} are written")),
            }
        });
    }
}

/// The pid of every node; all of them run and see all others. A logger that refused a stranger's batch a moment ago is
/// degraded, and says that alone.
fn pids(sandbox: &Sandbox) -> BTreeMap<String, u64> {
    sandbox.until(PATIENCE, "a whole cluster", |sandbox| {
        let output = sandbox.run(&["status", "-o", "json"]);
        let rows: Value = serde_json::from_str(&output.stdout).map_err(|error| error.to_string())?;
        let rows = rows.as_array().ok_or("no rows")?;
        let row = |row: &Value| {
            let refused = |text: &str| text.contains("refused");
            let whole = match row["state"].as_str() {
                Some("running") => true,
                Some("degraded") => row["error"].as_str().is_some_and(refused),
                _ => false,
            };
            let pid = row["pid"].as_u64().filter(|_| whole).ok_or_else(|| row.to_string())?;
            Ok((row["name"].as_str().unwrap_or_default().to_owned(), pid))
        };
        rows.iter().map(row).collect::<Result<BTreeMap<String, u64>, String>>()
    })
}

fn resident_peak_kib(pid: u64) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A ZMTP 3.0 connection by hand.
struct Zmtp(TcpStream);

impl Zmtp {
    fn greets(port: u16, kind: &str) -> Zmtp {
        let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
        greeting.extend(b"NULL");
        greeting.resize(64, 0);
        let mut ready = b"\x05READY\x0bSocket-Type".to_vec();
        ready.extend((kind.len() as u32).to_be_bytes());
        ready.extend(kind.as_bytes());
        greeting.extend([4, ready.len() as u8]);
        greeting.extend(ready);
        let mut connection = Zmtp(connect(port));
        connection.0.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        assert!(connection.says(&greeting), "the greeting goes out");
        connection.is_greeted();
        connection
    }

    /// Nothing may be sent before the other side's READY, a short frame behind its greeting.
    fn is_greeted(&mut self) {
        self.0.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut answer = [0; 66];
        self.0.read_exact(&mut answer).expect("a greeting and the head of READY");
        self.0.read_exact(&mut vec![0; answer[65].into()]).expect("READY");
    }

    /// False when the other side has hung up, or takes nothing for too long.
    fn says(&mut self, octets: &[u8]) -> bool {
        self.0.write_all(octets).is_ok()
    }

    fn sends(&mut self, parts: &[&[u8]]) -> bool {
        let mut octets = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            octets.push(2 | u8::from(index + 1 < parts.len()));
            octets.extend((part.len() as u64).to_be_bytes());
            octets.extend(*part);
        }
        self.says(&octets)
    }

    /// The next message of this or any other topic.
    fn hears(&mut self) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        loop {
            let mut flags = [0];
            self.0.read_exact(&mut flags).expect("a frame");
            let length = match flags[0] & 2 {
                0 => u64::from(u8::from_be_bytes(self.array())),
                _ => u64::from_be_bytes(self.array()),
            };
            let mut part = vec![0; length as usize];
            self.0.read_exact(&mut part).expect("a part");
            // A command, such as a heartbeat's ping, belongs to no message.
            if flags[0] & 4 == 0 {
                parts.push(part);
                if flags[0] & 1 == 0 {
                    return parts;
                }
            }
        }
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        self.0.read_exact(&mut octets).expect("a length");
        octets
    }

    /// Waits until the other side has hung up.
    fn ends(&mut self) {
        self.0.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut octets = [0; 4096];
        loop {
            match self.0.read(&mut octets) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => match error.kind() {
                    ErrorKind::ConnectionReset => return,
                    kind => panic!("still connected: {kind}"),
                },
            }
        }
    }
}

fn connect(port: u16) -> TcpStream {
    let start = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return stream,
            Err(error) => assert!(start.elapsed() < PATIENCE, "port {port}: {error}"),
        }
    }
}

/// A log batch with two columns, as Zeek writes it.
fn batch(stream: &str, records: usize, octets: usize) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
    let field = |name: &str, tag: i32| [&[0][..], &text(name), &tag.to_be_bytes(), &[0; 4], &[0]].concat();
    let mut batch =
        [text(&format!("{stream}::LOG")), text("Log::WRITER_ASCII"), text("default"), text(stream)].concat();
    batch.extend(2_u32.to_be_bytes());
    batch.extend([field("ts", 5), field("m", 7)].concat());
    batch.extend((records as u32).to_be_bytes());
    let mut record = [&5_i32.to_be_bytes()[..], &[0; 4], &[1], &1.0_f64.to_be_bytes()].concat();
    record.extend([&7_i32.to_be_bytes()[..], &[0; 4], &[1], &text(&"x".repeat(octets))].concat());
    batch.extend(record.repeat(records));
    batch
}

fn push(sender: &mut Zmtp, batch: &[u8], count: usize) {
    for number in 0..count {
        let taken = sender.sends(&[b"log-write", b"zeromq_worker-9_h_1_N", b"zeek-bin-serializer", batch]);
        assert!(taken, "the logger takes batch {number} of {} octets", batch.len());
    }
}

/// A WebSocket client by hand; its key masks nothing.
struct WebSocket(BufReader<TcpStream>);

impl WebSocket {
    /// The status of the answer, and the connection.
    fn asks(port: u16, further: &str) -> (u16, WebSocket) {
        let mut stream = connect(port);
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!(
            "GET /v1/messages/json HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{further}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the request goes out");
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).expect("an answer");
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("a header");
        }
        (status, WebSocket(reader))
    }

    fn subscribes(port: u16, topics: &str) -> WebSocket {
        let (status, mut client) = WebSocket::asks(port, "");
        assert_eq!(status, 101);
        client.sends(topics.as_bytes());
        client
    }

    fn sends(&mut self, text: &[u8]) {
        let mut frame = vec![0x81, 0x80 | 127];
        frame.extend((text.len() as u64).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text);
        self.0.get_mut().write_all(&frame).expect("the server reads");
    }

    /// Sends a part of a message; whether the server keeps the client.
    fn begins(&mut self, octets: &[u8]) -> bool {
        if self.0.get_mut().write_all(octets).is_err() {
            return false;
        }
        self.0.get_ref().set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
        let heard = self.0.get_ref().peek(&mut [0]);
        heard.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// The next text, or the code of the Close; pings are passed over.
    fn hears(&mut self) -> Result<String, u16> {
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).expect("a frame");
            let length = match head[1] {
                126 => u64::from(u16::from_be_bytes(self.array())),
                127 => u64::from_be_bytes(self.array()),
                short => u64::from(short),
            };
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).expect("a payload");
            match head[0] & 0x0f {
                8 => return Err(payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]))),
                1 => return Ok(String::from_utf8(payload).expect("UTF-8")),
                9 => self.pongs(&payload),
                _ => {}
            }
        }
    }

    fn pongs(&mut self, payload: &[u8]) {
        let frame = [&[0x8a, 0x80 | payload.len() as u8, 0, 0, 0, 0][..], payload].concat();
        self.0.get_mut().write_all(&frame).expect("the server reads");
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        self.0.read_exact(&mut octets).expect("a length");
        octets
    }
}

fn event(topic: &str, number: usize, octets: usize) -> String {
    let text = "x".repeat(octets);
    format!(
        r#"{{"type":"data-message","topic":"{topic}","@data-type":"vector","data":[{{"@data-type":"count","data":1}},{{"@data-type":"count","data":1}},{{"@data-type":"vector","data":[{{"@data-type":"string","data":"burst"}},{{"@data-type":"vector","data":[{{"@data-type":"count","data":{number}}},{{"@data-type":"string","data":"{text}"}}]}}]}}]}}"#
    )
}

/// `broker-bin-v1`: an event with arguments that are encoded already.
fn encoded_event(name: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
    let one = [2, 0, 0, 0, 0, 0, 0, 0, 1];
    let mut event = [&[14, 3][..], &one, &one, &[14, 2, 5, name.len() as u8], name.as_bytes()].concat();
    event.extend([14, arguments.len() as u8]);
    event.extend(arguments.concat());
    event
}

fn encoded_text(text: &str) -> Vec<u8> {
    [&[5, text.len() as u8][..], text.as_bytes()].concat()
}

#[test]
fn strangers_take_no_memory_end_no_process_and_displace_no_node() {
    let attacked = Attacked::deploy();
    let port = attacked.sandbox.port;
    for (port, kind) in attacked.ports() {
        let mut large = Zmtp::greets(port, kind);
        large.says(&[&[2][..], &(2_u64 << 30).to_be_bytes()].concat());
        large.ends();
    }
    attacked.stands("parts of 2 GiB");

    let mut long = Zmtp::greets(port, "SUB");
    long.sends(&[&[&[1][..], &[b't'; 100_000]].concat()]);
    long.ends();
    let mut flood = Zmtp::greets(port, "SUB");
    let mut number = 0_u64;
    while number < 200_000 && flood.sends(&[&[&[1][..], &number.to_le_bytes().repeat(12)].concat()]) {
        number += 1;
    }
    flood.ends();
    attacked.stands("long and many subscriptions");

    subscribe_to_too_much_over_websocket(&attacked);
    attacked.stands("WebSocket clients that subscribe to too much");

    let tiny_sets = [&[14, 0x80, 0x80, 0x80, 1][..], &[12, 1, 0].repeat(2 << 20)].concat();
    let mut publisher = Zmtp::greets(port + 1, "PUB");
    let amplified = encoded_event("e", &[tiny_sets]);
    assert!(publisher.sends(&[b"zeek.cluster.worker", b"stranger", b"broker-bin-v1", &amplified]));
    for name in ["manager", "logger", "proxy", "worker"] {
        for hello in ["Cluster::Backend::ZeroMQ::hello", "Cluster::hello"] {
            let forged = encoded_event(hello, &[encoded_text("worker-1"), encoded_text("evil-id")]);
            let topic = format!("zeek.cluster.{name}");
            assert!(publisher.sends(&[topic.as_bytes(), b"stranger", b"broker-bin-v1", &forged]));
        }
    }
    let sees_evil = || attacked.sandbox.run(&["peers", "-o", "json"]).stdout.contains("evil-id");
    assert!(!sees_evil(), "a forged hello displaces no node");
    attacked.stands("an event of tiny sets and forged hellos");

    speak_nonsense(&attacked);
    attacked.stands("nonsense");
    assert!(!sees_evil());
}

fn subscribe_to_too_much_over_websocket(attacked: &Attacked) {
    let server = attacked.websocket(0);
    let (status, _) = WebSocket::asks(server, "Origin: https://evil.example\r\n");
    assert_eq!(status, 403);
    let long = format!("[\"{}\"]", "t".repeat(100_000));
    let many: Vec<String> = (0..4000).map(|number| format!("\"{number:04000}\"")).collect();
    for topics in [long, format!("[{}]", many.join(","))] {
        let mut client = WebSocket::subscribes(server, &topics);
        assert!(client.hears().is_ok_and(|error| error.contains("\"error\"")));
        assert_eq!(client.hears(), Err(1008));
    }
}

/// Connections that say nothing, stop in the middle, or say anything at all.
fn speak_nonsense(attacked: &Attacked) {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let idle: Vec<TcpStream> = (0..400).map(|number| connect(attacked.ports()[number % 4].0)).collect();
    for round in 0..400 {
        let (port, kind) = attacked.ports()[round % 4];
        let octets: Vec<u8> = (0..random() % 200).flat_map(|_| random().to_le_bytes()).collect();
        let mut stranger = match round % 3 {
            0 => Zmtp(connect(port)),
            _ => Zmtp::greets(port, kind),
        };
        // Whether it is taken or not.
        let _taken = stranger.says(&octets);
    }
    drop(idle);
}

#[test]
fn every_batch_is_written_whatever_shape_the_traffic_takes() {
    let attacked = Attacked::deploy();
    let port = attacked.sandbox.port + 4;
    let mut sender = Zmtp::greets(port, "PUSH");
    let (small, large) = (batch("shape", 1, 100), batch("shape", 1000, 400));
    push(&mut sender, &small, 300);
    attacked.until_written("logger-1", "shape", 300);
    push(&mut sender, &large, 40);
    push(&mut sender, &small, 2000);
    attacked.until_written("logger-1", "shape", 300 + 40_000 + 2000);

    let scanned = batch("scanned", 1, 1000);
    push(&mut sender, &scanned, 300);
    let scan: Vec<TcpStream> = (0..600).map(|_| connect(port)).collect();
    push(&mut sender, &scanned, 1000);
    drop(scan);
    push(&mut sender, &scanned, 700);
    attacked.until_written("logger-1", "scanned", 2000);

    for _ in 0..3 {
        let mut leaving: Vec<Zmtp> = (0..30).map(|_| Zmtp::greets(port, "PUSH")).collect();
        leaving.iter_mut().for_each(|sender| push(sender, &batch("leaving", 1, 50), 20));
    }
    attacked.until_written("logger-1", "leaving", 3 * 30 * 20);
    push(&mut sender, &batch("after", 1, 50), 10);
    attacked.until_written("logger-1", "after", 10);
    attacked.stands("all of it");
}

/// 320 octets each, more than any queue on the way holds.
#[test]
fn every_event_of_a_websocket_client_s_burst_arrives() {
    const EVENTS: usize = 20_000;
    let attacked = Attacked::deploy();
    let mut hearing = WebSocket::subscribes(attacked.websocket(1), "[\"/burst\"]");
    assert!(hearing.hears().is_ok_and(|ack| ack.contains("\"ack\"")));
    let mut sending = WebSocket::subscribes(attacked.websocket(0), "[]");
    assert!(sending.hears().is_ok_and(|ack| ack.contains("\"ack\"")));
    let burst = thread::spawn(move || {
        for number in 0..EVENTS {
            sending.sends(event("/burst", number, 60).as_bytes());
        }
        sending
    });
    for number in 0..EVENTS {
        let heard = hearing.hears().unwrap_or_else(|code| panic!("closed with {code} after {number} events"));
        assert!(heard.contains(&format!("\"data\":{number}}}")), "event {number}: {heard}");
    }
    drop(burst.join().expect("the sender"));
    attacked.stands("a burst");
}

/// A message that is begun and not ended holds memory; more of them than the server's budget end their clients.
#[test]
fn begun_messages_of_websocket_clients_are_bounded_together() {
    const CLIENTS: usize = 40;
    let attacked = Attacked::deploy();
    let mut clients: Vec<WebSocket> =
        (0..CLIENTS).map(|_| WebSocket::subscribes(attacked.websocket(0), "[]")).collect();
    clients.iter_mut().for_each(|client| assert!(client.hears().is_ok_and(|ack| ack.contains("\"ack\""))));
    let begun = [&[0x81, 0x80 | 127][..], &(16_u64 << 20).to_be_bytes(), &[0; 4], &vec![b'x'; 6 << 20]].concat();
    let held = clients.iter_mut().map(|client| client.begins(&begun)).filter(|kept| *kept).count();
    assert!(held < CLIENTS, "{CLIENTS} clients hold 6 MiB each");
    attacked.stands("begun messages");
    drop(clients);
    let mut next = WebSocket::subscribes(attacked.websocket(0), "[]");
    assert!(next.hears().is_ok_and(|ack| ack.contains("\"ack\"")), "the budget is given back");
}

#[test]
fn a_websocket_client_that_never_subscribes_does_not_keep_its_place() {
    let attacked = Attacked::deploy();
    let (status, mut silent) = WebSocket::asks(attacked.websocket(0), "");
    assert_eq!(status, 101);
    assert_eq!(silent.hears(), Err(1008));
}

/// Subscribers that take nothing: the others get every event, in order.
#[test]
fn subscribers_that_do_not_read_cost_the_others_no_event() {
    const EVENTS: usize = 30_000;
    let attacked = Attacked::deploy();
    let port = attacked.sandbox.port;
    let subscribed = || {
        let mut subscriber = Zmtp::greets(port, "SUB");
        assert!(subscriber.sends(&[b"\x01load"]));
        subscriber
    };
    let stuck: Vec<Zmtp> = (0..10).map(|_| subscribed()).collect();
    let mut good = subscribed();
    let mut publisher = Zmtp::greets(port + 1, "PUB");
    // Until the hub has the subscriptions, what is published goes nowhere.
    let first = attacked.sandbox.until(PATIENCE, "a subscription", |_| {
        assert!(publisher.sends(&[b"load", b"stranger", b"none", b"first"]));
        good.0.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        let heard = good.0.peek(&mut [0]).map_err(|error| error.to_string());
        good.0.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        heard.map(|_| good.hears())
    });
    assert_eq!(first[3], b"first");
    let publishing = thread::spawn(move || {
        for number in 0..EVENTS {
            let payload = [&number.to_be_bytes()[..], &[b'x'; 1000]].concat();
            assert!(publisher.sends(&[b"load", b"stranger", b"none", &payload]), "event {number} is taken");
        }
        publisher
    });
    let mut next = 0;
    while next < EVENTS {
        let payload = good.hears().pop().expect("four parts");
        if payload != b"first" {
            assert_eq!(payload[..8], next.to_be_bytes(), "event {next}");
            next += 1;
        }
    }
    drop(publishing.join().expect("the publisher"));
    drop(stuck);
    attacked.stands("subscribers that do not read");
}

/// Batches of a real Zeek, of many streams and sizes, as fast as they go.
#[test]
fn batches_of_a_real_zeek_are_all_written_at_any_speed() {
    const ROUNDS: usize = 150;
    let attacked = Attacked::deploy();
    let frames = crate::recorded::frames("logs-tsv");
    let batches: Vec<Vec<Vec<u8>>> =
        frames.into_iter().filter(|(_, kind, _)| kind == "log").map(|(_, _, parts)| parts).collect();
    let mut loggers = [4, 5].map(|offset| Zmtp::greets(attacked.sandbox.port + offset, "PUSH"));
    for _ in 0..ROUNDS {
        for batch in &batches {
            let parts: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
            loggers.iter_mut().for_each(|logger| assert!(logger.sends(&parts), "a batch is taken"));
        }
    }
    for stream in ["conn", "dns", "files", "http", "ssh", "ssl", "x509"] {
        let recorded = format!("{}/tests/vectors/logs-tsv/{stream}.log", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(recorded).expect("the recorded log");
        let once = text.lines().filter(|line| !line.starts_with('#')).count();
        for logger in ["logger-1", "logger-2"] {
            attacked.until_written(logger, stream, ROUNDS * once);
        }
    }
    attacked.stands("a real Zeek's batches");
}
