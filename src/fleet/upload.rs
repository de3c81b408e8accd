//! The program brought to a host by one command, packed where the host can unpack it.
//!
//! It is written under a temporary name that carries its hash: what an interrupted upload left there is the beginning of
//! the same bytes, and the next one goes on behind it. The name that counts is given when all of it is there, has the right
//! hash, is unpacked and on the disk.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::Step;
use super::fault::Fault;
use super::host::Binary;
use super::link::Input;
use super::packing::{Packed, Packing};
use super::probe::{quote, with_magic};
use crate::api::paths::ClusterDir;
use crate::faults;

/// Bytes read at once. libssh2 sends less at a time.
const PIECE: usize = 256 << 10;

/// A program on its way into the `bin/` of a cluster's folder.
pub(super) struct Upload<'a> {
    binary: &'a Binary,
    packed: Option<Packed>,
    dir: &'a ClusterDir,
    /// Bytes that travel when nothing is there.
    size: u64,
}

impl<'a> Upload<'a> {
    /// Packs the program if it has to be.
    pub async fn new(binary: &'a Binary, packing: Option<Packing>, dir: &'a ClusterDir) -> Result<Upload<'a>, Fault> {
        let prepared = async {
            let packed = match packing {
                Some(packing) => Some(binary.packed(packing).await?),
                None => None,
            };
            let mut upload = Upload { binary, packed, dir, size: 0 };
            upload.size = upload.open()?.metadata()?.len();
            Ok(upload)
        };
        prepared.await.map_err(|error| failed_here(binary, &error))
    }

    /// What travels.
    fn open(&self) -> io::Result<File> {
        File::open(self.packed.as_ref().map_or_else(|| self.binary.path.clone(), Packed::path))
    }

    /// Where it can go on when so many bytes are there; more than the whole cannot be its beginning.
    pub fn resumed_at(&self, there: u64) -> u64 {
        if there <= self.size { there } else { 0 }
    }

    /// The command that brings over what is missing from `at` on, and what it reads: a script, then the bytes. `sent`
    /// counts on from there.
    pub fn command(&self, at: u64, sent: &Arc<AtomicU64>) -> Result<(String, Input), Fault> {
        let opened = self.open().and_then(|mut file| file.seek(SeekFrom::Start(at)).map(|_| file));
        let file = opened.map_err(|error| failed_here(self.binary, &error))?;
        sent.store(at, Ordering::Relaxed);
        let bytes = with_magic(&self.script(at));
        // Byte by byte: whatever reads ahead would take the beginning of what follows.
        let command = format!("/bin/sh -c 'eval \"$(dd bs=1 count={} 2>/dev/null)\"'", bytes.len());
        Ok((command, Input { bytes, rest: Some(Rest { file, size: self.size, sent: sent.clone() }) }))
    }

    /// Writes what it reads behind the beginning and, when all is there and has the hash, unpacks it and gives it its
    /// name. Prints `done`, or what is wrong; says nothing of bytes that are missing, which a later upload brings.
    ///
    /// Two that bring the same program at once write the same bytes to the same places, and whoever is first takes away
    /// what lies beside the program. A command that was cut off may still have the file open for writing, and then nobody
    /// can execute it: what another command began is copied first, unless it is unpacked.
    ///
    /// openssl is asked first: it uses the processor's instructions for SHA-256, and Debian's sha256sum takes seven times
    /// as long.
    fn script(&self, at: u64) -> String {
        let to = self.dir.binary(&self.binary.hash);
        let bin = to.parent().expect("a program lies in bin/");
        let packing = self.packed.as_ref().map(|packed| packed.packing);
        let copy = match (packing, at) {
            (Some(packing), _) => packing.unpack(),
            (None, 0) => "",
            (None, _) => "cat",
        };
        let seek = match at {
            0 => String::new(),
            _ => format!("dd if=/dev/null bs=1 count=0 seek={at} conv=notrunc 2>/dev/null; "),
        };
        let mut folders = String::new();
        let above = self.dir.path().ancestors().skip(1).filter(|folder| folder.parent().is_some());
        let mut wanted: Vec<(PathBuf, &str)> = above.map(|folder| (folder.to_owned(), "755")).collect();
        wanted.reverse();
        wanted.extend([(self.dir.path().to_owned(), "700"), (bin.to_owned(), "700")]);
        for (folder, mode) in wanted {
            let folder = quote(&folder.to_string_lossy());
            // Another command may have made it meanwhile.
            folders.push_str(&format!("[ -d {folder} ] || mkdir -m {mode} {folder} || [ -d {folder} ] || exit 1\n"));
        }
        format!(
            r#"{folders}umask 077
from={from} to={to} size={size} copy={copy}
wrong() {{ if [ -x "$to" ]; then echo done; else echo "$1"; fi; rm -f {bin}/.upload-*; exit 0; }}
there() {{ wc -c <"$from" || echo 0; }}
[ ! -s "$from" ] || [ "$(there)" -le $size ] || : >"$from"
said=$( {{ {seek}cat; }} 2>&1 1<>"$from" ) || wrong "writing it failed there: $said"
[ -e "$from" ] || wrong 'it is gone'
[ "$(there)" -ge $size ] || exit 0
for tool in 'openssl dgst -sha256 -r' sha256sum 'shasum -a 256'; do
  sum=$($tool "$from" 2>/dev/null) && sum=${{sum%%[ *]*}} && [ ${{#sum}} = 64 ] && break
done
[ ${{#sum}} = 64 ] || wrong 'neither openssl nor sha256sum nor shasum is there to verify it'
[ "$sum" = {hash} ] || wrong "it arrived with the hash $sum"
if [ -n "$copy" ]; then
  said=$( {{ $copy <"$from" >"$from.$$"; }} 2>&1 ) || wrong "$copy failed there: $said"
  from=$from.$$
fi
sync "$from" 2>/dev/null
chmod 0755 "$from" && mv -f "$from" "$to" && rm -f {bin}/.upload-* && echo done
"#,
            from = quote(&bin.join(partial(&self.binary.hash, packing)).to_string_lossy()),
            to = quote(&to.to_string_lossy()),
            size = self.size,
            copy = quote(copy),
            bin = quote(&bin.to_string_lossy()),
            hash = self.packed.as_ref().map_or(&self.binary.hash, |packed| &packed.hash),
        )
    }

    /// Whether what the script printed is the complaint of the command that unpacks.
    pub fn failed_to_unpack(&self, told: &str) -> bool {
        self.packed.as_ref().is_some_and(|packed| told.starts_with(packed.packing.unpack()))
    }

    /// What became of a command that did not end by itself.
    pub fn broken(&self, sent: &AtomicU64, fault: Fault) -> Fault {
        let what = format!(
            "{} of {} bytes of the program were sent, then: {}",
            sent.load(Ordering::Relaxed),
            self.size,
            fault.what
        );
        Fault { step: Step::Upload, what, ..fault }.hint("run the command again: it goes on from there")
    }
}

/// The name of a program that is on its way.
pub(super) fn partial(hash: &str, packing: Option<Packing>) -> String {
    format!(".upload-{hash}{}", packing.map(|packing| format!(".{}", packing.tool())).unwrap_or_default())
}

/// A failure of the host's file system.
pub(super) fn failed_there(what: String) -> Fault {
    Fault::failed(Step::Upload, what).hint("has the disk room, and may the user write there? (df, ls -ld)")
}

fn failed_here(binary: &Binary, error: &io::Error) -> Fault {
    Fault::failed(Step::Upload, format!("reading {}: {error}", binary.path.display()))
}

/// A file from where it stands to its end.
pub(super) struct Rest {
    file: File,
    size: u64,
    sent: Arc<AtomicU64>,
}

impl Rest {
    /// The next bytes; none at the end.
    pub fn piece(&mut self, piece: &mut Vec<u8>) -> io::Result<()> {
        piece.resize(PIECE, 0);
        let count = self.file.read(piece);
        piece.truncate(count.as_ref().copied().unwrap_or(0));
        count.map(drop)
    }

    /// So many more were handed over.
    pub fn note_sent(&self, count: usize) {
        let before = self.sent.fetch_add(count as u64, Ordering::Relaxed);
        if (before..before + count as u64).contains(&(self.size / 2)) {
            faults::point("upload");
        }
    }
}
