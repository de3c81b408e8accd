//! The lines of a stream, each of bounded length.

use tokio::io::{AsyncRead, AsyncReadExt};

/// What of a line is kept.
const LINE_LIMIT: usize = 4 << 10;

/// Reads a stream line by line.
pub(super) struct Lines<Stream> {
    stream: Stream,
    pending: Vec<u8>,
    ended: bool,
}

impl<Stream: AsyncRead + Unpin> Lines<Stream> {
    pub fn new(stream: Stream) -> Lines<Stream> {
        Lines { stream, pending: Vec::new(), ended: false }
    }

    /// The next line without its end; none at the end of the stream. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=at).collect();
                return Some(text(&line));
            }
            if self.ended {
                let rest = std::mem::take(&mut self.pending);
                return (!rest.is_empty()).then(|| text(&rest));
            }
            let mut piece = [0; 4 << 10];
            match self.stream.read(&mut piece).await {
                Ok(0) | Err(_) => self.ended = true,
                Ok(count) => {
                    // The rest of an endless line is dropped up to its end.
                    let kept = if self.pending.len() < LINE_LIMIT { 0 } else { end_of_line(&piece[..count]) };
                    self.pending.extend_from_slice(&piece[kept..count]);
                }
            }
        }
    }
}

fn end_of_line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len())
}

/// Without control characters: it may come from the server, and ends up on a terminal.
fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded_and_tame() {
        let long = vec![b'x'; 100 << 10];
        let stream = [b"one\r\n\x1b[2Jtwo\n".as_slice(), &long, b"\nlast"].concat();
        let mut lines = Lines::new(stream.as_slice());
        assert_eq!(lines.next().await.as_deref(), Some("one"));
        assert_eq!(lines.next().await.as_deref(), Some("[2Jtwo"));
        assert!(lines.next().await.is_some_and(|line| line.len() <= 3 * LINE_LIMIT));
        assert_eq!(lines.next().await.as_deref(), Some("last"));
        assert_eq!(lines.next().await, None);
    }
}
