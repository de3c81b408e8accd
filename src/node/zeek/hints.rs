//! Which line of Zeek's standard error tells why it ended, and what an operator can do about it.

/// Zeek's last words when something before them was wrong.
const GENERIC: &str = "errors occurred while initializing";

/// The fatal line of what Zeek wrote: its `fatal error`, unless that only points back; then the first error; else the
/// last line.
pub(super) fn fatal_line(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let fatal = lines.iter().rev().find(|line| line.contains("fatal error") && !line.contains(GENERIC));
    let is_error =
        |line: &str| line.starts_with("error") || line.contains("error in ") || line.contains("internal error");
    let error = || lines.iter().find(|line| is_error(line));
    let aborted = || lines.iter().find(|line| line.starts_with("what():"));
    let line = fatal.or_else(error).or_else(aborted).or(lines.last())?;
    Some((*line).to_owned())
}

/// What to do about a fatal line. Sources: `protocol/cluster.md` 6.5, `protocol/zeromq.md` 4.7 and 5.3, and Zeek's
/// packet manager.
pub(super) fn hint(line: &str) -> Option<String> {
    let has = |text: &str| line.contains(text);
    let hint = if has("problem with interface") && (has("ermission") || has("permitted")) {
        "capturing needs rights: `setcap cap_net_raw,cap_net_admin=eip` on the zeek program, or an agent that root runs"
    } else if has("problem with interface") || has("problem with trace") {
        "`ip link` on the host lists its interfaces; correct `interface` in the layout"
    } else if has("can't find cluster-layout") || has("is not a valid node in the Cluster::nodes") {
        "the release on the host is incomplete: deploy again"
    } else if has("can't find") || has("can't open") {
        "correct `scripts` below `zeek`, or the node's `aux_scripts`, in the layout; site scripts lie in Zeek's share/zeek/site"
    } else if has("Attempted to bind to") {
        "its metrics port is taken; choose another `metrics_port` in the layout"
    } else if has("already in use") || has("Failed to bind") {
        "the port is taken: `ss -tanp` on the host shows by whom; end that, or choose another `port` in the layout"
    } else if has("ZeroMQ CURVE configured via") {
        "remove the keys from the site's scripts: the cluster's own are in the environment"
    } else if has("select a cluster backend") {
        "Zeek was built without its ZeroMQ backend, or a site script replaces `Cluster::backend`"
    } else if has("error in ") {
        "correct the script; `zeek-cluster check` tries it without starting anything"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, line: &str, hint_has: Option<&str>) {
        let found = fatal_line(text).unwrap();
        assert_eq!(found, line);
        let hint = hint(&found);
        match hint_has {
            Some(part) => assert!(hint.as_ref().is_some_and(|hint| hint.contains(part)), "{hint:?}"),
            None => assert_eq!(hint, None),
        }
    }

    #[test]
    fn what_zeek_says_leads_to_what_can_be_done() {
        let interface = "fatal error: problem with interface eth9 (pcap_error: No such device exists)";
        check(&format!("listening on eth9\n{interface}\n\n"), interface, Some("`ip link`"));
        let rights = "fatal error: problem with interface eth0 (pcap_error: socket: Operation not permitted)";
        check(rights, rights, Some("setcap"));
        let script = "fatal error: can't find local2";
        check(script, script, Some("`scripts`"));
        let syntax =
            "error in /opt/zeek/share/zeek/site/./local.zeek, line 7: unknown identifier foo, at or near \"foo\"";
        check(&format!("{syntax}\nerror in x, line 8: more\n"), syntax, Some("zeek-cluster check"));
        let port =
            "error in <params>: ZeroMQ: Failed to bind pull socket tcp://127.0.0.1:27764: Address already in use";
        check(&format!("{port}\nfatal error: {GENERIC}\n"), port, Some("ss -tanp"));
        let metrics =
            "fatal error: Failed to setup Prometheus endpoint: null context. Attempted to bind to 127.0.0.1:9991.";
        check(metrics, metrics, Some("metrics_port"));
        check("terminate called\nwhat():  Invalid argument\nAborted\n", "what():  Invalid argument", None);
        let late = "expression error in /srv/rt.zeek, line 1: no such index (t[5])";
        check(&format!("{late}\nfatal error: {GENERIC}\n"), late, Some("correct the script"));
        check("one\ntwo\n", "two", None);
        assert_eq!(fatal_line("\n"), None);
    }
}
