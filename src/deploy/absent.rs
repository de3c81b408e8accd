//! Hosts on which nothing is deployed, or not any more: there is nothing to stop or remove there, unless something of the cluster
//! runs or lies there all the same.

use super::ledger::{self, Trouble};
use crate::agent::client::Keep;
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::fleet::{self, Deadlines, Settings};
use crate::layout::Layout;

/// Prints the ids of agents and nodes of the folder, one a line; those of a container have another folder of that name.
const RUNNING: &str = r#"here=$(readlink /proc/self/ns/mnt)
grep -lF -- "$dir" /proc/[0-9]*/cmdline 2>/dev/null | while read -r line; do
  words=" $(tr '\0' ' ' <"$line" 2>/dev/null) "
  case $words in *zeek-cluster*" run "*" --dir $dir "*) ;; *) continue ;; esac
  process=${line%/cmdline}
  [ "$(readlink "$process/ns/mnt" 2>/dev/null)" = "$here" ] && echo "${process#/proc/}"
done
"#;

/// Takes away what `remove` had left, unless something runs.
const LEFT: &str = r#"[ -n "$running" ] && exit 0
rm -rf "$dir/logs" "$dir/stores" || exit 1
rmdir "$dir" 2>/dev/null
exit 0
"#;

/// What becomes of targets on a host without an agent and a program to start one: nothing has to be done, unless processes of
/// the cluster run there, which nobody could stop.
pub(super) async fn settle(
    layout: &Layout,
    settings: &Settings,
    host: &str,
    step: &str,
    keep: Keep,
) -> Result<impl Fn(&str) -> Outcome + use<>, Trouble> {
    let hosts = fleet::hosts(layout, settings);
    let found = hosts.iter().find(|found| found.name() == host);
    let Some(found) = found else { return Err(Trouble::failed(step, format!("{host} is not in the layout"))) };
    let left = if keep == Keep::Nothing { LEFT } else { "" };
    let script = format!("running=$({RUNNING})\necho \"$running\"\n{left}exit 0\n");
    let exam = found.examine(&script, Deadlines::default()).await;
    let output = exam.answer.map_err(|error| Trouble::from(&error))?.output;
    let running: Vec<String> = String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect();
    if !output.success() {
        let why = output.last_error_line().unwrap_or_else(|| "what is left there cannot be removed".to_owned());
        return Err(Trouble::failed(step, why));
    }
    if !running.is_empty() {
        let what = format!(
            "{host}: processes {} of this cluster run there, and nothing is installed that could stop them",
            running.join(", ")
        );
        let hint = Some("zeek-cluster deploy takes them over; then stop or remove them".to_owned());
        return Err(Trouble { error: ErrorInfo { what, hint }, ..Trouble::failed(step, String::new()) });
    }
    let (host, step) = (host.to_owned(), step.to_owned());
    Ok(move |target: &str| Outcome { kind: Kind::Unchanged, ..ledger::ok(target, &host, &step) })
}
