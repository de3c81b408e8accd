//! `Cluster::node_id` under the ZeroMQ backend: who a process is, anew at each start.
//!
//! Compatibility: `zeromq.md` 3.4. Nobody parses an id; it only has to be unique and free of NUL bytes.

/// The digits of Zeek's base 62, least significant first when written.
const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Ninety-six random bits, drawn by whoever starts the node: the core itself draws nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Randomness {
    /// The word that is written first.
    pub high: u32,
    /// The word that is written second.
    pub low: u64,
}

/// `zeromq_NAME_HOST_PID_N…`: the id of one process; the name is empty outside a cluster.
pub fn node_id(name: &str, host: &str, pid: u32, random: Randomness) -> String {
    let unique = format!("N{}{}", base62(u64::from(random.high)), base62(random.low));
    format!("zeromq_{name}_{}_{pid}_{unique}", host.replace('\0', ""))
}

fn base62(mut value: u64) -> String {
    let mut text = String::new();
    loop {
        text.push(char::from(DIGITS[(value % 62) as usize]));
        value /= 62;
        if value == 0 {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_least_significant_digit_first_without_padding() {
        assert_eq!(base62(0), "0");
        assert_eq!(base62(61), "Z");
        assert_eq!(base62(62), "01");
        assert_eq!(base62(u64::from(u32::MAX)).len(), 6);
        assert_eq!(base62(u64::MAX).len(), 11);
    }

    #[test]
    fn an_id_names_node_host_and_process() {
        let id = node_id("worker-1", "sensor1", 4242, Randomness { high: 10, low: 62 * 61 + 3 });
        assert_eq!(id, "zeromq_worker-1_sensor1_4242_Na3Z");
        assert_eq!(node_id("", "h", 1, Randomness { high: 0, low: 0 }), "zeromq__h_1_N00");
    }
}
