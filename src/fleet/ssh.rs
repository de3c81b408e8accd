//! A host behind SSH: one session for all that is done there, held by a thread of its own.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc};

use super::command::{self, Ended, PIECES, Piece, Quieter, Shell, Source};
use super::error::{ReachError, ReachKind, Step};
use super::exam::{Answer, Diary, Exam, Origin, Setting, Sockets};
use super::fault::{Fault, Reached};
use super::host::{Binary, ExecOutput, Ground, Host, Presence, Session};
use super::keys;
use super::link::{Input, Link, Target};
use super::login::Hop;
use super::presence::{self, Settled, Site};
use super::probe::{self, Place, Probe};
use super::reasons::Acceptance;
use super::route::Route;
use super::settings::{Deadlines, Settings};
use super::ssh_config::{self, Asked, SshConfig, expand_home};
use super::system::{Destination, Stop, System, Way};
use super::upload::{self, Upload};
use crate::api::paths::ClusterDir;
use crate::layout::{self, SshClient};

/// For TCP and the key exchange, where neither the layout nor `ssh_config` says anything.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Jump hosts on one way, which a circle of settings would make endless.
const JUMPS: usize = 16;

/// For telling a command that its time is over.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Files that OpenSSH reads where `ssh_config` names none.
const SYSTEM_KNOWN_HOSTS: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

/// A host of the layout that is reached through SSH.
pub(super) struct SshHost {
    name: String,
    address: String,
    ssh: layout::Ssh,
    place: Place,
    settings: Arc<Settings>,
}

impl SshHost {
    pub(super) fn new(
        layout: &layout::Layout,
        host: &layout::Host,
        ssh: &layout::Ssh,
        settings: &Arc<Settings>,
    ) -> SshHost {
        let base = layout.base_dir.as_ref().map(|base| base.to_string_lossy().into_owned());
        SshHost {
            name: host.name.clone(),
            address: host.address.clone(),
            ssh: ssh.clone(),
            place: Place { base, cluster: layout.name.clone() },
            settings: settings.clone(),
        }
    }

    /// The machines to log in on, jump hosts first, and the time for TCP and the key exchange of each.
    async fn route(&self) -> Result<(Vec<Hop>, Duration), Fault> {
        let config = ssh_config::ask(self.asked(), &self.settings).await?;
        let mut jumps = if self.ssh.jump.is_empty() { config.jump.clone() } else { self.ssh.jump.clone() };
        let is_builtin = self.client() == SshClient::Builtin;
        if is_builtin {
            refuse_what_is_beyond(&self.address, &config, jumps.is_empty())?;
        }
        let mut hops = Vec::new();
        // The first jump host may have jump hosts of its own, as with `ssh -J`; those after it go through it.
        while let Some(jump) = jumps.pop() {
            let (user, name, port) = split_jump(&jump).ok_or_else(|| no_jump(&jump))?;
            let asked = Asked { name, user: user.as_deref(), port };
            let config = ssh_config::ask(asked, &self.settings).await?;
            if is_builtin {
                refuse_what_is_beyond(name, &config, jumps.is_empty())?;
            }
            if jumps.is_empty() {
                jumps.clone_from(&config.jump);
            }
            hops.push(self.hop(name, user.as_ref(), port, config));
            if hops.len() > JUMPS {
                return Err(too_many_jumps(name));
            }
        }
        hops.reverse();
        let connect = self.ssh.connect_timeout.or(config.connect_timeout).unwrap_or(CONNECT_TIMEOUT);
        hops.push(self.hop(&self.address, self.ssh.user.as_ref(), self.ssh.port, config));
        let places = hops.iter().map(|hop| jump_word(&hop.user, &hop.address, hop.port)).collect::<Vec<_>>();
        for (index, hop) in hops.iter_mut().enumerate() {
            hop.acceptance.jump = places[..index].join(",");
        }
        Ok((hops, connect))
    }

