//! What zeekctl does differently from version to version. Source: zeekctl's CHANGES, and Zeek's NEWS for the versions that
//! ship it.

use std::fmt;

/// Version of the Zeek that a tool came with: major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToolVersion {
    /// Such as 8.
    pub major: u16,
    /// Such as 2.
    pub minor: u16,
}

impl ToolVersion {
    /// Reads `8.2.2`, `9.0.0-rc1` or `zeek version 8.0.1`.
    ///
    /// ```
    /// use zeek_cluster::layout::ToolVersion;
    ///
    /// assert_eq!(ToolVersion::parse("zeek version 9.0.0-rc1"), Some(ToolVersion { major: 9, minor: 0 }));
    /// assert_eq!(ToolVersion::parse("nine"), None);
    /// ```
    pub fn parse(text: &str) -> Option<ToolVersion> {
        let word = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        let mut numbers = word.split(['.', '-', '+']).map(str::parse);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return None };
        Some(ToolVersion { major, minor })
    }

    /// zeekctl 2.6.0-44: `ClusterBackend` is ZeroMQ and `UseWebSocket` is on unless said otherwise, and the forwarder
    /// takes two ports from `ZeekPort`.
    pub(super) fn has_zeromq_first(self) -> bool {
        self >= ToolVersion { major: 8, minor: 1 }
    }

    /// zeekctl 2.6.0-65: the ZeroMQ backend can be encrypted.
    pub(super) fn has_curve(self) -> bool {
        self >= ToolVersion { major: 9, minor: 0 }
    }

    /// zeekctl 2.6.0-18: `ClusterBackend`. Before it all clusters speak Broker.
    pub(super) fn has_backends(self) -> bool {
        self >= ToolVersion { major: 8, minor: 0 }
    }

    /// zeekctl 2.5.0: `ZeekPort` is 27760; before it 47760.
    pub(super) fn first_port(self) -> u16 {
        match self >= (ToolVersion { major: 5, minor: 2 }) {
            true => 27760,
            false => 47760,
        }
    }

    /// zeekctl 2.5.0-44: `MetricsPort`.
    pub(super) fn has_metrics(self) -> bool {
        self >= ToolVersion { major: 7, minor: 0 }
    }
}

impl fmt::Display for ToolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
