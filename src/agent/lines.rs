//! Lines out of an HTTP answer that has no end: newline-delimited JSON, or plain text.

use std::marker::PhantomData;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;

/// No line of our streams is longer: an `AgentStatus` of a thousand nodes is a quarter of it.
pub const MAX_LINE_BYTES: usize = 4 << 20;

/// Why a stream of lines ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The connection broke.
    #[error("the stream broke off")]
    Broken(#[source] reqwest::Error),
    /// A line exceeds [`MAX_LINE_BYTES`].
    #[error("a line of the stream is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// A line is not the JSON that was expected.
    #[error("a line of the stream cannot be read: {line}")]
    Json {
        /// The beginning of the line.
        line: String,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
}

type Chunks = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// Lines of text without their line ends; a last line without one is given too. Bytes that are not UTF-8 are replaced.
pub struct TextLines {
    chunks: Chunks,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end, so that a long line is not searched again and again.
    searched: usize,
    ended: bool,
}

impl TextLines {
    pub(super) fn new(response: reqwest::Response) -> TextLines {
        TextLines { chunks: Box::pin(response.bytes_stream()), buffer: BytesMut::new(), searched: 0, ended: false }
    }

    /// The next line; none at the end of the stream. Cancel safe: a line is either returned or kept.
    pub async fn next(&mut self) -> Option<Result<String, LineError>> {
        Some(self.next_bytes().await?.map(|line| String::from_utf8_lossy(&line).into_owned()))
    }

    async fn next_bytes(&mut self) -> Option<Result<BytesMut, LineError>> {
        loop {
            if let Some(line) = self.take_line() {
                return Some(Ok(line));
            }
            if self.ended {
                return self.take_rest().map(Ok);
            }
            if self.buffer.len() > MAX_LINE_BYTES {
                return Some(Err(self.end_with(LineError::TooLong)));
            }
            match self.chunks.next().await {
                Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(Err(error)) => return Some(Err(self.end_with(LineError::Broken(error)))),
                None => self.ended = true,
            }
        }
    }

    fn take_line(&mut self) -> Option<BytesMut> {
        match self.buffer[self.searched..].iter().position(|&b| b == b'\n') {
            Some(at) => {
                let mut line = self.buffer.split_to(self.searched + at + 1);
                line.truncate(self.searched + at);
                self.searched = 0;
                Some(line)
            }
            None => {
                self.searched = self.buffer.len();
                None
            }
        }
    }

    fn take_rest(&mut self) -> Option<BytesMut> {
        self.searched = 0;
        (!self.buffer.is_empty()).then(|| self.buffer.split())
    }

    /// After an error the stream yields nothing more.
    fn end_with(&mut self, error: LineError) -> LineError {
        self.buffer.clear();
        self.searched = 0;
        self.ended = true;
        error
    }
}

/// Newline-delimited JSON, one `T` a line; empty lines (keep-alives) are skipped.
pub struct JsonLines<T> {
    lines: TextLines,
    shape: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> JsonLines<T> {
    pub(super) fn new(response: reqwest::Response) -> JsonLines<T> {
        JsonLines { lines: TextLines::new(response), shape: PhantomData }
    }

    /// The next value; none at the end of the stream. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<T, LineError>> {
        loop {
            let line = match self.lines.next_bytes().await? {
                Ok(line) if line.is_empty() => continue,
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            return Some(serde_json::from_slice(&line).map_err(|source| LineError::Json {
                line: String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned(),
                source,
            }));
        }
    }
}
