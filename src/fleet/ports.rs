//! TCP ports of a host: which ones the nodes of a layout need, and which program listens there already. Asked of `/proc` by a
//! POSIX shell, so that nothing has to be installed on the host.
//!
//! Compatibility: `/proc/net/tcp` and `/proc/net/tcp6` as proc(5) describes them. A process of another user is only seen by
//! root; of the others it is known that there is one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::data::NodeType;
use crate::layout::{Layout, Node};

/// Where metrics are served; without it at the node's own address.
const METRICS_ADDRESS: &str = "Telemetry::metrics_address";

/// A port that a node is about to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededPort {
    /// TCP.
    pub port: u16,
    /// The address; none stands for all.
    pub address: Option<IpAddr>,
    /// The node.
    pub node: String,
}

/// A socket that listens on one of the ports that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// TCP.
    pub port: u16,
    /// Where; unspecified for all.
    pub address: IpAddr,
    /// Its process.
    pub owner: Owner,
}

/// The process behind a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A process of this cluster.
    Ours,
    /// Another one, in words, such as `nginx (pid 77)`.
    Other(String),
    /// One that this user cannot see.
    Unseen,
}

impl Owner {
    /// For sentences.
    pub fn in_words(&self) -> &str {
        match self {
            Owner::Ours => "this cluster",
            Owner::Other(words) => words,
            Owner::Unseen => "a process that cannot be seen",
        }
    }
}

impl Listener {
    /// Whether a node could not listen there beside this.
    pub fn is_in_the_way(&self, needed: &NeededPort) -> bool {
        let meets =
            |address: IpAddr| address.is_unspecified() || self.address.is_unspecified() || address == self.address;
        self.owner != Owner::Ours && self.port == needed.port && needed.address.is_none_or(meets)
    }
}

/// The ports on which the nodes of a host listen: hub, logs, metrics and WebSocket.
pub fn needed_ports(layout: &Layout, host: &str) -> Vec<NeededPort> {
    layout.nodes.iter().filter(|node| node.host == host).flat_map(|node| of_node(layout, node)).collect()
}

fn of_node(layout: &Layout, node: &Node) -> Vec<NeededPort> {
    let hub = [layout.hub.xpub, layout.hub.xsub].into_iter().filter(|_| node.node_type == NodeType::Manager);
    let cluster = hub.chain(layout.log_port(node)).map(|port| (port, node.ip));
    let websocket = node.websocket.as_ref().map(|server| (server.listen_port, Some(server.listen_addr)));
    let says_where = layout.options.contains_key(METRICS_ADDRESS);
    let address = node.ip.filter(|_| !says_where);
    let metrics = node.metrics_port.filter(|port| *port != 0).map(|port| (port, address));
    let all = cluster.chain(websocket).chain(metrics);
    all.map(|(port, address)| NeededPort { port, address, node: node.name.clone() }).collect()
}

/// A script that prints a line for each listener on these ports; `$dir` is the cluster's folder.
pub fn ports_script(ports: impl IntoIterator<Item = u16>) -> String {
    let ports: Vec<String> = ports.into_iter().map(|port| port.to_string()).collect();
    format!("ports='{}'\n{SCRIPT}", ports.join(" "))
}

const SCRIPT: &str = r#"listening=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r n local remote state q t r u o inode rest; do
  [ "$state" = 0A ] || continue
  case " $ports " in *" $((0x${local##*:})) "*) echo "$inode $local" ;; esac
