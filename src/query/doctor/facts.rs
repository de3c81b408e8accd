//! The script that a host answers, and its answer. POSIX shell and its usual tools; what a host does not have stays empty.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::limits::CpuSet;
use crate::fleet::{Listener, NeededPort, needed_ports, parse_listener, ports_script, quote};
use crate::layout::{Engine, Layout};

/// What the nodes of one host need there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Interfaces, without the plug-in in front (`af_packet::eth1`), and the nodes that listen there.
    pub interfaces: BTreeMap<String, Vec<String>>,
    /// CPUs to be pinned to.
    pub cpus: BTreeSet<u32>,
    /// TCP ports to listen on.
    pub ports: Vec<NeededPort>,
    /// The program of Zeek, as it is looked for, when a node needs it.
    pub zeek: Option<String>,
    /// Whether Zeek captures packets there.
    pub captures: bool,
    /// Whether a node's memory is to be limited.
    pub limits_memory: bool,
}

impl Wanted {
    /// Collects what the layout asks of a host.
    pub fn on(layout: &Layout, host: &str) -> Wanted {
        let mut wanted = Wanted { ports: needed_ports(layout, host), ..Wanted::default() };
        for node in layout.nodes.iter().filter(|node| node.host == host) {
            for interface in node.interface.iter().flat_map(|text| text.split_whitespace()) {
                let device = interface.rsplit("::").next().unwrap_or(interface);
                wanted.interfaces.entry(device.to_owned()).or_default().push(node.name.clone());
            }
            wanted.cpus.extend(&node.pin_cpus);
            if let Some(CpuSet::List(cpus)) = &node.limits.cpu_set {
                wanted.cpus.extend(cpus);
            }
            wanted.limits_memory |= node.limits.memory_max.or(node.limits.memory_high).is_some();
            if node.engine == Engine::Zeek {
                let prefix = layout.zeek.prefix.as_ref();
                wanted.zeek = Some(prefix.map_or_else(|| "zeek".into(), |p| p.join("bin/zeek").display().to_string()));
                wanted.captures |= node.interface.is_some();
            }
        }
        wanted
    }
}

/// A script that prints facts as `name=value`, one a line; `$dir` is the cluster's folder.
pub(super) fn script(wanted: &Wanted) -> String {
    let words = |words: &mut dyn Iterator<Item = String>| words.map(|word| quote(&word)).collect::<Vec<_>>().join(" ");
    let interfaces = words(&mut wanted.interfaces.keys().cloned());
    let zeek = quote(wanted.zeek.as_deref().unwrap_or(""));
    let ports = ports_script(wanted.ports.iter().map(|needed| needed.port));
    format!("interfaces='{}'\nzeek={zeek}\n{SCRIPT}{ports}exit 0\n", interfaces.replace('\'', r"'\''"))
}

const SCRIPT: &str = r#"PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
say() { printf '%s=%s\n' "$1" "$2"; }
say time "$(date +%s.%N)"
say dir "$dir"
at=$dir
while [ -n "$at" ] && [ "$at" != / ] && [ ! -e "$at" ]; do at=$(dirname "$at"); done
say nearest "$at"
[ -w "$at" ] && say writable yes
say user "$(id -un 2>/dev/null || id -u)"
say uid "$(id -u)"
set -- $(df -Pk "$at" 2>/dev/null | tail -n 1); say free_kib "$4"
set -- $(df -Pi "$at" 2>/dev/null | tail -n 1); say free_inodes "$4"
if [ -d "$dir" ]; then
  say folder_mode "$(ls -ld "$dir" | cut -c1-10)"
  [ -O "$dir" ] && say folder_owned yes
  open=0
  for keys in "$dir"/releases/*/keys; do
    [ -d "$keys" ] || continue
    n=$(find "$keys" -type f \( -perm -0040 -o -perm -0020 -o -perm -0010 -o -perm -0004 -o -perm -0002 -o -perm -0001 \) 2>/dev/null | wc -l)
    open=$((open + n))
  done
  say open_keys "$open"
  say uploads "$(find "$dir/bin" -name '.upload-*' -type f -mmin +60 2>/dev/null | wc -l | tr -d ' ')"
  say releases "$(ls "$dir/releases" 2>/dev/null | wc -l | tr -d ' ')"
  release=$(readlink "$dir/current" 2>/dev/null); release=${release#releases/}
  if [ -n "$release" ]; then
    say release "$release"
    binary=$(tr ',{' '\n\n' <"$dir/releases/$release/manifest.json" 2>/dev/null | sed -n 's/^ *"binary": *"\([0-9a-f]*\)".*/\1/p' | head -n 1)
    say binary "$binary"
    [ -x "$dir/bin/zeek-cluster-$binary" ] && say binary_there yes
    unit=zeek-cluster-$(basename "$dir").service
    [ -d /run/systemd/system ] && say systemd yes
    for scope in system user; do
      if [ "$scope" = system ]; then at=/etc/systemd/system; set --; else at=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user; set -- --user; fi
      grep -qF -- " --dir \"$dir\"" "$at/$unit" 2>/dev/null || continue
      say boot_scope "$scope"
      [ "$(systemctl "$@" is-enabled "$unit" 2>/dev/null)" = enabled ] && say boot_enabled yes
      break
    done
    say memory_keeper "$(cat "$dir/run/memory-keeper" 2>/dev/null)"
    [ -e "/var/lib/systemd/linger/$(id -un 2>/dev/null)" ] && say lingers yes
    [ -e "$dir/run/keeper.lock" ] && tr '\0' ' ' <"/proc/$(sed 's/pid //' "$dir/run/keeper.lock")/cmdline" 2>/dev/null | grep -q 'agent run' && say keeper yes
  fi
  [ -S "$dir/run/agent.sock" ] && say agent_socket yes
  if [ -r /proc/net/unix ]; then
    grep -F " $dir/run/agent.sock" /proc/net/unix | while read -r num refs protocol flags type state inode path; do
      case "$flags $path" in "00010000 $dir/run/agent.sock"|"00010000 $dir/run/agent.sock.new") say agent yes ;; esac
    done
    say agent no
  fi
