//! One client's writing side: pings, acknowledgement, errors, events.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::close::Close;
use super::frame;
use super::inbound::Pulse;
use super::session::{Client, End};
use crate::cluster::{Heard, Listening, RemoteEvent};

/// Octets that are gathered before they are written.
const BATCH: usize = 64 << 10;
/// After a batch of this size the buffer is not kept.
const KEEP: usize = 1 << 20;
/// How long a client may take nothing at all when it is not pinged; otherwise the ping interval.
const TAKE_WITHIN: Duration = Duration::from_secs(60);

/// What the reading side has the writing side do.
#[derive(Debug)]
pub(super) enum Told {
    /// Subscriptions are in effect: the text that says so, and what is heard from now on.
    Acknowledged(String, Listening),
    /// An error message.
    Error(String),
    /// The answer to a ping.
    Pong(Bytes),
}

/// The writing side.
pub(super) struct Outbound<'a, S> {
    socket: S,
    client: &'a Client,
    pulse: &'a Pulse,
    told: mpsc::Receiver<Told>,
    listening: Option<Listening>,
    out: BytesMut,
    pings: Option<Interval>,
    /// The server's ping interval, which may change.
    every: watch::Receiver<Option<Duration>>,
    next_ping: u64,
    take_within: Duration,
    missed: u64,
}

impl<'a, S: AsyncWrite + Unpin> Outbound<'a, S> {
    pub(super) fn new(socket: S, client: &'a Client, pulse: &'a Pulse, told: mpsc::Receiver<Told>) -> Self {
        let every = client.server.pings.subscribe();
        let (listening, out, pings, next_ping, take_within, missed) = (None, BytesMut::new(), None, 0, TAKE_WITHIN, 0);
        let mut side =
            Outbound { socket, client, pulse, told, listening, out, pings, every, next_ping, take_within, missed };
        // The first one comes before anything else.
        side.follow_interval();
        side
    }

    /// Pings at once, and then as often as the server does now.
    fn follow_interval(&mut self) {
        let every = *self.every.borrow_and_update();
        self.pings = every.map(|every| {
            let mut pings = interval_at(Instant::now() + every, every);
            pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pings
        });
        self.take_within = every.unwrap_or(TAKE_WITHIN);
        if self.pings.is_some() {
            self.ping();
        }
    }

    /// Works until the client must be let go of.
    pub(super) async fn run(&mut self) -> End {
        loop {
            self.gather();
            if self.missed > 0 {
                self.client.server.counters.behind.add(1);
                return End::ours(Close::BEHIND);
            }
            if let Err(end) = self.write().await {
                return end;
            }
            tokio::select! {
                biased;
                () = due(&mut self.pings) => {
                    if !self.pulse.beats() {
                        return End::ours(Close::PING_TIMEOUT);
                    }
                    self.ping();
                }
                Ok(()) = self.every.changed() => self.follow_interval(),
                Some(told) = self.told.recv() => self.put(told),
                heard = hear(&mut self.listening) => self.heard(heard),
            }
        }
    }

    fn ping(&mut self) {
        let payload = format!("ixwebsocket::heartbeat::{}s::{}", self.take_within.as_secs(), self.next_ping);
        self.next_ping += 1;
        frame::put_ping(&mut self.out, payload.as_bytes());
    }

    fn put(&mut self, told: Told) {
        match told {
            Told::Acknowledged(text, listening) => {
                frame::put_text(&mut self.out, text.as_bytes());
                self.listening = Some(listening);
            }
            Told::Error(text) => frame::put_text(&mut self.out, text.as_bytes()),
            Told::Pong(payload) => frame::put_pong(&mut self.out, &payload),
        }
    }

    fn heard(&mut self, heard: Option<Heard>) {
        match heard {
            Some(Heard::Event(event)) => self.event(&event),
            Some(Heard::Cluster(_)) => {}
            // The core has ended; the node tells all services before that.
            None => self.listening = None,
        }
    }

    fn event(&mut self, event: &Arc<RemoteEvent>) {
        self.client.app.incoming(&event.topic, &event.event);
        let server = &self.client.server;
        let text = server.encoder.text(event, server.counters.clients.get() > 1);
        frame::put_text(&mut self.out, &text);
    }

    /// Takes what else there is, up to a batch.
    fn gather(&mut self) {
        while self.out.len() < BATCH
            && let Ok(told) = self.told.try_recv()
        {
            self.put(told);
        }
        while self.out.len() < BATCH
            && let Some(heard) = self.listening.as_mut().and_then(Listening::try_next)
        {
            self.heard(Some(heard));
        }
        self.count_missed();
    }

    /// What the client did not take in time.
    fn count_missed(&mut self) {
        let missed = self.listening.as_ref().map_or(self.missed, Listening::missed);
        if missed > self.missed {
            if self.missed == 0 {
                tracing::warn!(client = %self.client.endpoint.id, "WebSocket client does not keep up: its connection is closed");
            }
            self.client.app.missed_events.add(missed - self.missed);
            self.missed = missed;
        }
    }

    /// Writes all that was gathered, as long as the client takes some of it now and then.
    async fn write(&mut self) -> Result<(), End> {
        while !self.out.is_empty() {
            match timeout(self.take_within, self.socket.write_buf(&mut self.out)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => return Err(End::silent(Close::ABNORMAL)),
                Err(_) => return Err(End::silent(Close::SEND_TIMEOUT)),
            }
        }
        if self.out.capacity() > KEEP {
            self.out = BytesMut::new();
        }
        // TLS keeps records back until it is told.
        match timeout(self.take_within, self.socket.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::silent(Close::ABNORMAL)),
            Err(_) => Err(End::silent(Close::SEND_TIMEOUT)),
        }
    }

    /// The last words: what was told, what was heard already, and the Close.
    pub(super) async fn finish(&mut self, close: &Close, within: Duration) {
        self.told.close();
        self.gather();
        self.listening = None;
        frame::put_close(&mut self.out, close);
        // A client that takes nothing any more is let go of all the same.
        let _late = timeout(within, self.write()).await;
    }

    /// Ends the connection in this direction: TLS says so to the client.
    pub(super) async fn shut(&mut self, within: Duration) {
        let _late = timeout(within, self.socket.shutdown()).await;
    }

    /// Stops listening and tells how much was missed.
    pub(super) fn leave(&mut self) {
        self.count_missed();
        self.listening = None;
        if self.missed > 0 {
            tracing::warn!(client = %self.client.endpoint.id, missed = self.missed, "WebSocket client missed events");
        }
    }
}

async fn due(pings: &mut Option<Interval>) {
    match pings {
        Some(pings) => drop(pings.tick().await),
        None => std::future::pending().await,
    }
}

async fn hear(listening: &mut Option<Listening>) -> Option<Heard> {
    match listening {
        Some(listening) => listening.next().await,
        None => std::future::pending().await,
    }
}
