//! Ctrl-C, as a verb hears it: begin nothing new, bring what is under way to its end.

use tokio::sync::watch;

/// Says once, to all who hold it, that the operator wants the verb to end.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

/// Whoever interrupts.
#[derive(Debug)]
pub struct Interrupter(watch::Sender<bool>);

impl Interrupt {
    /// One that can be raised, and its other end.
    pub fn new() -> (Interrupter, Interrupt) {
        let (sender, receiver) = watch::channel(false);
        (Interrupter(sender), Interrupt(receiver))
    }

    /// One that nobody raises.
    pub fn never() -> Interrupt {
        Interrupt::new().1
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is raised; for ever when nobody can raise it any more.
    pub async fn raised(&self) {
        let mut raised = self.0.clone();
        if raised.wait_for(|raised| *raised).await.is_err() {
            std::future::pending().await
        }
    }
}

impl Interrupter {
    /// Tells all.
    pub fn raise(&self) {
        self.0.send_replace(true);
    }
}
