//! The releases that are on the hosts.

use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::StreamExt;
use serde::Serialize;

use super::ask::{self, Silent};
use super::settings::Settings;
use crate::api::agent::ReleasesView;
use crate::layout::Layout;

/// One row for each release that a host has, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleasesReport {
    /// The rows.
    pub rows: Vec<ReleaseRow>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
}

/// One release. This is the JSON of `releases`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReleaseRow {
    /// The release.
    pub id: String,
    /// When it was made, seconds since the epoch.
    pub created_at: f64,
    /// `user@machine` of whoever deployed it.
    pub created_by: String,
    /// SHA-256 of the layout that it was made from; unset for releases of programs that did not write it down.
    pub layout: Option<String>,
    /// SHA-256 of the program that runs its nodes.
    pub binary: String,
    /// How many nodes it has on the hosts that have it.
    pub nodes: usize,
    /// Hosts that have it, in the order of the layout.
    pub hosts: Vec<String>,
    /// Hosts on which it is the current one.
    pub current: Vec<String>,
    /// Hosts on which it was the current one before.
    pub previous: Vec<String>,
    /// Hosts of the release that answered and do not have it any more.
    pub missing: Vec<String>,
}

/// Asks every host for its releases.
pub async fn releases(layout: &Layout, settings: &Settings) -> ReleasesReport {
    let names = layout.host_names();
    let hosts = ask::reachable(layout, &names, settings);
    let question = async |session: &crate::fleet::Session| session.agent().releases().await;
    let mut answers = pin!(ask::ask(&hosts, settings, question));
    let (mut views, mut silent) = (Vec::new(), Vec::new());
    while let Some((host, answer)) = answers.next().await {
        match answer {
            Ok(view) => views.push((host, view)),
            Err(why) => silent.push(why),
        }
    }
    views.sort_by_key(|(host, _)| names.iter().position(|name| name == host));
    ReleasesReport { rows: rows(&views), silent }
}

fn rows(views: &[(String, ReleasesView)]) -> Vec<ReleaseRow> {
    let mut rows: BTreeMap<&str, ReleaseRow> = BTreeMap::new();
    for (host, view) in views {
        for release in &view.releases {
            let row = rows.entry(&release.id).or_insert_with(|| ReleaseRow {
                id: release.id.clone(),
                created_at: release.created_at,
                created_by: release.created_by.clone(),
                layout: Some(release.layout.clone()).filter(|layout| !layout.is_empty()),
                binary: release.binary.clone(),
                nodes: 0,
                hosts: Vec::new(),
                current: Vec::new(),
                previous: Vec::new(),
                missing: release.hosts.clone(),
            });
            row.nodes += release.nodes.len();
            row.hosts.push(host.clone());
            row.missing.retain(|missing| missing != host);
            let id = Some(&release.id);
            row.current.extend((view.current.as_ref() == id).then(|| host.clone()));
            row.previous.extend((view.previous.as_ref() == id).then(|| host.clone()));
        }
    }
    let answered = |host: &String| views.iter().any(|(name, _)| name == host);
    let mut rows: Vec<ReleaseRow> = rows.into_values().collect();
    rows.iter_mut().for_each(|row| row.missing.retain(answered));
    rows.sort_by(|a, b| b.created_at.total_cmp(&a.created_at));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::agent::ReleaseView;

    #[test]
    fn a_release_says_where_it_is_and_where_it_is_not_any_more() {
        let release = |id: &str, created_at| ReleaseView {
            id: id.into(),
            created_at,
            created_by: "ana@ops1".into(),
            layout: if id == "b" { "0f".into() } else { String::new() },
            binary: "ff".into(),
            hosts: vec!["head".into(), "sensor".into(), "silent".into()],
            nodes: vec!["n".into()],
        };
        let views = [
            (
                "head".to_owned(),
                ReleasesView {
                    current: Some("b".into()),
                    previous: Some("a".into()),
                    releases: vec![release("b", 2.0), release("a", 1.0)],
                },
            ),
            (
                "sensor".to_owned(),
                ReleasesView { current: Some("b".into()), previous: None, releases: vec![release("b", 2.0)] },
            ),
        ];
        let rows = rows(&views);
        let shown = |row: &ReleaseRow| {
            format!("{} {:?} {:?} {:?} {} {:?}", row.id, row.current, row.previous, row.missing, row.nodes, row.layout)
        };
        assert_eq!(
            rows.iter().map(shown).collect::<Vec<_>>(),
            [r#"b ["head", "sensor"] [] [] 2 Some("0f")"#, r#"a [] ["head"] ["sensor"] 1 None"#]
        );
    }
}
