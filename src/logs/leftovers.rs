//! What a killed logger left open: its last line may be half written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// Octets that are read at a time.
const CHUNK: usize = 64 << 10;

/// How a gzip file of an earlier run begins.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Cuts off a last line that has no end, of a compressed file what cannot be read as well; gives the number of octets.
/// `unfinished` is a name for a copy.
pub(super) fn mend(file: &Path, unfinished: &Path) -> io::Result<u64> {
    if file.extension().is_some_and(|extension| extension == "log") {
        return mend_plain(file);
    }
    let mut start = [0; 2];
    let is_gzip = File::open(file)?.read_exact_at(&mut start, 0).is_ok() && start == GZIP;
    if is_gzip { mend_compressed(file, unfinished) } else { Ok(0) }
}

fn mend_plain(path: &Path) -> io::Result<u64> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let whole = end_of_last_line(&file, length)?;
    if whole < length {
        file.set_len(whole)?;
    }
    Ok(length - whole)
}

fn end_of_last_line(file: &File, length: u64) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        let part = &mut chunk[..usize::try_from(end - start).unwrap_or(CHUNK)];
        file.read_exact_at(part, start)?;
        if let Some(newline) = part.iter().rposition(|octet| *octet == b'\n') {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// The lines of a compressed file that can be read whole are compressed anew; one that is whole stays as it is, and so does
/// one of which no line can be read.
fn mend_compressed(path: &Path, unfinished: &Path) -> io::Result<u64> {
    let lines = read_lines(path, &mut io::sink())?;
    if lines.is_whole || lines.whole == 0 {
        return Ok(0);
    }
    let result = copy_lines(path, unfinished).and_then(|()| fs::rename(unfinished, path));
    if result.is_err() {
        // The next start looks for it as well.
        let _ = fs::remove_file(unfinished);
    }
    result.map(|()| lines.torn.max(1))
}

fn copy_lines(path: &Path, unfinished: &Path) -> io::Result<()> {
    let mut to = GzEncoder::new(File::create(unfinished)?, Compression::default());
    read_lines(path, &mut to)?;
    let to = to.finish()?;
    // It looks as old as it is: that is when its log was closed.
    to.set_modified(fs::metadata(path)?.modified()?)?;
    to.sync_all()
}

/// What could be read of a compressed file.
struct Lines {
    /// Octets of whole lines.
    whole: u64,
    /// Octets after them.
    torn: u64,
    /// Nothing is missing or left over.
    is_whole: bool,
}

/// Gives the whole lines to `to`.
fn read_lines(path: &Path, to: &mut impl Write) -> io::Result<Lines> {
    let mut from = MultiGzDecoder::new(File::open(path)?);
    let mut chunk = vec![0; CHUNK];
    let (mut lines, mut line) = (Lines { whole: 0, torn: 0, is_whole: false }, Vec::new());
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => {
                lines.is_whole = line.is_empty();
                break;
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Cut short: what came before is right.
            Err(_) => break,
        };
        let read = &chunk[..count];
        let end = read.iter().rposition(|octet| *octet == b'\n').map_or(0, |newline| newline + 1);
        if end > 0 {
            to.write_all(&line)?;
            to.write_all(&read[..end])?;
            lines.whole += (line.len() + end) as u64;
            line.clear();
        }
        line.extend_from_slice(&read[end..]);
    }
    lines.torn = line.len() as u64;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], expected: &str, octets: u64) {
        let folder = tempfile::tempdir().unwrap();
        let (file, copy) = (folder.path().join("conn.log"), folder.path().join("copy"));
        fs::write(&file, text).unwrap();
        assert_eq!(mend(&file, &copy).unwrap(), octets);
        assert_eq!(fs::read_to_string(&file).unwrap(), expected);
        assert!(!copy.exists());
    }

    #[test]
    fn half_a_line_is_cut_off() {
        check(b"a\nb\n", "a\nb\n", 0);
        check(b"a\nb", "a\n", 1);
        check(b"b", "", 1);
        check(b"", "", 0);
        let long = "x".repeat(3 * CHUNK);
        check(format!("a\n{long}").as_bytes(), "a\n", 3 * CHUNK as u64);
        check(format!("{long}\n").as_bytes(), &format!("{long}\n"), 0);
    }

    #[test]
    fn what_can_be_read_of_a_compressed_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("conn.log.gz"), folder.path().join("copy"));
        let text: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(3));
        encoder.write_all(text.as_bytes()).unwrap();
        let whole = encoder.finish().unwrap();
        fs::write(&path, &whole).unwrap();
        assert_eq!(mend(&path, &copy).unwrap(), 0);
        assert_eq!(fs::read(&path).unwrap(), whole, "it is left alone");

        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(mend(&path, &copy).unwrap() > 0);
        let read = io::read_to_string(MultiGzDecoder::new(File::open(&path).unwrap())).unwrap();
        assert!(read.len() > text.len() / 4 && text.starts_with(&read) && read.ends_with('\n'), "{}", read.len());

        fs::write(&path, b"\x1f\x8bnonsense").unwrap();
        assert_eq!(mend(&path, &copy).unwrap(), 0);
        assert_eq!(fs::read(&path).unwrap(), b"\x1f\x8bnonsense", "nothing of it could be read");
    }
}
