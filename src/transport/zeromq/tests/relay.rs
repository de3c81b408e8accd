//! A TCP relay between a node and the hub, to break connections as a network does.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Carries connections to one address.
pub(super) struct Relay {
    address: SocketAddr,
    target: SocketAddr,
    state: Arc<State>,
    acceptor: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    streams: Mutex<Vec<TcpStream>>,
    closing: AtomicBool,
    /// Swallows everything, without a word to either side.
    swallowing: AtomicBool,
}

impl Relay {
    pub(super) fn to(endpoint: &str) -> Relay {
        let target = endpoint.strip_prefix("tcp://").expect("a TCP endpoint").parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let mut relay = Relay { address, target, state: Arc::new(State::default()), acceptor: None };
        relay.accept(listener);
        relay
    }

    pub(super) fn endpoint(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Resets all connections and refuses new ones.
    pub(super) fn cut(&mut self) {
        self.state.closing.store(true, Ordering::SeqCst);
        // Wakes the acceptor up; refused if it has gone already.
        let _refused = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().expect("the acceptor");
        }
        for stream in self.state.streams.lock().expect("no panic").drain(..) {
            // Closed by the peer already.
            let _closed = stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes connections again, at the same port.
    pub(super) fn heal(&mut self) {
        self.state.closing.store(false, Ordering::SeqCst);
        self.state.swallowing.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(self.address).expect("the port is still free");
        self.accept(listener);
    }

    /// From now on lets nothing through and closes nothing: a host that has vanished.
    pub(super) fn swallow(&self) {
        self.state.swallowing.store(true, Ordering::SeqCst);
    }

    fn accept(&mut self, listener: TcpListener) {
        let (state, target) = (Arc::clone(&self.state), self.target);
        self.acceptor = Some(std::thread::spawn(move || {
            for near in listener.incoming() {
                if state.closing.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(near) = near else { continue };
                let Ok(far) = TcpStream::connect(target) else { continue };
                let mut streams = state.streams.lock().expect("no panic");
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().expect("a descriptor"), to.try_clone().expect("a descriptor"));
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || carry(from, to, &state));
                }
                streams.extend([near, far]);
            }
        }));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut octets = vec![0; 65536];
    while let Ok(length @ 1..) = from.read(&mut octets) {
        if !state.swallowing.load(Ordering::SeqCst) && to.write_all(&octets[..length]).is_err() {
            break;
        }
    }
    while state.swallowing.load(Ordering::SeqCst) && !state.closing.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    // Closed by the peer already.
    let _closed = to.shutdown(Shutdown::Both);
}
