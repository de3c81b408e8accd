//! From facts to verdicts: what is enough, and what to do where it is not.

use std::time::{SystemTime, UNIX_EPOCH};

use super::facts::{Facts, Wanted};
use super::{Finding, Remedy, Verdict};
use crate::fleet::{Answer, Listener, Sockets};

/// Room for the program, its successor and a release.
const DISK_NEEDED_KIB: u64 = 100 << 10;
/// Below this a logger has filled the disk before anybody looks.
const DISK_COMFORTABLE_KIB: u64 = 1 << 20;
const INODES_NEEDED: u64 = 1000;
/// Timestamps of logs that differ more confuse whoever correlates them; certificates and retries still work.
const SKEW_WARNING_S: f64 = 1.0;
const SKEW_LIMIT_S: f64 = 10.0;
/// Each node has a connection for every logger and some files; a logger one for every node.
const OPEN_FILES_NEEDED: u64 = 1024;
const PROCESSES_NEEDED: u64 = 256;
/// `IFF_UP` of netdevice(7).
const INTERFACE_UP: u32 = 1;
/// `CAP_NET_RAW` of capabilities(7).
const NET_RAW: u64 = 1 << 13;
/// A command, an upload and a fallback for the tunnel at once.
const SESSIONS_COMFORTABLE: u64 = 4;

fn row(check: &str, verdict: Verdict, what: impl Into<String>) -> Finding {
    Finding::of("", check, verdict, what)
}

fn ok(check: &str, what: impl Into<String>) -> Finding {
    row(check, Verdict::Ok, what)
}

/// What could be done on the host.
pub(super) fn of_answer(answer: &Answer) -> Vec<Finding> {
    let mut rows = Vec::new();
    match &answer.sockets {
        Sockets::Forwarded => rows.push(ok("sockets", "SSH forwards Unix sockets")),
        Sockets::Refused(why) => rows.push(
            row(
                "sockets",
                Verdict::Warning,
                format!("SSH does not forward Unix sockets ({why}); a process is started for it"),
            )
            .hint("AllowStreamLocalForwarding yes in sshd_config there saves that process"),
        ),
        Sockets::NotNeeded | Sockets::NotAsked => {}
    }
    match &answer.program {
        Ok(()) => rows.push(ok("program", "this program can run there")),
        Err(error) => {
            let failed = row("program", Verdict::Failed, error.what.clone());
            rows.push(Finding { hint: error.hint.clone(), ..failed });
        }
    }
    rows
}

/// What the host told about itself.
pub(super) fn of_facts(facts: &Facts, answer: &Answer, wanted: &Wanted) -> Vec<Finding> {
    let mut rows = vec![machine(facts), base_dir(facts), disk(facts), inodes(facts)];
    rows.extend(permissions(facts));
    rows.extend(uploads(facts));
    rows.extend(installed(facts));
    rows.extend(boot(facts));
    rows.extend(wanted.limits_memory.then(|| memory_limits(facts)).flatten());
    rows.push(clock(facts, answer.asked, answer.answered));
    rows.push(limit(facts, "open_files", "open files", OPEN_FILES_NEEDED, "nofile"));
    rows.push(limit(facts, "processes", "processes", PROCESSES_NEEDED, "nproc"));
    rows.extend(wanted.interfaces.keys().map(|name| interface(facts, name, &wanted.interfaces[name])));
    rows.extend(wanted.zeek.as_deref().map(|zeek| zeek_program(facts, zeek)));
    if wanted.captures {
        rows.push(capture(facts));
    }
    if !wanted.cpus.is_empty() {
        rows.push(cpus(facts, wanted));
    }
    rows.push(ports(facts, wanted));
    rows.extend((answer.sockets != Sockets::NotNeeded).then(|| sshd(facts)));
    rows
}

fn machine(facts: &Facts) -> Finding {
    let libc = facts.get("libc").unwrap_or("no glibc");
    ok("machine", format!("{}, {libc}", facts.get("machine").unwrap_or("unknown")))
}

