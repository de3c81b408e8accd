//! What an agent looks at every moment so that nothing that was taken away underneath it stays away: its lock and folders.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::block_in_place;
use tokio::time::{MissedTickBehavior, interval};

use super::folder::{FolderLock, LockError};
use super::serve::Service;
use crate::api::events::Happening;

/// How often the folder is looked at: one `stat`.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Keeps the lock of the agent's folder; ends the agent when another one has the folder.
pub async fn guard(service: Arc<Service>, lock: Arc<Mutex<FolderLock>>) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        look.tick().await;
        if service.is_removed() || held(&lock).is_in_place() {
            continue;
        }
        match block_in_place(|| service.take_folder_again()) {
            Ok(again) => {
                tracing::warn!("the cluster's folder was taken away and has been made again; nodes run on");
                *held(&lock) = again;
                service.events.host(Happening::Mended { what: "the cluster's folder was taken away".to_owned() });
                told.clear();
            }
            Err(LockError::Taken(holder)) => {
                tracing::error!(
                    "another agent ({holder}) has the cluster's folder, which was taken away from this one"
                );
                service.tell_to_end();
            }
            Err(LockError::Io(path, error)) => {
                let why = format!("{}: {error}", path.display());
                if told != why {
                    tracing::error!("the cluster's folder was taken away and cannot be made again: {why}");
                    told = why;
                }
            }
        }
    }
}

/// Replacing a lock cannot leave it half replaced.
fn held(lock: &Mutex<FolderLock>) -> MutexGuard<'_, FolderLock> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
