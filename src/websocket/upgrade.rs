//! The HTTP request that begins a connection, and the answers to it. Source: `websocket.md` 4.
//!
//! Checks, their order and their texts are Zeek's; the answers are whole HTTP here, and a wrong path has one of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout_at;

/// The one path.
pub(super) const PATH: &str = "/v1/messages/json";
/// Longest line of a request. Source: `websocket.md` 4.
const MAX_LINE: usize = 1023;
/// Most header lines.
const MAX_LINES: usize = 128;
/// RFC 6455, 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const SERVER: &str = concat!("zeek-cluster/", env!("CARGO_PKG_VERSION"));

/// A request that may be upgraded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    key: Vec<u8>,
    /// `X-Application-Name` as it came, white space around it stripped.
    pub(super) application_name: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    origin: Option<Vec<u8>>,
}

/// Why a request is not upgraded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) text: String,
}

/// Reads a request; what came behind it stays in the buffer. None when the client left.
pub(super) async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    deadline: tokio::time::Instant,
) -> Option<Result<Request, Refused>> {
    let mut reader = Reader::default();
    loop {
        match reader.feed(buffer) {
            Ok(None) => {}
            Ok(Some(request)) => {
                buffer.advance(reader.at);
                return Some(Ok(request));
            }
            Err(refused) => return Some(Err(refused)),
        }
        match timeout_at(deadline, stream.read_buf(buffer)).await {
            Err(_) => return Some(Err(reader.unreadable())),
            Ok(Ok(1..)) => {}
            Ok(_) => return None,
        }
    }
}

/// A request as far as it came.
#[derive(Default)]
struct Reader {
    /// Where the next line begins.
    at: usize,
    lines: usize,
    target: Option<Vec<u8>>,
    headers: Headers,
}

#[derive(Default)]
struct Headers {
    key: Option<Vec<u8>>,
    upgrade: Option<Vec<u8>>,
    version: Option<Vec<u8>>,
    application_name: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    origin: Option<Vec<u8>>,
}

impl Reader {
    /// Takes the lines that are complete; the request when that was the last.
    fn feed(&mut self, buffer: &[u8]) -> Result<Option<Request>, Refused> {
        loop {
            let rest = &buffer[self.at..];
            let Some(end) = rest.iter().take(MAX_LINE + 1).position(|octet| *octet == b'\n') else {
                return if rest.len() > MAX_LINE { Err(self.unreadable()) } else { Ok(None) };
            };
            let line = &rest[..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.at += end + 1;
            self.lines += 1;
            if self.lines > MAX_LINES {
                return Err(self.unreadable());
            }
            match (&self.target, line) {
                (None, line) => self.target = Some(target(line)?),
                (Some(target), b"") => return self.headers.request(target).map(Some),
                (Some(_), line) => self.headers.take(line),
            }
        }
    }

    /// What to answer when it does not come to an end.
    fn unreadable(&self) -> Refused {
        bad(if self.target.is_none() { "Error reading HTTP request line" } else { "Error parsing HTTP headers" })
    }
}

/// The target of a request line.
fn target(line: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut words = line.split(|octet| *octet == b' ').filter(|word| !word.is_empty());
    let mut word = || words.next().unwrap_or_default();
    let (method, target, version) = (word(), word(), word());
    if method != b"GET" {
        return Err(bad(format!("Invalid HTTP method, need GET, got {}", shown(method))));
    }
    if version != b"HTTP/1.1" {
        return Err(bad(format!("Invalid HTTP version, need HTTP/1.1, got: {}", shown(version))));
    }
    Ok(target.to_vec())
}

impl Headers {
    /// Takes a line; of several headers of one name the last wins, and what is no header is passed over.
    fn take(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { return };
        let (name, value) = (line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii().to_vec());
        match &name[..] {
            b"sec-websocket-key" => self.key = Some(value),
            b"upgrade" => self.upgrade = Some(value),
            b"sec-websocket-version" => self.version = Some(value),
            b"host" => self.host = Some(value),
            b"origin" => self.origin = Some(value),
            b"x-application-name" => self.application_name = Some(value),
            _ => {}
        }
    }

