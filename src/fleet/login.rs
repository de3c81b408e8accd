//! From an address to an authenticated libssh2 session: TCP, banner, key exchange, host key, login. Blocks; runs on the
//! thread that will own the session. Every wait is bounded by the deadline of [`Progress`].

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use ssh2::{Error, ErrorCode, KeyboardInteractivePrompt, MethodType, Session};

use super::admission::{Admission, BANNER_ATTEMPTS, pause_before};
use super::error::Step;
use super::fault::{Fault, Progress};
use super::keys::KeyFile;
use super::known_hosts::{self, Known, KnownHosts, Verdict};
use super::policy::Policy;
use super::reasons::{self, Acceptance};
use super::revoked_keys::RevokedKeys;
use super::settings::{Secret, Settings};
use crate::layout::HostKeyChecking;

/// Types of host key to ask for, best first. No certificates: a server that shows one would not match its plain line.
const HOST_KEYS: [&str; 6] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

/// Public keys to offer at most. sshd closes earlier: after six failures unless its `MaxAuthTries` says otherwise.
const KEY_ATTEMPTS: usize = 64;

/// Steps of one login at most: sshd may ask for a key, then for a password or an answer.
const STEPS: usize = 4;

/// Said of a key that only the installed `ssh` can use.
const BEYOND: &str = "is the key of a FIDO token, which the builtin client cannot ask";

/// One machine to log in on: a host, or a jump host on the way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    /// What known_hosts calls it: its address, or its alias.
    pub name: String,
    /// The port that belongs to that name.
    pub name_port: u16,
    /// What is dialled.
    pub address: String,
    pub port: u16,
    pub user: String,
    pub identity_files: Vec<PathBuf>,
    /// Whether the files were named by the operator; then they come before other keys of the agent.
    pub identities_named: bool,
    pub identities_only: bool,
    /// `CertificateFile` of ssh_config; those beside their keys are found without it.
    pub certificates: Vec<PathBuf>,
    pub ssh_agent: Option<PathBuf>,
    /// Where known keys stand; new ones are written to the first.
    pub known_hosts: Vec<PathBuf>,
    /// Further files of known keys, of which only what is `@revoked` counts.
    pub revoking: Vec<PathBuf>,
    /// `RevokedHostKeys` of ssh_config.
    pub revoked_keys: Vec<PathBuf>,
    pub policy: Policy,
    pub checking: HostKeyChecking,
    /// For the advice on an unknown key.
    pub acceptance: Acceptance,
}

/// How bytes reach the server.
pub(super) enum Stream {
    Tcp(TcpStream),
    /// The near end of a channel through a jump host.
    Jump(UnixStream),
}

/// An authenticated session, and a descriptor of its socket to wait on.
pub(super) struct LoggedIn {
    pub session: Session,
    pub socket: OwnedFd,
}

/// Logs in. `dial` is called for each attempt.
pub(super) fn login(
    hop: &Hop,
    settings: &Settings,
    progress: &Progress,
    step_deadline: Duration,
    mut dial: impl FnMut() -> Result<Stream, Fault>,
) -> Result<LoggedIn, Fault> {
    // Not the host's time: others of this command are ahead in the queue.
    let _admitted = progress.paused(|| Admission::to(format!("{}:{}", hop.address, hop.port)));
    let mut known = read_known_hosts(&hop.known_hosts);
    known.add_revoked_of(read_known_hosts(&hop.revoking));
    let mut attempt = 0;
    let LoggedIn { session, socket } = loop {
        attempt += 1;
        progress.enter(Step::Connect);
        let stream = dial()?;
        match handshake(hop, &known, progress, stream) {
            Ok(done) => break done,
            Err((fault, Retry::Yes)) if attempt < BANNER_ATTEMPTS => {
                let pause = pause_before(attempt);
                if pause >= progress.remaining() {
                    return Err(fault);
                }
                tracing::debug!(host = hop.name, attempt, "banner refused, trying again in {pause:?}");
                thread::sleep(pause);
            }
            Err((fault, _)) => return Err(fault),
        }
    };
    progress.enter(Step::HostKey);
    progress.passed(Step::HostKey, check_host_key(hop, &known, &session)?);
    progress.begin(Step::Auth, Instant::now() + step_deadline);
    Login::new(hop, settings, progress, &session).run()?;
    Ok(LoggedIn { session, socket })
}

