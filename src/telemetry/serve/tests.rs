use std::io::{Read as _, Write as _};
use std::net::TcpStream as Client;
use std::time::Instant;

use flate2::read::GzDecoder;

use super::*;
use crate::telemetry::Registry;

/// A node whose figures can be made to fail or to hang.
#[derive(Clone)]
struct Node {
    registry: Arc<Registry>,
    services: Option<String>,
    hangs: bool,
    fails: bool,
}

impl Source for Node {
    fn within(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn families(&self) -> Result<Vec<MetricFamily>, String> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        match self.fails {
            true => Err("the core is away".to_owned()),
            false => Ok(self.registry.gather(|families| families.counter("events_total", "Events", 3))),
        }
    }

    async fn services(&self) -> Result<Option<String>, String> {
        Ok(self.services.clone())
    }
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<io::Result<()>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

fn node() -> Node {
    let registry = Arc::new(Registry::new("node", "n"));
    Node { registry, services: None, hangs: false, fails: false }
}

/// Serves on a free port of loopback, in a thread of its own as a node's is.
fn serve(node: Node) -> Running {
    let stop = CancellationToken::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    let token = stop.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let server = Server::bind("127.0.0.1", 0).unwrap();
            let mut registry = Registry::new("node", "n");
            registry.add(server.teller());
            let node = Node { registry: Arc::new(registry), ..node };
            sender.send(server.address()).unwrap();
            server.serve(node, token).await
        })
    });
    Running { address: receiver.recv().unwrap(), stop, thread: Some(thread) }
}

fn connect(server: &Running) -> Client {
    let client = Client::connect(server.address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client
}

/// Head and body of an answer.
fn get(server: &Running, path: &str, headers: &str) -> (String, Vec<u8>) {
    let mut client = connect(server);
    write!(client, "GET {path} HTTP/1.1\r\nHost: n\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an end of the head");
    (String::from_utf8(answer[..at].to_vec()).unwrap().to_lowercase(), answer[at + 4..].to_vec())
}

#[test]
fn the_page_comes_in_the_format_that_was_asked_for() {
    let server = serve(node());
    let (head, body) = get(&server, "/metrics", "");
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("\nevents_total{node=\"n\"} 3\n") && body.contains("\nexposer_scrapes_total 0\n"), "{body}");
    assert!(body.contains("\nexposer_request_latencies_count 0\n"), "{body}");
    assert!(body.contains("\nexposer_request_latencies{quantile=\"0.99\"} NaN\n"), "{body}");

    let (head, body) = get(&server, "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("# TYPE events counter\n") && body.ends_with("# EOF\n"), "{body}");
    assert!(body.contains("\nexposer_scrapes_total 1\n"), "{body}");
    assert!(body.contains("\nexposer_request_latencies_count 1\n"), "{body}");
    assert!(!body.contains("NaN"), "{body}");
}

#[test]
fn a_client_that_takes_gzip_gets_gzip() {
    let server = serve(node());
    let (head, body) = get(&server, "/metrics", "Accept-Encoding: gzip\r\n");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut text = String::new();
    GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("events_total{node=\"n\"} 3\n"), "{text}");
    let (head, _) = get(&server, "/metrics", "Accept-Encoding: gzip;q=0\r\n");
    assert!(!head.contains("content-encoding"), "{head}");
}

#[test]
fn services_are_told_where_there_are_any() {
    let manager = serve(Node { services: Some("[]".to_owned()), ..node() });
    let (head, body) = get(&manager, "/services.json", "");
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: application/json"), "{head}");
    assert_eq!(body, b"[]");
    let worker = serve(node());
    let (head, body) = get(&worker, "/services.json", "");
    assert!(head.starts_with("http/1.1 404"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("only a manager"));
}

#[test]
fn a_core_that_gives_no_answer_is_said_not_hidden() {
    let server = serve(Node { fails: true, ..node() });
    let (head, body) = get(&server, "/metrics", "");
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert_eq!(body, b"the core is away");
}

#[test]
fn many_silent_connections_keep_nobody_out() {
    let server = serve(node());
    let mut silent: Vec<Client> = (0..3 * CONNECTIONS).map(|_| connect(&server)).collect();
    // One that sends a little of a request, too.
    silent[3 * CONNECTIONS - 1].write_all(b"GET /met").unwrap();
    let began = Instant::now();
    let (head, _) = get(&server, "/metrics", "");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // The first ones were ended to make room.
    assert_eq!(silent[0].read(&mut [0; 16]).unwrap_or(0), 0);
}

#[test]
fn a_request_without_end_is_cut_off() {
    let server = serve(node());
    let mut client = connect(&server);
    let long = vec![b'a'; 4 * MAX_REQUEST];
    // The server may hang up in the middle.
    let _cut = client.write_all(b"GET /metrics HTTP/1.1\r\nX: ").and_then(|()| client.write_all(&long));
    let mut answer = Vec::new();
    let _reset = client.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", answer.escape_ascii());
}

#[test]
fn a_scraper_that_does_not_go_away_does_not_hold_up_the_end() {
    let server = serve(Node { hangs: true, ..node() });
    let mut client = connect(&server);
    client.write_all(b"GET /metrics HTTP/1.1\r\nHost: n\r\n\r\n").unwrap();
    let began = Instant::now();
    drop(server);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_address_that_is_none_and_a_port_that_is_taken_are_told() {
    let error = Server::bind("localhost", 0).err().unwrap().to_string();
    assert_eq!(error, "'localhost' is no IP address");
    let taken = Server::bind("127.0.0.1", 0).unwrap();
    let error = Server::bind("127.0.0.1", taken.address().port()).err().unwrap().to_string();
    assert!(error.starts_with("Failed to setup Prometheus endpoint: "), "{error}");
    assert!(error.ends_with(&format!(". Attempted to bind to {}.", taken.address())), "{error}");
    let all = Server::bind("", 0).unwrap();
    assert!(all.address().ip().is_unspecified());
    let error = Server::bind("", all.address().port()).err().unwrap();
    assert!(matches!(error, ServeError::Bind { .. }), "{error}");
}