done)
if [ -n "$listening" ]; then
  real=$(cd "$dir" 2>/dev/null && pwd -P) || real=$dir
  owners=$(ls -l /proc/[0-9]*/fd 2>/dev/null |
    sed -n -e '/^\/proc\//h' -e '/socket:\[/{s/.*socket:\[\([0-9]*\)\].*/\1/;G;s/\n\/proc\// /;s/\/fd:$//;p;}')
  printf '%s\n' "$listening" | while read -r inode local; do
    pid=$(printf '%s\n' "$owners" | sed -n "s/^$inode //p" | head -n 1)
    by=unseen
    if [ -n "$pid" ]; then
      by="$pid $(cat "/proc/$pid/comm" 2>/dev/null)|$(tr '\0\n' '  ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-500)"
      case "$(readlink "/proc/$pid/exe" 2>/dev/null) $(readlink "/proc/$pid/cwd" 2>/dev/null)" in
      "$real"/*|*" $real"/*) by=ours ;;
      esac
    fi
    printf 'port=%s %s\n' "$local" "$by"
  done
fi
"#;

/// Reads what follows `port=` in a line of [`ports_script`]; none when it cannot be understood.
pub fn parse_listener(text: &str) -> Option<Listener> {
    let (local, owner) = text.split_once(' ')?;
    let (address, port) = local.rsplit_once(':')?;
    let owner = match owner {
        "ours" => Owner::Ours,
        "unseen" => Owner::Unseen,
        process => Owner::Other(process_in_words(process)?),
    };
    Some(Listener { port: u16::from_str_radix(port, 16).ok()?, address: kernel_address(address)?, owner })
}

/// Reads the output of [`ports_script`].
pub fn parse_listeners(output: &[u8]) -> Vec<Listener> {
    let text = String::from_utf8_lossy(output);
    text.lines().filter_map(|line| line.strip_prefix("port=")).filter_map(parse_listener).collect()
}

/// `PID NAME|COMMAND LINE`; a node of another cluster is named as what it is.
fn process_in_words(text: &str) -> Option<String> {
    let (process, line) = text.split_once('|')?;
    let (pid, name) = process.split_once(' ')?;
    let words: Vec<&str> = line.split(' ').collect();
    Some(match words.as_slice() {
        [_, "node", "run", node, "--dir", dir, ..] => format!("node {node} of the cluster in {dir} (pid {pid})"),
        _ => format!("{name} (pid {pid})"),
    })
}

/// An address as the kernel prints it: words of 32 bits in the byte order of the host, which is that of this program.
fn kernel_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut octets = [0; 16];
            for (index, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(8 * index)?);
            }
            Some(Ipv6Addr::from(octets).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn told(ports: &[u16], dir: &str) -> Vec<Listener> {
        let script = format!("dir={dir}\n{}", ports_script(ports.iter().copied()));
        let output = std::process::Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
        parse_listeners(&output.stdout)
    }

    #[test]
    fn listeners_are_told_with_their_address_and_process() {
        let here = TcpListener::bind("127.0.0.1:0").unwrap();
        let all = TcpListener::bind("[::]:0").unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let free = {
            let gone = TcpListener::bind("127.0.0.1:0").unwrap();
            port(&gone)
        };
        let found = told(&[port(&here), port(&all), free], "/nowhere");
        let of = |port: u16| found.iter().find(|listener| listener.port == port).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(of(port(&here)).address, IpAddr::from([127, 0, 0, 1]));
        assert!(of(port(&all)).address.is_unspecified());
        let own = format!("(pid {})", std::process::id());
        assert!(of(port(&here)).owner.in_words().ends_with(&own), "{found:?}");
        let cwd = std::env::current_dir().unwrap();
        let ours = told(&[port(&here)], cwd.parent().unwrap().to_str().unwrap());
        assert_eq!(ours[0].owner, Owner::Ours, "its folder lies in the cluster's");
    }

    #[test]
    fn only_a_listener_of_the_same_address_or_of_all_is_in_the_way() {
        let check = |address: &str, needed: Option<&str>, expected: bool| {
            let owner = Owner::Other("nginx (pid 77)".to_owned());
            let listener = Listener { port: 80, address: address.parse().unwrap(), owner };
            let address = needed.map(|address| address.parse().unwrap());
            let needed = NeededPort { port: 80, address, node: "manager".to_owned() };
            assert_eq!(listener.is_in_the_way(&needed), expected, "{listener:?} {needed:?}");
            assert!(!listener.is_in_the_way(&NeededPort { port: 81, ..needed.clone() }));
            let ours = Listener { owner: Owner::Ours, ..listener };
            assert!(!ours.is_in_the_way(&needed));
        };
        check("127.0.0.1", Some("127.0.0.1"), true);
        check("127.0.0.1", Some("127.0.0.2"), false);
        check("0.0.0.0", Some("127.0.0.2"), true);
        check("::", Some("127.0.0.2"), true);
        check("127.0.0.1", None, true);
    }

    #[test]
    fn a_node_of_another_cluster_is_named_as_one() {
        let line = "0100007F:6C70 77 zeek-cluster-94|/b/m/bin/zeek-cluster-94f node run manager --dir /b/m ";
        let words = "node manager of the cluster in /b/m (pid 77)";
        let expected = Listener { port: 27760, address: [127, 0, 0, 1].into(), owner: Owner::Other(words.to_owned()) };
        assert_eq!(parse_listener(line), Some(expected));
        assert_eq!(
            parse_listener("0100007F:6C70 9 my prog|a b").unwrap().owner,
            Owner::Other("my prog (pid 9)".into())
        );
        assert_eq!(parse_listener("0100007F:6C70 unseen").unwrap().owner, Owner::Unseen);
        let v6 = parse_listener("B80D0120000000000000000001000000:0050 ours").unwrap();
        assert_eq!((v6.address, v6.port), ("2001:db8::1".parse().unwrap(), 80));
        assert_eq!(parse_listener("0100:6C70 ours"), None);
    }
}