fn base_dir(facts: &Facts) -> Finding {
    let (dir, nearest) = (facts.get("dir").unwrap_or("?"), facts.get("nearest").unwrap_or("/"));
    let user = facts.get("user").unwrap_or("the user");
    if let Some(mount) = facts.get("noexec") {
        return row(
            "base_dir",
            Verdict::Failed,
            format!("{dir} lies on {mount}, which is mounted noexec: no program runs there"),
        )
        .hint(format!(
            "set another base_dir in the layout, or as root there: mount -o remount,exec {}",
            crate::fleet::quote(mount)
        ));
    }
    if facts.get("writable").is_some() {
        let state = if dir == nearest { "is there" } else { "can be made" };
        return ok("base_dir", format!("{dir} {state}"));
    }
    let owned = quote_pair(user, dir);
    row("base_dir", Verdict::Failed, format!("{user} may not write in {nearest}"))
        .hint(format!("as root there: install -d -o {owned}; or set another base_dir in the layout"))
}

/// Keys lie in the cluster's folder, and whoever reaches the agent's socket commands it.
fn permissions(facts: &Facts) -> Option<Finding> {
    let mode = facts.get("folder_mode")?;
    let dir = facts.get("dir").unwrap_or("?");
    let keys = facts.number("open_keys").unwrap_or(0);
    let is_closed =
        mode.get(1..4) == Some("rwx") && mode.get(4..).is_some_and(|others| others.chars().all(|c| c == '-'));
    let dir = crate::fleet::quote(dir);
    let (what, by_hand) = match (is_closed, keys) {
        (true, 0) => return Some(ok("permissions", format!("{dir} is its owner's alone"))),
        // A number leaves the bits alone that a folder hands on.
        (false, _) => (format!("{dir} is {mode}, and drwx------ is expected"), format!("chmod u+rwx,go-rwxst {dir}")),
        (true, keys) => (
            format!("{keys} files with keys can be read by others"),
            format!("find {dir}/releases/*/keys -type f -exec chmod 600 {{}} +"),
        ),
    };
    let failed = row("permissions", Verdict::Failed, what);
    Some(match facts.get("folder_owned") {
        Some(_) => {
            failed.hint(format!("zeek-cluster doctor --fix, or there: {by_hand}")).remedy(Remedy::ClosePermissions)
        }
        None => failed.hint("the folder belongs to another user: log in as that one, or set another base_dir"),
    })
}

fn uploads(facts: &Facts) -> Option<Finding> {
    Some(match facts.number("uploads")? {
        0 => ok("uploads", "nothing is left of interrupted ones"),
        n => row("uploads", Verdict::Warning, format!("{n} interrupted ones left files in bin/"))
            .hint("zeek-cluster doctor --fix")
            .remedy(Remedy::RemoveUploads),
    })
}

/// What is deployed, as far as the disk says.
fn installed(facts: &Facts) -> Option<Finding> {
    let Some(release) = facts.get("release") else {
        return Some(match facts.number("releases").unwrap_or(0) {
            0 => row("installed", Verdict::Skipped, "nothing is deployed yet").hint("zeek-cluster deploy"),
            n => row("installed", Verdict::Failed, format!("there are {n} releases, and `current` is gone"))
                .hint("zeek-cluster deploy makes it again; nodes that run are not touched"),
        });
    };
    let binary = facts.get("binary");
    Some(match (binary, facts.get("binary_there")) {
        (None, _) => row("installed", Verdict::Failed, format!("release {release} is not whole"))
            .hint("zeek-cluster deploy brings it anew"),
        (_, Some(_)) => ok("installed", format!("release {release} and its program")),
        (Some(binary), None) => {
            row("installed", Verdict::Failed, format!("the program of release {release} is missing"))
                .hint("zeek-cluster doctor --fix, or zeek-cluster deploy, brings it")
                .remedy(Remedy::BringProgram(binary.to_owned()))
        }
    })
}

