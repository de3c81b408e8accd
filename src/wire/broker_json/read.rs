//! The grammar that Zeek's JSON parser accepts, which is not RFC 8259's. Source: `formats.md` 3.3.
//!
//! One pass: an object's `data` is read as what its `@data-type` said. Where `data` comes first it is stepped over,
//! checked only for its grammar, and read when the type is known; at most one repetition for each level of nesting.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::super::codec::{DecodeError, Fault};
use super::{MAX_DEPTH, text};
use crate::data::{Data, Real};

type Result<T> = std::result::Result<T, DecodeError>;

/// The value that the whole of `input` is.
pub(super) fn value(input: &[u8]) -> Result<Data> {
    let mut reader = Reader::new(input);
    let value = reader.typed()?;
    reader.blanks();
    match reader.input.len() - reader.at {
        0 => Ok(value),
        left => Err(reader.error(Fault::Trailing { left })),
    }
}

/// The string that the object of `input` has under `name`, the first of several; none when it is missing or no string.
/// For texts that [`value`] accepted.
pub(super) fn string_member(input: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut found = None;
    let mut reader = Reader::new(input);
    // The members behind the one that is wanted are left unread, by way of an error that nobody sees.
    let _ = reader.object(|reader, each| {
        if each != name {
            return reader.skip();
        }
        found = reader.string().ok().map(Cow::into_owned);
        reader.expected("nothing more")
    });
    found
}

#[derive(Clone)]
struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    /// Objects and arrays that are open.
    level: usize,
}

impl<'a> Reader<'a> {
    /// At the first token.
    fn new(input: &'a [u8]) -> Reader<'a> {
        // Zeek's parser takes a NUL for the end of the text; inside a string that is an error, for the quote is missing.
        let end = input.iter().position(|&octet| octet == 0).unwrap_or(input.len());
        let mut reader = Reader { input: &input[..end], at: 0, level: 0 };
        reader.blanks();
        reader
    }

    fn error(&self, fault: Fault) -> DecodeError {
        DecodeError { offset: self.at, fault }
    }

    fn expected<T>(&self, what: &'static str) -> Result<T> {
        Err(self.error(Fault::Expected(what)))
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// Space, TAB and LF; a CR is none.
    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, token: u8) -> bool {
        let is = self.peek() == Some(token);
        self.at += usize::from(is);
        is
    }

    fn need(&mut self, token: u8, what: &'static str) -> Result<()> {
        if self.eat(token) { Ok(()) } else { self.expected(what) }
    }

    fn word(&mut self, word: &str) -> bool {
        let is = self.input[self.at..].starts_with(word.as_bytes());
        self.at += if is { word.len() } else { 0 };
        is
    }

    fn descend(&mut self) -> Result<()> {
        if self.level >= MAX_DEPTH {
            return Err(self.error(Fault::TooDeep { limit: MAX_DEPTH }));
        }
        self.level += 1;
        Ok(())
    }

    /// Reads `{…}`, handing each member's name to `member`, which reads the value.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &[u8]) -> Result<()>) -> Result<()> {
        self.descend()?;
        self.need(b'{', "an object")?;
        self.items(b'}', |reader| {
            let name = reader.string()?;
            reader.blanks();
            reader.need(b':', "a colon after a member's name")?;
            reader.blanks();
            member(reader, &name)
        })
    }

