//! Sets up `tracing`: what the program says of itself, on standard error, for whoever looks for a fault.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;

/// Names a filter such as `debug` or `zeek_cluster::fleet=trace`; wins over `-v` and `-q`.
pub const LOG_VARIABLE: &str = "ZEEK_CLUSTER_LOG";

/// Starts tracing. A filter that cannot be read is named and replaced by the one that the options ask for.
pub fn start(quiet: bool, verbose: u8) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        (_, 2) => "debug",
        _ => "trace",
    };
    let wanted = std::env::var(LOG_VARIABLE).ok().filter(|text| !text.is_empty());
    let filter = wanted.as_deref().map(EnvFilter::try_new);
    let complaint = match &filter {
        Some(Err(error)) => Some(error.to_string()),
        _ => None,
    };
    let filter = match filter {
        Some(Ok(filter)) => filter,
        // Only our own crate: what the libraries below say is for `ZEEK_CLUSTER_LOG`.
        _ => EnvFilter::new(format!("zeek_cluster={level}")),
    };
    let colour = std::io::stderr().is_terminal() && super::output::colour_allowed();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Lossy { lost: &LOST, to: io::stderr() })
        .with_ansi(colour)
        // What it would print with `eprintln!`, which panics where standard error cannot be written.
        .log_internal_errors(false)
        .init();
    if let Some(error) = complaint {
        tracing::warn!(%error, "{LOG_VARIABLE} is not a filter");
    }
}

/// Makes a panic the end of the process, after its message: an agent or a node whose task or thread is gone works no
/// longer, and as long as it runs, neither its supervisor nor an operator can tell. The process aborts (SIGABRT).
pub fn end_with_any_panic() {
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        say(what);
        std::process::abort();
    }));
}

/// Lines that standard error did not take.
static LOST: AtomicU64 = AtomicU64::new(0);

/// A writer that never fails. A line that cannot be written (a full disk, a pipe without a reader) is counted, and the
/// count is written before the next line that can.
struct Lossy<'a, W> {
    lost: &'a AtomicU64,
    to: W,
}

impl<W: Write> Write for Lossy<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = self.lost.load(Ordering::Relaxed);
        // The last line before them may have been written in part.
        if lost > 0 && writeln!(self.to, "\n({lost} lines could not be written here)").is_ok() {
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        }
        if self.to.write_all(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Standard error has no buffer.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that may be full.
    struct Disk {
        is_full: bool,
        text: Vec<u8>,
    }

    impl Write for &mut Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.is_full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.text.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_told_when_there_is_room_again() {
        let lost = AtomicU64::new(0);
        let mut disk = Disk { is_full: false, text: Vec::new() };
        for (is_full, line) in [(false, "a\n"), (true, "b\n"), (true, "c\n"), (false, "d\n"), (false, "e\n")] {
            disk.is_full = is_full;
            Lossy { lost: &lost, to: &mut disk }.write_all(line.as_bytes()).expect("it never fails");
        }
        assert_eq!(String::from_utf8_lossy(&disk.text), "a\n\n(2 lines could not be written here)\nd\ne\n");
    }
}