/// Connects to the first of all resolved addresses that answers, all of them within the deadline.
pub(super) fn dial_tcp(hop: &Hop, progress: &Progress) -> Result<Stream, Fault> {
    progress.enter(Step::Resolve);
    let resolved = (hop.address.as_str(), hop.port).to_socket_addrs();
    let addresses: Vec<SocketAddr> = match resolved {
        Ok(found) => found.filter(|address| hop.policy.takes(address)).collect(),
        Err(error) => {
            return Err(reasons::no_address(&hop.address, &error));
        }
    };
    let found: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    progress.passed(Step::Resolve, found.join(", "));
    progress.enter(Step::Connect);
    let mut last = Fault::unreachable(Step::Connect, format!("{} has no address", hop.address))
        .hint("does AddressFamily of ssh_config leave out all that it has?");
    for (index, address) in addresses.iter().enumerate() {
        // The later addresses get their share when the first ones swallow packets.
        let share = progress.remaining() / (addresses.len() - index) as u32;
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(stream) => {
                // Requests and answers are small, and each one waits for the other.
                stream.set_nodelay(true).map_err(|e| Fault::failed(Step::Connect, e.to_string()))?;
                progress.passed(Step::Connect, format!("{address} answers"));
                return Ok(Stream::Tcp(stream));
            }
            Err(error) => {
                let other = Some(address.to_string()).filter(|_| address.ip().to_string() != hop.address);
                last = reasons::no_tcp(error.kind(), &error, other.as_deref());
            }
        }
    }
    Err(last)
}

enum Retry {
    Yes,
    No,
}

fn handshake(hop: &Hop, known: &KnownHosts, progress: &Progress, stream: Stream) -> Result<LoggedIn, (Fault, Retry)> {
    let broken = |error: &dyn std::fmt::Display| (Fault::failed(Step::Connect, error.to_string()), Retry::No);
    let mut session = Session::new().map_err(|e| broken(&e))?;
    session.set_timeout(millis(progress.remaining()));
    prefer_algorithms(&session, hop, known).map_err(|fault| (fault, Retry::No))?;
    let socket = match stream {
        Stream::Tcp(stream) => {
            let copy = stream.as_fd().try_clone_to_owned();
            session.set_tcp_stream(stream);
            copy
        }
        Stream::Jump(stream) => {
            let copy = stream.as_fd().try_clone_to_owned();
            session.set_tcp_stream(stream);
            copy
        }
    };
    let socket = socket.map_err(|e| broken(&e))?;
    progress.enter(Step::Banner);
    match session.handshake() {
        Ok(()) => {
            progress.passed(Step::Banner, session.banner().unwrap_or("no banner"));
            let method = |kind| session.methods(kind).unwrap_or("unknown");
            let (kex, cipher) = (method(MethodType::Kex), method(MethodType::CryptCs));
            progress.passed(Step::Kex, format!("{kex}, {cipher}"));
            Ok(LoggedIn { session, socket })
        }
        Err(error) => Err(handshake_fault(&session, &error, progress)),
    }
}

