//! For tests and fuzzing: what has to hold for any octets that a client sends. The check panics when it does not.

use bytes::BytesMut;

use super::close::Close;
use super::frame::{self, Decoder, Incoming};

/// The octets mean the same however they are cut (by the first of them), and what was a message is one when we say it.
pub fn check_frames(octets: &[u8]) {
    let Some((first, octets)) = octets.split_first() else { return };
    let whole = read(octets, octets.len().max(1));
    assert_eq!(read(octets, usize::from(*first) % 17 + 1), whole);
    for incoming in whole.0 {
        if let Incoming::Message(message) = &incoming
            && std::str::from_utf8(message).is_ok()
        {
            let mut said = BytesMut::new();
            frame::put_text(&mut said, message);
            assert_eq!(read(&said, said.len()), (vec![incoming], None));
        }
    }
}

/// Everything in the octets, read in pieces of a size, and the close that ended it.
pub(super) fn read(octets: &[u8], piece: usize) -> (Vec<Incoming>, Option<Close>) {
    let (mut decoder, mut found) = (Decoder::new(BytesMut::new()), Vec::new());
    for piece in octets.chunks(piece) {
        decoder.buffer().extend_from_slice(piece);
        loop {
            match decoder.next() {
                Ok(Some(incoming)) => found.push(incoming),
                Ok(None) => break,
                Err(close) => return (found, Some(close)),
            }
        }
    }
    (found, None)
}

#[cfg(test)]
mod tests {
    use crate::wire::invariants::check_corpus;

    #[test]
    fn the_corpus_of_websocket_frames_holds() {
        check_corpus("websocket_frames", super::check_frames);
    }
}
