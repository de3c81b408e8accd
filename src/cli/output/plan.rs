//! A plan for eyes: the files that differ as unified diffs, what is done with which nodes and why, and what it comes to.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::record::{Column, Record};
use crate::deploy::{Action, Change, FileChange, HostState, Plan};
use crate::layout::nodeset;

/// One line of `-o tsv` and `-o jsonl`: a file or a node for which something is done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanRow {
    /// The host.
    pub host: String,
    /// `add`, `change` or `remove` for a file; `stop`, `update`, `start`, `restart` or `hold` for a node.
    pub action: &'static str,
    /// The file or the node.
    pub target: String,
    /// Why.
    pub why: String,
}

impl Record for PlanRow {
    const COLUMNS: &'static [Column] =
        &[Column::gives("HOST", 2), Column::stays("ACTION"), Column::stays("TARGET"), Column::note("WHY")];

    fn cells(&self) -> Vec<String> {
        self.fields()
    }

    fn fields(&self) -> Vec<String> {
        vec![self.host.clone(), self.action.to_owned(), self.target.clone(), self.why.clone()]
    }

    fn name(&self) -> &str {
        &self.target
    }
}

/// Every file and every node of a plan, host by host.
pub fn rows(plan: &Plan) -> Vec<PlanRow> {
    let mut rows = Vec::new();
    for host in &plan.hosts {
        let row = |action, target: String, why| PlanRow { host: host.host.clone(), action, target, why };
        rows.extend(host.files.iter().map(|file| {
            let why = if file.secret { "it holds a key" } else { "its content" };
            row(word(file.change), file.path.display().to_string(), why.to_owned())
        }));
        let changes = host.nodes.iter();
        rows.extend(changes.map(|change| row(change.action.as_str(), change.name.clone(), change.why.join(", "))));
    }
    rows
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "add",
        Change::Changed => "change",
        Change::Removed => "remove",
    }
}

/// The whole plan as text; `nodes` is how many the layout has. Equal diffs are shown once, equal changes on one line.
pub fn text(plan: &Plan, nodes: usize) -> String {
    let mut sections = [diffs(plan), key_files(plan), hosts(plan), changes(plan), plan.consequences.join("\n")];
    if let Some(why) = &plan.together {
        sections[3].push_str(&format!("\nall restart together: {why}"));
    }
    let mut text: String =
        sections.iter().filter(|section| !section.is_empty()).map(|section| format!("{section}\n\n")).collect();
    text.push_str(&plan.summary(nodes));
    text
}

