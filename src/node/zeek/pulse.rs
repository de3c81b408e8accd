//! Whether Zeek's main loop turns.
//!
//! What a Zeek answers to is no proof: its Prometheus port, where the layout gives it one, answers from threads of its own
//! (it waits for the loop at most `Telemetry::callback_timeout` and then answers all the same: `Manager::WaitForPrometheusCallbacks`
//! of 9.0), its WebSocket server too, its hellos only answer other nodes' arrivals, and the file of `-U` is written when the
//! state changes. So the script that this program writes for each node schedules an event every two seconds, which Zeek
//! handles in `run_loop` like any other, and the event writes a line into a pipe: `run/NODE/pulse`. Neither network nor
//! hub have a part in it. It begins when all of `zeek_init` is over: a Zeek that has not come so far is not silent but
//! starting. Each line has what Zeek has counted of its traffic.

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
	local seen = get_net_stats();
	print pulse, fmt("%d %d %d", seen$pkts_recvd, seen$pkts_dropped, seen$pkts_link);
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

/// What a Zeek has counted since its start, in packets; zeros where it reads no interface. Source: `NetStats` of Zeek's
/// `base/init-bare.zeek`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// Packets that Zeek took.
    pub(super) received: u64,
    /// Packets that were lost before Zeek took them.
    pub(super) dropped: u64,
    /// Packets that the interface showed.
    pub(super) link: u64,
}

impl Turn {
    /// From a line of the pipe.
    fn parse(line: &str) -> Option<Turn> {
        let mut numbers = line.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Turn { received: next()?, dropped: next()?, link: next()? })
    }
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

    /// Waits until Zeek's loop has turned, and returns what it has counted: the last line of several that waited. Cancel
    /// safe.
    pub(super) async fn turned(&self) -> Turn {
        let mut lines = [0; 4096];
        loop {
            let read = async {
                self.pipe.readable().await?;
                self.pipe.try_read(&mut lines)
            };
            match read.await {
                // Lines are written whole: they are shorter than PIPE_BUF.
                Ok(count @ 1..) => {
                    let text = String::from_utf8_lossy(&lines[..count]);
                    return text.lines().rev().find_map(Turn::parse).unwrap_or_default();
                }
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
            zeek.write_all(b"10 0 10\n12 1 13\n").unwrap();
            let turn = timeout(Duration::from_secs(20), pulse.turned()).await.unwrap();
            assert_eq!(turn, Turn { received: 12, dropped: 1, link: 13 });
        }
        timeout(Duration::from_millis(50), pulse.turned()).await.unwrap_err();
    }
}