    /// The host, as `ssh_config` is asked about it.
    fn asked(&self) -> Asked<'_> {
        Asked { name: &self.address, user: self.ssh.user.as_deref(), port: self.ssh.port }
    }

    /// One machine: what the layout says, else what `ssh_config` says, else what OpenSSH would do.
    fn hop(&self, name: &str, user: Option<&String>, port: Option<u16>, config: SshConfig) -> Hop {
        let home = &self.settings.home;
        let identities_named = !self.ssh.identity_files.is_empty();
        let identity_files = match (identities_named, &config.identity_files) {
            (true, _) => self.ssh.identity_files.iter().map(|path| expand_home(path, home)).collect(),
            (false, Some(files)) => files.clone(),
            (false, None) => keys::USUAL_NAMES.iter().map(|name| home.join(".ssh").join(name)).collect(),
        };
        let (known_hosts, revoking) = self.known_hosts(&config);
        let address = config.host_name.unwrap_or_else(|| name.to_owned());
        let port = port.or(config.port).unwrap_or(22);
        // HostKeyAlias stands without a port (ssh_config(5)). An IPv6 address is known as it is usually written.
        let (name_in_known_hosts, name_port) = match (config.host_key_alias, address.parse::<IpAddr>()) {
            (Some(alias), _) => (alias, 22),
            (None, Ok(ip)) => (ip.to_string(), port),
            (None, Err(_)) => (address.clone(), port),
        };
        let ssh_agent = if config.no_agent { None } else { config.identity_agent.or(self.settings.ssh_agent.clone()) };
        Hop {
            name: name_in_known_hosts,
            name_port,
            address,
            port,
            user: user.cloned().or(config.user).unwrap_or_else(|| self.settings.operator.clone()),
            identity_files,
            identities_named,
            identities_only: config.identities_only,
            certificates: config.certificates,
            ssh_agent,
            known_hosts,
            revoking,
            revoked_keys: config.revoked_keys,
            policy: config.policy,
            checking: self.ssh.host_key_checking,
            acceptance: Acceptance { file: self.named_known_hosts().next(), jump: String::new() },
        }
    }

    /// Files of known keys, and those of which only what is `@revoked` counts: files that the layout names stand in for the
    /// operator's, but what was revoked once is revoked.
    fn known_hosts(&self, config: &SshConfig) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let home = &self.settings.home;
        let mut usual = [config.known_hosts.clone(), config.global_known_hosts.clone()].concat();
        if usual.is_empty() {
            usual.extend(["known_hosts", "known_hosts2"].map(|name| home.join(".ssh").join(name)));
            usual.extend(SYSTEM_KNOWN_HOSTS.map(PathBuf::from));
        }
        let named: Vec<_> = self.named_known_hosts().collect();
        if named.is_empty() { (usual, Vec::new()) } else { (named, usual) }
    }

    fn named_known_hosts(&self) -> impl Iterator<Item = PathBuf> {
        self.ssh.known_hosts_files.iter().map(|path| expand_home(path, &self.settings.home))
    }

    pub(super) async fn connect(&self, deadlines: Deadlines, since: Instant) -> Result<Ssh, ReachError> {
        self.connect_noting(deadlines, since, &Diary::default()).await
    }

    /// The same, its steps noted.
    async fn connect_noting(&self, deadlines: Deadlines, since: Instant, diary: &Diary) -> Result<Ssh, ReachError> {
        let mut reached = Reached {
            host: self.name.clone(),
            address: self.address.clone(),
            port: self.ssh.port.unwrap_or(22),
            since,
        };
        if self.client() == SshClient::System {
            return self.connect_by_program(deadlines, reached, diary).await;
        }
        let (hops, connect) = self.route().await.map_err(|fault| reached.error(fault))?;
        let user = hops.last().map(|hop| hop.user.clone()).unwrap_or_default();
        if let Some(hop) = hops.last() {
            (reached.address, reached.port) = (hop.address.clone(), hop.port);
        }
        let route = Route { settings: self.settings.clone(), connect, step: deadlines.step, diary: diary.clone() };
        match route.open(&hops).await {
            Ok(mailbox) => Ok(Ssh {
                link: Box::new(mailbox),
                reached,
                place: self.place.clone(),
                deadlines,
                is_root: user == "root",
            }),
            Err(lost) => {
                (reached.address, reached.port) = (lost.address, lost.port);
                Err(reached.error(lost.fault))
            }
        }
    }
}

