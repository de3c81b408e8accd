//! Notices that whoever reads standard output went away, also while there is nothing to write.

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

/// Completes when standard output is a pipe or socket whose reader has closed it; else never.
pub async fn reader_left() {
    let (sender, receiver) = oneshot::channel::<()>();
    let watch = move || {
        let stdout = std::io::stdout();
        // No events are asked for: errors and hang-ups are always reported.
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        while poll(&mut fds, None).is_err() {}
        // The command may have ended by itself meanwhile.
        let _ = sender.send(());
    };
    // The thread has nothing to clean up; it ends with the process.
    match std::thread::Builder::new().name("reader".into()).spawn(watch) {
        Ok(_) => drop(receiver.await),
        Err(_) => std::future::pending().await,
    }
}
