//! One client's reading side: from its subscriptions to its last event.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::application;
use super::close::Close;
use super::dispatch::{self, Item};
use super::frame::{Decoder, Incoming};
use super::messages::{self, Refusal};
use super::outbound::Told;
use super::quota::{self, Quota};
use super::session::{Client, End};
use crate::cluster::{Listening, Wish};
use crate::wire::broker_json;

/// Read at once, in octets.
const READ: usize = 16 << 10;
/// Messages that may come before the subscriptions are in effect; then nothing more is read.
const EARLY: usize = 32;
/// Octets of these messages.
const EARLY_OCTETS: usize = 4 << 20;
/// Events that may wait for a client to take them, beside their octets ([`WebSocketServerOptions::max_backlog`]).
///
/// [`WebSocketServerOptions::max_backlog`]: super::options::WebSocketServerOptions::max_backlog
const EVENTS: usize = 1_000_000;
/// Time that a client has for its first message.
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(10);

/// Whether a client is alive, as far as its reading side knows.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    ponged: AtomicBool,
    /// Nothing is read because the node or the client's own answers have to be waited for.
    busy: AtomicBool,
    was_busy: AtomicBool,
}

impl Pulse {
    /// Whether a pong came since the last call, or could not be read.
    pub(super) fn beats(&self) -> bool {
        let ponged = self.ponged.swap(false, Ordering::Relaxed);
        let was_busy = self.was_busy.swap(false, Ordering::Relaxed);
        ponged || was_busy || self.busy.load(Ordering::Relaxed)
    }

    /// Waits for something else than the client.
    async fn busy<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = std::future::ready(()) => {}
        }
        self.busy.store(true, Ordering::Relaxed);
        let done = work.await;
        self.was_busy.store(true, Ordering::Relaxed);
        self.busy.store(false, Ordering::Relaxed);
        done
    }
}

/// The reading side.
pub(super) struct Inbound<'a, S> {
    socket: S,
    decoder: Decoder,
    client: &'a Client,
    pulse: &'a Pulse,
    tell: mpsc::Sender<Told>,
    begun: Quota,
    subscribed: Quota,
    /// Whether `websocket_client_added` was raised.
    pub(super) added: bool,
}

impl<'a, S: AsyncRead + Unpin> Inbound<'a, S> {
    /// Begins with what was read behind the request.
    pub(super) fn new(
        socket: S,
        read: BytesMut,
        client: &'a Client,
        pulse: &'a Pulse,
        tell: mpsc::Sender<Told>,
    ) -> Self {
        let begun = Quota::new(&client.server.begun, quota::BEGUN);
        let subscribed = Quota::new(&client.server.subscribed, quota::SUBSCRIPTIONS);
        Inbound { socket, decoder: Decoder::new(read), client, pulse, tell, begun, subscribed, added: false }
    }

