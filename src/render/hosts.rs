//! `hosts.yaml`: which hosts the cluster is deployed to, for whoever deploys a layout that has fewer.

use crate::api::hosts::{HostRecord, HostsFile, SshRecord};
use crate::layout::{Host, Layout, Reach};

/// The hosts of a layout with everything that is needed to reach them from this machine.
pub fn hosts_file(layout: &Layout) -> HostsFile {
    HostsFile { hosts: layout.hosts.iter().map(|host| record(layout, host)).collect() }
}

/// As [`hosts_file`], without the paths of the operator's machine: this one goes to the manager's host.
pub(super) fn public_yaml(layout: &Layout) -> String {
    let mut file = hosts_file(layout);
    for ssh in file.hosts.iter_mut().filter_map(|host| host.ssh.as_mut()) {
        ssh.identity_files.clear();
        ssh.known_hosts_files.clear();
    }
    serde_yaml::to_string(&file).expect("names and numbers are YAML")
}

fn record(layout: &Layout, host: &Host) -> HostRecord {
    let ssh = match &host.reach {
        Reach::Local => None,
        Reach::Ssh(ssh) => Some(SshRecord {
            user: ssh.user.clone(),
            port: ssh.port,
            jump: ssh.jump.clone(),
            identity_files: ssh.identity_files.clone(),
            known_hosts_files: ssh.known_hosts_files.clone(),
        }),
    };
    let nodes = layout.nodes.iter().filter(|node| node.host == host.name).map(|node| node.name.clone()).collect();
    HostRecord { name: host.name.clone(), address: host.address.clone(), ssh, nodes }
}
