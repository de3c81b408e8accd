//! A file of JSON lines that never grows beyond a bound.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A file of this size is put aside as `NAME.1`; the one before it is dropped.
const MAX_BYTES: u64 = 2 << 20;

/// Longer lines are not read back.
const MAX_LINE: usize = 1 << 20;

/// Appends lines, each with one write, so that lines of several processes do not mix; mode 0600.
#[derive(Debug)]
pub struct LineFile {
    path: Mutex<PathBuf>,
}

impl LineFile {
    /// Nothing is opened before the first line.
    pub fn new(path: PathBuf) -> LineFile {
        LineFile { path: Mutex::new(path) }
    }

    /// Appends a line.
    ///
    /// # Errors
    /// When the file cannot be opened, written or put aside, and when `line` does not become JSON.
    pub fn append(&self, line: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        let path = self.path.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if fs::metadata(&*path).is_ok_and(|file| file.len() >= MAX_BYTES) {
            fs::rename(&*path, aside(&path))?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&*path)?;
        if is_torn(&file)? {
            line.insert(0, b'\n');
        }
        file.write_all(&line)
    }

    /// What was appended and is still kept, oldest first. A line that cannot be read (of another version, or cut off by a
    /// full disk) is left out; a file that is not there has no lines.
    ///
    /// # Errors
    /// When one of the two files is there and cannot be read.
    pub fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
        let mut lines = Vec::new();
        for path in [aside(path), path.to_owned()] {
            let mut file = match File::open(&path) {
                Ok(file) => BufReader::new(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut line = Vec::new();
            loop {
                line.clear();
                if file.read_until(b'\n', &mut line)? == 0 {
                    break;
                }
                if line.len() <= MAX_LINE {
                    lines.extend(serde_json::from_slice::<T>(&line).ok());
                }
            }
        }
        Ok(lines)
    }
}

/// Whether the last line was cut off, by a full disk or a killed writer: the next one must not be glued to it.
fn is_torn(file: &File) -> io::Result<bool> {
    let Some(last) = file.metadata()?.len().checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    Ok(file.read_at(&mut byte, last)? == 1 && byte != *b"\n")
}

/// Where a full file is put.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn lines_are_appended_privately_and_a_large_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        assert_eq!(LineFile::read::<u8>(&path).unwrap(), [0; 0]);
        let file = LineFile::new(path.clone());
        file.append(&1).unwrap();
        file.append(&2).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut large = fs::OpenOptions::new().append(true).open(&path).unwrap();
        large.write_all(&vec![b'\n'; MAX_BYTES as usize]).unwrap();
        file.append(&3).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n");
        assert_eq!(LineFile::read::<u8>(&path).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_line_that_was_cut_off_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        fs::write(&path, "1\n{\"half\n2\n").unwrap();
        assert_eq!(LineFile::read::<u8>(&path).unwrap(), [1, 2]);
    }

    #[test]
    fn a_line_behind_one_without_an_end_is_a_line_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        fs::write(&path, "1\n{\"half").unwrap();
        LineFile::new(path.clone()).append(&2).unwrap();
        assert_eq!(LineFile::read::<u8>(&path).unwrap(), [1, 2]);
    }
}