fi
deepest=
while read -r device mount type options rest; do
  case "$at/" in "${mount%/}"/*) [ "${#mount}" -ge "${#deepest}" ] && { deepest=$mount; deepest_options=$options; } ;; esac
done 2>/dev/null </proc/self/mounts
case ",$deepest_options," in *,noexec,*) say noexec "$deepest" ;; esac
say machine "$(uname -m)"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
while read -r a b c soft hard rest; do
  case "$a $b $c" in
  'Max open files') say open_files "$hard" ;;
  esac
  [ "$a $b" = 'Max processes' ] && say processes "$soft"
done 2>/dev/null </proc/self/limits
while read -r name value rest; do
  [ "$name" = CapEff: ] && say cap_eff "$value"
done 2>/dev/null </proc/self/status
eval "set -- $interfaces"
for name; do
  if [ -d "/sys/class/net/$name" ]; then say interface "$(cat "/sys/class/net/$name/flags" 2>/dev/null) $name"; else say interface "missing $name"; fi
done
[ $# -gt 0 ] && say interfaces "$(ls /sys/class/net 2>/dev/null | tr '\n' ' ')"
say cpus "$(cat /sys/devices/system/cpu/online 2>/dev/null)"
if [ -n "$zeek" ]; then
  zeek=$(command -v "$zeek" 2>/dev/null)
  if [ -n "$zeek" ]; then
    say zeek "$zeek: $("$zeek" --version 2>&1 | head -n 1)"
    say zeek_capabilities "$(getcap "$zeek" 2>/dev/null)"
  fi
fi
{ sshd -T 2>/dev/null; cat /etc/ssh/sshd_config.d/*.conf /etc/ssh/sshd_config 2>/dev/null; } |
  grep -iE '^[[:space:]]*(maxstartups|maxsessions)[[:space:]]' | while read -r name value rest; do say "sshd_$name" "$value"; done
"#;

/// What a host answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    values: BTreeMap<String, String>,
    /// Interfaces with their flags; none for one that is missing.
    pub interfaces: BTreeMap<String, Option<u32>>,
    /// Listeners on the ports that are needed.
    pub listeners: Vec<Listener>,
}

impl Facts {
    /// Reads what the script printed; what is not understood is left out.
    pub fn parse(output: &[u8]) -> Facts {
        let text = String::from_utf8_lossy(output);
        let mut facts = Facts::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match (name, value.split_once(' ')) {
                ("interface", Some(("missing", interface))) => {
                    facts.interfaces.insert(interface.to_owned(), None);
                }
                ("interface", Some((flags, interface))) => {
                    let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
                    facts.interfaces.insert(interface.to_owned(), Some(flags));
                }
                ("port", _) => facts.listeners.extend(parse_listener(value)),
                // Of sshd's settings the first counts, and so of all.
                _ => drop(facts.values.entry(name.to_ascii_lowercase()).or_insert_with(|| value.trim().to_owned())),
            }
        }
        facts
    }

    /// A fact; none where the host had nothing to say.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A fact that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}
