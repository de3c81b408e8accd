//! Logins begun before they are needed: while the host that keeps the lock is asked, the others are logged in on already.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::task::AbortOnDropHandle;

use super::error::ReachError;
use super::ssh::Ssh;

type Login = AbortOnDropHandle<Result<Ssh, ReachError>>;

/// Logins under way or done, by the host's name in the layout. Those that nobody asks for end with it.
#[derive(Clone, Default)]
pub(super) struct Early(Arc<Mutex<HashMap<String, Login>>>);

impl Early {
    /// Begins a login, unless there is one already.
    pub fn begin(&self, host: &str, login: impl Future<Output = Result<Ssh, ReachError>> + Send + 'static) {
        self.logins().entry(host.to_owned()).or_insert_with(|| AbortOnDropHandle::new(tokio::spawn(login)));
    }

    /// How it ended, once; none where there is none, or it is of no more use.
    pub async fn take(&self, host: &str) -> Option<Result<Ssh, ReachError>> {
        let login = self.logins().remove(host)?;
        let ended = login.await.ok()?;
        let is_over = ended.as_ref().is_ok_and(|ssh| ssh.is_over());
        (!is_over).then_some(ended)
    }

    fn logins(&self) -> MutexGuard<'_, HashMap<String, Login>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.logins().keys()).finish()
    }
}