/// Of a host where no agent answers; nothing is said of one without a release.
pub(super) fn agent(facts: &Facts) -> Option<Finding> {
    if facts.get("release").is_none() && facts.number("releases").unwrap_or(0) == 0 {
        return None;
    }
    let what = match (facts.get("agent"), facts.get("agent_socket")) {
        (None, _) => return Some(unread("agent", "/proc/net/unix")),
        (Some("yes"), Some(_)) => "it runs, and does not answer",
        (Some("yes"), None) => "it runs, and its socket is gone",
        (_, Some(_)) => "it does not run, and left its socket behind",
        (_, None) => "it does not run",
    };
    let other = if facts.get("binary_there").is_some() { "zeek-cluster start" } else { "zeek-cluster deploy" };
    let hint = format!("zeek-cluster doctor --fix starts it, and so does {other}");
    Some(row("agent", Verdict::Failed, what).hint(hint).remedy(Remedy::StartAgent))
}

/// What starts the agent, and with it the nodes, when the host starts.
fn boot(facts: &Facts) -> Option<Finding> {
    facts.get("release")?;
    if facts.get("keeper").is_some() {
        return Some(ok("boot", "a process in the foreground (`agent run --foreground`) keeps the agent"));
    }
    let Some(scope) = facts.get("boot_scope") else {
        return Some(match facts.get("systemd") {
            Some(_) => row("boot", Verdict::Warning, "nothing starts the cluster when the host starts")
                .hint("zeek-cluster agent install"),
            None => row("boot", Verdict::Skipped, "there is no systemd; an init script may start the agent"),
        });
    };
    let user = facts.get("user").unwrap_or("the user");
    Some(match (scope, facts.get("boot_enabled"), facts.get("lingers")) {
        (_, None, _) => row("boot", Verdict::Warning, format!("the {scope}'s unit for the agent is not enabled"))
            .hint("zeek-cluster agent install enables it"),
        ("user", _, None) => {
            row("boot", Verdict::Warning, format!("the cluster starts when {user} logs in, not when the host starts"))
                .hint(format!("as root there: loginctl enable-linger {}", crate::fleet::quote(user)))
        }
        _ => ok("boot", format!("a unit of the {scope} starts the agent")),
    })
}

/// What keeps `memory_max` and `memory_high`, as the agent wrote it down at its start.
fn memory_limits(facts: &Facts) -> Option<Finding> {
    let keeper = facts.get("memory_keeper")?;
    Some(match keeper.strip_prefix("each process for itself: ") {
        None => ok("memory", format!("nodes are limited by {keeper}")),
        Some(why) => {
            let what = format!("memory_max is kept for each process alone, and memory_high is not kept: {why}");
            row("memory", Verdict::Warning, what)
                .hint("zeek-cluster agent install, on a host with cgroups of version 2")
        }
    })
}

fn quote_pair(user: &str, dir: &str) -> String {
    format!("{} {}", crate::fleet::quote(user), crate::fleet::quote(dir))
}

fn disk(facts: &Facts) -> Finding {
    let Some(free) = facts.number("free_kib") else { return unread("disk", "df") };
    let what = format!("{} free", size(free));
    match free {
        free if free < DISK_NEEDED_KIB => row("disk", Verdict::Failed, what)
            .hint(format!("{} are needed for the program and a release; see: df -h", size(DISK_NEEDED_KIB))),
        free if free < DISK_COMFORTABLE_KIB => row("disk", Verdict::Warning, what)
            .hint("logs may fill it: set `expire` under `logging` in the layout, or free some space"),
        _ => ok("disk", what),
    }
}

fn inodes(facts: &Facts) -> Finding {
    match facts.number("free_inodes") {
        // A file system that makes them as they are needed says 0 or nothing.
        None | Some(0) => row("inodes", Verdict::Skipped, "the file system does not count them"),
        Some(free) if free < INODES_NEEDED => row("inodes", Verdict::Failed, format!("{free} free"))
            .hint("remove files from that file system; see: df -i"),
        Some(_) => ok("inodes", "enough"),
    }
}