/// The same through the installed `ssh`.
impl SshHost {
    fn client(&self) -> SshClient {
        self.settings.client.or(self.ssh.client).unwrap_or(SshClient::Builtin)
    }

    async fn connect_by_program(
        &self,
        deadlines: Deadlines,
        mut reached: Reached,
        diary: &Diary,
    ) -> Result<Ssh, ReachError> {
        let stops = self.stops().await.map_err(|fault| reached.error(fault))?;
        let is_root = stops.last().is_some_and(|stop| stop.user == "root");
        if let Some(stop) = stops.last() {
            (reached.address, reached.port) = (stop.address.clone(), stop.port);
        }
        let way = Way { settings: self.settings.clone(), stops, step: deadlines.step, diary: diary.clone() };
        match System::open(&way).await {
            Ok(system) => {
                let link = Box::new(system);
                Ok(Ssh { link, reached, place: self.place.clone(), deadlines, is_root })
            }
            Err(lost) => {
                (reached.address, reached.port) = (lost.address, lost.port);
                Err(reached.error(lost.fault))
            }
        }
    }

    /// The machines to log in on, jump hosts of the layout first. Those of `ssh_config` are the business of `ssh`.
    async fn stops(&self) -> Result<Vec<Stop>, Fault> {
        let mut stops = Vec::new();
        for jump in &self.ssh.jump {
            let (user, name, port) = split_jump(jump).ok_or_else(|| no_jump(jump))?;
            stops.push(self.stop(Asked { name, user: user.as_deref(), port }).await?);
        }
        stops.push(self.stop(self.asked()).await?);
        let places = stops.iter().map(|stop| jump_word(&stop.user, &stop.address, stop.port)).collect::<Vec<_>>();
        for (index, stop) in stops.iter_mut().enumerate() {
            stop.acceptance.jump = places[..index].join(",");
        }
        Ok(stops)
    }

    async fn stop(&self, asked: Asked<'_>) -> Result<Stop, Fault> {
        let config = ssh_config::ask(asked, &self.settings).await?;
        let Asked { name, user, port } = asked;
        let user = user.map(str::to_owned);
        let home = &self.settings.home;
        let paths = |paths: &[PathBuf]| paths.iter().map(|path| expand_home(path, home)).collect();
        let to = Destination {
            name: name.to_owned(),
            user: user.clone(),
            port,
            identity_files: paths(&self.ssh.identity_files),
            known_hosts: paths(&self.ssh.known_hosts_files),
            revoking: self.known_hosts(&config).1,
            checking: self.ssh.host_key_checking,
            configuration: Duration::from_secs(config.took.as_secs() * 2),
            connect: self.ssh.connect_timeout.or(config.connect_timeout).unwrap_or(CONNECT_TIMEOUT),
        };
        Ok(Stop {
            to,
            user: user.or(config.user).unwrap_or_else(|| self.settings.operator.clone()),
            address: config.host_name.unwrap_or_else(|| name.to_owned()),
            port: port.or(config.port).unwrap_or(22),
            acceptance: Acceptance { file: self.named_known_hosts().next(), jump: String::new() },
        })
    }
}

/// Refuses settings of ssh_config that only the installed `ssh` can heed. `is_dialled` where no jump host leads there.
fn refuse_what_is_beyond(name: &str, config: &SshConfig, is_dialled: bool) -> Result<(), Fault> {
    if let Some(command) = config.proxy_command.as_ref().filter(|_| is_dialled) {
        let what = format!(
            "ssh_config reaches {name} through ProxyCommand ({command}), which the builtin client does not run"
        );
        let hint = "the installed ssh does: --ssh system; or name the machine in between as `jump` in the layout";
        return Err(Fault::failed(Step::Resolve, what).hint(hint));
    }
    let Some(setting) = &config.beyond else { return Ok(()) };
    let what = format!("ssh_config has {setting} for {name}, which the builtin client does not heed");
    Err(Fault::failed(Step::Resolve, what)
        .hint("the installed ssh does: --ssh system, or `client: system` in the layout"))
}

