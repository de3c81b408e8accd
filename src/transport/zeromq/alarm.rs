//! Reports a thread that ends unasked, also by a panic.

use tokio::sync::watch;

/// The name of a thread that has died.
type Death = Option<&'static str>;

/// Held by a thread; rings when it is dropped.
pub(super) struct Alarm {
    thread: &'static str,
    rings: bool,
    deaths: watch::Sender<Death>,
}

/// Where the alarm is heard.
pub(super) struct Deaths(watch::Receiver<Death>);

impl Alarm {
    /// The alarm of a thread of that name, and where it is heard.
    pub(super) fn new(thread: &'static str) -> (Alarm, Deaths) {
        let (deaths, heard) = watch::channel(None);
        (Alarm { thread, rings: true, deaths }, Deaths(heard))
    }

    /// The thread was asked to end.
    pub(super) fn disarm(mut self) {
        self.rings = false;
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.rings {
            self.deaths.send_replace(Some(self.thread));
        }
    }
}

impl Deaths {
    /// Waits for the death of the thread; for ever when it ends in order. Cancel-safe.
    pub(super) async fn heard(&self) -> &'static str {
        let mut heard = self.0.clone();
        let death = heard.wait_for(Option::is_some).await.ok().and_then(|death| *death);
        match death {
            Some(thread) => thread,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_thread_that_panics_is_heard_and_one_that_was_asked_is_not() {
        let (alarm, deaths) = Alarm::new("zmq-test");
        let panics = std::thread::spawn(move || {
            let _alarm = alarm;
            std::panic::resume_unwind(Box::new("a test's panic"));
        });
        assert!(panics.join().is_err());
        assert_eq!(deaths.heard().await, "zmq-test");
        let (alarm, deaths) = Alarm::new("zmq-test");
        alarm.disarm();
        assert!(tokio::time::timeout(Duration::from_millis(20), deaths.heard()).await.is_err());
    }
}