/// Sets the algorithms: those of ssh_config, as far as libssh2 has them, else ours.
fn prefer_algorithms(session: &Session, hop: &Hop, known: &KnownHosts) -> Result<(), Fault> {
    let Policy { kex, ciphers, macs, .. } = &hop.policy;
    let ciphers = ciphers.as_deref().or(Some(cipher_preference()));
    let host_keys = host_key_preference(hop, known);
    let signatures = hop.policy.rsa_signatures();
    let wanted = [
        ("KexAlgorithms", MethodType::Kex, kex.as_deref()),
        ("HostKeyAlgorithms", MethodType::HostKey, Some(host_keys.as_str())),
        ("Ciphers", MethodType::CryptCs, ciphers),
        ("Ciphers", MethodType::CryptSc, ciphers),
        ("MACs", MethodType::MacCs, macs.as_deref()),
        ("MACs", MethodType::MacSc, macs.as_deref()),
        ("PubkeyAcceptedAlgorithms", MethodType::SignAlgo, signatures.as_deref()),
    ];
    for (keyword, kind, list) in wanted {
        let Some(list) = list else { continue };
        session.method_pref(kind, list).map_err(|_| reasons::no_algorithm(keyword))?;
    }
    Ok(())
}

/// Tells a server that says nothing from one that closes and one that has no method in common.
fn handshake_fault(session: &Session, error: &Error, progress: &Progress) -> (Fault, Retry) {
    // libssh2 keeps whatever line came last, and sshd says "Exceeded MaxStartups" before it closes.
    let greeted = session.banner().is_some_and(|line| line.starts_with("SSH-"));
    let step = if greeted { Step::Kex } else { Step::Banner };
    progress.enter(step);
    let said = session.banner().filter(|_| !greeted).map(reasons::shown).filter(|said| !said.is_empty());
    if code(error) == libssh2_sys::LIBSSH2_ERROR_TIMEOUT || progress.is_over() {
        let fault = said.as_deref().map_or_else(|| reasons::too_late(step), reasons::no_ssh);
        return (fault, Retry::No);
    }
    let closed = [libssh2_sys::LIBSSH2_ERROR_SOCKET_RECV, libssh2_sys::LIBSSH2_ERROR_SOCKET_DISCONNECT];
    if closed.contains(&code(error)) {
        let retry = !greeted && said.as_deref().is_none_or(reasons::is_of_sshd);
        return (reasons::closed_early(step, said.as_deref()), if retry { Retry::Yes } else { Retry::No });
    }
    let hint = "the installed ssh may have more in common with it: --ssh system";
    (Fault::failed(step, error.message()).hint(hint), Retry::No)
}

/// The ciphers that OpenSSH's client offers. What the processor has instructions for comes first: libssh2 would take ChaCha20,
/// which it computes without any.
fn cipher_preference() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    let has_aes = std::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    let has_aes = std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let has_aes = false;
    if has_aes {
        "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
    } else {
        "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
    }
}

/// The types known for this host first, so that the server shows a key that can be compared.
fn host_key_preference(hop: &Hop, known: &KnownHosts) -> String {
    let known_types = known.key_types(&hop.name, hop.name_port);
    let is_known = |method: &str| match method {
        "rsa-sha2-512" | "rsa-sha2-256" => known_types.contains(&"ssh-rsa"),
        method => known_types.contains(&method),
    };
    let allowed = HOST_KEYS.iter().filter(|method| hop.policy.takes_host_key(method));
    let (first, then): (Vec<&str>, Vec<&str>) = allowed.partition(|method| is_known(method));
    [first, then].concat().join(",")
}

fn read_known_hosts(files: &[PathBuf]) -> KnownHosts {
    let texts: Vec<(PathBuf, String)> = files
        .iter()
        .filter_map(|file| Some((file.clone(), String::from_utf8_lossy(&fs::read(file).ok()?).into_owned())))
        .collect();
    KnownHosts::parse(texts.iter().map(|(file, text)| (file.as_path(), text.as_str())))
}

fn read_revoked_keys(file: &Path) -> Result<RevokedKeys, String> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    RevokedKeys::parse(file, &bytes)
}

