//! Events through a node's WebSocket server: from one client to 1, 4 and 50 others, from 50 to one, and beside one that
//! does not read. Each event goes through the hub, as in a cluster of many nodes.
//!
//! Bar: five times Zeek (`design.md`, Bars). Peers: Zeek 8.2.2 on a two-core virtual machine, 2026-11-22, one publisher: 6,500
//! events/s to one client, 9,600 deliveries/s to four together; and, in turn with ours in the same run, a bare
//! tokio-tungstenite server that only copies texts from each client to the others.
//!
//! `cargo bench --bench websocket`

#![allow(clippy::print_stdout, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, broadcast};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};

const EVENTS: usize = 60_000;
const ROUNDS: usize = 3;
/// Events on their way at a time, so that nothing is lost at a high-water mark.
const WINDOW: usize = 400;
const PORT: u16 = 29_860;
/// Publishers and subscribers.
const CASES: [(usize, usize); 4] = [(1, 1), (1, 4), (1, 50), (50, 1)];
/// Deliveries per second of Zeek's server.
const ZEEK: [(usize, f64); 2] = [(1, 6_500.0), (4, 9_600.0)];
const DEADLINE: Duration = Duration::from_secs(120);

type Sink = SplitSink<WebSocketStream<MaybeTlsStream<TcpStream>>, Message>;
type Stream = SplitStream<WebSocketStream<MaybeTlsStream<TcpStream>>>;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::Builder::new().prefix("zc-ws-").tempdir_in("/tmp").expect("a folder");
    let layout = folder.path().join("cluster.yaml");
    let (hub, port) = (PORT, PORT + 10);
    let text = format!(
        "name: bench\nbase_dir: {}\nport: {hub}\nnodes:\n  manager: {{ type: manager, websocket: {{ listen_port: {port} }} }}\n",
        folder.path().join("base").display()
    );
    std::fs::write(&layout, text).expect("the layout");
    run(&layout, &["deploy"]);
    let (ours, bare) = (format!("ws://127.0.0.1:{port}/v1/messages/json"), bare_server());

    println!("deliveries/s, events of {} octets, median of {ROUNDS}:", message(0).len());
    let mut missed = false;
    for (publishers, subscribers) in CASES {
        let rates: Vec<(f64, f64)> = (0..ROUNDS)
            .map(|_| {
                let rate = |url: &str| runtime.block_on(measure(url, publishers, subscribers, false));
                (rate(&ours), rate(&bare))
            })
            .collect();
        let (ours, bare): (Vec<f64>, Vec<f64>) = rates.into_iter().unzip();
        let (ours, bare) = (median(ours), median(bare));
        print!("  {publishers:>2} to {subscribers:>2}: zeek-cluster {ours:>9.0}, bare server {bare:>9.0}");
        let zeek = ZEEK.iter().find(|(clients, _)| publishers == 1 && *clients == subscribers);
        match zeek {
            Some((_, zeek)) => println!(", Zeek {zeek:.0} ({:.1} times; the bar is 5)", ours / zeek),
            None => println!(),
        }
        missed |= zeek.is_some_and(|(_, zeek)| ours < 5.0 * zeek);
    }
    let stuck = median((0..ROUNDS).map(|_| runtime.block_on(measure(&ours, 1, 49, true))).collect());
    let free = median((0..ROUNDS).map(|_| runtime.block_on(measure(&ours, 1, 49, false))).collect());
    println!("  1 to 49: {free:.0}; with a fiftieth that does not read {stuck:.0}");
    run(&layout, &["remove", "--yes"]);
    if missed {
        println!("below the bar");
        std::process::exit(1);
    }
}

