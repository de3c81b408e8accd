//! What a verb says while it works, for whoever draws it.

/// Hears what happens; called from the task that works, so it must return at once.
pub trait Progress: Sync {
    /// Something happened.
    fn tell(&self, event: Event<'_>);
}

/// What can happen while a verb works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A phase begins.
    Phase {
        /// In words, such as `starting workers`.
        what: &'a str,
        /// The hosts or nodes that it waits for.
        targets: &'a [&'a str],
    },
    /// A target of the phase is done, well or not.
    Done {
        /// One of the phase's targets.
        target: &'a str,
    },
    /// The operator has to know it, however the verb ends.
    Note {
        /// A sentence without a full stop.
        text: &'a str,
    },
}

/// Hears and says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn tell(&self, _: Event<'_>) {}
}