/// Judges the key that the server showed; tells which it was.
fn check_host_key(hop: &Hop, known: &KnownHosts, session: &Session) -> Result<String, Fault> {
    let Some((key, _)) = session.host_key() else {
        return Err(Fault::failed(Step::HostKey, "the server showed no key"));
    };
    let shown = format!("{} {}", known_hosts::key_type(key).unwrap_or("unknown"), known_hosts::fingerprint(key));
    let name = known_hosts::name_of(&hop.name, hop.name_port);
    if let Some(bits) = hop.policy.is_too_short(key) {
        return Err(reasons::short_key(&shown, bits));
    }
    for file in &hop.revoked_keys {
        let revoked = read_revoked_keys(file).map_err(|what| reasons::revocation_unknown(&what))?;
        if let Some(file) = revoked.revokes(key) {
            return Err(reasons::revoked_key(&shown, &format!(" by {}", file.display())));
        }
    }
    match known.judge(&hop.name, hop.name_port, key) {
        Verdict::Match => Ok(format!("{shown} is known")),
        Verdict::Revoked(line) => Err(reasons::revoked_key(&shown, &format!(" by {}", place(&line)))),
        Verdict::Mismatch(line) => {
            let known = format!("{} has {} {}", place(&line), line.key_type, line.fingerprint);
            Err(reasons::changed_key(&known, &shown, &line.file.to_string_lossy(), &name))
        }
        Verdict::Unknown { .. } if hop.checking == HostKeyChecking::AcceptNew => {
            remember(hop, key, &shown)?;
            Ok(format!("{shown} is accepted as new"))
        }
        Verdict::Unknown { authority } => {
            let mut fault = reasons::unknown_key(&name, &shown, &hop.user, &hop.address, hop.port, &hop.acceptance);
            if let Some(line) = authority {
                let of =
                    format!("; {} is a certificate authority, which the builtin client does not ask", place(&line));
                fault.what.push_str(&of);
                fault.hint = Some("the installed ssh does: --ssh system".to_owned());
            }
            Err(fault)
        }
    }
}

fn place(known: &Known) -> String {
    format!("{} line {}", known.file.display(), known.line)
}

/// Writes an accepted key to the operator's known_hosts: one line in one write, so that neither another thread nor
/// another program can be interleaved with it.
fn remember(hop: &Hop, key: &[u8], shown: &str) -> Result<(), Fault> {
    let failed = |what: String| Fault::failed(Step::HostKey, what);
    let file = hop.known_hosts.first().ok_or_else(|| failed("there is no known_hosts file to write to".into()))?;
    let line =
        known_hosts::line_for(&hop.name, hop.name_port, key).ok_or_else(|| failed("a key without a type".into()))?;
    append(file, &line).map_err(|error| failed(format!("writing {}: {error}", file.display())))?;
    tracing::info!(host = hop.name, key = shown, "new host key accepted and written to {}", file.display());
    Ok(())
}

fn append(file: &Path, line: &str) -> io::Result<()> {
    static WRITING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = WRITING.lock();
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let text = fs::read(file).unwrap_or_default();
    let start = if text.last().is_some_and(|&c| c != b'\n') { "\n" } else { "" };
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    file.write_all(format!("{start}{line}").as_bytes())?;
    file.sync_all()
}

/// The login of one session.
struct Login<'a> {
    hop: &'a Hop,
    settings: &'a Settings,
    progress: &'a Progress,
    session: &'a Session,
    /// What the server takes in the step that the login is at.
    methods: String,
    tried: Vec<String>,
    /// A key whose passphrase nobody could be asked for.
    locked: Option<PathBuf>,
    /// How many of the tried are files that are not there.
    missing: usize,
}

/// How one attempt ended that did not fail altogether.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    In,
    /// The server is content, and wants more than that (`AuthenticationMethods` of sshd).
    Further,
    Refused,
}