    /// Reads `[…]`, calling `element` at each element.
    fn array(&mut self, element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.descend()?;
        self.need(b'[', "an array")?;
        self.items(b']', element)
    }

    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.blanks();
        let mut open = !self.eat(end);
        while open {
            item(self)?;
            self.blanks();
            open = !self.eat(end);
            if open {
                self.need(b',', "a comma or the end of the list")?;
                self.blanks();
            }
        }
        self.level -= 1;
        Ok(())
    }

    /// Any value of the grammar, for its grammar only.
    fn skip(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'{') => self.object(|reader, _| reader.skip()),
            Some(b'[') => self.array(Self::skip),
            Some(b'"') => self.string().map(drop),
            Some(b't' | b'f' | b'n') => self.literal().map(drop),
            _ => self.number().map(drop),
        }
    }

    fn literal(&mut self) -> Result<Literal> {
        for (word, literal) in [
            ("true", Literal::Boolean(true)),
            ("false", Literal::Boolean(false)),
            ("null", Literal::Null),
            ("nan", Literal::NotANumber),
        ] {
            if self.word(word) {
                return Ok(literal);
            }
        }
        self.expected("true, false, null or nan")
    }

    /// `{"@data-type": …, "data": …}`; of members that occur twice the first counts.
    fn typed(&mut self) -> Result<Data> {
        let mut data_type = None;
        let mut data_first = None;
        let mut value = None;
        let start = self.at;
        self.object(|reader, name| match name {
            b"@data-type" if data_type.is_none() => {
                data_type = Some(DataType::named(&reader.string()?).ok_or(reader.error(Fault::Expected(DATA_TYPES)))?);
                Ok(())
            }
            b"data" if value.is_none() && data_first.is_none() => {
                match data_type {
                    Some(data_type) => value = Some(reader.data(data_type)?),
                    None => {
                        data_first = Some(reader.clone());
                        reader.skip()?;
                    }
                }
                Ok(())
            }
            _ => reader.skip(),
        })?;
        match (value, data_type, data_first) {
            (Some(value), ..) => Ok(value),
            (None, Some(data_type), Some(mut reader)) => reader.data(data_type),
            (None, Some(DataType::None), None) => Ok(Data::None),
            (None, Some(_), None) => Err(DecodeError { offset: start, fault: Fault::Expected("a member \"data\"") }),
            (None, None, _) => Err(DecodeError { offset: start, fault: Fault::Expected("a member \"@data-type\"") }),
        }
    }

    fn data(&mut self, data_type: DataType) -> Result<Data> {
        Ok(match data_type {
            DataType::None => {
                self.skip()?;
                Data::None
            }
            DataType::Boolean => self.boolean()?,
            DataType::Count => self.count()?,
            DataType::Integer => self.integer()?,
            DataType::Real => self.real()?,
            DataType::String => Data::String(self.string()?.into_owned()),
            DataType::Address => Data::Address(self.parsed(text::to_address, "an IPv4 or IPv6 address")?),
            DataType::Subnet => Data::Subnet(self.parsed(text::to_subnet, "a subnet, ADDRESS/LENGTH")?),
            DataType::Port => Data::Port(self.parsed(text::to_port, "a port, NUMBER/PROTOCOL")?),
            DataType::Timestamp => Data::Timestamp(self.parsed(text::to_timestamp, "a time, YYYY-MM-DDThh:mm:ss.mmm")?),
            DataType::Timespan => {
                Data::Timespan(self.parsed(text::to_timespan, "a time span: a number and ns, us, ms, s, min or h")?)
            }
            DataType::Enum => Data::Enum(self.string()?.into_owned()),
            DataType::Set => self.set()?,
            DataType::Table => self.table()?,
            DataType::Vector => self.vector()?,
        })
    }

    fn parsed<T>(&mut self, parse: fn(&[u8]) -> Option<T>, expected: &'static str) -> Result<T> {
        let start = self.at;
        let text = self.string()?;
        parse(&text).ok_or(DecodeError { offset: start, fault: Fault::Expected(expected) })
    }

    fn vector(&mut self) -> Result<Data> {
        let mut elements = Vec::new();
        self.array(|reader| {
            elements.push(reader.typed()?);
            Ok(())
        })?;
        Ok(Data::Vector(elements))
    }

    fn set(&mut self) -> Result<Data> {
        let mut elements = BTreeSet::new();
        self.array(|reader| {
            let offset = reader.at;
            let is_new = elements.insert(reader.typed()?);
            if is_new { Ok(()) } else { Err(DecodeError { offset, fault: Fault::Duplicate("a set's element") }) }
        })?;
        Ok(Data::Set(elements))
    }

    fn table(&mut self) -> Result<Data> {
        let mut pairs = BTreeMap::new();
        self.array(|reader| {
            let offset = reader.at;
            let (key, value) = reader.pair()?;
            let is_new = pairs.insert(key, value).is_none();
            if is_new { Ok(()) } else { Err(DecodeError { offset, fault: Fault::Duplicate("a table's key") }) }
        })?;
        Ok(Data::Table(pairs))
    }

    fn pair(&mut self) -> Result<(Data, Data)> {
        let (mut key, mut value) = (None, None);
        let start = self.at;
        self.object(|reader, name| {
            match name {
                b"key" if key.is_none() => key = Some(reader.typed()?),
                b"value" if value.is_none() => value = Some(reader.typed()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        key.zip(value).ok_or(DecodeError { offset: start, fault: Fault::Expected("members \"key\" and \"value\"") })
    }

    fn boolean(&mut self) -> Result<Data> {
        match self.clone().literal() {
            Ok(Literal::Boolean(is)) => {
                self.literal()?;
                Ok(Data::Boolean(is))
            }
            _ => self.expected("true or false"),
        }
    }

    fn count(&mut self) -> Result<Data> {
        let offset = self.at;
        match self.number()? {
            Number::Integer(n) if n >= 0 => Ok(Data::Count(n as u64)),
            _ => Err(DecodeError { offset, fault: Fault::Expected("a count: an integer from 0 to 2^64-1") }),
        }
    }

    fn integer(&mut self) -> Result<Data> {
        let offset = self.at;
        let refused = DecodeError { offset, fault: Fault::Expected("an integer of 64 bits") };
        match self.number()? {
            Number::Integer(n) => i64::try_from(n).map(Data::Integer).map_err(|_| refused),
            Number::Float(_) => Err(refused),
        }
    }

    fn real(&mut self) -> Result<Data> {
        let offset = self.at;
        if self.word("nan") {
            return Ok(Data::Real(Real(f64::NAN)));
        }
        match self.number()? {
            Number::Float(x) => Ok(Data::Real(Real(x))),
            Number::Integer(_) => {
                Err(DecodeError { offset, fault: Fault::Expected("a real, with a decimal point or an exponent") })
            }
        }
    }

    /// A number as Zeek reads it: `+` is allowed, `0x`, `0b` and a leading `0` choose the base, `1.` and `.5` are fine.
    fn number(&mut self) -> Result<Number> {
        let start = self.at;
        let negative = self.eat(b'-');
        if !negative {
            self.eat(b'+');
        }
        if self.peek() == Some(b'0') && !matches!(self.input.get(self.at + 1), Some(b'.')) {
            self.at += 1;
            return self.based_integer(negative);
        }
        let whole = self.digits();
        let point = self.eat(b'.');
        let decimals = if point { self.digits() } else { &[] };
        if whole.is_empty() && decimals.is_empty() {
            self.at = start;
            return self.expected("a value");
        }
        let integer = if whole.is_empty() { 0 } else { self.in_base(whole, 10, negative)? };
        let exponent = if matches!(self.peek(), Some(b'e' | b'E')) { Some(self.exponent()?) } else { None };
        if !point && exponent.is_none() {
            return Ok(Number::Integer(integer));
        }
        // Zeek shifts the point past the decimals first, and knows no exponent beyond this one.
        const MAX_EXPONENT: i64 = 511;
        if (exponent.unwrap_or(0) - decimals.len() as i64).abs() > MAX_EXPONENT {
            return self.expected("an exponent within ±511");
        }
        self.float(start).map(Number::Float)
    }

    fn digits(&mut self) -> &'a [u8] {
        let rest = &self.input[self.at..];
        let count = rest.iter().take_while(|c| c.is_ascii_digit()).count();
        self.at += count;
        &rest[..count]
    }

    /// The exponent after its `e`, clamped to what any limit refuses.
    fn exponent(&mut self) -> Result<i64> {
        self.at += 1;
        let negative = self.eat(b'-');
        if !negative {
            self.eat(b'+');
        }
        let digits = self.digits();
        if digits.is_empty() {
            return self.expected("the digits of an exponent");
        }
        const BEYOND: i64 = 1 << 40;
        let value = digits.iter().fold(0, |value, c| (value * 10 + i64::from(c - b'0')).min(BEYOND));
        Ok(if negative { -value } else { value })
    }

    /// After the leading zero of an integer.
    fn based_integer(&mut self, negative: bool) -> Result<Number> {
        let radix = match self.peek() {
            Some(b'x' | b'X') => 16,
            Some(b'b' | b'B') => 2,
            _ => 8,
        };
        self.at += usize::from(radix != 8);
        let rest = &self.input[self.at..];
        let count = rest.iter().take_while(|c| char::from(**c).is_digit(radix)).count();
        if count == 0 {
            return if radix == 8 { Ok(Number::Integer(0)) } else { self.expected("the digits of a number") };
        }
        self.at += count;
        self.in_base(&rest[..count], radix, negative).map(Number::Integer)
    }

    /// The integer of these digits: at most 2^64-1, at least -2^63.
    fn in_base(&self, digits: &[u8], radix: u32, negative: bool) -> Result<i128> {
        let magnitude = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, radix).ok());
        match magnitude {
            Some(n) if !negative => Ok(i128::from(n)),
            Some(n) if n <= 1 << 63 => Ok(-i128::from(n)),
            _ => self.expected("an integer of 64 bits"),
        }
    }

    fn float(&self, start: usize) -> Result<f64> {
        let literal = std::str::from_utf8(&self.input[start..self.at]).ok();
        match literal.and_then(|literal| literal.parse().ok()) {
            Some(x) => Ok(x),
            None => self.expected("a number"),
        }
    }

    /// A string's octets; borrowed when nothing in it is escaped.
    fn string(&mut self) -> Result<Cow<'a, [u8]>> {
        self.need(b'"', "a string")?;
        let start = self.at;
        let mut unescaped: Option<Vec<u8>> = None;
        loop {
            let rest = &self.input[self.at..];
            let Some(run) = rest.iter().position(|c| matches!(c, b'"' | b'\\')) else {
                self.at = self.input.len();
                return self.expected("the closing quote of a string");
            };
            self.at += run + 1;
            if let Some(octets) = &mut unescaped {
                octets.extend_from_slice(&rest[..run]);
            }
            if rest[run] == b'"' {
                let plain = &self.input[start..self.at - 1];
                return Ok(unescaped.map_or(Cow::Borrowed(plain), Cow::Owned));
            }
            let octets = unescaped.get_or_insert_with(|| rest[..run].to_vec());
            self.escape(octets)?;
        }
    }

    /// After a backslash.
    fn escape(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let octet = match self.peek() {
            Some(octet @ (b'"' | b'\\')) => octet,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 0x0b,
            // So Zeek does; its parser lets the escape pass and its unescaper does not know it.
            Some(b'/') => b'?',
            Some(b'u') => return self.code_point(out),
            _ => return self.expected("an escape: one of \" \\ / b f n r t v u"),
        };
        self.at += 1;
        out.push(octet);
        Ok(())
    }

    /// At the `u` of an escape. A lone low surrogate becomes three octets, as in Zeek.
    fn code_point(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let unit = self.utf16_unit()?;
        let code = if (0xd800..0xdc00).contains(&unit) {
            if !self.eat(b'\\') {
                return self.expected("the second half of a surrogate pair");
            }
            let low = self.utf16_unit()?;
            if !(0xdc00..0xe000).contains(&low) {
                return self.expected("the second half of a surrogate pair");
            }
            0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00))
        } else {
            unit
        };
        match char::from_u32(code) {
            Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            None => {
                out.extend([0xe0 | (code >> 12) as u8, 0x80 | (code >> 6 & 0x3f) as u8, 0x80 | (code & 0x3f) as u8])
            }
        }
        Ok(())
    }

    fn utf16_unit(&mut self) -> Result<u32> {
        self.need(b'u', "u and four hexadecimal digits")?;
        let digits = self.input.get(self.at..).and_then(|rest| rest.get(..4));
        let unit = digits
            .and_then(|digits| digits.iter().try_fold(0, |unit, c| Some(unit << 4 | char::from(*c).to_digit(16)?)));
        match unit {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => self.expected("four hexadecimal digits"),
        }
    }
}

