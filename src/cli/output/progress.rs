//! Who is late: one line on a terminal's standard error while a verb works, nothing anywhere else.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::deploy::{Event, Progress};
use crate::layout::nodeset;

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// The line; hidden where standard error is no terminal.
pub struct Bar {
    bar: ProgressBar,
    late: Mutex<BTreeSet<String>>,
}

impl Bar {
    /// A line that is shown, or hidden.
    pub fn new(visible: bool) -> Bar {
        let bar = match visible {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        if visible {
            let style = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}  {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(TICK);
        }
        Bar { bar, late: Mutex::default() }
    }

    /// Wipes the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Does something that writes elsewhere, with the line out of the way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    fn late(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.late.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Progress for Bar {
    fn tell(&self, event: Event<'_>) {
        let mut late = self.late();
        match event {
            Event::Phase { what, targets } => {
                self.bar.set_prefix(what.to_owned());
                *late = targets.iter().map(|target| (*target).to_owned()).collect();
            }
            Event::Done { target } => {
                late.remove(target);
            }
        }
        let names: Vec<&str> = late.iter().map(String::as_str).collect();
        self.bar.set_message(match names.is_empty() {
            true => String::new(),
            false => format!("waiting for {}", nodeset::fold(names)),
        });
    }
}
