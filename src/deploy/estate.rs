//! The hosts that this machine deployed to last: one file per cluster, so that a host which leaves the layout is still
//! known when its nodes have to be stopped.
//!
//! **Locking**: none; the file is replaced by rename, and whoever deploys last has written it last. **Failure**: a file that
//! is missing or cannot be read costs only the knowledge of hosts that left; the manager's host has a copy without keys.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::decide::Former;
use crate::api::hosts::{HOSTS_FILE, HostRecord, HostsFile, SshRecord};
use crate::layout::{Host, Layout, Reach, Ssh};

/// Larger files are not ours.
const MAX_BYTES: u64 = 4 << 20;

/// The file of one cluster; none where no folder for it is known.
#[derive(Clone, Debug)]
pub(super) struct Estate(Option<PathBuf>);

impl Estate {
    /// `XDG_STATE_HOME/zeek-cluster/CLUSTER/hosts.yaml`, else the same below `~/.local/state`.
    pub(super) fn of(cluster: &str) -> Estate {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = path("XDG_STATE_HOME").or_else(|| path("HOME").map(|home| home.join(".local/state")));
        Estate(base.map(|base| base.join("zeek-cluster").join(cluster).join(HOSTS_FILE)))
    }

    /// What was deployed last; nothing when that is not known here.
    pub(super) fn read(&self) -> Vec<HostRecord> {
        let Some(path) = &self.0 else { return Vec::new() };
        let readable = fs::metadata(path).is_ok_and(|file| file.len() <= MAX_BYTES);
        let text = if readable { fs::read_to_string(path).unwrap_or_default() } else { String::new() };
        parse(&text)
    }

    /// Replaces the file.
    pub(super) fn write(&self, hosts: Vec<HostRecord>) -> io::Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let text = serde_yaml::to_string(&HostsFile { hosts }).map_err(io::Error::other)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path).map(drop).map_err(|error| error.error)
    }

    /// Forgets the cluster.
    pub(super) fn remove(&self) {
        if let Some(path) = &self.0 {
            // What is left is a file that says where nothing is any more.
            let _ = fs::remove_file(path);
        }
    }
}

/// The hosts of a file; none when it is not one.
pub(super) fn parse(text: &str) -> Vec<HostRecord> {
    serde_yaml::from_str::<HostsFile>(text).map(|file| file.hosts).unwrap_or_default()
}

/// The layout with these hosts instead of its own, to reach them; what a record does not say is as for the layout's hosts.
pub(super) fn layout_of(layout: &Layout, records: &[HostRecord]) -> Layout {
    let model = layout.hosts.iter().find_map(|host| match &host.reach {
        Reach::Ssh(ssh) => Some(ssh),
        Reach::Local => None,
    });
    let host = |record: &HostRecord| Host {
        name: record.name.clone(),
        address: record.address.clone(),
        ip: record.address.parse().ok(),
        reach: match &record.ssh {
            None => Reach::Local,
            Some(ssh) => Reach::Ssh(reach(ssh, model)),
        },
        line: 0,
    };
    Layout { hosts: records.iter().map(host).collect(), ..layout.clone() }
}

fn reach(record: &SshRecord, model: Option<&Ssh>) -> Ssh {
    let or = |own: &Vec<PathBuf>, model: Option<&Vec<PathBuf>>| match own.is_empty() {
        true => model.cloned().unwrap_or_default(),
        false => own.clone(),
    };
    Ssh {
        user: record.user.clone(),
        port: record.port,
        identity_files: or(&record.identity_files, model.map(|ssh| &ssh.identity_files)),
        known_hosts_files: or(&record.known_hosts_files, model.map(|ssh| &ssh.known_hosts_files)),
        jump: record.jump.clone(),
        host_key_checking: model.map_or(crate::layout::HostKeyChecking::Strict, |ssh| ssh.host_key_checking),
        connect_timeout: model.map_or_else(Default::default, |ssh| ssh.connect_timeout),
        client: model.and_then(|ssh| ssh.client),
    }
}

/// For the decision: who had which nodes.
pub(super) fn formers(records: &[HostRecord]) -> Vec<Former> {
    records.iter().map(|record| Former { host: record.name.clone(), nodes: record.nodes.clone() }).collect()
}

/// Adds the hosts of another list that are not known yet.
pub(super) fn merge(records: &mut Vec<HostRecord>, others: Vec<HostRecord>) {
    for other in others {
        if records.iter().all(|known| known.name != other.name) {
            records.push(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> HostRecord {
        let ssh = SshRecord { user: Some("zeek".into()), port: Some(2222), ..SshRecord::default() };
        HostRecord { name: name.into(), address: "192.0.2.1".into(), ssh: Some(ssh), nodes: vec!["worker-1".into()] }
    }

    #[test]
    fn what_was_written_is_read_and_nonsense_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let estate = Estate(Some(folder.path().join("campus/hosts.yaml")));
        assert_eq!(estate.read(), []);
        estate.write(vec![record("sensor-1"), record("sensor-2")]).unwrap();
        assert_eq!(estate.read(), [record("sensor-1"), record("sensor-2")]);
        fs::write(folder.path().join("campus/hosts.yaml"), "hosts: 7").unwrap();
        assert_eq!(estate.read(), []);
        estate.remove();
        assert!(!folder.path().join("campus/hosts.yaml").exists());
    }

    #[test]
    fn a_record_is_reached_as_it_says_and_else_as_the_layout_says() {
        let mut own = record("sensor-1");
        own.ssh.as_mut().unwrap().identity_files = vec!["/k".into()];
        let layout =
            layout_of(&crate::layout::test_layout("nodes: { manager: { type: manager } }"), &[own, record("sensor-2")]);
        let Reach::Ssh(ssh) = &layout.hosts[0].reach else { panic!("through SSH") };
        assert_eq!((ssh.port, ssh.identity_files.as_slice()), (Some(2222), ["/k".into()].as_slice()));
        assert_eq!(layout.hosts[1].name, "sensor-2");
    }
}
