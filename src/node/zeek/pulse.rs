//! Whether Zeek's main loop turns.
//!
//! What a Zeek answers to is no proof: its Prometheus port, where the layout gives it one, answers from threads of its own
//! (it waits for the loop at most `Telemetry::callback_timeout` and then answers all the same: `Manager::WaitForPrometheusCallbacks`
//! of 9.0), its WebSocket server too, its hellos only answer other nodes' arrivals, and the file of `-U` is written when the
//! state changes. So the script that this program writes for each node schedules an event every two seconds, which Zeek
//! handles in `run_loop` like any other, and the event writes a line into a pipe: `run/NODE/pulse`. Neither network nor
//! hub have a part in it. It begins after `zeek_init`: a Zeek that has not come so far is not silent but starting.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use tokio::net::unix::pipe::{self, Receiver};

/// The script's part, for the pipe at that path as a string of Zeek's language.
pub(super) fn script(path: &str) -> String {
    format!(
        r#"
module ZeekClusterPulse;

export {{
	## Writes a line for the parent process, and schedules itself again.
	global beat: event();
}}

global pulse: file;

event beat() {{
	print pulse, "beat";
	schedule {EVERY_S}sec {{ ZeekClusterPulse::beat() }};
}}

event zeek_init() &priority=-1000 {{
	pulse = open({path});
	set_buf(pulse, F);
	schedule 0sec {{ ZeekClusterPulse::beat() }};
}}

module GLOBAL;
"#
    )
}

/// As `api::node::BEAT_EVERY`.
const EVERY_S: u64 = 2;

/// Where the pipe of a node lies.
pub(super) fn path(node_folder: &Path) -> PathBuf {
    node_folder.join("pulse")
}

/// The reading end.
pub(super) struct Pulse {
    pipe: Receiver,
}

impl Pulse {
    /// Makes the pipe anew and opens it. It must be open before Zeek opens its end, which waits for that.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(path: &Path) -> io::Result<Pulse> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)?;
        // For writing too, so that it has no end when Zeek closes its own.
        let pipe = pipe::OpenOptions::new().read_write(true).open_receiver(path)?;
        Ok(Pulse { pipe })
    }

    /// Waits until Zeek's loop has turned. Cancel safe.
    pub(super) async fn turned(&self) {
        let mut lines = [0; 4096];
        loop {
            let read = async {
                self.pipe.readable().await?;
                self.pipe.try_read(&mut lines)
            };
            match read.await {
                Ok(1..) => return,
                Ok(0) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::error!(%error, "Zeek's pulse cannot be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn each_line_is_a_turn_and_a_closed_writer_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        drop(Pulse::open(&path).unwrap());
        let pulse = Pulse::open(&path).unwrap();
        for _ in 0..2 {
            let mut zeek = std::fs::File::options().write(true).open(&path).unwrap();
            zeek.write_all(b"beat\n").unwrap();
            timeout(Duration::from_secs(20), pulse.turned()).await.unwrap();
        }
        timeout(Duration::from_millis(50), pulse.turned()).await.unwrap_err();
    }
}
