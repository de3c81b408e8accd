//! A Unix socket that keeps its name: a listener whose file was deleted or replaced is bound again.
//!
//! # Locking
//! Who may have the name is decided elsewhere (the agent holds a lock, a node asks who answers); here a name that another
//! process answers on is left to it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Interval, MissedTickBehavior};

/// How often the file is looked at: one `stat`.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The pause after a connection that could not be accepted, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What is added to the name while the socket is being made.
pub const UNFINISHED: &str = ".new";

/// A listener on a Unix socket of mode 0600 in a folder of mode 0700. The file is removed when it is dropped, if it still is
/// this listener's.
#[derive(Debug)]
pub struct NamedListener {
    path: PathBuf,
    listener: UnixListener,
    /// Device and inode of the file.
    file: (u64, u64),
    look: Interval,
    kept: Arc<AtomicBool>,
    /// The last reason for which the name could not be had again; told once.
    told: Option<String>,
}

/// Lets a listener's name go, for good.
#[derive(Clone, Debug)]
pub struct NameKeeper(Arc<AtomicBool>);

impl NameKeeper {
    /// From now on the name is not bound again.
    pub fn let_go(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl NamedListener {
    /// Binds `path` and replaces the file that is there; the folder is made when it is missing. Must be called within a
    /// runtime.
    ///
    /// # Errors
    /// What the system says to making the folder, binding or renaming.
    pub fn bind(path: &Path) -> io::Result<NamedListener> {
        let (listener, file) = listen(path)?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let kept = Arc::new(AtomicBool::new(true));
        Ok(NamedListener { path: path.to_owned(), listener, file, look, kept, told: None })
    }

    /// A handle that lets the name go before its folder is removed.
    pub fn keeper(&self) -> NameKeeper {
        NameKeeper(self.kept.clone())
    }

    fn is_in_place(&self) -> bool {
        identity(&self.path).is_ok_and(|file| file == self.file)
    }

    /// Binds again when the file is not the listener's any more and nobody else answers there.
    fn keep_name(&mut self) {
        if !self.kept.load(Ordering::Relaxed) || self.is_in_place() || answers(&self.path) {
            return;
        }
        match listen(&self.path) {
            Ok((listener, file)) => {
                tracing::warn!(path = %self.path.display(), "the socket's file was gone and has been made again");
                (self.listener, self.file, self.told) = (listener, file, None);
            }
            Err(error) => {
                let why = error.to_string();
                if self.told.as_ref() != Some(&why) {
                    tracing::error!(path = %self.path.display(), %error, "the socket's file is gone and cannot be made");
                    self.told = Some(why);
                }
            }
        }
    }
}

impl axum::serve::Listener for NamedListener {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => return accepted,
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                _ = self.look.tick() => self.keep_name(),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Drop for NamedListener {
    fn drop(&mut self) {
        if self.is_in_place() {
            // Its folder may have gone meanwhile.
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// Whether a process accepts connections on the socket.
pub fn answers(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// The process that listens on the socket; none when nobody does, or it cannot be told.
pub fn listening_process(path: &Path) -> Option<u32> {
    let stream = std::os::unix::net::UnixStream::connect(path).ok()?;
    let credentials = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    Some(credentials.pid.as_raw_nonzero().get().unsigned_abs())
}

/// Nobody can connect before the mode is right: the socket gets its name only then.
fn listen(path: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(UNFINISHED);
    let temporary = PathBuf::from(temporary);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&temporary)?;
    fs::set_permissions(&temporary, Permissions::from_mode(0o600))?;
    let file = identity(&temporary)?;
    fs::rename(&temporary, path)?;
    Ok((listener, file))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use axum::serve::Listener;

    use super::*;

    #[tokio::test]
    async fn a_deleted_name_comes_back_and_one_of_another_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/x.sock");
        let mut listener = NamedListener::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(listening_process(&path), Some(std::process::id()));
        fs::remove_dir_all(folder.path().join("run")).unwrap();
        let accepting = tokio::spawn(async move {
            // The first is the question above for who listens.
            listener.accept().await;
            listener.accept().await;
            listener
        });
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !answers(&path) {
            assert!(tokio::time::Instant::now() < deadline, "the name did not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut listener = accepting.await.unwrap();
        fs::remove_file(&path).unwrap();
        let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        listener.keep_name();
        assert!(!listener.is_in_place());
        drop(listener);
        assert!(path.exists(), "it was not the listener's own");
        drop(other);
    }

    #[tokio::test]
    async fn a_name_that_was_let_go_stays_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let mut listener = NamedListener::bind(&path).unwrap();
        listener.keeper().let_go();
        fs::remove_file(&path).unwrap();
        listener.keep_name();
        assert!(!path.exists());
    }
}