enum Literal {
    Boolean(bool),
    Null,
    NotANumber,
}

enum Number {
    /// From -2^63 to 2^64-1.
    Integer(i128),
    Float(f64),
}

#[derive(Clone, Copy)]
enum DataType {
    None,
    Boolean,
    Count,
    Integer,
    Real,
    String,
    Address,
    Subnet,
    Port,
    Timestamp,
    Timespan,
    Enum,
    Set,
    Table,
    Vector,
}

const DATA_TYPES: &str = "a type's name: none, boolean, count, integer, real, string, address, subnet, port, timestamp, \
                          timespan, enum-value, set, table or vector";

impl DataType {
    fn named(name: &[u8]) -> Option<DataType> {
        Some(match name {
            b"none" => DataType::None,
            b"boolean" => DataType::Boolean,
            b"count" => DataType::Count,
            b"integer" => DataType::Integer,
            b"real" => DataType::Real,
            b"string" => DataType::String,
            b"address" => DataType::Address,
            b"subnet" => DataType::Subnet,
            b"port" => DataType::Port,
            b"timestamp" => DataType::Timestamp,
            b"timespan" => DataType::Timespan,
            b"enum-value" => DataType::Enum,
            b"set" => DataType::Set,
            b"table" => DataType::Table,
            b"vector" => DataType::Vector,
            _ => return None,
        })
    }
}
