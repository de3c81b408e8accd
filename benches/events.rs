//! Events through the hub: our hub and two of our transports against bare libzmq (an XPUB, `zmq_proxy`, an XSUB) with equal
//! frames, in turns in one run. The bar is 80 % of bare libzmq (`design.md`, Bars).
//!
//! `cargo bench --bench events`

#![allow(clippy::print_stdout, missing_docs)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use zeek_cluster::transport::zeromq::{Hub, HubOptions, Options, start};
use zeek_cluster::transport::{EventFrame, Inbound, SendError, Transport};

const EVENTS: usize = 300_000;
const ROUNDS: usize = 5;
const TOPIC: &[u8] = b"zeek.cluster.worker";
const SENDER: &[u8] = b"zeromq_worker-1_hostb_4242_Nk3Jd81aQ7xPz0mT2b9";
const FORMAT: &[u8] = b"broker-bin-v1";
const PAYLOAD: &[u8] = &[7; 200];

const XPUB: c_int = 9;
const XSUB: c_int = 10;
const LAST_ENDPOINT: c_int = 32;
const XPUB_NODROP: c_int = 69;
const XPUB_VERBOSER: c_int = 78;
const SNDMORE: c_int = 2;

unsafe extern "C" {
    fn zmq_ctx_new() -> *mut c_void;
    fn zmq_ctx_term(context: *mut c_void) -> c_int;
    fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    fn zmq_close(socket: *mut c_void) -> c_int;
    fn zmq_setsockopt(socket: *mut c_void, option: c_int, value: *const c_void, length: usize) -> c_int;
    fn zmq_getsockopt(socket: *mut c_void, option: c_int, value: *mut c_void, length: *mut usize) -> c_int;
    fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    fn zmq_send(socket: *mut c_void, data: *const c_void, length: usize, flags: c_int) -> c_int;
    fn zmq_recv(socket: *mut c_void, data: *mut c_void, length: usize, flags: c_int) -> c_int;
    fn zmq_proxy(frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void) -> c_int;
}

/// A bare socket of one bench run.
#[derive(Clone, Copy)]
struct Bare(*mut c_void);

// SAFETY: each is used by one thread at a time.
unsafe impl Send for Bare {}

impl Bare {
    fn context() -> Bare {
        // SAFETY: no preconditions.
        Bare(unsafe { zmq_ctx_new() })
    }

    fn term(self) {
        // SAFETY: a context, ended once.
        unsafe { zmq_ctx_term(self.0) };
    }

    fn socket(self, kind: c_int) -> Bare {
        // SAFETY: `self` is a context.
        Bare(unsafe { zmq_socket(self.0, kind) })
    }

    fn set(self, option: c_int) -> Bare {
        let on: c_int = 1;
        // SAFETY: a socket and a C int.
        let code = unsafe { zmq_setsockopt(self.0, option, ptr::from_ref(&on).cast(), size_of::<c_int>()) };
        assert_eq!(code, 0);
        self
    }

    fn bind(self) -> CString {
        let mut text = vec![0u8; 64];
        let mut length = text.len();
        // SAFETY: a socket, a C string and a buffer of the length that is named.
        unsafe {
            assert_eq!(zmq_bind(self.0, c"tcp://127.0.0.1:*".as_ptr()), 0);
            assert_eq!(zmq_getsockopt(self.0, LAST_ENDPOINT, text.as_mut_ptr().cast(), &raw mut length), 0);
        }
        text.truncate(length - 1);
        CString::new(text).expect("no NUL")
    }

    fn connect(self, endpoint: &CString) {
        // SAFETY: a socket and a C string.
        assert_eq!(unsafe { zmq_connect(self.0, endpoint.as_ptr()) }, 0);
    }

    fn send(self, octets: &[u8], flags: c_int) {
        // SAFETY: a socket and octets of the length that is named.
        assert!(unsafe { zmq_send(self.0, octets.as_ptr().cast(), octets.len(), flags) } >= 0);
    }

    fn receive(self, buffer: &mut [u8]) {
        // SAFETY: a socket and a buffer of the length that is named.
        assert!(unsafe { zmq_recv(self.0, buffer.as_mut_ptr().cast(), buffer.len(), 0) } >= 0);
    }

    fn close(self) {
        // SAFETY: a socket, closed once.
        unsafe { zmq_close(self.0) };
    }
}

