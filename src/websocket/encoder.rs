//! Events as data messages, made once for all clients of a server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::cluster::RemoteEvent;
use crate::wire::broker_json;

/// Texts that are kept for the clients that come to an event later than the first.
const KEPT: usize = 1024;
/// Octets of these texts; an event that is larger is made anew for each client.
const KEPT_OCTETS: usize = 8 << 20;

/// Makes texts and keeps the newest.
#[derive(Default)]
pub(super) struct Encoder(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// By the event's place in memory, which nothing else has while the event is kept.
    texts: HashMap<usize, (Arc<RemoteEvent>, Bytes)>,
    order: VecDeque<usize>,
    octets: usize,
}

impl Encoder {
    /// The data message of an event; kept when others may ask for it.
    pub(super) fn text(&self, event: &Arc<RemoteEvent>, shared: bool) -> Bytes {
        if !shared {
            return make(event);
        }
        let place = Arc::as_ptr(event) as usize;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = kept.texts.get(&place) {
            return text.clone();
        }
        let text = make(event);
        kept.keep(place, Arc::clone(event), text.clone());
        text
    }
}

impl Kept {
    fn keep(&mut self, place: usize, event: Arc<RemoteEvent>, text: Bytes) {
        if text.len() > KEPT_OCTETS {
            return;
        }
        self.octets += text.len();
        self.texts.insert(place, (event, text));
        self.order.push_back(place);
        while self.order.len() > KEPT || self.octets > KEPT_OCTETS {
            let oldest = self.order.pop_front().and_then(|place| self.texts.remove(&place));
            self.octets -= oldest.map_or(0, |(_, text)| text.len());
        }
    }
}

fn make(event: &RemoteEvent) -> Bytes {
    let topic = String::from_utf8_lossy(&event.topic);
    broker_json::encode_data_message(&topic, &event.event).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Event;

    fn event(name: &str) -> Arc<RemoteEvent> {
        let event = Event { name: name.into(), args: Vec::new(), metadata: Vec::new() };
        Arc::new(RemoteEvent { topic: b"t".to_vec(), sender: b"s".to_vec(), event })
    }

    #[test]
    fn all_who_ask_get_one_text_and_old_ones_are_forgotten() {
        let encoder = Encoder::default();
        let first = event("first");
        let text = encoder.text(&first, true);
        assert!(text.starts_with(br#"{"type":"data-message","topic":"t","@data-type":"vector""#));
        assert_eq!(encoder.text(&first, true).as_ptr(), text.as_ptr());
        assert_ne!(encoder.text(&first, false).as_ptr(), text.as_ptr());
        for n in 0..2 * KEPT {
            let other = encoder.text(&event(&n.to_string()), true);
            assert!(String::from_utf8_lossy(&other).contains(&format!("\"{n}\"")), "each its own text");
        }
        assert_eq!(encoder.0.lock().unwrap().texts.len(), KEPT);
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