impl<'a> Login<'a> {
    fn new(hop: &'a Hop, settings: &'a Settings, progress: &'a Progress, session: &'a Session) -> Login<'a> {
        let (methods, tried) = (String::new(), Vec::new());
        Login { hop, settings, progress, session, methods, tried, locked: None, missing: 0 }
    }
}

impl Login<'_> {
    fn run(mut self) -> Result<(), Fault> {
        match self.ask_methods()? {
            Some(methods) => self.methods = methods,
            None => {
                self.progress.passed(Step::Auth, format!("as {} with nothing", self.hop.user));
                return Ok(());
            }
        }
        for _ in 0..STEPS {
            match self.go_on()? {
                Attempt::In => return Ok(()),
                Attempt::Refused => break,
                Attempt::Further => {}
            }
        }
        Err(self.refused())
    }

    /// The methods that the server takes now; none where it takes the login as it is.
    fn ask_methods(&self) -> Result<Option<String>, Fault> {
        self.set_timeout();
        match self.session.auth_methods(&self.hop.user) {
            Ok(methods) => Ok(Some(methods.to_owned())),
            Err(_) if self.session.authenticated() => Ok(None),
            Err(error) => Err(self.fault(&error)),
        }
    }

    /// Tries the methods of a step, until the login is through or one step further.
    fn go_on(&mut self) -> Result<Attempt, Fault> {
        let methods = self.methods.clone();
        let offers =
            |method: &str| methods.split(',').any(|offered| offered == method) && self.hop.policy.allows(method);
        let [keys, answers, password] = ["publickey", "keyboard-interactive", "password"].map(offers);
        let mut attempt = Attempt::Refused;
        if keys {
            attempt = self.with_keys()?;
        }
        for (offered, with_typing) in
            [(answers, Login::interactively as fn(&mut Self) -> _), (password, Login::with_password)]
        {
            if attempt == Attempt::Refused && offered && self.settings.prompt.is_some() {
                attempt = with_typing(self)?;
                if attempt == Attempt::Refused {
                    attempt = self.further()?;
                }
            }
        }
        Ok(attempt)
    }

    /// Whether what was not enough was right: libssh2 does not tell, but then the server takes other methods than before.
    fn further(&mut self) -> Result<Attempt, Fault> {
        Ok(match self.ask_methods()? {
            None => Attempt::In,
            Some(left) if left == self.methods => Attempt::Refused,
            Some(left) => {
                self.methods = left;
                Attempt::Further
            }
        })
    }

    fn refused(&self) -> Fault {
        let (hop, methods) = (self.hop, &self.methods);
        if self.tried.is_empty() && self.settings.prompt.is_none() && reasons::takes_answers(methods) {
            return reasons::nobody_to_ask(&hop.user, methods, &hop.address, hop.port);
        }
        let mut fault = reasons::login_refused(&hop.user, &self.tried, methods, &hop.address, hop.port);
        if self.tried.iter().any(|tried| tried.contains(BEYOND)) {
            fault.hint = Some("the installed ssh can use it: --ssh system".to_owned());
        } else if let Some(key) = &self.locked {
            fault.hint = Some(reasons::unlock(key));
        } else if self.missing > 0 && self.missing == self.tried.len() {
            fault.hint = Some(reasons::correct_identity_file());
        } else if let Some(card) = &hop.policy.card {
            fault.hint = Some(format!(
                "ssh_config names {card} (PKCS11Provider), which only the installed ssh asks: --ssh system"
            ));
        } else if methods.split(',').any(|method| method == "gssapi-with-mic") {
            fault.hint = fault.hint.map(|hint| format!("{hint}; with Kerberos: --ssh system"));
        }
        fault
    }

    /// Keys of the agent and of files: those that need nobody's passphrase first.
    fn with_keys(&mut self) -> Result<Attempt, Fault> {
        let files = self.key_files();
        let agent = self.connect_agent();
        let offers = self.in_order(&files, agent.as_ref().map_or(&[], |(_, keys)| keys));
        for offer in offers.into_iter().take(KEY_ATTEMPTS) {
            if let Some(why) = offer.public().and_then(|key| self.hop.policy.refuses_key(key)) {
                self.tried.push(format!("{} ({why})", offer.name()));
                continue;
            }
            let attempt = match (offer, &agent) {
                (Offer::Agent(key), Some((agent, _))) => self.with_agent_key(agent, key)?,
                (Offer::Agent(_), None) => Attempt::Refused,
                (Offer::File(file), _) => self.with_file(file)?,
            };
            if attempt != Attempt::Refused {
                return Ok(attempt);
            }
        }
        Ok(Attempt::Refused)
    }

    /// The keys in the order in which they are offered; of public halves those that the agent has the private one of.
    fn in_order<'a>(&mut self, files: &'a [KeyFile], of_agent: &'a [ssh2::PublicKey]) -> Vec<Offer<'a>> {
        let is_named = |key: &&ssh2::PublicKey| files.iter().any(|f| f.public.as_deref() == Some(key.blob()));
        let (named, others): (Vec<_>, Vec<_>) = of_agent.iter().partition(is_named);
        let in_agent = |file: &&KeyFile| named.iter().any(|key| file.public.as_deref() == Some(key.blob()));
        let (files, halves): (Vec<&KeyFile>, Vec<&KeyFile>) =
            files.iter().filter(|file| !in_agent(file)).partition(|file| !file.is_public_half);
        let alone = halves.iter().map(|half| format!("{}: no SSH agent has its private key", half.path.display()));
        self.tried.extend(alone);
        let (locked, open): (Vec<&KeyFile>, Vec<&KeyFile>) = files.into_iter().partition(|file| file.encrypted);

        let mut offers: Vec<Offer<'a>> = named.into_iter().map(Offer::Agent).collect();
        let others = others.into_iter().map(Offer::Agent).filter(|_| !self.hop.identities_only);
        let open = open.into_iter().map(Offer::File);
        if self.hop.identities_named {
            offers.extend(open);
            offers.extend(others);
        } else {
            offers.extend(others);
            offers.extend(open);
        }
        offers.extend(locked.into_iter().map(Offer::File));
        offers
    }

    fn key_files(&mut self) -> Vec<KeyFile> {
        let mut files = Vec::new();
        for path in &self.hop.identity_files {
            match KeyFile::read(path) {
                Ok(file) => files.push(file.with_certificate(&self.hop.certificates)),
                // A default that is not there is no news; one that was named is.
                Err(what) if self.hop.identities_named || path.exists() => {
                    self.missing += usize::from(!path.exists());
                    self.tried.push(what);
                }
                Err(_) => {}
            }
        }
        files
    }

    fn connect_agent(&mut self) -> Option<(ssh2::Agent, Vec<ssh2::PublicKey>)> {
        let path = self.hop.ssh_agent.as_ref()?;
        // Not the host's time.
        if let Err(what) = self.progress.paused(|| self.settings.agents.check(path)) {
            self.tried.push(what);
            return None;
        }
        let connect = || {
            let mut agent = self.session.agent()?;
            agent.set_identity_path(path)?;
            agent.connect()?;
            agent.list_identities()?;
            let keys = agent.identities()?;
            Ok::<_, Error>((agent, keys))
        };
        match self.progress.waiting_for(format!("the SSH agent at {}", path.display()), connect) {
            Ok(found) => Some(found),
            Err(error) => {
                self.tried.push(format!("the SSH agent at {}: {}", path.display(), error.message()));
                None
            }
        }
    }

    fn with_agent_key(&mut self, agent: &ssh2::Agent, key: &ssh2::PublicKey) -> Result<Attempt, Fault> {
        self.set_timeout();
        let of = self.hop.ssh_agent.as_ref().map(|path| format!(" at {}", path.display())).unwrap_or_default();
        let sign = || agent.userauth(&self.hop.user, key);
        let done = self.progress.waiting_for(format!("the SSH agent{of}"), sign);
        self.attempt(done, &format!("agent key {}", key.comment()))
    }

    fn with_file(&mut self, file: &KeyFile) -> Result<Attempt, Fault> {
        if file.is_of_token() {
            self.tried.push(format!("{} {BEYOND}", file.path.display()));
            return Ok(Attempt::Refused);
        }
        if !file.encrypted {
            return Ok(self.with_opened(file, None)?.unwrap_or(Attempt::Refused));
        }
        let mut wrong = None;
        loop {
            let asked = self.progress.paused(|| self.settings.passphrase(&file.path, wrong.as_ref()));
            let Some(secret) = asked else { break };
            match self.with_opened(file, Some(&secret))? {
                Some(attempt) => return Ok(attempt),
                None => wrong = Some(secret),
            }
        }
        let name = file.path.display();
        self.tried.push(match wrong {
            Some(_) => format!("wrong passphrase for {name}"),
            None => format!("{name} needs a passphrase and there is nobody to ask"),
        });
        if wrong.is_none() {
            self.locked.get_or_insert_with(|| file.path.clone());
        }
        Ok(Attempt::Refused)
    }

    /// Offers a key; none where it does not open with this passphrase.
    fn with_opened(&mut self, file: &KeyFile, secret: Option<&Secret>) -> Result<Option<Attempt>, Fault> {
        let name = file.path.display().to_string();
        let passphrase = secret.map(|Secret(text)| text.as_str());
        if let Some(certificate) = &file.certificate {
            self.set_timeout();
            let done = self.session.userauth_pubkey_file(&self.hop.user, Some(certificate), &file.path, passphrase);
            let attempt = self.attempt(done, &format!("{name} with its certificate"))?;
            if attempt != Attempt::Refused {
                return Ok(Some(attempt));
            }
        }
        self.set_timeout();
        // Without the public file: libssh2 then opens the private one before it asks the server, and a wrong passphrase
        // costs no attempt there.
        let done = self.session.userauth_pubkey_file(&self.hop.user, None, &file.path, passphrase);
        match done {
            Err(error) if file.encrypted && is_local(&error) => Ok(None),
            Err(error) if is_local(&error) => {
                self.tried.push(format!("{name} cannot be used: {}", error.message()));
                Ok(Some(Attempt::Refused))
            }
            done => self.attempt(done, &name).map(Some),
        }
    }

    fn interactively(&mut self) -> Result<Attempt, Fault> {
        self.set_timeout_for_typing();
        let mut asker = Asker { hop: self.hop, settings: self.settings, progress: self.progress };
        let done = self.session.userauth_keyboard_interactive(&self.hop.user, &mut asker);
        self.attempt(done, "what was typed")
    }

    fn with_password(&mut self) -> Result<Attempt, Fault> {
        let Some(prompt) = &self.settings.prompt else { return Ok(Attempt::Refused) };
        let text = format!("password of {}@{}: ", self.hop.user, self.hop.name);
        let Some(Secret(password)) = self.progress.paused(|| prompt.ask(&text, false)) else {
            return Ok(Attempt::Refused);
        };
        self.set_timeout();
        let done = self.session.userauth_password(&self.hop.user, &password);
        self.attempt(done, "a password")
    }

    fn attempt(&mut self, done: Result<(), Error>, with: &str) -> Result<Attempt, Fault> {
        match done {
            Ok(()) => {
                self.progress.passed(Step::Auth, format!("as {} with {with}", self.hop.user));
                Ok(Attempt::In)
            }
            // The server knows the key, and the signature was no end of it: perhaps it wants more.
            Err(error) if is_signed_in_vain(&error) => {
                self.tried.push(with.to_owned());
                self.further()
            }
            Err(error) if is_refusal(&error) => {
                self.tried.push(with.to_owned());
                Ok(Attempt::Refused)
            }
            Err(error) => Err(self.fault(&error)),
        }
    }

    fn fault(&self, error: &Error) -> Fault {
        if code(error) == libssh2_sys::LIBSSH2_ERROR_TIMEOUT || self.progress.is_over() {
            return reasons::too_late(Step::Auth);
        }
        reasons::login_broke(&self.hop.user, self.tried.len(), &error.message())
    }

    fn set_timeout(&self) {
        self.session.set_timeout(millis(self.progress.remaining()));
    }

    /// The operator types while libssh2 counts.
    fn set_timeout_for_typing(&self) {
        self.session.set_timeout(millis(self.progress.remaining() + Duration::from_secs(120)));
    }
}

