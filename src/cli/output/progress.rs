//! Who is late: one line on a terminal's standard error while a verb works, one line for each phase anywhere else.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, WeakProgressBar};

use crate::deploy::{Event, Progress};
use crate::layout::nodeset;

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// The line that is drawn: a question stands in its place, whichever room of the program it comes from.
static DRAWN: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// Asks the operator something with no line drawn over it. Nobody else is held up meanwhile, as [`Bar::aside`] would.
pub fn undrawn<T>(ask: impl FnOnce() -> T) -> T {
    let bar = DRAWN.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(WeakProgressBar::upgrade);
    let Some(bar) = bar else { return ask() };
    bar.set_draw_target(ProgressDrawTarget::hidden());
    // What is drawn already. Nobody is left to be told that standard error is closed.
    let _ = write!(io::stderr().lock(), "\r\x1b[2K");
    let answer = ask();
    bar.set_draw_target(ProgressDrawTarget::stderr());
    answer
}

type Say = dyn Fn(&str) + Sync;

/// The line; hidden where standard error is no terminal.
pub struct Bar {
    bar: ProgressBar,
    /// Says a phase where there is no line.
    say: Option<Box<Say>>,
    /// Prints a note, with the line out of the way.
    note: Option<Box<Say>>,
    phase: Arc<Mutex<Phase>>,
}

/// What is being done, and for whom it is not done yet.
#[derive(Default)]
struct Phase {
    what: String,
    all: usize,
    late: BTreeSet<String>,
    since: Option<Instant>,
}

/// Whoever is not done by then is named with how long it takes.
const PATIENCE: Duration = Duration::from_secs(1);

impl Phase {
    /// `staging 30/32 · waiting for sensor-[7,19] 6 s`.
    fn line(&self, now: Instant) -> String {
        let done = self.all - self.late.len();
        let mut line = match self.all {
            0 => self.what.clone(),
            all => format!("{} {done}/{all}", self.what),
        };
        if !self.late.is_empty() {
            line.push_str(&format!(" · waiting for {}", nodeset::fold(self.late.iter().map(String::as_str))));
            let waited = self.since.map(|since| now.saturating_duration_since(since)).unwrap_or_default();
            if waited >= PATIENCE {
                line.push_str(&format!(" {} s", waited.as_secs()));
            }
        }
        line
    }
}

impl Bar {
    /// A line that is drawn again and again; notes go to `note`.
    pub fn shown(note: impl Fn(&str) + Sync + 'static) -> Bar {
        let (bar, phase) = (ProgressBar::new_spinner(), Arc::<Mutex<Phase>>::default());
        let style =
            ProgressStyle::with_template("{spinner} {line}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let drawn = phase.clone();
        // Made at each turn of the spinner, because the seconds go on though nothing happens.
        bar.set_style(style.with_key("line", move |_: &ProgressState, out: &mut dyn fmt::Write| {
            // The bar has no use for an error.
            let _ = out.write_str(&lock(&drawn).line(Instant::now()));
        }));
        bar.enable_steady_tick(TICK);
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.downgrade());
        Bar { bar, say: None, note: Some(Box::new(note)), phase }
    }

    /// No line; each phase and each note is handed to `say`.
    pub fn said(say: impl Fn(&str) + Clone + Sync + 'static) -> Bar {
        let note = Some(Box::new(say.clone()) as Box<Say>);
        Bar { bar: ProgressBar::hidden(), say: Some(Box::new(say)), note, phase: Arc::default() }
    }

    /// Nothing at all.
    pub fn hidden() -> Bar {
        Bar { bar: ProgressBar::hidden(), say: None, note: None, phase: Arc::default() }
    }

    /// Wipes the line.
    pub fn finish(&self) {
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.bar.finish_and_clear();
    }

    /// Does something that writes elsewhere, with the line out of the way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

fn lock(phase: &Mutex<Phase>) -> MutexGuard<'_, Phase> {
    phase.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Progress for Bar {
    fn tell(&self, event: Event<'_>) {
        let mut phase = lock(&self.phase);
        match event {
            Event::Phase { what, targets } => {
                let late: BTreeSet<String> = targets.iter().map(|target| (*target).to_owned()).collect();
                if let Some(say) = self.say.as_ref().filter(|_| !late.is_empty()) {
                    say(&format!("{what}: {}", nodeset::fold(targets.iter().copied())));
                }
                *phase = Phase { what: what.to_owned(), all: late.len(), late, since: Some(Instant::now()) };
            }
            Event::Done { target } => {
                phase.late.remove(target);
            }
            Event::Note { text } => {
                drop(phase);
                if let Some(note) = &self.note {
                    self.bar.suspend(|| note(text));
                }
                return;
            }
        }
        drop(phase);
        self.bar.tick();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_and_names_who_is_late() {
        let since = Instant::now();
        let late = ["sensor-7", "sensor-19"].map(str::to_owned).into();
        let mut phase = Phase { what: "staging".into(), all: 32, late, since: Some(since) };
        assert_eq!(phase.line(since), "staging 30/32 · waiting for sensor-[7,19]");
        assert_eq!(phase.line(since + Duration::from_millis(6400)), "staging 30/32 · waiting for sensor-[7,19] 6 s");
        phase.late.clear();
        assert_eq!(phase.line(since), "staging 32/32");
        assert_eq!(Phase { what: "rendering".into(), ..Phase::default() }.line(since), "rendering");
    }

    #[test]
    fn without_a_terminal_each_phase_is_one_line() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let hear = said.clone();
        let bar = Bar::said(move |line| hear.lock().expect("one thread").push(line.to_owned()));
        bar.tell(Event::Phase { what: "staging", targets: &["a-1", "a-2"] });
        bar.tell(Event::Done { target: "a-1" });
        bar.tell(Event::Phase { what: "starting", targets: &[] });
        assert_eq!(*said.lock().expect("one thread"), ["staging: a-[1-2]"]);
    }
}
