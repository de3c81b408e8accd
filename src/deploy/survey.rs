//! Asks the hosts of a layout, and those that it had, what a plan has to know of them. Changes nothing but what the
//! [`Presence`] that it is given says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures_util::StreamExt;
use futures_util::stream;

use super::decide::{Former, Found};
use super::diff::{self, Before};
use super::estate::{self, Estate};
use super::ledger::{Place, Trouble};
use super::plan::{Plan, TakenPort};
use super::ports::{self, Needs};
use super::progress::{Event, Progress};
use super::release::Delivery;
use super::site::{self, Site};
use crate::agent::client::ClientError;
use crate::api::agent::{AgentStatus, Manifest};
use crate::api::hosts::{HOSTS_FILE, HostRecord};
use crate::fleet::{self, Double, Presence, Settings};
use crate::layout::{Layout, Reach};
use crate::render::HostRelease;

/// Larger files are compared by their hash alone.
pub(super) const MAX_SHOWN: u64 = 1 << 20;

/// Files that are asked for at once on one host.
pub(super) const FILES_AT_ONCE: usize = 8;

/// What the hosts said.
pub(super) struct Survey {
    /// The hosts that answered, those that left the layout at the end.
    pub(super) sites: Vec<Site>,
    /// By host.
    pub(super) found: BTreeMap<String, Found>,
    /// What was deployed last, as far as anybody knows.
    pub(super) records: Vec<HostRecord>,
    /// By host: ports that nodes which do not run as they should need, and that other programs hold.
    pub(super) taken_ports: BTreeMap<String, Vec<TakenPort>>,
    /// Machines that the layout names more than once.
    pub(super) doubles: Vec<Double>,
}

impl Survey {
    /// Hosts of a plan that were reached and refused what was to be done there.
    pub(super) fn refused(&self, plan: &Plan) -> Vec<&str> {
        let left_out = |host: &str| plan.left_out().any(|(name, _)| name == host);
        let refused = self.found.iter().filter_map(|(host, found)| match found {
            Found::Silent(trouble) if !left_out(host) && trouble.place != Place::OnTheWay => Some(host.as_str()),
            _ => None,
        });
        refused.collect()
    }

    /// Whether the agents of all these hosts that answer are this program.
    pub(super) fn runs(&self, program: &str, layout: &Layout, only: Option<&[String]>) -> bool {
        let mut wanted = layout.hosts.iter().filter(|host| only.is_none_or(|only| only.contains(&host.name)));
        wanted.all(|host| match self.found.get(&host.name) {
            Some(Found::Seen(status, _)) => status.binary == program,
            Some(Found::Silent(_)) => true,
            Some(Found::Empty) | None => false,
        })
    }

    /// Who had which nodes.
    pub(super) fn last(&self) -> Vec<Former> {
        estate::formers(&self.records)
    }

    /// What an agent said.
    pub(super) fn status(&self, host: &str) -> Option<&AgentStatus> {
        match self.found.get(host)? {
            Found::Seen(status, _) => Some(status),
            _ => None,
        }
    }
}

/// Opens and asks all hosts at once; with `only` those hosts, and then the others without anything being installed there:
/// they are asked what they have, as a node must not run twice.
pub(super) async fn survey(
    layout: &Layout,
    delivery: &Delivery,
    settings: &Settings,
    presence: &Presence,
    only: Option<&[String]>,
    progress: &dyn Progress,
) -> Survey {
    // Whoever only looks starts nothing there either.
    let aside = if *presence == Presence::Running { Presence::Running } else { Presence::Started };
    let part = |host: &str| delivery.release.hosts.iter().find(|part| part.manifest.host == host);
    let mut survey = Survey {
        sites: Vec::new(),
        found: BTreeMap::new(),
        records: Estate::of(&layout.name).read(),
        taken_ports: BTreeMap::new(),
        doubles: Vec::new(),
    };
    match only {
        None => survey.ask(layout, settings, presence, progress, part).await,
        Some(only) => {
            let (mut chosen, mut others) = (layout.clone(), layout.clone());
            chosen.hosts.retain(|host| only.contains(&host.name));
            others.hosts.retain(|host| !only.contains(&host.name));
            survey.ask(&chosen, settings, presence, progress, part).await;
            survey.ask(&others, settings, &aside, progress, part).await;
        }
    }
    survey.refuse_doubles(layout);
    survey.learn_hosts();
    let left = survey.left(layout);
    if !left.is_empty() {
        let former = estate::layout_of(layout, &left);
        survey.ask(&former, settings, &aside, progress, |_| None).await;
        survey.forget_doubles(layout);
    }
    if let Some(only) = only {
        survey.sites.retain(|site| only.contains(&site.host));
    }
    let needs = survey.needed_ports(layout, delivery, only);
    survey.taken_ports = ports::taken(layout, settings, &survey.sites, &needs).await;
    survey
}

