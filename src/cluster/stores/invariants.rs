//! For tests and fuzzing: what has to hold for any octets that come as a message of a store. The check panics when it does
//! not.

use super::message::{Message, decode_answers, encode_answers};
use crate::wire::broker_bin;

/// What is understood is understood the same when it is said again; the same for answers as a backend keeps them.
pub fn check_store_message(octets: &[u8]) {
    if let Ok(event) = broker_bin::decode_event(octets)
        && let Some(message) = Message::from_event(&event)
    {
        assert_eq!(Message::from_event(&message.clone().into_event()), Some(message));
    }
    if let Ok(answers) = decode_answers(octets) {
        assert_eq!(decode_answers(&encode_answers(&answers)), Ok(answers));
    }
}

#[cfg(test)]
mod tests {
    use crate::wire::invariants::check_corpus;

    #[test]
    fn the_corpus_of_store_messages_holds() {
        check_corpus("store_message", super::check_store_message);
    }
}
