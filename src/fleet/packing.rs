//! The program made smaller for the way to a host: once for all hosts of a command, by what the host can unpack.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::MemfdFlags;

use super::host::hash_of;

/// A format that a program travels in. Of a release build of 28.5 MB, zstd leaves 11.4 MB and costs the host 50 ms,
/// gzip 12.7 MB and 250 ms (AMD EPYC, 2026-11-30).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Zstd,
    Gzip,
}

impl Packing {
    /// The better one first.
    pub const ALL: [Packing; 2] = [Packing::Zstd, Packing::Gzip];

    /// The name of the command that unpacks it, and its own in a [`super::probe::Probe`].
    pub fn tool(self) -> &'static str {
        match self {
            Packing::Zstd => "zstd",
            Packing::Gzip => "gzip",
        }
    }

    /// The command that unpacks its input.
    pub fn unpack(self) -> &'static str {
        match self {
            Packing::Zstd => "zstd -qdc",
            Packing::Gzip => "gzip -dc",
        }
    }

    fn pack(self, piece: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Packing::Zstd => {
                let mut packer = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
                // What is unpacked is checked as well, as gzip does anyway.
                packer.include_checksum(true)?;
                packer.compress(piece)
            }
            Packing::Gzip => {
                let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
                packed.write_all(piece)?;
                packed.finish()
            }
        }
    }
}

/// Higher ones take longer than they save on a network of 1 Gbit/s.
const ZSTD_LEVEL: i32 = 3;

/// Bytes that are packed on their own; what is put together unpacks as one (zstd(1), gzip(1)). The same bytes come out
/// whatever the number of threads, so that an upload can go on where another command's was cut.
const PIECE: u64 = 4 << 20;

/// A packed file, in memory; gone with its last owner.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    file: Arc<File>,
    pub packing: Packing,
    /// SHA-256 of its content, lower-case hex.
    pub hash: String,
}

impl Packed {
    /// Where this process can read it.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// Packs a file, with as many threads as there are cores.
    fn of(path: &Path, packing: Packing) -> io::Result<Packed> {
        let from = File::open(path)?;
        let size = from.metadata()?.len();
        let threads = thread::available_parallelism().map_or(1, |cores| cores.get());
        let mut packed = File::from(rustix::fs::memfd_create("zeek-cluster-packed", MemfdFlags::CLOEXEC)?);
        let starts: Vec<u64> = (0..size).step_by(PIECE as usize).collect();
        // So many pieces are in memory at once.
        for some in starts.chunks(threads) {
            let pieces: Vec<io::Result<Vec<u8>>> = thread::scope(|scope| {
                let pack = |start: u64| {
                    let from = &from;
                    scope.spawn(move || {
                        let mut piece = vec![0; PIECE.min(size - start) as usize];
                        from.read_exact_at(&mut piece, start)?;
                        packing.pack(&piece)
                    })
                };
                let running: Vec<_> = some.iter().map(|&start| pack(start)).collect();
                running.into_iter().map(|thread| thread.join().expect("packing does not panic")).collect()
            });
            for piece in pieces {
                packed.write_all(&piece?)?;
            }
        }
        let mut packed = Packed { file: Arc::new(packed), packing, hash: String::new() };
        packed.hash = hash_of(&packed.path())?;
        Ok(packed)
    }
}

/// A program's packed forms, each made when the first host asks for it.
#[derive(Debug, Default)]
pub(super) struct PackedForms([Mutex<Option<Packed>>; Packing::ALL.len()]);

impl PackedForms {
    /// The form that this host unpacks. Blocks; whoever comes meanwhile waits for the same one.
    pub fn get(&self, path: &Path, packing: Packing) -> io::Result<Packed> {
        let mut form = self.0[packing as usize].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(packed) = form.as_ref() {
            return Ok(packed.clone());
        }
        let packed = Packed::of(path, packing)?;
        Ok(form.insert(packed).clone())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_is_packed_in_pieces_unpacks_as_one_and_is_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        for size in [1, PIECE, 3 * PIECE + 17] {
            let content: Vec<u8> = (0..size).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            std::fs::write(&path, &content).unwrap();
            for packing in Packing::ALL {
                let (first, second) = (PackedForms::default(), PackedForms::default());
                let packed = first.get(&path, packing).unwrap();
                let bytes = std::fs::read(packed.path()).unwrap();
                assert_eq!(bytes, std::fs::read(second.get(&path, packing).unwrap().path()).unwrap());
                let again = first.get(Path::new("/nonexistent"), packing).unwrap();
                assert_eq!(again.path(), packed.path(), "packed once");
                let unpack = Command::new(packing.tool())
                    .arg("-dc")
                    .stdin(Stdio::from(File::open(packed.path()).unwrap()))
                    .output()
                    .unwrap();
                assert!(unpack.status.success() && unpack.stderr.is_empty(), "{packing:?} {size}: {unpack:?}");
                assert!(unpack.stdout == content, "{packing:?} {size}");
            }
        }
    }

    #[test]
    fn a_program_that_cannot_be_read_is_said() {
        assert!(PackedForms::default().get(Path::new("/nonexistent"), Packing::Zstd).is_err());
    }
}