impl Survey {
    async fn ask<'a>(
        &mut self,
        layout: &Layout,
        settings: &Settings,
        presence: &Presence,
        progress: &dyn Progress,
        part: impl Fn(&str) -> Option<&'a HostRelease>,
    ) {
        let names = layout.host_names();
        let (sites, troubles) = site::open(layout, &names, settings, presence, progress).await;
        for (host, trouble) in troubles {
            let found = match trouble.place {
                Place::NotDeployed => Found::Empty,
                _ => Found::Silent(trouble),
            };
            self.found.insert(host, found);
        }
        let targets: Vec<&str> = sites.iter().map(|site| site.host.as_str()).collect();
        progress.tell(Event::Phase { what: "asking what is there", targets: &targets });
        let asked = sites.into_iter().map(|site| {
            let part = part(&site.host);
            async move {
                let found = look(&site, part).await;
                (site, found)
            }
        });
        let mut asked = stream::iter(asked).buffer_unordered(settings.parallel.max(1));
        while let Some((site, found)) = asked.next().await {
            progress.tell(Event::Done { target: &site.host });
            self.found.insert(site.host.clone(), found);
            self.sites.push(site);
        }
        self.sites.sort_by_key(|site| names.iter().position(|name| *name == site.host));
    }

    /// The ports of nodes that start or restart, on hosts that answer; none of a host where all is as it should be.
    fn needed_ports(&self, layout: &Layout, delivery: &Delivery, only: Option<&[String]>) -> Vec<Needs> {
        let parts =
            delivery.release.hosts.iter().filter(|part| only.is_none_or(|only| only.contains(&part.manifest.host)));
        let needs = parts.filter_map(|part| {
            let status = match self.found.get(&part.manifest.host)? {
                Found::Empty => None,
                Found::Seen(status, _) => Some(&**status),
                Found::Silent(_) => return None,
            };
            let there = |name: &str| status?.nodes.iter().find(|node| node.name == name && node.pid.is_some());
            let hash = |name: &str| part.manifest.nodes.iter().find(|node| node.name == name).map(|node| &node.hash);
            let runs = |name: &str| there(name).is_some_and(|node| node.running_hash.as_ref() == hash(name));
            let mut needs = Needs::of_host(layout, &part.manifest.host, status);
            needs.ports.retain(|needed| !runs(&needed.node));
            Some(needs)
        });
        needs.collect()
    }

    /// The manager's host may know of hosts that this machine never saw.
    fn learn_hosts(&mut self) {
        let told: Vec<HostRecord> = self
            .found
            .values()
            .filter_map(|found| match found {
                Found::Seen(_, before) => before.texts.get(&PathBuf::from(HOSTS_FILE)),
                _ => None,
            })
            .flat_map(|text| estate::parse(text))
            .collect();
        estate::merge(&mut self.records, told);
    }

    /// Hosts that were deployed to and that the layout does not have, also not under another name.
    fn left(&self, layout: &Layout) -> Vec<HostRecord> {
        let is_there = |record: &HostRecord| {
            layout.hosts.iter().any(|host| match (&host.reach, &record.ssh) {
                _ if host.name == record.name => true,
                (Reach::Local, None) => true,
                (Reach::Ssh(ssh), Some(known)) => host.address == record.address && ssh.port == known.port,
                _ => false,
            })
        };
        self.records.iter().filter(|record| !is_there(record)).cloned().collect()
    }

    /// Refuses hosts of the layout that are one machine: which of them would win is chance, and the other one's nodes would
    /// be stopped.
    fn refuse_doubles(&mut self, layout: &Layout) {
        let seen = layout.hosts.iter().filter_map(|host| Some((host.name.as_str(), self.status(&host.name)?)));
        self.doubles = fleet::doubles(seen);
        for double in &self.doubles {
            for host in &double.hosts {
                self.found.insert(host.clone(), Found::Silent(Trouble::one_machine(double)));
                self.sites.retain(|site| site.host != *host);
            }
        }
    }

    /// A machine that left the layout under one name and is reached by another one is one that stays.
    fn forget_doubles(&mut self, layout: &Layout) {
        let agent = |found: &Found| match found {
            Found::Seen(status, _) => Some(status.place_id()),
            _ => None,
        };
        let seen = layout.hosts.iter().filter_map(|host| self.found.get(&host.name).and_then(agent));
        let stays: Vec<String> = seen.chain(self.doubles.iter().map(|double| double.place.clone())).collect();
        let is_double = |name: &str, found: &Found| {
            layout.host(name).is_none() && agent(found).is_some_and(|agent| stays.contains(&agent))
        };
        let doubles: Vec<String> =
            self.found.iter().filter(|(name, found)| is_double(name, found)).map(|(name, _)| name.clone()).collect();
        for name in doubles {
            self.found.remove(&name);
            self.sites.retain(|site| site.host != name);
            self.records.retain(|record| record.name != name);
        }
    }
}