    /// The request for a target, in Zeek's order of checks; the path comes last.
    fn request(&mut self, target: &[u8]) -> Result<Request, Refused> {
        let key =
            self.key.take().filter(|key| !key.is_empty()).ok_or_else(|| bad("Missing Sec-WebSocket-Key value"))?;
        let upgrade = self.upgrade.take().ok_or_else(|| bad("Missing Upgrade header"))?;
        if !upgrade.eq_ignore_ascii_case(b"websocket") && !upgrade.eq_ignore_ascii_case(b"keep-alive, Upgrade") {
            return Err(bad(format!("Invalid Upgrade header, need WebSocket, got {}", shown(&upgrade))));
        }
        let version = self.version.take().ok_or_else(|| bad("Missing Sec-WebSocket-Version value"))?;
        if version != b"13" {
            return Err(bad(format!("Invalid Sec-WebSocket-Version, need 13, got {}", shown(&version))));
        }
        if target != PATH.as_bytes() {
            return Err(Refused { status: 404, text: format!("Invalid URI - use {PATH}") });
        }
        let (application_name, host, origin) = (self.application_name.take(), self.host.take(), self.origin.take());
        Ok(Request { key, application_name, host, origin })
    }
}

impl Request {
    /// Why a page of another site must not connect. Only browsers send `Origin`, and always do: without this check any page in a
    /// browser near the manager could read all events and send any. Source: RFC 6455, 10.2.
    pub(super) fn foreign_origin(&self, allowed: &[String]) -> Option<Refused> {
        let origin = self.origin.as_deref()?;
        let own = origin.splitn(2, |octet| *octet == b'/').nth(1).and_then(|rest| rest.strip_prefix(b"/"));
        let is_own = own.zip(self.host.as_deref()).is_some_and(|(own, host)| own.eq_ignore_ascii_case(host));
        let is_allowed = |each: &String| each == "*" || origin.eq_ignore_ascii_case(each.as_bytes());
        if is_own || allowed.iter().any(is_allowed) {
            return None;
        }
        let text =
            format!("Origin {} is not allowed (`origins` of this node's `websocket` in the layout)", shown(origin));
        Some(Refused { status: 403, text })
    }

    /// The answer that turns the connection into one of frames.
    pub(super) fn accept(&self) -> String {
        let accept = STANDARD.encode(Sha1::new().chain_update(&self.key).chain_update(GUID).finalize());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nServer: {SERVER}\r\n\r\n"
        )
    }
}

impl Refused {
    /// The answer; the connection ends with it.
    pub(super) fn answer(&self) -> String {
        let Refused { status, text } = self;
        let reason = match status {
            403 => "Forbidden",
            404 => "Not Found",
            _ => text,
        };
        let length = text.len() + 1;
        format!(
            "HTTP/1.1 {status} {reason}\r\nServer: {SERVER}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{text}\n"
        )
    }
}

fn bad(text: impl Into<String>) -> Refused {
    Refused { status: 400, text: text.into() }
}

