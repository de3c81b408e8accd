//! A command on a host, heard while it runs: needs a login and a shell there, and no agent.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::error::ReachError;
use super::host::Ground;
use super::probe::{MAGIC, quote};

/// Pieces under way between a host and whoever hears it; a full queue makes the command wait.
pub(super) const PIECES: usize = 16;

/// An open way to a host itself, whether or not an agent is there. Dropping it closes the way.
pub struct Shell {
    pub(super) ground: Arc<dyn Ground>,
}

/// One of the two streams of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a command said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it said it.
    pub source: Source,
    /// Some bytes, at most 64 KiB; a line may be in several pieces.
    pub bytes: Vec<u8>,
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Exit status; none when a signal ended it.
    pub status: Option<i32>,
    /// The signal's name without `SIG`, when one ended it.
    pub signal: Option<String>,
}

impl Shell {
    /// Runs a command in the home folder, its arguments passed as they are, its standard input empty; what it says goes to
    /// `said` as it comes. A status other than 0 is not an error here. At the deadline it gets SIGTERM, as far as it can
    /// still be told, and the error is [`TimedOut`](super::ReachKind::TimedOut).
    ///
    /// # Errors
    /// [`ReachError`] when the command cannot be started, the way to the host breaks, or the deadline passes.
    pub async fn run(
        &self,
        argv: &[String],
        deadline: Duration,
        said: mpsc::Sender<Piece>,
    ) -> Result<Ended, ReachError> {
        self.ground.run(argv, deadline, said).await
    }
}

/// A script that tells the number of the process that becomes the command, its standard input empty.
pub(super) fn script(argv: &[String]) -> String {
    let words: Vec<String> = argv.iter().map(|word| quote(word)).collect();
    format!("echo $$\nexec {} </dev/null\n", words.join(" "))
}

/// A script that ends the command: its whole process group where it leads one.
pub(super) fn end_script(process: u32) -> String {
    // In this form every shell takes a negative number: dash reads `-TERM --` as one.
    format!("kill -s TERM -- -{process} 2>/dev/null || kill -s TERM {process}\n")
}

/// How much noise may come before [`MAGIC`].
const NOISE_LIMIT: usize = 64 << 10;

/// Holds back what start-up files say before the script, on one stream.
#[derive(Default)]
pub(super) struct Quieter {
    held: Vec<u8>,
    through: bool,
    /// The process that the script told of, on standard output.
    process: Option<u32>,
}

impl Quieter {
    /// What of a piece comes from the command.
    pub fn pass(&mut self, source: Source, bytes: Vec<u8>) -> Vec<u8> {
        if self.through {
            return bytes;
        }
        self.held.extend(bytes);
        let magic = format!("{MAGIC}\n");
        let at = self.held.windows(magic.len()).position(|window| window == magic.as_bytes());
        let Some(start) = at.map(|at| at + magic.len()) else {
            // So much of it was no greeting.
            let is_speech = source == Source::Stderr && self.held.len() > NOISE_LIMIT;
            return if is_speech { self.give_up() } else { Vec::new() };
        };
        let mut rest = start;
        if source == Source::Stdout {
            let Some(end) = self.held[start..].iter().position(|byte| *byte == b'\n') else { return Vec::new() };
            self.process = String::from_utf8_lossy(&self.held[start..start + end]).trim().parse().ok();
            rest = start + end + 1;
        }
        self.through = true;
        let own = self.held.split_off(rest);
        self.held.clear();
        own
    }

    /// Everything that is still held back.
    pub fn give_up(&mut self) -> Vec<u8> {
        self.through = true;
        std::mem::take(&mut self.held)
    }

    /// Whether more was held back than any start-up file says.
    pub fn is_overrun(&self) -> bool {
        !self.through && self.held.len() > NOISE_LIMIT
    }

    /// Whether the script was heard.
    pub fn is_through(&self) -> bool {
        self.through
    }

    /// The command's process, once it is known.
    pub fn process(&self) -> Option<u32> {
        self.process
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_up_noise_is_held_back_however_it_is_cut() {
        let told = b"Welcome!\nzeek-cluster-script/1\n4711\nhello\n";
        for cut in 0..told.len() {
            let mut quieter = Quieter::default();
            let mut heard = quieter.pass(Source::Stdout, told[..cut].to_vec());
            heard.extend(quieter.pass(Source::Stdout, told[cut..].to_vec()));
            assert_eq!((heard.as_slice(), quieter.process()), (&b"hello\n"[..], Some(4711)), "{cut}");
        }
    }

    #[test]
    fn standard_error_without_the_line_is_heard_in_the_end() {
        let mut quieter = Quieter::default();
        assert!(quieter.pass(Source::Stderr, b"bash: no such file\n".to_vec()).is_empty());
        assert!(!quieter.is_through());
        assert_eq!(quieter.give_up(), b"bash: no such file\n");
        assert!(quieter.give_up().is_empty());
        let mut quiet = Quieter::default();
        assert!(
            quiet.pass(Source::Stderr, b"zeek-cluster-script/1\n".to_vec()).is_empty() && quiet.give_up().is_empty()
        );
        let mut long = Quieter::default();
        assert_eq!(long.pass(Source::Stderr, vec![b'x'; NOISE_LIMIT + 1]).len(), NOISE_LIMIT + 1);
        let mut out = Quieter::default();
        assert!(out.pass(Source::Stdout, vec![b'x'; NOISE_LIMIT + 1]).is_empty() && out.is_overrun());
    }

    #[test]
    fn arguments_reach_the_command_as_they_are() {
        let argv = ["printf".to_owned(), "%s".to_owned(), "a b; $HOME 'c'".to_owned()];
        assert_eq!(script(&argv), "echo $$\nexec printf %s 'a b; $HOME '\\''c'\\''' </dev/null\n");
    }
}