/// The host's clock lies between its readings here before and after, less what the clocks differ.
fn clock(facts: &Facts, asked: SystemTime, answered: SystemTime) -> Finding {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let Some(there) = facts.get("time").and_then(reading) else { return unread("clock", "date") };
    let (before, after) = (seconds(asked), seconds(answered));
    let skew = match there {
        (there, width) if there + width < before => there + width - before,
        (there, _) if there > after => there - after,
        _ => return ok("clock", "agrees with this machine"),
    };
    let way = if skew > 0.0 { "ahead of" } else { "behind" };
    let what = format!("{:.1} s {way} this machine", skew.abs());
    let hint = "set it by NTP there: timedatectl set-ntp true";
    match skew.abs() {
        skew if skew > SKEW_LIMIT_S => row("clock", Verdict::Failed, what).hint(hint),
        skew if skew > SKEW_WARNING_S => row("clock", Verdict::Warning, what).hint(hint),
        _ => ok("clock", "agrees with this machine"),
    }
}

/// Seconds, and how much later it may have been: `date` without `%N` counts whole seconds.
fn reading(text: &str) -> Option<(f64, f64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: f64 = whole.parse().ok()?;
    let fraction = if fraction.is_empty() { None } else { format!("0.{fraction}").parse::<f64>().ok() };
    Some(fraction.map_or((whole, 1.0), |fraction| (whole + fraction, 0.0)))
}

fn limit(facts: &Facts, name: &str, what: &str, needed: u64, in_limits: &str) -> Finding {
    match facts.get(name) {
        None => unread(name, "/proc/self/limits"),
        Some("unlimited") => ok(name, format!("as many {what} as wanted")),
        Some(text) => match text.parse::<u64>() {
            Ok(limit) if limit < needed => {
                let user = facts.get("user").unwrap_or("USER");
                row(name, Verdict::Failed, format!("{limit} {what} at most"))
                    .hint(format!("as root there: echo '{user} - {in_limits} {needed}' >>/etc/security/limits.conf"))
            }
            _ => ok(name, format!("{text} {what} at most")),
        },
    }
}

fn interface(facts: &Facts, name: &str, nodes: &[String]) -> Finding {
    let who = crate::layout::nodeset::fold(nodes.iter().map(String::as_str));
    match facts.interfaces.get(name) {
        Some(Some(flags)) if flags & INTERFACE_UP != 0 => ok("interface", format!("{name} is up")),
        Some(Some(_)) => row("interface", Verdict::Failed, format!("{name} of {who} is down"))
            .hint(format!("as root there: ip link set {} up", crate::fleet::quote(name))),
        _ => {
            let there = facts.get("interfaces").unwrap_or("none that can be seen");
            row("interface", Verdict::Failed, format!("{name} of {who} does not exist"))
                .hint(format!("correct `interface` in the layout; there are: {there}"))
        }
    }
}

fn zeek_program(facts: &Facts, wanted: &str) -> Finding {
    match facts.get("zeek") {
        Some(found) => ok("zeek", found),
        None => row("zeek", Verdict::Failed, format!("there is no {wanted}"))
            .hint("install Zeek there, or set `prefix` under `zeek` in the layout"),
    }
}

fn capture(facts: &Facts) -> Finding {
    let effective = facts.get("cap_eff").and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
    let of_file = facts.get("zeek_capabilities").is_some_and(|text| text.contains("cap_net_raw"));
    match (effective & NET_RAW != 0, of_file) {
        (true, _) => ok("capture", "the user has CAP_NET_RAW"),
        (false, true) => ok("capture", "zeek has CAP_NET_RAW"),
        (false, false) => {
            let user = facts.get("user").unwrap_or("the user");
            let zeek = facts.get("zeek").and_then(|found| found.split_once(": ")).map_or("zeek", |(path, _)| path);
            row("capture", Verdict::Failed, format!("neither {user} nor zeek has CAP_NET_RAW"))
                .hint(format!("as root there: setcap cap_net_raw,cap_net_admin=eip {}", crate::fleet::quote(zeek)))
        }
    }
}