/// Files that differ alike, with the hosts that have them.
fn diffs(plan: &Plan) -> String {
    let mut groups: Vec<(&FileChange, Vec<(&Path, &str)>)> = Vec::new();
    for (host, file) in files(plan).filter(|(_, file)| !file.secret) {
        let place = (file.path.as_path(), host);
        match groups.iter_mut().find(|(first, _)| first.change == file.change && lines(first) == lines(file)) {
            Some((_, places)) => places.push(place),
            None => groups.push((file, vec![place])),
        }
    }
    let shown = groups.into_iter().map(|(file, places)| {
        let mark = match file.change {
            Change::Added => '+',
            Change::Changed => '~',
            Change::Removed => '-',
        };
        let title = format!("{mark} {}", folded(&places));
        match &file.diff {
            Some(diff) => format!("{title}\n{}", diff.trim_end()),
            None => title,
        }
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// The changed lines alone: the same change may stand at different places.
fn lines(file: &FileChange) -> Option<Vec<&str>> {
    let diff = file.diff.as_ref()?;
    Some(diff.lines().filter(|line| line.starts_with(['+', '-'])).collect())
}

fn files(plan: &Plan) -> impl Iterator<Item = (&str, &FileChange)> {
    plan.hosts.iter().flat_map(|host| host.files.iter().map(|file| (host.host.as_str(), file)))
}

/// Such as `nodes/worker-[1-8].yaml on sensor-[1-2]`.
fn folded(places: &[(&Path, &str)]) -> String {
    let mut paths: Vec<String> = Vec::new();
    let stems = places.iter().filter(|(path, _)| path.extension().is_some_and(|ext| ext == "yaml"));
    let stems: Vec<String> = stems.map(|(path, _)| path.with_extension("").display().to_string()).collect();
    if !stems.is_empty() {
        let folded = nodeset::fold(stems.iter().map(String::as_str));
        paths.extend(patterns(&folded).into_iter().map(|stem| format!("{stem}.yaml")));
    }
    for (path, _) in places.iter().filter(|(path, _)| path.extension().is_none_or(|ext| ext != "yaml")) {
        let path = path.display().to_string();
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    format!("{} on {}", paths.join(", "), nodeset::fold(places.iter().map(|(_, host)| *host)))
}

/// The patterns of a folded set; commas within brackets belong to one.
fn patterns(folded: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let separates = |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    folded.split(separates).collect()
}

fn key_files(plan: &Plan) -> String {
    let keys: Vec<(&Path, &str)> =
        files(plan).filter(|(_, file)| file.secret).map(|(host, file)| (file.path.as_path(), host)).collect();
    match keys.is_empty() {
        true => String::new(),
        false => format!("key file changes: {}", folded(&keys)),
    }
}

/// What is said of hosts: programs, and those that are new or leave.
fn hosts(plan: &Plan) -> String {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for host in &plan.hosts {
        if let Some(program) = &host.program {
            let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
            let what = format!("program {} -> {}", short(&program.from), short(&program.to));
            groups.entry(what).or_default().push(&host.host);
        }
        let what = match host.state {
            HostState::Empty => "nothing deployed there yet",
            HostState::Leaving if plan.back => "not in that release",
            HostState::Leaving => "not in the layout any more",
            HostState::LeftOut => "left out, stays as it is",
            HostState::Deployed | HostState::Silent => continue,
        };
        groups.entry(what.to_owned()).or_default().push(&host.host);
    }
    let lines = groups.into_iter().map(|(what, hosts)| format!("{}: {what}", nodeset::fold(hosts)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Such as `worker-[1-4]: restart, `interface` eth1 -> eth2`.
fn changes(plan: &Plan) -> String {
    let mut groups: Vec<(Action, String, Vec<&str>)> = Vec::new();
    for (host, change) in plan.changes() {
        let mut why = change.why.join(", ");
        if change.action == Action::Stop {
            why = format!("on {host}, {why}");
        }
        match groups.iter_mut().find(|(action, reason, _)| *action == change.action && *reason == why) {
            Some((_, _, names)) => names.push(&change.name),
            None => groups.push((change.action, why, vec![&change.name])),
        }
    }
    let word = |action: Action| match action {
        Action::Update => "update without restart",
        Action::Hold => "not started",
        other => other.as_str(),
    };
    let lines = groups
        .iter()
        .map(|(action, why, names)| format!("{}: {}, {why}", nodeset::fold(names.iter().copied()), word(*action)));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn change(path: &str, change: Change, secret: bool, diff: Option<&str>) -> FileChange {
        FileChange { path: PathBuf::from(path), change, secret, diff: diff.map(str::to_owned) }
    }

    fn host(name: &str, files: Vec<FileChange>) -> crate::deploy::HostPlan {
        crate::deploy::HostPlan {
            host: name.into(),
            state: HostState::Deployed,
            error: None,
            kind: None,
            observed: crate::deploy::Observed::default(),
            program: None,
            files,
            nodes: Vec::new(),
            taken_ports: Vec::new(),
        }
    }

    #[test]
    fn equal_changes_are_shown_once_wherever_they_stand() {
        let at = |line: u32| format!("@@ -{line} +{line} @@\n same\n-a: 1\n+a: 2\n");
        let yaml = |n: u32| change(&format!("nodes/w{n}.yaml"), Change::Changed, false, Some(&at(n)));
        let keys = vec![change("keys/secret", Change::Changed, true, None)];
        let plan = Plan {
            schema: String::new(),
            cluster: "campus".into(),
            layout: String::new(),
            release: "r".into(),
            back: false,
            only: Vec::new(),
            allow_partial: false,
            together: None,
            hosts: vec![host("s1", vec![yaml(1), yaml(3)]), host("s2", vec![yaml(4)]), host("head", keys)],
            steps: Vec::new(),
            consequences: Vec::new(),
        };
        let expected = "~ nodes/w[1,3-4].yaml on s[1-2]\n@@ -1 +1 @@\n same\n-a: 1\n+a: 2\n\n\
                        key file changes: keys/secret on head\n\nnothing to do: 3 hosts are as the layout says";
        assert_eq!(text(&plan, 4), expected);
    }
}