/// Deliveries per second, all subscribers together.
async fn measure(url: &str, publishers: usize, subscribers: usize, beside_a_stuck_one: bool) -> f64 {
    let stuck = if beside_a_stuck_one { Some(client(url, r#"["/bench/"]"#).await) } else { None };
    let events = EVENTS / subscribers.min(10);
    let window = Arc::new(Semaphore::new(WINDOW));
    let arrivals: Arc<Vec<AtomicUsize>> = Arc::new((0..events).map(|_| AtomicUsize::new(0)).collect());
    let mut receiving = JoinSet::new();
    for _ in 0..subscribers {
        let (sink, stream) = client(url, r#"["/bench/"]"#).await;
        let (window, arrivals) = (Arc::clone(&window), Arc::clone(&arrivals));
        receiving.spawn(async move {
            receive(stream, &arrivals, &window, subscribers).await;
            sink
        });
    }
    let mut sinks = Vec::new();
    for _ in 0..publishers {
        sinks.push(client(url, "[]").await);
    }
    let begin = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut publishing = JoinSet::new();
    for (mut sink, stream) in sinks {
        let (window, next) = (Arc::clone(&window), Arc::clone(&next));
        publishing.spawn(async move {
            loop {
                match window.try_acquire() {
                    Ok(permit) => permit.forget(),
                    Err(_) => {
                        sink.flush().await.expect("the server takes it");
                        window.acquire().await.expect("it stays open").forget();
                    }
                }
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= events as u64 {
                    // Others may wait for this permit, to see the same.
                    window.add_permits(1);
                    break;
                }
                sink.feed(Message::text(message(number))).await.expect("the server takes it");
            }
            sink.flush().await.expect("the server takes it");
            (sink, stream)
        });
    }
    let done = async {
        while let Some(received) = receiving.join_next().await {
            drop(received.expect("a subscriber"));
        }
    };
    tokio::time::timeout(DEADLINE, done).await.expect("all events arrive");
    let elapsed = begin.elapsed().as_secs_f64();
    publishing.join_all().await;
    drop(stuck);
    (events * subscribers) as f64 / elapsed
}

/// Takes all events; whoever is the last to get one makes room for another.
async fn receive(mut stream: Stream, arrivals: &[AtomicUsize], window: &Semaphore, subscribers: usize) {
    for arrival in arrivals {
        while !matches!(stream.next().await, Some(Ok(Message::Text(_)))) {}
        if arrival.fetch_add(1, Ordering::Relaxed) + 1 == subscribers {
            window.add_permits(1);
        }
    }
}

/// Connected and subscribed.
async fn client(url: &str, topics: &str) -> (Sink, Stream) {
    let (client, _) = connect_async(url).await.expect("the server listens");
    let (mut sink, mut stream) = client.split();
    sink.send(Message::text(topics)).await.expect("the server takes it");
    while !matches!(stream.next().await, Some(Ok(Message::Text(_)))) {}
    (sink, stream)
}

fn message(number: u64) -> String {
    format!(
        r#"{{"type":"data-message","topic":"/bench/topic","@data-type":"vector","data":[{{"@data-type":"count","data":1}},{{"@data-type":"count","data":1}},{{"@data-type":"vector","data":[{{"@data-type":"string","data":"ping"}},{{"@data-type":"vector","data":[{{"@data-type":"string","data":"some text"}},{{"@data-type":"count","data":{number}}}]}}]}}]}}"#
    )
}

/// Copies each text of a client to all others; understands nothing.
fn bare_server() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    listener.set_nonblocking(true).expect("a listener");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("a listener");
            let (sender, _) = broadcast::channel(4 * WINDOW);
            for number in 0.. {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(serve(stream, number, sender.clone()));
            }
        });
    });
    url
}

async fn serve(stream: TcpStream, number: usize, sender: broadcast::Sender<(usize, Message)>) {
    let Ok(client) = accept_async(stream).await else { return };
    let (mut sink, mut stream) = client.split();
    let Some(Ok(topics)) = stream.next().await else { return };
    let subscribed = topics.into_text().is_ok_and(|topics| topics.as_str() != "[]");
    let mut receiver = sender.subscribe();
    if sink.send(Message::text("ack")).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(Ok(message @ Message::Text(_))) => drop(sender.send((number, message))),
                Some(Ok(_)) => {}
                _ => return,
            },
            Ok((from, message)) = receiver.recv() => {
                if subscribed && from != number {
                    let fed = sink.feed(message).await;
                    if fed.is_err() || (receiver.is_empty() && sink.flush().await.is_err()) {
                        return;
                    }
                }
            }
        }
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn run(layout: &Path, arguments: &[&str]) {
    let program = env!("CARGO_BIN_EXE_zeek-cluster");
    let output =
        Command::new(program).arg("--layout").arg(layout).args(arguments).output().expect("the program starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