/// From the first event received to the last.
fn bare() -> Duration {
    let hub = Bare::context();
    let (hub_xpub, hub_xsub) = (hub.socket(XPUB).set(XPUB_VERBOSER).set(XPUB_NODROP), hub.socket(XSUB));
    let (xpub_endpoint, xsub_endpoint) = (hub_xpub.bind(), hub_xsub.bind());
    let proxy = std::thread::spawn(move || {
        let (xsub, xpub) = (hub_xsub, hub_xpub);
        // SAFETY: two sockets that only this thread uses; ends when the context does.
        unsafe { zmq_proxy(xsub.0, xpub.0, ptr::null_mut()) };
        xsub.close();
        xpub.close();
    });
    let (publishing, subscribing) = (Bare::context(), Bare::context());
    let (publisher, subscriber) = (publishing.socket(XPUB).set(XPUB_NODROP), subscribing.socket(XSUB));
    publisher.connect(&xsub_endpoint);
    subscriber.connect(&xpub_endpoint);
    subscriber.send(&[&[1], TOPIC].concat(), 0);
    publisher.receive(&mut [0; 256]);
    let sender = std::thread::spawn(move || {
        let publisher = publisher;
        for _ in 0..EVENTS {
            publisher.send(TOPIC, SNDMORE);
            publisher.send(SENDER, SNDMORE);
            publisher.send(FORMAT, SNDMORE);
            publisher.send(PAYLOAD, 0);
        }
        publisher.close();
    });
    let mut buffer = [0; 512];
    let mut begin = Instant::now();
    for number in 0..EVENTS {
        for _ in 0..4 {
            subscriber.receive(&mut buffer);
        }
        if number == 0 {
            begin = Instant::now();
        }
    }
    let elapsed = begin.elapsed();
    sender.join().expect("the sender");
    subscriber.close();
    publishing.term();
    subscribing.term();
    hub.term();
    proxy.join().expect("the proxy");
    elapsed
}

/// The same through our hub and two of our transports.
fn ours() -> Duration {
    let any = || "tcp://127.0.0.1:*".to_owned();
    let hub = HubOptions { listen_xpub_endpoint: any(), listen_xsub_endpoint: any(), ..HubOptions::default() };
    let hub = Hub::start(hub, |notice| println!("{notice:?}")).expect("a hub");
    let options = |id: &[u8]| Options {
        connect_xpub_endpoint: hub.xsub_endpoint().to_owned(),
        connect_xsub_endpoint: hub.xpub_endpoint().to_owned(),
        xpub_sndhwm: 0,
        onloop_queue_hwm: 0,
        ..Options::new(String::from_utf8_lossy(id))
    };
    let (publisher, mut told) = start(options(SENDER)).expect("sockets");
    let (subscriber, mut inbox) = start(options(b"subscriber")).expect("sockets");
    subscriber.subscribe(TOPIC).expect("room");
    while !matches!(told.blocking_recv(), Some(Inbound::Subscription(_))) {}
    let sender = std::thread::spawn(move || {
        let event = EventFrame {
            topic: Bytes::from_static(TOPIC),
            sender: Bytes::from_static(SENDER),
            format: Bytes::from_static(FORMAT),
            payload: Bytes::from_static(PAYLOAD),
        };
        for _ in 0..EVENTS {
            while publisher.publish(event.clone()) == Err(SendError::Full) {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        // Closed only when all has arrived: closing waits for half a second and no longer.
        publisher
    });
    let mut begin = None;
    let mut received = 0;
    while received < EVENTS {
        if let Some(Inbound::Event(event)) = inbox.blocking_recv() {
            assert_eq!(event.payload.len(), PAYLOAD.len());
            received += 1;
            begin.get_or_insert_with(Instant::now);
        }
    }
    let elapsed = begin.expect("events came").elapsed();
    sender.join().expect("the sender").close();
    elapsed
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

fn main() {
    let (bare, ours): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| (bare(), ours())).unzip();
    let (bare, ours) = (median(bare), median(ours));
    let rate = |seconds: f64| EVENTS as f64 / seconds;
    println!("events/s, four parts, {} octets of payload, median of {ROUNDS}:", PAYLOAD.len());
    println!("  bare libzmq    {:>9.0}", rate(bare));
    println!("  zeek-cluster   {:>9.0}  ({:.0} %; the bar is 80 %)", rate(ours), 100.0 * bare / ours);
    if ours > bare / 0.8 {
        println!("below the bar");
        std::process::exit(1);
    }
}