fn too_many_jumps(name: &str) -> Fault {
    let what = format!("more than {JUMPS} jump hosts of ssh_config lead to it, the farthest is {name}");
    Fault::failed(Step::Resolve, what).hint("does a ProxyJump lead to itself?")
}

fn no_jump(jump: &str) -> Fault {
    Fault::failed(Step::Resolve, format!("{jump:?} is not of the form [user@]host[:port]"))
        .hint("correct `jump` in the layout")
}

/// `user@host:port`, as `ssh -J` takes it.
fn jump_word(user: &str, address: &str, port: u16) -> String {
    if address.contains(':') { format!("{user}@[{address}]:{port}") } else { format!("{user}@{address}:{port}") }
}

/// Parts of `[user@]host[:port]`; an IPv6 address with a port is in brackets.
fn split_jump(jump: &str) -> Option<(Option<String>, &str, Option<u16>)> {
    let jump = jump.strip_prefix("ssh://").unwrap_or(jump);
    let (user, rest) = match jump.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, jump),
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']')?;
            (host, after.strip_prefix(':').map(str::parse).transpose().ok()?)
        }
        None if rest.matches(':').count() == 1 => {
            let (host, port) = rest.split_once(':')?;
            (host, Some(port.parse().ok()?))
        }
        None => (rest, None),
    };
    (!host.is_empty()).then_some((user, host, port))
}

impl SshHost {
    /// The settings in force, and who says so.
    async fn settings(&self) -> Vec<Setting> {
        let Ok((hops, connect)) = self.route().await else { return Vec::new() };
        let Some((hop, jumps)) = hops.split_last() else { return Vec::new() };
        let origins = ssh_config::origins(self.asked(), &self.settings).await;
        let origin = |in_layout: bool, keyword: &str| match (in_layout, origins.get(keyword)) {
            (true, _) => Origin::Layout,
            (false, Some(place)) => Origin::SshConfig(Some(place.clone())),
            (false, None) => Origin::Default,
        };
        let setting =
            |name, value: String, in_layout, keyword| Setting { name, value, origin: origin(in_layout, keyword) };
        let paths = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        let ssh = &self.ssh;
        let mut settings = vec![
            setting("address", hop.address.clone(), hop.address == self.address, "hostname"),
            setting("port", hop.port.to_string(), ssh.port.is_some(), "port"),
            setting("user", hop.user.clone(), ssh.user.is_some(), "user"),
            setting("identity_file", paths(&hop.identity_files), !ssh.identity_files.is_empty(), "identityfile"),
            setting("identities_only", hop.identities_only.to_string(), false, "identitiesonly"),
            setting(
                "known_hosts_file",
                paths(&hop.known_hosts),
                !ssh.known_hosts_files.is_empty(),
                "userknownhostsfile",
            ),
            setting(
                "connect_timeout",
                format!("{} s", connect.as_secs_f64()),
                ssh.connect_timeout.is_some(),
                "connecttimeout",
            ),
        ];
        let agent = hop.ssh_agent.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
        settings.push(setting("agent", agent, false, "identityagent"));
        let through: Vec<String> = jumps.iter().map(|j| format!("{}@{}:{}", j.user, j.address, j.port)).collect();
        let through = if through.is_empty() { "none".to_owned() } else { through.join(", ") };
        settings.push(setting("jump", through, !ssh.jump.is_empty(), "proxyjump"));
        let (client, origin) = match (self.settings.client, self.ssh.client) {
            (Some(client), _) => (client, Origin::CommandLine),
            (None, Some(client)) => (client, Origin::Layout),
            (None, None) => (SshClient::Builtin, Origin::Default),
        };
        settings.push(Setting { name: "client", value: client.as_str().to_owned(), origin });
        settings
    }

