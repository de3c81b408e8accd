//! The bounded cursor under every decoder, and what a decoder says when it refuses.
//!
//! Invariants:
//! - nothing is read past the end;
//! - a length or count is checked against the octets that are left *and not yet promised to an open container*
//!   ([`Cursor::claim`]), so that all elements that a decoder reserves memory for, at all levels together, never exceed
//!   the octets of the input;
//! - nesting has a limit ([`Cursor::descend`]), and so has the memory of the decoded value ([`Cursor::charge`]).

/// Why bytes were refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decode octet {offset}: {fault}")]
pub struct DecodeError {
    /// Index of the octet at which it went wrong, from the start of the message.
    pub offset: usize,
    /// What was wrong there.
    pub fault: Fault,
}

/// What was wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The input ends too early.
    #[error("{what} needs {needed} octets, {left} are left")]
    Short {
        /// What was being read.
        what: &'static str,
        /// How many octets it takes, at least.
        needed: u64,
        /// How many there are that nothing else was promised.
        left: usize,
    },
    /// A number that means nothing here.
    #[error("expected {expected}, found {found}")]
    Unknown {
        /// What would have been right.
        expected: &'static str,
        /// What stood there.
        found: u64,
    },
    /// Text or structure that is not what it has to be.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A negative or absurdly large length.
    #[error("{what} cannot be {found} long")]
    Length {
        /// What was being read.
        what: &'static str,
        /// The length that was given.
        found: i64,
    },
    /// More nesting than the format allows.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The most levels there may be.
        limit: usize,
    },
    /// The decoded value would take too much memory.
    #[error("takes more than {limit} octets of memory")]
    TooLarge {
        /// The most that it may take.
        limit: usize,
    },
    /// A set with an element, or a table with a key, that it already has.
    #[error("{0} occurs twice")]
    Duplicate(&'static str),
    /// Something follows the message.
    #[error("{left} octets follow the end of the message")]
    Trailing {
        /// How many.
        left: usize,
    },
}

/// Reads forward through bytes of a stranger. All integers are big-endian.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
    /// Octets that elements of open containers need at least; never more than what is left.
    promised: usize,
    depth: usize,
    max_depth: usize,
    memory: usize,
    max_memory: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `input` that allows `max_depth` levels of nesting.
    pub fn new(input: &'a [u8], max_depth: usize) -> Cursor<'a> {
        Cursor { input, at: 0, promised: 0, depth: 0, max_depth, memory: 0, max_memory: usize::MAX }
    }

    /// The same cursor, whose decoder may take so many octets of memory.
    pub fn with_memory(self, max_memory: usize) -> Cursor<'a> {
        Cursor { max_memory, ..self }
    }

    /// Counts memory that is about to be taken.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] when that is more than there may be.
    pub fn charge(&mut self, octets: usize) -> Result<(), DecodeError> {
        self.memory = self.memory.saturating_add(octets);
        if self.memory > self.max_memory {
            return Err(self.error(Fault::TooLarge { limit: self.max_memory }));
        }
        Ok(())
    }

    /// Index of the next octet, from the start of the message.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Octets that are left.
    pub fn left(&self) -> usize {
        self.input.len() - self.at
    }

    /// An error at the next octet.
    pub fn error(&self, fault: Fault) -> DecodeError {
        DecodeError { offset: self.at, fault }
    }

    /// The next `count` octets, borrowed from the input.
    ///
    /// # Errors
    /// [`Fault::Short`] when fewer octets are left.
    pub fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some(octets) = self.input.get(self.at..).and_then(|rest| rest.get(..count)) else {
            return Err(self.error(Fault::Short { what, needed: count as u64, left: self.left() }));
        };
        self.at += count;
        Ok(octets)
    }

    /// The next `N` octets.
    ///
    /// # Errors
    /// [`Fault::Short`] when fewer octets are left.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let Some(octets) = self.input.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) else {
            return Err(self.error(Fault::Short { what, needed: N as u64, left: self.left() }));
        };
        self.at += N;
        Ok(*octets)
    }

    /// One octet.
    ///
    /// # Errors
    /// [`Fault::Short`] at the end of the input.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    /// Two octets.
    ///
    /// # Errors
    /// [`Fault::Short`] when fewer octets are left.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    /// Four octets.
    ///
    /// # Errors
    /// [`Fault::Short`] when fewer octets are left.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    /// Four octets, two's complement.
    ///
    /// # Errors
    /// [`Fault::Short`] when fewer octets are left.
    pub fn i32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array(what)?))
    }

    /// Eight octets.
    ///
    /// # Errors
    /// [`Fault::Short`] when fewer octets are left.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    /// Eight octets, two's complement.
    ///
    /// # Errors
    /// [`Fault::Short`] when fewer octets are left.
    pub fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array(what)?))
    }

    /// Eight octets, IEEE 754 binary64.
    ///
    /// # Errors
    /// [`Fault::Short`] when fewer octets are left.
    pub fn f64(&mut self, what: &'static str) -> Result<f64, DecodeError> {
        Ok(f64::from_be_bytes(self.array(what)?))
    }

    /// A Broker *varbyte*: LEB128, at most five octets. Source: `formats.md` 2.1.
    ///
    /// # Errors
    /// [`Fault::Short`] when the input ends within it, [`Fault::Expected`] when the fifth octet is not its last.
    pub fn varbyte(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let start = self.at;
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let octet = self.u8(what)?;
            value |= u64::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError { offset: start, fault: Fault::Expected("a length of at most five octets") })
    }

    /// Promises `count` elements of at least `each` octets to a container that now opens, and returns `count`: as many
    /// elements may be reserved. Before reading each of them, call [`Cursor::redeem`] with the same `each`.
    ///
    /// # Errors
    /// [`Fault::Short`] when they cannot all be there, counting what was promised to the containers around this one.
    pub fn claim(&mut self, count: u64, each: usize, what: &'static str) -> Result<usize, DecodeError> {
        let free = self.left() - self.promised.min(self.left());
        let needed = count.saturating_mul(each as u64);
        if needed > free as u64 {
            return Err(self.error(Fault::Short { what, needed, left: free }));
        }
        self.promised += needed as usize;
        Ok(count as usize)
    }

    /// Says that one of the claimed elements is about to be read.
    pub fn redeem(&mut self, each: usize) {
        self.promised = self.promised.saturating_sub(each);
    }

    /// A run of `length` octets, such as a string, checked against what is left and not promised.
    ///
    /// # Errors
    /// [`Fault::Short`] when fewer octets are left and not promised.
    pub fn octets(&mut self, length: u64, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let count = self.claim(length, 1, what)?;
        self.redeem(count);
        self.take(count, what)
    }

    /// Enters one level of nesting; [`Cursor::ascend`] leaves it.
    ///
    /// # Errors
    /// [`Fault::TooDeep`] at the limit.
    pub fn descend(&mut self) -> Result<(), DecodeError> {
        if self.depth >= self.max_depth {
            return Err(self.error(Fault::TooDeep { limit: self.max_depth }));
        }
        self.depth += 1;
        Ok(())
    }

    /// Leaves a level that [`Cursor::descend`] entered.
    pub fn ascend(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Refuses what follows the message.
    ///
    /// # Errors
    /// [`Fault::Trailing`] when octets are left.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.error(Fault::Trailing { left })),
        }
    }
}