/// A key to try.
enum Offer<'a> {
    Agent(&'a ssh2::PublicKey),
    File(&'a KeyFile),
}

impl Offer<'_> {
    fn public(&self) -> Option<&[u8]> {
        match self {
            Offer::Agent(key) => Some(key.blob()),
            Offer::File(file) => file.public.as_deref(),
        }
    }

    fn name(&self) -> String {
        match self {
            Offer::Agent(key) => format!("agent key {}", key.comment()),
            Offer::File(file) => file.path.display().to_string(),
        }
    }
}

/// Hands the server's questions to the operator.
struct Asker<'a> {
    hop: &'a Hop,
    settings: &'a Settings,
    progress: &'a Progress,
}

impl KeyboardInteractivePrompt for Asker<'_> {
    fn prompt<'b>(&mut self, _: &str, _: &str, prompts: &[ssh2::Prompt<'b>]) -> Vec<String> {
        let ask = |question: &ssh2::Prompt<'b>| {
            // A server words its questions as it likes; a terminal must not take them for orders.
            let text: String = question.text.chars().filter(|c| !c.is_control()).collect();
            let text = format!("{}@{}: {text}", self.hop.user, self.hop.name);
            let answer = self.settings.prompt.as_ref().and_then(|prompt| prompt.ask(&text, question.echo));
            answer.map(|Secret(text)| text).unwrap_or_default()
        };
        self.progress.paused(|| prompts.iter().map(ask).collect())
    }
}