fn cpus(facts: &Facts, wanted: &Wanted) -> Finding {
    let Some(online) = facts.get("cpus") else { return unread("pin_cpus", "/sys/devices/system/cpu/online") };
    let is_online = |cpu: &u32| {
        online.split(',').any(|part| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            matches!((from.parse::<u32>(), to.parse::<u32>()), (Ok(from), Ok(to)) if (from..=to).contains(cpu))
        })
    };
    let missing: Vec<String> = wanted.cpus.iter().filter(|cpu| !is_online(cpu)).map(u32::to_string).collect();
    match missing.is_empty() {
        true => ok("pin_cpus", format!("all of them are among {online}")),
        false => {
            row("pin_cpus", Verdict::Failed, format!("there is no CPU {} (there are {online})", missing.join(", ")))
                .hint("correct `pin_cpus` in the layout")
        }
    }
}

fn ports(facts: &Facts, wanted: &Wanted) -> Finding {
    let in_the_way = |listener: &&Listener| wanted.ports.iter().any(|needed| listener.is_in_the_way(needed));
    let taken: Vec<String> = facts
        .listeners
        .iter()
        .filter(in_the_way)
        .map(|listener| format!("{} by {}", listener.port, listener.owner.in_words()))
        .collect();
    match (taken.is_empty(), wanted.ports.len()) {
        (true, 0) => ok("ports", "none needed"),
        (true, _) if facts.listeners.is_empty() => ok("ports", "free"),
        (true, _) => ok("ports", "free, or this cluster's own"),
        (false, _) => row("ports", Verdict::Failed, format!("taken: {}", taken.join(", ")))
            .hint("stop that program, or give the nodes other ports in the layout"),
    }
}

fn sshd(facts: &Facts) -> Finding {
    let (startups, sessions) = (facts.get("sshd_maxstartups"), facts.number("sshd_maxsessions"));
    if startups.is_none() && sessions.is_none() {
        return row("sshd", Verdict::Skipped, "its MaxStartups and MaxSessions cannot be read, or are the defaults");
    }
    let shown = |value: Option<String>| value.unwrap_or_else(|| "the default".to_owned());
    let what = format!(
        "MaxStartups {}, MaxSessions {}",
        shown(startups.map(str::to_owned)),
        shown(sessions.map(|n| n.to_string()))
    );
    match sessions {
        Some(0) => {
            row("sshd", Verdict::Failed, what).hint("no command can be run there: raise MaxSessions in sshd_config")
        }
        Some(n) if n < SESSIONS_COMFORTABLE => row("sshd", Verdict::Warning, what)
            .hint(format!("MaxSessions {SESSIONS_COMFORTABLE} or more in sshd_config")),
        _ => ok("sshd", what),
    }
}

fn unread(check: &str, source: &str) -> Finding {
    row(check, Verdict::Skipped, format!("{source} gave no answer"))
}

