//! The program brought to a host by SFTP, under a temporary name that carries its hash. The name that counts is given by
//! a script after the hash was computed over there.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use ssh2::{Error, ErrorCode, OpenFlags, OpenType, Session};

use super::error::{ReachKind, Step};
use super::fault::Fault;
use super::login::{code, millis};
use super::probe::quote;
use crate::api::paths::ClusterDir;
use crate::faults;

/// libssh2 pipelines inside one write and waits for its end: in pieces of 32 KiB, 8 MiB took 26 s at 100 ms of round
/// trip, in pieces of 1 MiB 1.2 s (measured with OpenSSH 9.2).
const PIECE: usize = 4 << 20;

/// A file and where it has to be.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub from: PathBuf,
    /// `bin/.upload-HASH-PID` in the cluster's folder.
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
        Upload { from: from.to_owned(), to: bin.join(format!(".upload-{hash}-{}", std::process::id())), folders }
    }

    /// A script that gives the file its name if its content has the hash; prints `done`, or what is wrong.
    pub fn finish_script(&self, hash: &str, dir: &ClusterDir) -> String {
        let (from, to) = (quote(&self.to.to_string_lossy()), quote(&dir.binary(hash).to_string_lossy()));
        format!(
            r#"for tool in sha256sum 'shasum -a 256' 'openssl dgst -sha256 -r'; do
  sum=$($tool {from} 2>/dev/null | cut -c1-64) && [ ${{#sum}} = 64 ] && break
done
if [ ${{#sum}} != 64 ]; then rm -f {from}; echo 'neither sha256sum nor shasum nor openssl is there to verify it'; exit 0; fi
if [ "$sum" != {hash} ]; then rm -f {from}; echo "it arrived with the hash $sum"; exit 0; fi
chmod 0755 {from} && mv -f {from} {to} && echo done
"#
        )
    }
}

/// Brings the file over, in blocking mode, until the deadline.
pub(super) fn run(session: &Session, upload: &Upload, until: Instant) -> Result<(), UploadFailed> {
    let writing = Writing { session, upload, until };
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
    writing.content(&sftp)
}

struct Writing<'a> {
    session: &'a Session,
    upload: &'a Upload,
    until: Instant,
}

impl Writing<'_> {
    fn content(&self, sftp: &ssh2::Sftp) -> Result<(), UploadFailed> {
        let local = |error: std::io::Error| {
            let what = format!("reading {}: {error}", self.upload.from.display());
            UploadFailed { fault: Fault::failed(Step::Upload, what), session_lost: false }
        };
        let name = self.upload.to.display();
        let mut from = File::open(&self.upload.from).map_err(local)?;
        let size = from.metadata().map_err(local)?.len();
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let opened = sftp.open_mode(&self.upload.to, flags, 0o700, OpenType::File);
        let mut to = opened.map_err(|error| self.failed(&format!("creating {name}"), &error))?;
        let (mut piece, mut sent) = (Vec::with_capacity(PIECE), 0u64);
        loop {
            piece.clear();
            Read::by_ref(&mut from).take(PIECE as u64).read_to_end(&mut piece).map_err(local)?;
            if piece.is_empty() {
                break;
            }
            self.set_timeout()?;
            if let Err(error) = to.write_all(&piece) {
                let what = format!("writing {name} failed after {sent} of {size} bytes: {error}");
                let cause = Error::last_session_error(self.session);
                drop(to);
                // What is there takes room that is missing. If that fails too, the next upload writes over it.
                let _ = sftp.unlink(&self.upload.to);
                return Err(self.fault(what, cause.as_ref()));
            }
            sent += piece.len() as u64;
            faults::point("upload");
        }
        self.set_timeout()?;
        // An extension of OpenSSH; where it is missing the file is only as safe as the host's file system makes it.
        let _ = to.fsync();
        to.close().map_err(|error| self.failed(&format!("closing {name}"), &error))
    }

    fn set_timeout(&self) -> Result<(), UploadFailed> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let fault = Fault::timed_out(Step::Upload, "the upload did not end within its deadline");
            return Err(UploadFailed { fault, session_lost: true });
        }
        self.session.set_timeout(millis(left));
        Ok(())
    }

    fn failed(&self, doing: &str, error: &Error) -> UploadFailed {
        self.fault(format!("{doing}: {}", error.message()), Some(error))
    }

    fn fault(&self, what: String, error: Option<&Error>) -> UploadFailed {
        let of_file = |error: &Error| {
            matches!(error.code(), ErrorCode::SFTP(_)) || code(error) == libssh2_sys::LIBSSH2_ERROR_SFTP_PROTOCOL
        };
        let session_lost = !error.is_some_and(of_file);
        let timed_out =
            error.is_some_and(|e| code(e) == libssh2_sys::LIBSSH2_ERROR_TIMEOUT) || Instant::now() >= self.until;
        let kind = if timed_out { ReachKind::TimedOut } else { ReachKind::Failed };
        let mut fault = Fault { step: Step::Upload, kind, what, hint: None };
        if !session_lost {
            fault = fault.hint("has the disk room, and may the user write there? (df, ls -ld)");
        }
        UploadFailed { fault, session_lost }
    }
}
