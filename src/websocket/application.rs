//! `X-Application-Name`: what a client calls itself. Source: `websocket.md` 4.2.

/// Longest name that is taken; a header line has 1023 octets at most anyway.
const MAX_NAME: usize = 1023;

/// Whether a name has only the letters that Zeek allows; the empty one passes.
pub(super) fn is_fine(name: &[u8]) -> bool {
    let letter = |octet: &u8| octet.is_ascii_alphanumeric() || b"/_-.=:*@".contains(octet);
    name.len() <= MAX_NAME && name.iter().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_digits_and_some_signs() {
        for fine in ["", "zeekctl/2.6.0", "a_B-c.d=e:f*g@h"] {
            assert!(is_fine(fine.as_bytes()), "{fine}");
        }
        for bad in ["a b", "a,b", "ä", "a\tb", "a'b"] {
            assert!(!is_fine(bad.as_bytes()), "{bad}");
        }
    }
}