/// KiB for eyes.
fn size(kib: u64) -> String {
    match kib {
        kib if kib < 10 << 10 => format!("{kib} KiB"),
        kib if kib < 10 << 20 => format!("{} MiB", kib >> 10),
        kib => format!("{} GiB", kib >> 20),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fleet::{ExecOutput, NeededPort};

    fn facts(text: &str) -> Facts {
        Facts::parse(text.as_bytes())
    }

    #[test]
    fn what_is_deployed_is_held_against_what_a_program_can_mend() {
        let rows = |text: &str| {
            let facts = facts(text);
            let found = [permissions(&facts), uploads(&facts), installed(&facts), agent(&facts)];
            found.into_iter().flatten().map(|row| (row.verdict, row.remedy)).collect::<Vec<_>>()
        };
        assert_eq!(rows("dir=/b/c\n"), [(Verdict::Skipped, None)], "nothing is there yet");
        let well = "dir=/b\nfolder_mode=drwx------\nfolder_owned=yes\nopen_keys=0\nuploads=0\nrelease=ab\nbinary=ff\n\
                    binary_there=yes\nagent_socket=yes\nagent=no\n";
        assert_eq!(rows(well)[..3], [const { (Verdict::Ok, None) }; 3]);
        let sick = "dir=/b\nfolder_mode=drwxr-xr-x\nfolder_owned=yes\nopen_keys=1\nuploads=2\nrelease=ab\nbinary=ff\n\
                    agent_socket=yes\nagent=no\n";
        assert_eq!(
            rows(sick),
            [
                (Verdict::Failed, Some(Remedy::ClosePermissions)),
                (Verdict::Warning, Some(Remedy::RemoveUploads)),
                (Verdict::Failed, Some(Remedy::BringProgram("ff".into()))),
                (Verdict::Failed, Some(Remedy::StartAgent)),
            ]
        );
        let foreign = "dir=/b\nfolder_mode=drwx--S---\nopen_keys=0\n";
        assert_eq!(rows(foreign), [(Verdict::Failed, None), (Verdict::Skipped, None)]);
        let lost = "dir=/b\nfolder_mode=drwx------\nfolder_owned=yes\nreleases=2\nagent=no\n";
        let ok = (Verdict::Ok, None);
        assert_eq!(rows(lost), [ok, (Verdict::Failed, None), (Verdict::Failed, Some(Remedy::StartAgent))]);
    }

    #[test]
    fn what_starts_with_the_host_is_said_with_its_remedy() {
        let judged =
            |text: &str| boot(&facts(&format!("release=ab\nuser=zeek\n{text}"))).map(|row| (row.verdict, row.hint));
        let hint = |text: &str| Some(text.to_owned());
        assert_eq!(boot(&facts("systemd=yes\n")), None, "nothing is deployed");
        assert_eq!(judged("systemd=yes\n"), Some((Verdict::Warning, hint("zeek-cluster agent install"))));
        assert_eq!(judged("").map(|(verdict, _)| verdict), Some(Verdict::Skipped));
        assert_eq!(judged("keeper=yes\n"), Some((Verdict::Ok, None)));
        let unit = "systemd=yes\nboot_scope=system\n";
        assert_eq!(judged(&format!("{unit}boot_enabled=yes\n")), Some((Verdict::Ok, None)));
        assert_eq!(judged(unit), Some((Verdict::Warning, hint("zeek-cluster agent install enables it"))));
        let user = "systemd=yes\nboot_scope=user\nboot_enabled=yes\n";
        assert_eq!(judged(user), Some((Verdict::Warning, hint("as root there: loginctl enable-linger zeek"))));
        assert_eq!(judged(&format!("{user}lingers=yes\n")), Some((Verdict::Ok, None)));
    }

    fn told(finding: &Finding) -> (&str, Verdict, &str) {
        (&finding.check, finding.verdict, &finding.what)
    }

    #[test]
    fn a_clock_is_wrong_only_by_what_the_way_does_not_explain() {
        let at = |s: f64| UNIX_EPOCH + Duration::from_secs_f64(s);
        let judged = |there: &str| clock(&facts(&format!("time={there}\n")), at(1000.0), at(1002.0));
        for fine in ["1000.0", "1001.5", "1002.9", "999.5", "999.N", "1002"] {
            assert_eq!(judged(fine).verdict, Verdict::Ok, "{fine}");
        }
        assert_eq!(told(&judged("995.5")), ("clock", Verdict::Warning, "4.5 s behind this machine"));
        assert_eq!(told(&judged("1102.0")), ("clock", Verdict::Failed, "100.0 s ahead of this machine"));
        assert_eq!(judged("soon").verdict, Verdict::Skipped);
    }

    #[test]
    fn room_on_the_disk_has_three_grades() {
        let judged = |kib: u64| disk(&facts(&format!("free_kib={kib}\n"))).verdict;
        assert_eq!(
            [judged(1024), judged(500 << 10), judged(50 << 20)],
            [Verdict::Failed, Verdict::Warning, Verdict::Ok]
        );
        assert_eq!(disk(&facts("free_kib=\n")).verdict, Verdict::Skipped);
        assert_eq!(inodes(&facts("free_inodes=3\n")).verdict, Verdict::Failed);
        assert_eq!(inodes(&facts("free_inodes=-\n")).verdict, Verdict::Skipped);
    }

    #[test]
    fn it_is_told_what_limits_memory() {
        assert_eq!(memory_limits(&facts("user=zeek\n")), None, "no agent has said");
        let kept = memory_limits(&facts("memory_keeper=the cgroup /sys/fs/cgroup/x\n")).expect("a row");
        assert_eq!(
            (kept.verdict, kept.what.as_str()),
            (Verdict::Ok, "nodes are limited by the cgroup /sys/fs/cgroup/x")
        );
        let alone =
            memory_limits(&facts("memory_keeper=each process for itself: no cgroup is there\n")).expect("a row");
        assert_eq!(alone.verdict, Verdict::Warning);
        assert!(alone.what.ends_with("memory_high is not kept: no cgroup is there"), "{}", alone.what);
    }

    #[test]
    fn each_interface_cpu_and_port_is_held_against_the_layout() {
        let wanted = Wanted {
            interfaces: [("eth1", "worker-1"), ("eth2", "worker-2"), ("eth9", "worker-3")]
                .map(|(interface, node)| (interface.to_owned(), vec![node.to_owned()]))
                .into(),
            cpus: [0, 2, 8].into(),
            ports: vec![NeededPort { port: 27760, address: None, node: "manager".to_owned() }],
            zeek: Some("zeek".into()),
            captures: true,
            limits_memory: false,
        };
        let facts = facts(
            "interface=0x1003 eth1\ninterface=0x1002 eth2\ninterface=missing eth9\ninterfaces=eth1 eth2 lo \ncpus=0-3,6\n\
             port=00000000:6C70 77 nginx|nginx: master\ncap_eff=0000000000000000\nuser=zeek\nsshd_MaxSessions=1\n",
        );
        let answer = Answer {
            output: ExecOutput::default(),
            asked: UNIX_EPOCH,
            answered: UNIX_EPOCH,
            program: Ok(()),
            sockets: Sockets::Forwarded,
        };
        let rows = of_facts(&facts, &answer, &wanted);
        let failed: Vec<&str> =
            rows.iter().filter(|row| row.verdict == Verdict::Failed).map(|row| row.what.as_str()).collect();
        assert_eq!(
            failed,
            [
                "zeek may not write in /",
                "eth2 of worker-2 is down",
                "eth9 of worker-3 does not exist",
                "there is no zeek",
                "neither zeek nor zeek has CAP_NET_RAW",
                "there is no CPU 8 (there are 0-3,6)",
                "taken: 27760 by nginx (pid 77)",
            ]
        );
        assert!(
            rows.iter().all(|row| row.verdict == Verdict::Ok || row.verdict == Verdict::Skipped || row.hint.is_some())
        );
        assert!(rows.iter().any(|row| row.check == "sshd" && row.verdict == Verdict::Warning));
    }

    #[test]
    fn a_capability_of_the_file_is_as_good_as_one_of_the_user() {
        assert_eq!(capture(&facts("cap_eff=0000000000002000\n")).verdict, Verdict::Ok);
        assert_eq!(capture(&facts("zeek_capabilities=/z cap_net_admin,cap_net_raw=eip\n")).verdict, Verdict::Ok);
        let none = capture(&facts("zeek=/opt/zeek/bin/zeek: zeek version 8.0.1\n"));
        assert!(none.hint.unwrap().ends_with("=eip /opt/zeek/bin/zeek"));
    }
}