    /// What the host tells, once it is reached.
    async fn ask(&self, script: &str, deadlines: Deadlines, diary: &Diary) -> Result<Answer, ReachError> {
        let ssh = self.connect_noting(deadlines, Instant::now(), diary).await?;
        let answer = async {
            let probe = ssh.probe(None).await?;
            let program = Binary::own_path();
            let until = Instant::now() + deadlines.step;
            let target = Target::Socket(format!("{}/run/agent.sock", probe.dir));
            let sockets = match self.client() {
                SshClient::System => Sockets::NotAsked,
                SshClient::Builtin => match ssh.link.listen(target, until).await {
                    Ok(_) => Sockets::Forwarded,
                    Err(fault) if ssh.link.broken().is_some() => return Err(fault),
                    // A server that forwards none says the same as one that found nobody there.
                    Err(fault) if probe.socket && probe.agent.is_some() => Sockets::Refused(fault.what),
                    Err(_) => Sockets::NotAsked,
                },
            };
            let asked = SystemTime::now();
            let output = ssh.run(&format!("dir={}\n{script}", probe::quote(&probe.dir)), deadlines.step).await?;
            let answered = SystemTime::now();
            let program = probe::check_program(&probe, program).await.map_err(|fault| fault.info());
            Ok(Answer { output, asked, answered, program, sockets })
        };
        answer.await.map_err(|fault| ssh.reached.error(fault))
    }
}

impl Host for SshHost {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self) -> String {
        match self.ssh.port {
            Some(port) if self.address.contains(':') => format!("[{}]:{port}", self.address),
            Some(port) => format!("{}:{port}", self.address),
            None => self.address.clone(),
        }
    }

    fn open(&self, presence: Presence, deadlines: Deadlines) -> BoxFuture<'_, Result<Session, ReachError>> {
        Box::pin(async move {
            let ssh = match self.settings.early.take(&self.name).await {
                Some(early) => early?,
                None => self.connect(deadlines, Instant::now()).await?,
            };
            let settled = presence::settle(&ssh, &presence, deadlines).await;
            let Settled { dir, agent, status } = settled.map_err(|fault| ssh.reached.error(fault))?;
            let agent = self.settings.sign(agent);
            Ok(Session { host: self.name.clone(), dir, agent, status, ground: Arc::new(ssh) })
        })
    }

    fn examine<'a>(&'a self, script: &'a str, deadlines: Deadlines) -> BoxFuture<'a, Exam> {
        Box::pin(async move {
            let diary = Diary::default();
            let (settings, answer) = tokio::join!(self.settings(), self.ask(script, deadlines, &diary));
            Exam { settings, way: diary.notes(), answer }
        })
    }

    fn log_in_early(self: Arc<Self>, places: Arc<Semaphore>) {
        let host = self.clone();
        self.settings.early.begin(&self.name, async move {
            // It is never closed.
            let _place = places.acquire().await;
            host.connect(Deadlines::default(), Instant::now()).await
        });
    }

    fn log_in(&self, deadlines: Deadlines) -> BoxFuture<'_, Result<Shell, ReachError>> {
        Box::pin(async move { Ok(Shell { ground: Arc::new(self.connect(deadlines, Instant::now()).await?) }) })
    }
}

/// An SSH session that is logged in.
pub(super) struct Ssh {
    link: Box<dyn Link>,
    reached: Reached,
    place: Place,
    deadlines: Deadlines,
    is_root: bool,
}

impl Ssh {
    /// Whether the session has ended.
    pub(super) fn is_over(&self) -> bool {
        self.link.broken().is_some()
    }

    /// Runs a script and gives its output without the noise of start-up files.
    pub(super) async fn run(&self, body: &str, deadline: Duration) -> Result<ExecOutput, Fault> {
        self.talk("/bin/sh -s".to_owned(), probe::with_magic(body).into(), Instant::now() + deadline).await
    }

