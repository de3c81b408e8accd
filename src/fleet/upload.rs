//! The program brought to a host by SFTP (or by a command, through the installed `ssh`), under a temporary name that carries
//! its hash: what an interrupted upload left there is the beginning of the same file, and the next one goes on behind it.
//! The name that counts is given by a script after the hash was computed over there.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use ssh2::{BlockDirections, Error, ErrorCode, OpenFlags, OpenType, Session};

use super::channel::timespec;
use super::error::{ReachKind, Step};
use super::fault::Fault;
use super::login::{code, millis};
use super::probe::quote;
use crate::api::paths::ClusterDir;
use crate::faults;

/// Bytes offered to libssh2 at once. It pipelines inside one write: in pieces of 32 KiB, 8 MiB took 26 s at 100 ms of
/// round trip, in pieces of 1 MiB 1.2 s (measured with OpenSSH 9.2). What was acknowledged is refilled at once.
const WINDOW: usize = 1 << 20;

/// Bytes read ahead. A server acknowledges some 30 KiB at a time; what is left is moved to the front once a window only.
const AHEAD: usize = 2 * WINDOW;

/// A server that acknowledges nothing for so long is taken for gone.
const STALL: Duration = Duration::from_secs(15);

/// A file and where it has to be.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub from: PathBuf,
    /// `bin/.upload-HASH` in the cluster's folder. Two uploads at once write the same bytes to the same places.
    pub to: PathBuf,
    /// Folders to make on the way, outermost first, with their modes.
    pub folders: Vec<(PathBuf, i32)>,
}

/// A failed upload.
pub(super) struct UploadFailed {
    pub fault: Fault,
    /// Whether the session is of no more use.
    pub session_lost: bool,
}

impl Upload {
    /// The upload of a program into the `bin/` of a cluster's folder.
    pub fn program(from: &Path, hash: &str, dir: &ClusterDir) -> Upload {
        let target = dir.binary(hash);
        let bin = target.parent().expect("a program lies in bin/");
        let above = dir.path().ancestors().skip(1).filter(|folder| folder.parent().is_some());
        let mut folders: Vec<(PathBuf, i32)> = above.map(|folder| (folder.to_owned(), 0o755)).collect();
        folders.reverse();
        folders.push((dir.path().to_owned(), 0o700));
        folders.push((bin.to_owned(), 0o700));
        Upload { from: from.to_owned(), to: bin.join(format!(".upload-{hash}")), folders }
    }

    /// A script for a host that is written to by commands: makes the folders, and prints how much of the file is there. A
    /// beginning that is longer than the whole is none.
    pub fn prepare_script(&self, size: u64) -> String {
        let mut script = String::new();
        for (folder, mode) in &self.folders {
            let folder = quote(&folder.to_string_lossy());
            // Another session may have made it meanwhile.
            script.push_str(&format!("[ -d {folder} ] || mkdir -m {mode:o} {folder} || [ -d {folder} ] || exit 1\n"));
        }
        let to = quote(&self.to.to_string_lossy());
        script.push_str(&format!(
            "umask 077\nthere=$(wc -c 2>/dev/null <{to}) || there=0\n\
             if [ \"$there\" -gt {size} ] || [ \"$there\" = 0 ]; then there=0; : >{to} || exit 1; fi\necho $((there))\n"
        ));
        script
    }

    /// The command that writes what it reads behind the beginning, to the same place as another one that does so meanwhile,
    /// and onto the disk.
    pub fn write_command(&self, resumed_at: u64) -> String {
        let to = quote(&self.to.to_string_lossy());
        let seek = format!("dd if=/dev/null bs=1 count=0 seek={resumed_at} conv=notrunc 2>/dev/null");
        let script = format!("{{ {seek}; cat; }} 1<>{to} && {{ sync {to} 2>/dev/null || :; }}");
        format!("/bin/sh -c {}", quote(&script))
    }

