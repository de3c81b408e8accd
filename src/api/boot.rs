//! What starts an agent when its host starts.

use serde::{Deserialize, Serialize};

/// The service manager that a unit belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BootScope {
    /// The host's own: started at boot, as the owner of the cluster's folder.
    System,
    /// A user's: started at boot only where lingering is on for that user, else at their first login.
    User,
}

impl BootScope {
    /// The word of the command line and of the machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            BootScope::System => "system",
            BootScope::User => "user",
        }
    }
}

/// What an agent knows of its own next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Boot {
    /// A unit of the host's service manager starts it.
    System,
    /// A unit of the user's service manager starts it, at boot.
    User,
    /// A unit of the user's service manager starts it, and only when the user logs in: lingering is off.
    Login,
    /// The process that a container or an init runs starts it.
    Container,
    /// The host has systemd, and no unit of it starts this agent.
    Nothing,
    /// The host has no systemd; whether an init script starts this agent is not known.
    Unknown,
}

impl Boot {
    /// The word of the machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Boot::System => "system",
            Boot::User => "user",
            Boot::Login => "login",
            Boot::Container => "container",
            Boot::Nothing => "nothing",
            Boot::Unknown => "unknown",
        }
    }

    /// Whether the host's next start is known to leave the cluster's nodes there down.
    pub fn is_missing(self) -> bool {
        matches!(self, Boot::Nothing | Boot::Login)
    }
}