/// Whether the server had asked for the signature that it then did not take. An SSH agent that signs nothing looks like it.
fn is_signed_in_vain(error: &Error) -> bool {
    code(error) == libssh2_sys::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED
        && !error.message().contains("Callback returned error")
}

fn is_refusal(error: &Error) -> bool {
    let refusals = [
        libssh2_sys::LIBSSH2_ERROR_AUTHENTICATION_FAILED,
        libssh2_sys::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED,
        libssh2_sys::LIBSSH2_ERROR_METHOD_NONE,
        libssh2_sys::LIBSSH2_ERROR_METHOD_NOT_SUPPORTED,
        libssh2_sys::LIBSSH2_ERROR_ALGO_UNSUPPORTED,
        libssh2_sys::LIBSSH2_ERROR_AGENT_PROTOCOL,
        libssh2_sys::LIBSSH2_ERROR_FILE,
    ];
    refusals.contains(&code(error))
}

/// Whether the server was not even asked: the private key did not open.
fn is_local(error: &Error) -> bool {
    let local = [
        libssh2_sys::LIBSSH2_ERROR_FILE,
        libssh2_sys::LIBSSH2_ERROR_KEYFILE_AUTH_FAILED,
        libssh2_sys::LIBSSH2_ERROR_METHOD_NONE,
    ];
    local.contains(&code(error)) || error.message().contains("Callback returned error")
}

pub(super) fn code(error: &Error) -> i32 {
    match error.code() {
        ErrorCode::Session(code) | ErrorCode::SFTP(code) => code,
    }
}

pub(super) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).max(1)
}