    /// The same for a command that reads its script, and perhaps more.
    async fn talk(&self, command: String, input: Input, until: Instant) -> Result<ExecOutput, Fault> {
        let mut output = self.link.exec(command, input, until).await?;
        let Some(told) = probe::after_magic(&output.stdout) else {
            let said = output
                .last_error_line()
                .unwrap_or_else(|| String::from_utf8_lossy(&output.stdout).trim().chars().take(200).collect());
            return Err(no_shell(&said));
        };
        output.stdout = told.to_vec();
        if let Some(own) = probe::after_magic_on_stderr(&output.stderr) {
            output.stderr = own.to_vec();
        }
        Ok(output)
    }

    /// Runs a script that becomes a command, and hands on what that says, without the noise of start-up files.
    async fn run_heard(&self, script: &str, deadline: Duration, said: mpsc::Sender<Piece>) -> Result<Ended, Fault> {
        let (input, until) = (probe::with_magic(script), Instant::now() + deadline);
        let command = "/bin/sh -s".to_owned();
        let (sender, mut pieces) = mpsc::channel(PIECES);
        let (mut out, mut err) = (Quieter::default(), Quieter::default());
        let asked = self.link.exec_heard(command, input, sender, until);
        let hear = async {
            while let Some(Piece { source, bytes }) = pieces.recv().await {
                self.link.heard();
                let quieter = if source == Source::Stdout { &mut out } else { &mut err };
                let bytes = quieter.pass(source, bytes);
                // Whoever leaves early leaves the rest unheard.
                if (!bytes.is_empty() && said.send(Piece { source, bytes }).await.is_err()) || out.is_overrun() {
                    break;
                }
            }
            drop(pieces);
            self.link.heard();
        };
        let (ended, ()) = futures_util::join!(asked, hear);
        let held = err.give_up();
        if !out.is_through() && ended.is_ok() {
            let noise = out.give_up();
            let words = if held.is_empty() { &noise } else { &held };
            let said = String::from_utf8_lossy(&words[..words.len().min(200)]).trim().to_owned();
            return Err(no_shell(&said));
        }
        if !held.is_empty() {
            // As above.
            let _ = said.send(Piece { source: Source::Stderr, bytes: held }).await;
        }
        if let (Err(fault), Some(process)) = (&ended, out.process())
            && fault.kind == ReachKind::TimedOut
        {
            // If it cannot be told, the deadline has been said all the same.
            let _ = self.run(&command::end_script(process), END_WITHIN).await;
        }
        ended.map(|output| Ended { status: output.status, signal: output.signal })
    }
}

fn no_shell(said: &str) -> Fault {
    let what = format!("no shell answers there: {said}");
    Fault::failed(Step::Channel, what).hint("has the user a login shell, and is there no ForceCommand?")
}

impl Site for Ssh {
    fn known_dir(&self) -> Option<ClusterDir> {
        self.place.dir(self.is_root)
    }

    fn probe<'a>(&'a self, hash: Option<&'a str>) -> BoxFuture<'a, Result<Probe, Fault>> {
        Box::pin(async move {
            let output = self.run(&probe::script(&self.place, hash), self.deadlines.step).await?;
            Ok(probe::parse(&output.stdout))
        })
    }

