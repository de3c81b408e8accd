//! Whether the operator's SSH agent answers: one that hangs (forwarded from a laptop that is closed, say) must not cost the
//! hosts that a key file lets in.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// How long an agent is waited for. To list keys it asks nobody.
const LIMIT: Duration = Duration::from_secs(2);

/// `SSH_AGENTC_REQUEST_IDENTITIES`, in a message of one byte (draft-miller-ssh-agent).
const ASK_FOR_KEYS: [u8; 5] = [0, 0, 0, 1, 11];

/// What was found out about agents in this command, by their sockets: each is asked once.
#[derive(Clone, Default)]
pub(super) struct Agents(Arc<Mutex<HashMap<PathBuf, Known>>>);

type Known = Arc<OnceLock<Result<(), String>>>;

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Agents")
    }
}

impl Agents {
    /// Whether the agent answers; the error is a fragment for the operator. Blocks for [`LIMIT`] at most.
    pub fn check(&self, socket: &Path) -> Result<(), String> {
        let known = {
            let mut agents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            agents.entry(socket.to_owned()).or_default().clone()
        };
        known.get_or_init(|| first_check(socket)).clone()
    }
}

fn first_check(socket: &Path) -> Result<(), String> {
    let asked = ask(socket).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("the SSH agent at {} does not answer", socket.display())
        }
        _ => format!("the SSH agent at {}: {error}", socket.display()),
    });
    if let Err(what) = &asked {
        tracing::warn!("{what}");
    }
    asked
}

fn ask(socket: &Path) -> io::Result<()> {
    let agent = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Of connecting as well: the queue of an agent that hangs may be full.
    for timeout in [Timeout::Send, Timeout::Recv] {
        set_socket_timeout(&agent, timeout, Some(LIMIT))?;
    }
    connect(&agent, &SocketAddrUnix::new(socket)?)?;
    let mut agent = UnixStream::from(agent);
    agent.write_all(&ASK_FOR_KEYS)?;
    agent.read_exact(&mut [0; 5])
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn an_agent_that_is_silent_or_not_there_is_told_from_one_that_answers() {
        let dir = tempfile::tempdir().unwrap();
        let [silent, good, missing] = ["silent", "good", "missing"].map(|name| dir.path().join(name));
        let _silent = UnixListener::bind(&silent).unwrap();
        let listener = UnixListener::bind(&good).unwrap();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            client.read_exact(&mut [0; 5]).unwrap();
            client.write_all(&[0, 0, 0, 5, 12, 0, 0, 0, 0]).unwrap();
        });
        let agents = Agents::default();
        assert_eq!(agents.check(&good), Ok(()));
        // Nobody listens any more, and nobody is asked.
        assert_eq!(agents.check(&good), Ok(()));
        let said = format!("the SSH agent at {} does not answer", silent.display());
        assert_eq!(agents.check(&silent), Err(said));
        assert!(agents.check(&missing).unwrap_err().contains("No such file"));
    }
}
