//! Why a host could not be reached or used, with everything an operator needs to mend it.

use std::fmt;
use std::time::Duration;

use crate::api::outcome::{ErrorInfo, Kind};

/// A host was not reached, or a step on it failed.
///
/// Displays as one line without the hint: `sensor-2 (192.0.2.22:22): no answer to TCP (connect, after 5.0 s)`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} ({}): {what} ({step}, after {:.1} s)", Place(.address, *.port), .elapsed.as_secs_f64())]
pub struct ReachError {
    /// The host's name in the layout.
    pub host: String,
    /// Its address as the layout writes it; `this machine` where no network is involved.
    pub address: String,
    /// The TCP port; 0 where no network is involved.
    pub port: u16,
    /// The step that did not succeed.
    pub step: Step,
    /// How the step ended.
    pub kind: ReachKind,
    /// Time since the host was first tried in this command.
    pub elapsed: Duration,
    /// What happened, a fragment without the host.
    pub what: String,
    /// What to do about it: a command, where one mends it.
    pub hint: Option<String>,
    /// With [`ReachKind::NoAgent`]: nodes of the cluster that run there all the same.
    pub unwatched: Vec<String>,
}

impl ReachError {
    /// The word that the machine formats use for it.
    pub fn outcome_kind(&self) -> Kind {
        match self.kind {
            ReachKind::TimedOut if self.step < Step::Channel => Kind::Unreachable,
            ReachKind::TimedOut => Kind::TimedOut,
            ReachKind::Unreachable => Kind::Unreachable,
            ReachKind::Failed | ReachKind::NotDeployed | ReachKind::NoAgent => Kind::Failed,
        }
    }
}

impl From<&ReachError> for ErrorInfo {
    fn from(error: &ReachError) -> ErrorInfo {
        ErrorInfo { what: error.to_string(), hint: error.hint.clone() }
    }
}

/// How a step ended that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReachKind {
    /// It did not end within its deadline.
    TimedOut,
    /// The host, or the way to it, is not there.
    Unreachable,
    /// The host answered, and refused or failed.
    Failed,
    /// The host was reached, and has nothing of this cluster: it was never deployed there.
    NotDeployed,
    /// The host was reached, the cluster was deployed there, and its agent does not run.
    NoAgent,
}

/// The steps of reaching a host, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Its name to addresses.
    Resolve,
    /// TCP.
    Connect,
    /// The first line of the SSH server.
    Banner,
    /// The key exchange.
    Kex,
    /// The check of the server's key.
    HostKey,
    /// The login.
    Auth,
    /// A channel of the SSH session, or a command run through one.
    Channel,
    /// The program brought to the host.
    Upload,
    /// The agent found, started or replaced.
    Agent,
}

impl Step {
    /// Whether a host that got stuck here was not logged in to: nothing of it was touched.
    pub fn is_on_the_way(self) -> bool {
        !matches!(self, Step::Channel | Step::Upload | Step::Agent)
    }

    /// The word of the machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Resolve => "resolve",
            Step::Connect => "connect",
            Step::Banner => "banner",
            Step::Kex => "kex",
            Step::HostKey => "host-key",
            Step::Auth => "auth",
            Step::Channel => "channel",
            Step::Upload => "upload",
            Step::Agent => "agent",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `address:port`, with brackets around an IPv6 address, or the bare address where there is no port.
struct Place<'a>(&'a str, u16);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place(address, 0) => f.write_str(address),
            Place(address, port) if address.contains(':') => write!(f, "[{address}]:{port}"),
            Place(address, port) => write!(f, "{address}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_host_address_port_step_and_time_in_one_line() {
        let mut error = ReachError {
            host: "sensor-2".into(),
            address: "2001:db8::22".into(),
            port: 22,
            step: Step::Connect,
            kind: ReachKind::TimedOut,
            elapsed: Duration::from_millis(5049),
            what: "no answer to TCP".into(),
            hint: None,
            unwatched: Vec::new(),
        };
        assert_eq!(error.to_string(), "sensor-2 ([2001:db8::22]:22): no answer to TCP (connect, after 5.0 s)");
        assert_eq!(error.outcome_kind(), Kind::Unreachable);
        (error.address, error.port, error.step) = ("this machine".into(), 0, Step::Agent);
        assert_eq!(error.to_string(), "sensor-2 (this machine): no answer to TCP (agent, after 5.0 s)");
        assert_eq!(error.outcome_kind(), Kind::TimedOut);
    }
}