    /// A script that gives the file its name if its content has the hash; prints `done`, or what is wrong. Takes away what
    /// uploads of other programs left.
    ///
    /// openssl is asked first: it uses the processor's instructions for SHA-256, and Debian's sha256sum takes seven times as long.
    ///
    /// The session that was cut may still have the file open for writing over there, and then nobody can execute it: what
    /// another session began is copied first.
    pub fn finish_script(&self, hash: &str, dir: &ClusterDir, uploaded: Uploaded) -> String {
        let (from, to) = (quote(&self.to.to_string_lossy()), quote(&dir.binary(hash).to_string_lossy()));
        let bin = quote(&self.to.parent().expect("a program lies in bin/").to_string_lossy());
        let copy = match uploaded.resumed_at {
            0 => String::new(),
            _ => "cp \"$from\" \"$from\"-whole && rm -f \"$from\" && from=$from-whole\n".to_owned(),
        };
        format!(
            r#"from={from}
if [ ! -e "$from" ] && [ -x {to} ]; then echo done; exit 0; fi
{copy}for tool in 'openssl dgst -sha256 -r' sha256sum 'shasum -a 256'; do
  sum=$($tool "$from" 2>/dev/null | cut -c1-64) && [ ${{#sum}} = 64 ] && break
done
if [ ${{#sum}} != 64 ]; then rm -f {bin}/.upload-*; echo 'neither openssl nor sha256sum nor shasum is there to verify it'; exit 0; fi
if [ "$sum" != {hash} ]; then rm -f {bin}/.upload-*; echo "it arrived with the hash $sum"; exit 0; fi
chmod 0755 "$from" && mv -f "$from" {to} && rm -f {bin}/.upload-* && echo done
"#
        )
    }
}

/// How much of the file had to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uploaded {
    /// Bytes that were there already.
    pub resumed_at: u64,
}

/// Brings the file over until the deadline. Leaves the session in blocking mode.
pub(super) fn run(
    session: &Session,
    socket: &OwnedFd,
    upload: &Upload,
    until: Instant,
) -> Result<Uploaded, UploadFailed> {
    let writing = Writing { session, socket, upload, until };
    session.set_blocking(true);
    writing.set_timeout()?;
    let sftp = session.sftp().map_err(|error| writing.failed("starting SFTP", &error))?;
    for (folder, mode) in &upload.folders {
        writing.set_timeout()?;
        if sftp.stat(folder).is_err()
            && let Err(error) = sftp.mkdir(folder, *mode)
        {
            // Another session may have made it meanwhile.
            if sftp.stat(folder).is_err() {
                return Err(writing.failed(&format!("making {}", folder.display()), &error));
            }
        }
    }
    let uploaded = writing.content(&sftp);
    session.set_blocking(true);
    if uploaded.as_ref().is_err_and(|failed| !failed.session_lost) {
        // What is there takes room that is missing. If that fails too, the next upload writes over it.
        let _ = sftp.unlink(&upload.to);
    }
    uploaded
}

struct Writing<'a> {
    session: &'a Session,
    socket: &'a OwnedFd,
    upload: &'a Upload,
    until: Instant,
}

impl Writing<'_> {
    fn content(&self, sftp: &ssh2::Sftp) -> Result<Uploaded, UploadFailed> {
        let name = self.upload.to.display();
        let mut from = File::open(&self.upload.from).map_err(|e| self.local(&e))?;
        let size = from.metadata().map_err(|e| self.local(&e))?.len();
        // More than the whole cannot be its beginning.
        let there = sftp.stat(&self.upload.to).ok().and_then(|stat| stat.size).filter(|&there| there <= size);
        let resumed_at = there.unwrap_or(0);
        let mut flags = OpenFlags::WRITE | OpenFlags::CREATE;
        flags.set(OpenFlags::TRUNCATE, resumed_at == 0);
        self.set_timeout()?;
        let opened = sftp.open_mode(&self.upload.to, flags, 0o700, OpenType::File);
        let mut to = opened.map_err(|error| self.failed(&format!("creating {name}"), &error))?;
        to.seek(SeekFrom::Start(resumed_at)).map_err(|e| self.local(&e))?;
        from.seek(SeekFrom::Start(resumed_at)).map_err(|e| self.local(&e))?;
        tracing::debug!(at = resumed_at, size, "uploading {name}");
        self.session.set_blocking(false);
        let mut written = resumed_at;
        if let Err(broken) = self.stream(&mut from, &mut to, &mut written) {
            let doing = format!("{written} of {size} bytes of the program were brought over");
            return Err(self.broken(&doing, broken));
        }
        self.session.set_blocking(true);
        self.set_timeout()?;
        // An extension of OpenSSH; where it is missing the file is only as safe as the host's file system makes it.
        let _ = to.fsync();
        to.close().map_err(|error| self.failed(&format!("closing {name}"), &error))?;
        Ok(Uploaded { resumed_at })
    }

    /// Sends what is left of the file; `written` counts what the server acknowledged.
    fn stream(&self, from: &mut File, to: &mut ssh2::File, written: &mut u64) -> Result<(), Broken> {
        let mut ahead = Vec::with_capacity(AHEAD);
        let mut acknowledged = 0;
        let mut heard = Instant::now();
        loop {
            if ahead.len() - acknowledged < WINDOW {
                ahead.drain(..acknowledged);
                acknowledged = 0;
                from.take((AHEAD - ahead.len()) as u64).read_to_end(&mut ahead).map_err(Broken::Here)?;
            }
            if ahead.is_empty() {
                return Ok(());
            }
            let window = ahead.len().min(acknowledged + WINDOW);
            match to.write(&ahead[acknowledged..window]) {
                Ok(count) => {
                    acknowledged += count;
                    *written += count as u64;
                    heard = Instant::now();
                    faults::point("upload");
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(heard)?,
                Err(error) => return Err(Broken::There(error, Error::last_session_error(self.session))),
            }
        }
    }

    /// Waits until the socket is ready, or there is no more reason to.
    fn wait(&self, heard: Instant) -> Result<(), Broken> {
        let until = self.until.min(heard + STALL);
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(if until == self.until { Broken::Late } else { Broken::Stalled });
        }
        let mut wanted = PollFlags::IN;
        let directions = self.session.block_directions();
        wanted.set(PollFlags::OUT, matches!(directions, BlockDirections::Outbound | BlockDirections::Both));
        match poll(&mut [PollFd::new(self.socket, wanted)], Some(&timespec(left))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(Broken::Here(error.into())),
        }
    }

    fn local(&self, error: &io::Error) -> UploadFailed {
        UploadFailed { fault: failed_here(self.upload, error), session_lost: false }
    }

    fn set_timeout(&self) -> Result<(), UploadFailed> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let fault = Fault::timed_out(Step::Upload, "the upload did not end within its deadline");
            return Err(UploadFailed { fault, session_lost: true });
        }
        self.session.set_timeout(millis(left.min(STALL)));
        Ok(())
    }

    /// An upload that ended in the middle.
    fn broken(&self, doing: &str, broken: Broken) -> UploadFailed {
        let again = "run the command again: it goes on from there";
        let lost = |fault: Fault| {
            // What is closed now waits for nobody.
            self.session.set_timeout(1);
            UploadFailed { fault: fault.hint(again), session_lost: true }
        };
        match broken {
            Broken::Here(error) => self.local(&error),
            Broken::Late => lost(Fault::timed_out(Step::Upload, format!("{doing} within the deadline"))),
            Broken::Stalled => {
                let what = format!("{doing}, then nothing was acknowledged for {} s", STALL.as_secs());
                lost(Fault::timed_out(Step::Upload, what))
            }
            Broken::There(error, cause) => match cause.as_ref().is_some_and(is_of_file) {
                true => self.failed_in(format!("{doing}: {error}")),
                false => lost(Fault::unreachable(Step::Upload, format!("{doing}, then the connection broke: {error}"))),
            },
        }
    }

    fn failed(&self, doing: &str, error: &Error) -> UploadFailed {
        let what = format!("{doing}: {}", error.message());
        if is_of_file(error) {
            return self.failed_in(what);
        }
        let timed_out = code(error) == libssh2_sys::LIBSSH2_ERROR_TIMEOUT || Instant::now() >= self.until;
        let kind = if timed_out { ReachKind::TimedOut } else { ReachKind::Failed };
        let hint = Some("is the SFTP subsystem configured in sshd_config there?".to_owned());
        UploadFailed { fault: Fault { step: Step::Upload, kind, what, hint }, session_lost: true }
    }

    /// A failure of the host's file system.
    fn failed_in(&self, what: String) -> UploadFailed {
        UploadFailed { fault: failed_there(what), session_lost: false }
    }
}

/// A failure of the host's file system.
pub(super) fn failed_there(what: String) -> Fault {
    Fault::failed(Step::Upload, what).hint("has the disk room, and may the user write there? (df, ls -ld)")
}

/// A failure of this machine's.
pub(super) fn failed_here(upload: &Upload, error: &io::Error) -> Fault {
    Fault::failed(Step::Upload, format!("reading {}: {error}", upload.from.display()))
}

/// Why a stream of bytes ended early.
enum Broken {
    /// This machine.
    Here(io::Error),
    /// The server, and what libssh2 says of it.
    There(io::Error, Option<Error>),
    /// Nothing was acknowledged for [`STALL`].
    Stalled,
    /// The deadline of the upload.
    Late,
}

fn is_of_file(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::SFTP(_)) || code(error) == libssh2_sys::LIBSSH2_ERROR_SFTP_PROTOCOL
}
