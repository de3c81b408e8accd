//! Threads that must not end unnoticed.

use std::sync::Arc;

use tokio::sync::watch;

/// Who hears of a thread that ended although it should not.
#[derive(Clone, Debug, Default)]
pub(super) struct Deaths {
    first: Arc<watch::Sender<Option<&'static str>>>,
}

/// Lives in a thread; tells when the thread ends without [`Alive::ends_as_wanted`], such as by a panic.
#[derive(Debug)]
pub(super) struct Alive {
    name: &'static str,
    deaths: Deaths,
    wanted: bool,
}

impl Deaths {
    /// For a thread of that name.
    pub(super) fn watch(&self, name: &'static str) -> Alive {
        Alive { name, deaths: self.clone(), wanted: false }
    }

    /// Waits until a thread ended that should not, and gives its name.
    pub(super) async fn first(&self) -> &'static str {
        let mut first = self.first.subscribe();
        let name = first.wait_for(Option::is_some).await.map(|name| *name);
        // The sender lives as long as `self`.
        name.ok().flatten().unwrap_or_default()
    }
}

impl Alive {
    /// The thread has done what it was there for.
    pub(super) fn ends_as_wanted(mut self) {
        self.wanted = true;
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if self.wanted {
            return;
        }
        self.deaths.first.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(self.name);
            is_first
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_ends_that_were_not_wanted_are_told() {
        let deaths = Deaths::default();
        let wanted = deaths.watch("a");
        std::thread::spawn(move || wanted.ends_as_wanted()).join().unwrap();
        let panics = deaths.watch("b");
        let ended = std::thread::spawn(move || {
            let _alive = panics;
            panic!("as this test wants it");
        });
        assert!(ended.join().is_err());
        assert_eq!(deaths.first().await, "b");
    }
}