    /// Works until the connection has a reason to end.
    pub(super) async fn run(&mut self) -> End {
        match self.work().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn work(&mut self) -> Result<Infallible, End> {
        self.check_name().await?;
        let first = match timeout(SUBSCRIBE_WITHIN, self.message()).await {
            Ok(first) => first?,
            Err(_) => {
                self.client.server.counters.refused.add(1);
                return Err(End::ours(Close::NO_SUBSCRIPTIONS));
            }
        };
        let topics = match messages::subscriptions(&first) {
            Ok(topics) => topics,
            Err(refusal) => return Err(self.refuse(refusal).await),
        };
        let octets: usize = topics.iter().map(String::len).sum();
        if !self.subscribed.hold(octets + topics.len() * quota::SUBSCRIPTION) {
            return Err(self.refuse(Refusal::TOO_MANY_IN_ALL).await);
        }
        let early = self.subscribe(topics).await?;
        for message in early {
            self.event(&message).await?;
        }
        loop {
            let message = self.message().await?;
            self.event(&message).await?;
        }
    }

    async fn check_name(&mut self) -> Result<(), End> {
        match &self.client.raw_name {
            Some(name) if !application::is_fine(name) => Err(self.refuse(Refusal::APPLICATION_NAME).await),
            _ => Ok(()),
        }
    }

    /// Ends the connection with an error that the client is told twice: as a message and as the reason of the Close.
    async fn refuse(&mut self, refusal: Refusal) -> End {
        self.client.server.counters.refused.add(1);
        match self.error(refusal).await {
            Ok(()) => End::ours(Close::policy(refusal.context)),
            Err(end) => end,
        }
    }

    /// Subscribes, waits until that is in effect, and says so; what came meanwhile is the result.
    async fn subscribe(&mut self, topics: Vec<String>) -> Result<VecDeque<Bytes>, End> {
        let mut subscriptions = topics.clone();
        subscriptions.sort_unstable();
        subscriptions.dedup();
        let octets = self.client.server.options.max_backlog;
        let wish = Wish { id: self.client.id.clone(), topics, capacity: EVENTS, octets, ..Wish::default() };
        let listening = self.pulse.busy(self.client.server.handle.listen(wish)).await;
        let mut listening = listening.map_err(|_| End::ours(Close::NOT_SUBSCRIBED))?;
        let early = self.confirmed(&mut listening).await?;
        // What was published before the acknowledgement is not for this client.
        while listening.try_next().is_some() {}
        self.dispatch(Item::Added(self.client.endpoint.clone(), subscriptions)).await?;
        self.added = true;
        let text = messages::acknowledgement(&self.client.endpoint.id);
        self.tell(Told::Acknowledged(text, listening)).await?;
        Ok(early)
    }

    /// Waits for the confirmation and reads on, for pongs and a Close.
    async fn confirmed(&mut self, listening: &mut Listening) -> Result<VecDeque<Bytes>, End> {
        let (mut early, mut octets) = (VecDeque::new(), 0);
        while early.len() < EARLY && octets < EARLY_OCTETS {
            if let Some(message) = self.buffered().await? {
                octets += message.len();
                early.push_back(message);
                continue;
            }
            tokio::select! {
                biased;
                confirmed = listening.confirmed() => {
                    confirmed.map_err(|_| End::ours(Close::NOT_SUBSCRIBED))?;
                    return Ok(early);
                }
                read = self.read() => read?,
            }
        }
        self.pulse.busy(listening.confirmed()).await.map_err(|_| End::ours(Close::NOT_SUBSCRIBED))?;
        Ok(early)
    }

    /// One event of the client, or an error for it.
    async fn event(&mut self, text: &[u8]) -> Result<(), End> {
        match read_event(text) {
            Ok((topic, event)) => {
                self.client.app.outgoing(&topic, &event);
                self.dispatch(Item::Event { sender: self.client.id.clone(), topic, event }).await
            }
            Err(refusal) => {
                self.client.app.bad_messages.add(1);
                self.error(refusal).await
            }
        }
    }

    /// The next message.
    async fn message(&mut self) -> Result<Bytes, End> {
        loop {
            if let Some(message) = self.buffered().await? {
                return Ok(message);
            }
            self.read().await?;
        }
    }

    /// The next message in what was read; pings are answered and pongs noted on the way.
    async fn buffered(&mut self) -> Result<Option<Bytes>, End> {
        while let Some(incoming) = self.decoder.next().map_err(End::ours)? {
            match incoming {
                Incoming::Message(message) => {
                    // It has come to its end; less than before always has room.
                    let _room = self.begun.hold(self.decoder.held().saturating_sub(quota::BEGUN_FREE));
                    return Ok(Some(message));
                }
                Incoming::Ping(payload) => self.tell(Told::Pong(payload)).await?,
                Incoming::Pong => self.pulse.ponged.store(true, Ordering::Relaxed),
                Incoming::Close(close) => return Err(End::theirs(close)),
            }
        }
        Ok(None)
    }

    /// Cancel-safe.
    async fn read(&mut self) -> Result<(), End> {
        let buffer = self.decoder.buffer();
        buffer.reserve(READ);
        match self.socket.read_buf(buffer).await {
            Ok(1..) => {}
            Ok(_) | Err(_) => return Err(End::silent(Close::ABNORMAL)),
        }
        let begun = self.decoder.held().saturating_sub(quota::BEGUN_FREE);
        if self.begun.hold(begun) { Ok(()) } else { Err(End::ours(Close::NO_ROOM)) }
    }

    /// Waits for the client's Close after ours; whatever else comes is thrown away.
    pub(super) async fn farewell(&mut self, within: Duration) {
        let closed = async {
            loop {
                match self.decoder.next() {
                    Ok(Some(Incoming::Close(_))) => return,
                    Ok(Some(_)) => continue,
                    Ok(None) => {}
                    // After a violation there are no frames to be found any more.
                    Err(_) => self.decoder.buffer().clear(),
                }
                if self.read().await.is_err() {
                    return;
                }
            }
        };
        // A client that does not answer is let go of all the same.
        let _late = timeout(within, closed).await;
    }

    async fn error(&self, refusal: Refusal) -> Result<(), End> {
        self.tell(Told::Error(refusal.text())).await
    }

    async fn tell(&self, told: Told) -> Result<(), End> {
        let sent = self.pulse.busy(self.tell.send(told)).await;
        sent.map_err(|_| End::silent(Close::ABNORMAL))
    }

    async fn dispatch(&self, item: Item) -> Result<(), End> {
        let server = &self.client.server;
        let put = self.pulse.busy(dispatch::put(&self.client.queue, item, &server.counters)).await;
        put.map_err(|_| End::ours(Close::TERMINATING))
    }
}

/// Topic and event of a message, or what the client is told. Source: `websocket.md` 7.2.
fn read_event(text: &[u8]) -> Result<(Vec<u8>, crate::data::Event), Refusal> {
    let mut message = broker_json::decode_data_message(text).map_err(|_| Refusal::NOT_JSON)?;
    // Zeek takes this topic for none.
    let topic = message.topic.take().filter(|topic| topic != b"<$>").ok_or(Refusal::NO_TOPIC)?;
    let event = message.into_event().map_err(|_| Refusal::NO_EVENT)?;
    Ok((topic, event))
}
