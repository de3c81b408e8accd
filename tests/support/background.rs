//! A process that runs beside the test, and what it says, line by line.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::sandbox::wait_within;

/// Nothing that a test waits for takes longer.
const LIMIT: Duration = Duration::from_secs(20);

/// A running process; killed when the value goes away.
pub struct Background {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Line>,
    /// The line that was looked at before anybody waited for it.
    kept: RefCell<Option<Line>>,
}

/// A line, and where it was said.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    Out(String),
    Err(String),
}

impl Background {
    pub fn start(mut command: Command) -> Background {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the program starts");
        let (sender, lines) = mpsc::channel();
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        forward(out, sender.clone(), Line::Out);
        forward(err, sender, Line::Err);
        let input = child.stdin.take();
        Background { child, input, lines, kept: RefCell::default() }
    }

    /// The first line from now on that is as wanted.
    pub fn wait_for<T>(&self, what: &str, wanted: impl FnMut(&Line) -> Option<T>) -> T {
        self.wait_within(LIMIT, what, wanted)
    }

    /// The same for what takes longer.
    pub fn wait_within<T>(&self, limit: Duration, what: &str, mut wanted: impl FnMut(&Line) -> Option<T>) -> T {
        let deadline = Instant::now() + limit;
        let mut before = Vec::new();
        loop {
            let kept = self.kept.borrow_mut().take().map(Ok);
            let left = deadline.saturating_duration_since(Instant::now());
            match kept.unwrap_or_else(|| self.lines.recv_timeout(left)) {
                Ok(line) => match wanted(&line) {
                    Some(found) => return found,
                    None => before.push(line),
                },
                Err(error) => panic!("never said ({error}): {what}; but {before:#?}"),
            }
        }
    }

    /// The next line on standard error that contains `text`.
    pub fn says(&self, text: &str) -> String {
        self.wait_for(text, |line| match line {
            Line::Err(said) if said.contains(text) => Some(said.clone()),
            _ => None,
        })
    }

    /// The next line on standard output.
    pub fn prints(&self) -> String {
        self.wait_for("a line", |line| match line {
            Line::Out(text) => Some(text.clone()),
            Line::Err(_) => None,
        })
    }

    /// Whether it says nothing for so long; what it says instead is kept for whoever waits next.
    pub fn is_silent(&self, moment: Duration) -> bool {
        let mut kept = self.kept.borrow_mut();
        if kept.is_none() {
            *kept = self.lines.recv_timeout(moment).ok();
        }
        kept.is_none()
    }

    pub fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().expect("running"), "{line}").expect("the process reads");
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("the process is ours");
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("the process is ours");
    }

    /// Closes its standard input and waits for its end: exit status, and the lines that were not waited for.
    pub fn end(self) -> (i32, Vec<Line>) {
        self.end_within(LIMIT)
    }

    /// The same for what takes longer.
    pub fn end_within(mut self, limit: Duration) -> (i32, Vec<Line>) {
        self.input = None;
        let deadline = Instant::now() + limit;
        let status = wait_within(&mut self.child, deadline);
        assert!(Instant::now() < deadline, "the process does not end");
        (status.code().unwrap_or(-1), self.kept.take().into_iter().chain(self.lines.iter()).collect())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(stream: impl Read + Send + 'static, lines: mpsc::Sender<Line>, which: fn(String) -> Line) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if lines.send(which(line)).is_err() {
                return;
            }
        }
    });
}
