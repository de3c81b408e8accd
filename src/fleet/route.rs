//! The way to a host: the machines to log in on, one after the other, each session on a thread of its own.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::bastion::{Bastion, DialFailed};
use super::error::Step;
use super::exam::Diary;
use super::fault::{Fault, Progress};
use super::login::{self, Hop, LoggedIn, Stream};
use super::mailbox::{self, Mailbox};
use super::reasons;
use super::settings::Settings;
use super::tunnel;

/// How much longer than its deadline a thread is waited for: calls into the resolver or the SSH agent have none.
const GRACE: Duration = Duration::from_millis(500);

/// Enough for libssh2, and small enough for a thousand hosts.
const STACK: usize = 512 << 10;

/// How the machines on the way to a host are logged in to.
pub(super) struct Route {
    pub settings: Arc<Settings>,
    /// For TCP and the key exchange of each.
    pub connect: Duration,
    /// For the login of each.
    pub step: Duration,
    pub diary: Diary,
}

/// A machine on the way that was not logged in to.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub address: String,
    pub port: u16,
    pub fault: Fault,
    is_jump: bool,
}

impl Lost {
    /// The same for whoever wanted to go on from there.
    fn on_a_jump_host(mut self) -> Lost {
        if !self.is_jump {
            self.is_jump = true;
            self.fault.what = format!("jump host: {}", self.fault.what);
        }
        self
    }
}

impl Route {
    /// A session with the last of these machines, through those before it.
    pub async fn open(&self, hops: &[Hop]) -> Result<Mailbox, Lost> {
        self.open_named(hops, None).await
    }

    /// The same for a jump host.
    pub async fn open_jump(&self, hops: &[Hop]) -> Result<Mailbox, Lost> {
        let name = hops.last().map(|hop| hop.name.clone());
        self.open_named(hops, name).await.map_err(Lost::on_a_jump_host)
    }

    async fn open_named(&self, hops: &[Hop], jump: Option<String>) -> Result<Mailbox, Lost> {
        let (hop, before) = hops.split_last().expect("a route ends at a machine");
        let progress = Progress::new(Step::Resolve, Instant::now() + self.connect).noted_in(self.diary.clone(), jump);
        let bastion = (!before.is_empty()).then(|| self.settings.bastions.behind(before));
        open_session(hop, bastion.as_deref(), self, progress).await
    }
}

/// A jump that the thread of a session asks for: the stream, and the session that it goes through.
type Jump = (UnixStream, Arc<Mailbox>);

/// Starts the thread of one session and waits until it is logged in; opens the jumps that it asks for meanwhile.
async fn open_session(hop: &Hop, via: Option<&Bastion>, route: &Route, progress: Progress) -> Result<Mailbox, Lost> {
    let progress = Arc::new(progress);
    let lost = |fault| Lost { address: hop.address.clone(), port: hop.port, fault, is_jump: false };
    let here = |what: String| {
        let fault = Fault::failed(Step::Connect, what);
        lost(fault.hint("too many files or threads? see: ulimit -a; fewer at once: --parallel"))
    };
    let (mailbox, inbox) = mailbox::mailbox().map_err(|error| here(error.to_string()))?;
    let (ready, mut opened) = oneshot::channel();
    let (asking, mut asked) = mpsc::channel::<oneshot::Sender<Result<Jump, Fault>>>(1);
    let jumps = via.map(|_| asking);
    let work = {
        let (hop, progress, settings, step) = (hop.clone(), progress.clone(), route.settings.clone(), route.step);
        move || {
            let mut through = None;
            match log_in(&hop, jumps.as_ref(), &mut through, &settings, &progress, step) {
                Ok(logged_in) => {
                    if ready.send(Ok(())).is_ok() {
                        tunnel::serve(logged_in, inbox);
                    }
                    // The jump host's session ends after the one that goes through it.
                    drop(through);
                }
                Err(fault) => drop(ready.send(Err(fault))),
            }
        }
    };
    let spawned = thread::Builder::new().name(format!("ssh {}", hop.name)).stack_size(STACK).spawn(work);
    spawned.map_err(|error| here(format!("no thread for the session: {error}")))?;
    loop {
        let (step, until) = progress.now();
        // With the clock stopped there is no telling when it goes on; the look costs nothing.
        let until = until.map_or_else(|| Instant::now() + GRACE, |until| until + GRACE);
        tokio::select! {
            biased;
            ended = &mut opened => return match ended {
                Ok(Ok(())) => Ok(mailbox),
                Ok(Err(fault)) => Err(lost(fault)),
                Err(_) => Err(lost(Fault::failed(step, "the session's thread ended"))),
            },
            Some(reply) = asked.recv() => {
                let Some(via) = via else { continue };
                match via.dial(route, &hop.address, hop.port, route.connect).await {
                    // A thread that has gone needs no answer.
                    Ok(jump) => drop(reply.send(Ok(jump))),
                    Err(DialFailed::NoWay(lost)) => return Err(lost),
                    Err(DialFailed::Refused(fault)) => drop(reply.send(Err(fault))),
                }
            }
            () = tokio::time::sleep_until(until.into()) => if progress.is_over() {
                return Err(lost(reasons::no_answer(step, progress.third())));
            },
        }
    }
}

/// Logs in on the thread of the session; `through` gets the session of the jump host.
fn log_in(
    hop: &Hop,
    jumps: Option<&mpsc::Sender<oneshot::Sender<Result<Jump, Fault>>>>,
    through: &mut Option<Arc<Mailbox>>,
    settings: &Settings,
    progress: &Progress,
    step: Duration,
) -> Result<LoggedIn, Fault> {
    login::login(hop, settings, progress, step, || {
        let Some(jumps) = jumps else { return login::dial_tcp(hop, progress) };
        let (reply, answer) = oneshot::channel();
        let gone = || Fault::failed(Step::Connect, "nobody waits for it any more");
        // The jump host has deadlines of its own.
        let jump = progress.paused(|| {
            jumps.blocking_send(reply).map_err(|_| gone())?;
            answer.blocking_recv().map_err(|_| gone())?
        });
        let (stream, way) = jump?;
        *through = Some(way);
        progress.passed(Step::Connect, "the jump host reaches it");
        Ok(Stream::Jump(stream))
    })
}
