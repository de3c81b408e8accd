//! Whether a Zeek that reads an interface can see anything: the interface as the kernel has it, and what Zeek has counted.
//!
//! A Zeek goes on when its interface is deleted and made again, and reads nothing from then on. Time is an argument.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::pulse::Turn;

/// A Zeek that took no packet for so long is told of.
const BLIND_AFTER: Duration = Duration::from_secs(300);
/// IFF_UP of `linux/if.h`.
const IFF_UP: u32 = 1;

/// What the kernel says of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// A deleted and newly made interface has another one.
    index: u32,
    up: bool,
    /// False where no cable is in, or the other end is down.
    carrier: bool,
}

impl Device {
    /// Reads `/sys/class/net`; `None` where there is no such interface.
    pub(super) fn look(name: &str) -> Option<Device> {
        let folder = PathBuf::from("/sys/class/net").join(name);
        let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
        let index = read("ifindex")?.trim().parse().ok()?;
        let flags = u32::from_str_radix(read("flags")?.trim().trim_start_matches("0x"), 16).ok()?;
        // Interfaces that know no carrier say `unknown`.
        let carrier = read("operstate").is_none_or(|state| state.trim() != "down" && state.trim() != "lowerlayerdown");
        Some(Device { index, up: flags & IFF_UP != 0, carrier })
    }
}

/// The name that the kernel knows an interface of a layout by: `af_packet::eth1` is `eth1`.
pub(super) fn device_name(interface: &str) -> &str {
    interface.rsplit("::").next().unwrap_or(interface)
}

/// Follows one Zeek's interface.
#[derive(Debug)]
pub(super) struct Traffic {
    name: String,
    /// As it was when Zeek opened it. `None`: no device of the kernel, and nothing is said of it.
    opened: Option<Device>,
    turn: Turn,
    moved: Instant,
}

impl Traffic {
    /// For a Zeek that opens the interface now.
    pub(super) fn new(interface: &str, now: Instant) -> Traffic {
        let name = device_name(interface).to_owned();
        let opened = Device::look(&name);
        Traffic { name, opened, turn: Turn::default(), moved: now }
    }

    /// Takes what Zeek has counted.
    pub(super) fn turned(&mut self, turn: Turn, now: Instant) {
        if turn.received != self.turn.received {
            self.moved = now;
        }
        self.turn = turn;
    }

    /// Why Zeek sees nothing, if that is so.
    pub(super) fn trouble(&self, device: Option<Device>, now: Instant) -> Option<String> {
        let name = &self.name;
        let opened = self.opened?;
        let Some(device) = device else {
            return Some(format!(
                "the interface {name} is gone: no packets until it is back and this node is restarted"
            ));
        };
        if device.index != opened.index {
            return Some(format!(
                "the interface {name} was made anew since Zeek opened it: no packets until this node is restarted"
            ));
        }
        if !device.up {
            return Some(format!("the interface {name} is down: `ip link set {name} up` on the host"));
        }
        if !device.carrier {
            return Some(format!("the interface {name} has no carrier: is the cable in, and is the other end up?"));
        }
        let still = now.saturating_duration_since(self.moved);
        (still >= BLIND_AFTER).then(|| format!("no packet from {name} for {} min", still.as_secs() / 60))
    }

    /// [`Traffic::trouble`] as the kernel has the interface now.
    pub(super) fn look(&self, now: Instant) -> Option<String> {
        self.trouble(Device::look(&self.name), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zeek_that_can_see_nothing_is_told_of() {
        let start = Instant::now();
        let device = Device { index: 7, up: true, carrier: true };
        let mut traffic = Traffic { opened: Some(device), ..Traffic::new("af_packet::veth9", start) };
        let said = |traffic: &Traffic, device, second| {
            traffic.trouble(device, start + Duration::from_secs(second)).unwrap_or_default()
        };
        assert_eq!(said(&traffic, Some(device), 10), "");
        assert!(said(&traffic, None, 10).starts_with("the interface veth9 is gone"));
        assert!(said(&traffic, Some(Device { index: 8, ..device }), 10).contains("made anew"));
        assert!(said(&traffic, Some(Device { up: false, ..device }), 10).contains("ip link set veth9 up"));
        assert!(said(&traffic, Some(Device { carrier: false, ..device }), 10).contains("no carrier"));
        assert_eq!(said(&traffic, Some(device), 301), "no packet from veth9 for 5 min");
        traffic.turned(Turn { received: 1, ..Turn::default() }, start + Duration::from_secs(302));
        assert_eq!(said(&traffic, Some(device), 310), "");
    }

    #[test]
    fn the_kernel_is_asked() {
        let device = Device::look("lo").expect("every machine has lo");
        assert!(device.carrier);
        assert_eq!(Device::look("no-such-interface"), None);
        // What is no device, such as `napatech::0`, is left to its packet source.
        assert_eq!(Traffic::new("napatech::0", Instant::now()).look(Instant::now()), None);
    }
}
