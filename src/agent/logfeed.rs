//! `cluster.log` as an answer: [`LogTail`] blocks, so it has a thread of its own for as long as somebody reads.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};

use super::logtail::{LogQuery, LogTail};

/// Lines that are read ahead; the thread waits when there are more.
const AHEAD: usize = 512;

/// Records of the folder `logs` as newline-delimited JSON. The thread ends when the stream is dropped.
pub async fn open(logs: PathBuf, query: LogQuery) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send> {
    let stop = Stop(Arc::new(AtomicBool::new(false)));
    let (lines, feed) = mpsc::channel(AHEAD);
    let (opened, result) = oneshot::channel();
    let told = stop.0.clone();
    let read = move || match LogTail::open(&logs, query, told) {
        Ok(tail) => {
            // Whoever asked may have left; then the lines find no reader either.
            let _ = opened.send(Ok(()));
            send_all(tail, &lines);
        }
        Err(error) => {
            let _ = opened.send(Err(error));
        }
    };
    thread::Builder::new().name("log-tail".into()).spawn(read)?;
    result.await.map_err(|_| io::Error::other("the log could not be read to its end"))??;
    Ok(futures_util::stream::unfold((feed, stop), |(mut feed, stop)| async move {
        let piece = next_piece(&mut feed).await?;
        Some((piece, (feed, stop)))
    }))
}

/// Tells the thread to end, also while it waits for a line that never comes.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn send_all(tail: LogTail, lines: &mpsc::Sender<io::Result<Vec<u8>>>) {
    for line in tail {
        let line = line.and_then(|line| {
            let mut json = serde_json::to_vec(&line)?;
            json.push(b'\n');
            Ok(json)
        });
        if lines.blocking_send(line).is_err() {
            return;
        }
    }
}

/// All lines that are there, as one piece: a long history is not sent line by line.
async fn next_piece(feed: &mut mpsc::Receiver<io::Result<Vec<u8>>>) -> Option<io::Result<Bytes>> {
    let mut lines = Vec::new();
    feed.recv_many(&mut lines, AHEAD).await;
    let joined: io::Result<Vec<Vec<u8>>> = lines.into_iter().collect();
    match joined {
        Ok(lines) if lines.is_empty() => None,
        Ok(lines) => Some(Ok(lines.concat().into())),
        Err(error) => Some(Err(error)),
    }
}