/// One request to a host that has the release already; the old release's files, too, where it has another one.
async fn look(site: &Site, part: Option<&HostRelease>) -> Found {
    let status = match site.session.first_status().await {
        Ok(status) => status,
        Err(error) => return Found::Silent(site.trouble("agent", &error)),
    };
    let before = match (&status.release, part) {
        (Some(release), Some(part)) if *release != part.manifest.id => before(site, part).await,
        (Some(_), Some(part)) => Ok(Before { manifest: Some(part.manifest.clone()), texts: BTreeMap::new() }),
        _ => Ok(Before::default()),
    };
    match before {
        Ok(before) => Found::Seen(Box::new(status), before),
        Err(trouble) => Found::Silent(trouble),
    }
}

/// What the host has now. An agent that is too old to tell is no trouble: the plan then says less.
async fn before(site: &Site, part: &HostRelease) -> Result<Before, Trouble> {
    let agent = site.session.agent();
    let manifest: Manifest = match agent.release("current").await {
        Ok(manifest) => manifest,
        Err(ClientError::Refused { .. }) => return Ok(Before::default()),
        Err(error) => return Err(site.trouble("agent", &error)),
    };
    let same =
        |path: &PathBuf, hash: &String| part.manifest.files.iter().any(|file| file.path == *path && file.hash == *hash);
    let wanted: Vec<PathBuf> = manifest
        .files
        .iter()
        .filter(|file| !diff::is_secret(file) && file.bytes <= MAX_SHOWN)
        .filter(|file| !same(&file.path, &file.hash) || file.path.as_os_str() == HOSTS_FILE)
        .map(|file| file.path.clone())
        .collect();
    let asked = wanted.into_iter().map(|path| async move {
        let content = agent.release_file("current", &path).await;
        (path, content)
    });
    let mut asked = stream::iter(asked).buffer_unordered(FILES_AT_ONCE);
    let mut texts = BTreeMap::new();
    while let Some((path, content)) = asked.next().await {
        let content = content.map_err(|error| site.trouble("agent", &error))?;
        if let Ok(text) = String::from_utf8(content.to_vec()) {
            texts.insert(path, text);
        }
    }
    Ok(Before { manifest: Some(manifest), texts })
}
