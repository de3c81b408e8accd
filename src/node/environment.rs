//! What `layout` has to know of this machine and does not look up itself: names and local addresses.

use std::net::{IpAddr, ToSocketAddrs, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

/// How long one name may take to resolve; a layout with a dead name server still gets its error soon.
const RESOLVE_WITHIN: Duration = Duration::from_secs(3);

/// The first address of a host name, as the system's resolver has it; none when there is none in time.
pub fn resolve(name: &str) -> Option<IpAddr> {
    if let Ok(ip) = name.parse() {
        return Some(ip);
    }
    let (sender, receiver) = mpsc::channel();
    let owned = name.to_owned();
    // The resolver cannot be interrupted, so it gets a thread that may outlive the answer.
    let spawned = std::thread::Builder::new().name("resolve".into()).spawn(move || {
        let found = (owned.as_str(), 0).to_socket_addrs().ok().and_then(|mut all| all.next());
        // Nobody listens any more once the time is over.
        let _ = sender.send(found.map(|address| address.ip()));
    });
    match spawned {
        Ok(_) => receiver.recv_timeout(RESOLVE_WITHIN).ok().flatten(),
        Err(_) => None,
    }
}

/// Whether an address belongs to this machine: only those can be bound to.
pub fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || (!ip.is_unspecified() && !ip.is_multicast() && UdpSocket::bind((ip, 0)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_resolve_to_themselves() {
        assert_eq!(resolve("192.0.2.7"), Some([192, 0, 2, 7].into()));
        assert!(resolve("localhost").is_some_and(|ip| ip.is_loopback()));
    }

    #[test]
    fn only_own_addresses_are_local() {
        assert!(is_local([127, 0, 0, 1].into()));
        assert!(!is_local([192, 0, 2, 7].into()));
        assert!(!is_local([0, 0, 0, 0].into()));
    }
}