/// Appends a Broker *varbyte* in its shortest form. Lengths above 2^32-1 cannot be read by any peer.
pub fn put_varbyte(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varbytes_are_written_shortest_and_read_back() {
        let cases: [(usize, &[u8]); 6] = [
            (0, &[0]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (130, &[0x82, 1]),
            (200, &[0xc8, 1]),
            (20000, &[0xa0, 0x9c, 1]),
        ];
        for (value, octets) in cases {
            let mut out = Vec::new();
            put_varbyte(&mut out, value);
            assert_eq!(out, octets);
            assert_eq!(Cursor::new(octets, 0).varbyte("length"), Ok(value as u64));
        }
    }

    #[test]
    fn a_varbyte_may_be_longer_than_needed_but_not_longer_than_five_octets() {
        assert_eq!(Cursor::new(&[0x80, 0x80, 0x80, 0x80, 0], 0).varbyte("length"), Ok(0));
        assert!(Cursor::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0], 0).varbyte("length").is_err());
        assert!(Cursor::new(&[0x80], 0).varbyte("length").is_err());
    }

    #[test]
    fn a_claim_counts_what_the_containers_around_it_still_need() {
        let mut cursor = Cursor::new(&[0; 10], 0);
        assert_eq!(cursor.claim(10, 1, "outer"), Ok(10));
        cursor.redeem(1);
        assert_eq!(cursor.claim(1, 1, "inner"), Ok(1));
        let refused = cursor.claim(1, 1, "inner").expect_err("all ten octets are promised");
        assert_eq!(refused.fault, Fault::Short { what: "inner", needed: 1, left: 0 });
        assert!(Cursor::new(&[0; 10], 0).claim(u64::MAX, 9, "many").is_err());
    }

    #[test]
    fn errors_say_where_and_what() {
        let mut cursor = Cursor::new(&[1, 2, 3], 0);
        let _ = cursor.u8("tag");
        let refused = cursor.u64("count").expect_err("two octets are no count");
        assert_eq!(refused.to_string(), "decode octet 1: count needs 8 octets, 2 are left");
        assert_eq!(
            cursor.finish().expect_err("two octets are left").to_string(),
            "decode octet 1: 2 octets follow the end of the message"
        );
    }
}