/// Octets of a stranger, fit for an answer and a log.
fn shown(octets: &[u8]) -> String {
    let text: String = octets.iter().take(64).map(|octet| char::from(*octet)).collect();
    text.replace(|c: char| !c.is_ascii_graphic() && c != ' ', "?")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SAMPLE: &str = "GET /v1/messages/json HTTP/1.1\r\nhost: x\r\nsec-websocket-KEY:  dGhlIHNhbXBsZSBub25jZQ== \r\n\
                          Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n";

    fn feed(text: &[u8]) -> Result<Option<Request>, Refused> {
        Reader::default().feed(text)
    }

    fn refused(text: &str) -> String {
        let refused = feed(text.as_bytes()).expect_err(text);
        format!("{} {}", refused.status, refused.text)
    }

    #[test]
    fn the_sample_of_the_standard_is_accepted() {
        let request = feed(SAMPLE.as_bytes()).unwrap().unwrap();
        assert_eq!(request.application_name, None);
        assert!(request.accept().contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    }

    #[test]
    fn a_request_may_come_octet_by_octet_and_what_is_behind_it_is_left() {
        let text = format!("{SAMPLE}\x01rest");
        let mut reader = Reader::default();
        let found = (0..text.len()).find_map(|end| reader.feed(&text.as_bytes()[..end]).expect("fine so far"));
        assert!(found.is_some());
        assert_eq!(&text[reader.at..], "\x01rest");
    }

    #[test]
    fn what_is_wrong_is_said_in_zeek_s_words_and_order() {
        let with = |from: &str, to: &str| SAMPLE.replace(from, to);
        assert_eq!(refused(&with("GET", "POST")), "400 Invalid HTTP method, need GET, got POST");
        assert_eq!(refused(&with("HTTP/1.1", "HTTP/1.0")), "400 Invalid HTTP version, need HTTP/1.1, got: HTTP/1.0");
        assert_eq!(refused(&with("sec-websocket-KEY", "x")), "400 Missing Sec-WebSocket-Key value");
        assert_eq!(refused(&with("Upgrade: W", "x: W")), "400 Missing Upgrade header");
        assert_eq!(refused(&with("WebSocket\r\n", "h2c\r\n")), "400 Invalid Upgrade header, need WebSocket, got h2c");
        assert_eq!(refused(&with("Sec-WebSocket-Version", "x")), "400 Missing Sec-WebSocket-Version value");
        assert_eq!(refused(&with(": 13", ": 8")), "400 Invalid Sec-WebSocket-Version, need 13, got 8");
        for path in ["/", "/v1/messages/json/", "/v1/messages/json?x=1", "/v0/messages/json"] {
            assert_eq!(refused(&with(PATH, path)), "404 Invalid URI - use /v1/messages/json", "{path}");
        }
        // Zeek's first check wins.
        assert_eq!(refused("PUT / HTTP/0.9\r\n"), "400 Invalid HTTP method, need GET, got PUT");
        assert_eq!(refused("\r\n"), "400 Invalid HTTP method, need GET, got ");
    }

    #[test]
    fn lines_and_their_number_are_limited() {
        assert_eq!(refused(&"x".repeat(MAX_LINE + 1)), "400 Error reading HTTP request line");
        let header = SAMPLE.replace("host", &"h".repeat(MAX_LINE));
        assert_eq!(refused(&header), "400 Error parsing HTTP headers");
        let many = SAMPLE.replace("host: x\r\n", &"a: b\r\n".repeat(MAX_LINES));
        assert_eq!(refused(&many), "400 Error parsing HTTP headers");
    }

    #[test]
    fn a_page_of_another_site_is_kept_out() {
        let refused = |host: &str, origin: &str, allowed: &[&str]| {
            let text = SAMPLE.replace("host: x", &format!("Host: {host}\r\nOrigin: {origin}"));
            let allowed: Vec<String> = allowed.iter().map(|each| (*each).to_owned()).collect();
            let request = feed(text.as_bytes()).expect("a request").expect("whole");
            request.foreign_origin(&allowed).map(|refused| refused.status)
        };
        assert_eq!(refused("h:27759", "https://evil.example", &[]), Some(403));
        assert_eq!(refused("h:27759", "null", &[]), Some(403));
        assert_eq!(refused("h:27759", "http://h", &[]), Some(403), "another port is another site");
        assert_eq!(refused("h:27759", "http://H:27759", &[]), None);
        assert_eq!(refused("h:27759", "https://console.example", &["https://console.example"]), None);
        assert_eq!(refused("h:27759", "https://evil.example", &["https://console.example"]), Some(403));
        assert_eq!(refused("h:27759", "https://any.example", &["*"]), None);
        let without = feed(SAMPLE.as_bytes()).expect("a request").expect("whole");
        assert_eq!(without.foreign_origin(&[]), None, "no browser");
    }

    #[test]
    fn the_last_application_name_wins() {
        let names = "X-Application-Name: one\r\nx-application-name: \t two \r\nhost";
        let request = feed(SAMPLE.replace("host", names).as_bytes()).unwrap().unwrap();
        assert_eq!(request.application_name.as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn an_answer_shows_nothing_that_could_harm_its_reader() {
        let hostile = "G\x1b[31mT\u{fc} / HTTP/1.1\r\n";
        assert_eq!(refused(hostile), "400 Invalid HTTP method, need GET, got G?[31mT??");
        let answer = Refused { status: 404, text: "x".to_owned() }.answer();
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n") && answer.ends_with("\r\n\r\nx\n"), "{answer}");
    }

    proptest! {
        #[test]
        fn nothing_that_a_stranger_sends_panics(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _either = feed(&octets);
            let _either = feed(&[&SAMPLE.as_bytes()[..40], &octets].concat());
        }
    }
}
