//! Standard output and error of nodes: files that the nodes append to themselves, so that no agent is needed for it.
//!
//! They are bounded: one that is too large is put aside before a start, and cut while its node runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// A file of this size is put aside.
pub const MAX_BYTES: u64 = 8 << 20;

/// How many are kept aside: `.1` is the newest.
const KEPT: u32 = 3;

/// The most that [`tail`] reads.
const TAIL_BYTES: u64 = 4 << 20;

/// How often a followed file is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// Opens for appending, mode 0600; what is too large already is put aside first.
pub fn open(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|file| file.len() >= MAX_BYTES) {
        put_aside(path)?;
        fs::rename(path, aside(path, 1))?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Cuts a file that its node is still writing to and that has become too large; it is copied aside first. Lines that are
/// written between the copy and the cut are lost: the alternative is a full disk.
pub fn bound(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(file) if file.len() >= MAX_BYTES => {}
        _ => return Ok(()),
    }
    put_aside(path)?;
    let mut from = File::open(path)?;
    let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(aside(path, 1))?;
    // At most twice the bound is kept, however fast the node writes.
    from.seek(SeekFrom::Start(from.metadata()?.len().saturating_sub(2 * MAX_BYTES)))?;
    io::copy(&mut from, &mut to)?;
    to.flush()?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

/// Makes room for a new `.1`.
fn put_aside(path: &Path) -> io::Result<()> {
    for n in (1..KEPT).rev() {
        match fs::rename(aside(path, n), aside(path, n + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn aside(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

/// What is in a file from `from` on, at most `max` bytes of its end; empty when there is no such file.
pub fn read_end(path: &Path, from: u64, max: u64) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let from = if from > length { 0 } else { from };
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(max))))?;
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last `lines` lines of some text, line ends included.
pub fn last_lines(text: &[u8], lines: u64) -> &[u8] {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let Some(skip) = usize::try_from(lines).ok().filter(|lines| *lines > 0) else {
        return if lines == 0 { &[] } else { text };
    };
    match body.iter().enumerate().rev().filter(|(_, b)| **b == b'\n').nth(skip - 1) {
        Some((at, _)) => &text[at + 1..],
        None => text,
    }
}

/// The last `lines` lines of a file, and where they end.
pub fn tail(path: &Path, lines: u64) -> io::Result<(Bytes, u64)> {
    let bytes = read_end(path, 0, TAIL_BYTES)?;
    let end = fs::metadata(path).map(|file| file.len()).unwrap_or(0);
    Ok((Bytes::copy_from_slice(last_lines(&bytes, lines)), end))
}

/// What is appended to a file from `position` on, through its being cut or replaced, until dropped.
pub fn follow(path: PathBuf, position: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let follower = Follower { path, position, inode: None };
    futures_util::stream::unfold(follower, |mut follower| async move {
        let chunk = follower.next().await;
        Some((chunk, follower))
    })
}

struct Follower {
    path: PathBuf,
    position: u64,
    inode: Option<u64>,
}

impl Follower {
    async fn next(&mut self) -> io::Result<Bytes> {
        loop {
            match self.read().await {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Ok(bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(FOLLOW_EVERY).await;
        }
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        let mut file = tokio::fs::File::open(&self.path).await?;
        let now = file.metadata().await?;
        if self.inode.is_some_and(|inode| inode != now.ino()) || now.len() < self.position {
            self.position = 0;
        }
        self.inode = Some(now.ino());
        if now.len() == self.position {
            return Ok(Bytes::new());
        }
        file.seek(SeekFrom::Start(self.position)).await?;
        let mut buffer = Vec::new();
        file.take(64 << 10).read_to_end(&mut buffer).await?;
        self.position += buffer.len() as u64;
        Ok(buffer.into())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[test]
    fn last_lines_counts_a_line_without_an_end() {
        assert_eq!(last_lines(b"a\nb\nc\n", 2), b"b\nc\n");
        assert_eq!(last_lines(b"a\nb\nc", 2), b"b\nc");
        assert_eq!(last_lines(b"a\nb\n", 9), b"a\nb\n");
        assert_eq!(last_lines(b"a\nb\n", 0), b"");
        assert_eq!(last_lines(b"", 3), b"");
    }

    #[test]
    fn a_large_file_is_put_aside_and_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stderr.log");
        let mut writer = open(&path).unwrap();
        writer.write_all(&vec![b'x'; MAX_BYTES as usize]).unwrap();
        bound(&path).unwrap();
        writer.write_all(b"next\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"next\n");
        assert_eq!(fs::metadata(aside(&path, 1)).unwrap().len(), MAX_BYTES);
        for _ in 0..2 * KEPT {
            writer.write_all(&vec![b'y'; MAX_BYTES as usize]).unwrap();
            writer = open(&path).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + KEPT as usize);
    }

    #[tokio::test]
    async fn following_survives_a_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stdout.log");
        fs::write(&path, "one\n").unwrap();
        let mut lines = Box::pin(follow(path.clone(), 0));
        assert_eq!(lines.next().await.unwrap().unwrap(), "one\n");
        fs::write(&path, "2\n").unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap(), "2\n");
    }
}