    fn way<'a>(&'a self, dir: &'a ClusterDir, program: Option<&'a Path>) -> BoxFuture<'a, Result<PathBuf, Fault>> {
        Box::pin(async move {
            let until = Instant::now() + self.deadlines.step;
            let target = Target::Socket(dir.agent_socket().to_string_lossy().into_owned());
            let direct = self.link.listen(target, until).await;
            let (Err(refused), Some(program)) = (&direct, program) else { return direct };
            tracing::debug!(host = self.reached.host, "direct-streamlocal: {}", refused.what);
            let words = [program, Path::new("agent"), Path::new("connect"), Path::new("--dir"), dir.path()];
            let command = words.map(|word| probe::quote(&word.to_string_lossy())).join(" ");
            let target = Target::Command(command);
            self.link.listen(target, until).await
        })
    }

    fn install<'a>(
        &'a self,
        binary: &'a Binary,
        probe: &'a Probe,
        dir: &'a ClusterDir,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let until = Instant::now() + self.deadlines.upload;
            let mut upload = Upload::new(binary, probe.packing, dir).await?;
            let mut at = upload.resumed_at(probe.partial);
            loop {
                let sent = Arc::default();
                let (command, input) = upload.command(at, &sent)?;
                let output = self.talk(command, input, until).await.map_err(|fault| upload.broken(&sent, fault))?;
                let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                match told.as_str() {
                    "done" => return Ok(()),
                    // A beginning that was not what it should be, such as after a power cut; the script took it away.
                    wrong if at > 0 => {
                        tracing::info!(host = self.reached.host, "the upload is done anew: {wrong}");
                        at = 0;
                    }
                    // Whatever is the matter with that command, or with the room for both.
                    wrong if upload.failed_to_unpack(wrong) => {
                        tracing::info!(host = self.reached.host, "the program is brought as it is: {wrong}");
                        upload = Upload::new(binary, None, dir).await?;
                    }
                    "" => {
                        let said = output.last_error_line();
                        let what = said.unwrap_or_else(|| "the program did not arrive whole".to_owned());
                        return Err(upload::failed_there(what));
                    }
                    wrong => {
                        return Err(upload::failed_there(format!("the program was brought over, but {wrong}")));
                    }
                }
            }
        })
    }

    fn start<'a>(
        &'a self,
        dir: &'a ClusterDir,
        program: &'a Path,
        presence: &'a Presence,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let argv = presence::start_words(dir, program, presence);
            let output = self.run(&probe::exec_script(&argv), self.deadlines.step).await.map_err(|mut fault| {
                fault.step = Step::Agent;
                fault
            })?;
            if output.success() { Ok(()) } else { Err(presence::not_started(dir, &output)) }
        })
    }
}

impl Ground for Ssh {
    fn exec<'a>(&'a self, argv: &'a [String], deadline: Duration) -> BoxFuture<'a, Result<ExecOutput, ReachError>> {
        Box::pin(async move {
            let done = self.run(&probe::exec_script(argv), deadline).await;
            done.map_err(|fault| self.reached.error(fault))
        })
    }

    fn run<'a>(
        &'a self,
        argv: &'a [String],
        deadline: Duration,
        said: mpsc::Sender<Piece>,
    ) -> BoxFuture<'a, Result<Ended, ReachError>> {
        Box::pin(async move {
            let done = self.run_heard(&command::script(argv), deadline, said).await;
            done.map_err(|fault| self.reached.error(fault))
        })
    }

    fn broken(&self) -> Option<ReachError> {
        let refused = || {
            let what = self.link.refusal()?;
            Some(Fault::failed(Step::Channel, format!("no way to the agent: {what}")))
        };
        self.link.broken().or_else(refused).map(|fault| self.reached.error(fault))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[tokio::test]
    async fn an_ipv6_address_is_known_as_it_is_usually_written() {
        let ssh = testing::Sshd::start("").ssh();
        let mut host = testing::ssh_host(ssh, Path::new("/b"), testing::settings());
        host.address = "FD00:202:0::0001".to_owned();
        let (hops, _) = host.route().await.unwrap();
        assert_eq!((hops[0].name.as_str(), hops[0].address.as_str()), ("fd00:202::1", "FD00:202:0::0001"));
    }

    #[test]
    fn jump_hosts_are_taken_apart() {
        let check = |text: &str, expected: Option<(Option<&str>, &str, Option<u16>)>| {
            let found = split_jump(text);
            let found = found.as_ref().map(|(user, host, port)| (user.as_deref(), *host, *port));
            assert_eq!(found, expected, "{text}");
        };
        check("gate", Some((None, "gate", None)));
        check("ana@gate:2222", Some((Some("ana"), "gate", Some(2222))));
        check("ana@[2001:db8::1]:2222", Some((Some("ana"), "2001:db8::1", Some(2222))));
        check("2001:db8::1", Some((None, "2001:db8::1", None)));
        check("ssh://gate:22", Some((None, "gate", Some(22))));
        check("gate:ssh", None);
        check("", None);
    }
}
