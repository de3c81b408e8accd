//! What a service manager is told: the protocol of `sd_notify(3)`, lines of text on the datagram socket that
//! `NOTIFY_SOCKET` names. Without that variable everything here does nothing.
//!
//! The watchdog's line is sent from the agent's own runtime, after a look at its state: an agent whose threads or locks
//! are stuck falls silent, and the service manager replaces it.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::Duration;

/// Variables that are meant for this process alone: what it starts must not speak for it.
const VARIABLES: [&str; 4] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "MAINPID"];

/// Leaves out of a command's environment what is meant for this process.
pub fn keep_from(command: &mut Command) {
    for name in VARIABLES {
        command.env_remove(name);
    }
}

/// The way to the service manager, if there is one.
#[derive(Debug)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// As the environment of this process says. A socket that cannot be opened is told in the log, and the agent runs
    /// without: the service manager then says what it misses.
    pub fn from_environment() -> ServiceManager {
        let [socket, usec, pid, _] = VARIABLES.map(env::var_os);
        match ServiceManager::new(socket, usec, pid, std::process::id()) {
            Ok(manager) => manager,
            Err(error) => {
                tracing::error!(%error, "the service manager cannot be told anything: NOTIFY_SOCKET");
                ServiceManager { socket: None, watchdog: None }
            }
        }
    }

    fn new(
        socket: Option<OsString>,
        usec: Option<OsString>,
        pid: Option<OsString>,
        own: u32,
    ) -> io::Result<ServiceManager> {
        let Some(name) = socket.filter(|name| !name.is_empty()) else {
            return Ok(ServiceManager { socket: None, watchdog: None });
        };
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            path => SocketAddr::from_pathname(std::path::Path::new(std::ffi::OsStr::from_bytes(path)))?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        socket.set_nonblocking(true)?;
        let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
        let is_for_us = pid.is_none_or(|pid| number(pid) == Some(u64::from(own)));
        let watchdog = usec.and_then(number).filter(|usec| is_for_us && *usec > 0).map(Duration::from_micros);
        Ok(ServiceManager { socket: Some(socket), watchdog })
    }

    /// Whether a service manager started this process and waits for it.
    pub fn is_heard(&self) -> bool {
        self.socket.is_some()
    }

    /// How often [`ServiceManager::alive`] is due: half of what the service manager allows. None when it does not watch.
    pub fn beat(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }

    /// The agent listens and has adopted its nodes.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// The agent is about to end.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// The agent still works.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// A line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.say(&format!("STATUS={status}"));
    }

    fn say(&self, line: &str) {
        let Some(socket) = &self.socket else { return };
        // A service manager that is busy or gone hears the next one; whoever misses too many is ended by it.
        if let Err(error) = socket.send(line.as_bytes()) {
            tracing::debug!(%error, "the service manager did not hear");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_service_manager_hears_each_state_on_its_path_or_its_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("zeek-cluster-notify-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        let listeners = [
            (UnixDatagram::bind(&path).unwrap(), path.into_os_string()),
            (UnixDatagram::bind_addr(&abstract_address).unwrap(), format!("@{name}").into()),
        ];
        for (listener, named) in listeners {
            let manager = ServiceManager::new(Some(named), None, None, 7).unwrap();
            assert!(manager.is_heard());
            manager.ready("2 nodes");
            manager.alive();
            manager.stopping();
            assert_eq!(heard(&listener), "READY=1\nSTATUS=2 nodes");
            assert_eq!(heard(&listener), "WATCHDOG=1");
            assert_eq!(heard(&listener), "STOPPING=1");
        }
    }

    #[test]
    fn the_watchdog_is_fed_twice_as_often_as_asked_and_only_by_its_process() {
        let listener = tempfile::tempdir().unwrap();
        let path = listener.path().join("notify");
        let _listener = UnixDatagram::bind(&path).unwrap();
        let beat = |usec: &str, pid: Option<&str>| {
            let manager =
                ServiceManager::new(Some(path.clone().into()), Some(usec.into()), pid.map(Into::into), 7).unwrap();
            manager.beat()
        };
        assert_eq!(beat("30000000", Some("7")), Some(Duration::from_secs(15)));
        assert_eq!(beat("30000000", None), Some(Duration::from_secs(15)));
        assert_eq!(beat("30000000", Some("8")), None);
        assert_eq!(beat("0", None), None);
        assert_eq!(beat("soon", None), None);
    }

    #[test]
    fn without_a_service_manager_nothing_is_said() {
        let manager = ServiceManager::new(None, Some("30000000".into()), None, 7).unwrap();
        manager.ready("x");
        assert!(!manager.is_heard() && manager.beat().is_none());
        assert!(ServiceManager::new(Some("/nowhere/notify".into()), None, None, 7).is_err());
    }
}
