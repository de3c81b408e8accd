//! Verbs that change the cluster: what is to be done is decided as data (`plan.rs`), done step by step on all hosts at
//! once (`rollout.rs`, `steps/`), and answered with exactly one [`Outcome`](crate::api::outcome::Outcome) per target.
//!
//! Never prints, asks or exits. A host that gives no answer costs its own targets only; every remote step has a deadline.

mod absent;
mod boot;
mod check;
mod decide;
#[expect(clippy::module_inception, reason = "verbs are files with the command's name")]
mod deploy;
mod diff;
mod error;
mod estate;
mod exec;
mod history;
mod install;
mod interrupt;
pub mod key_export;
mod key_source;
pub mod keys;
mod ledger;
mod lock;
mod mend;
mod nodes;
mod plan;
mod ports;
mod preview;
mod progress;
mod release;
mod remove;
mod rollback;
mod rolling;
mod rollout;
mod site;
mod steps;
mod store;
mod survey;

pub use boot::{BootChange, change_boot};
pub use check::check;
pub use deploy::{Leaver, Leavers, Options, Report, deploy};
pub use error::{DeployError, listed};
pub use exec::{ExecOptions, ExecRow, Heard, KEPT as EXEC_KEPT, Listen, WITHIN as EXEC_WITHIN, exec};
pub use history::{Answer, End, Run, StepName};
pub use install::install;
pub use interrupt::{Interrupt, Interrupter};
pub use key_source::{KeyAnswer, KeySource, keys_in_force};
pub use lock::{Claim, Lease, LockError, Needs, holder, keeper, unlock};
pub use mend::{Mend, mend};
pub use nodes::{hosts_of, restart, start, stop};
pub use plan::{
    Action, Change, FileChange, HostPlan, HostState, HostWork, NodeChange, Observed, Phase, Plan, ProgramChange,
    SCHEMA, Step, TakenPort,
};
pub use preview::plan;
pub use progress::{Event, Progress, Silent};
pub use remove::remove;
pub use rollback::{NoRollback, rollback, rollback_plan};
pub use rolling::{OnFailure, Rolling, Width};
pub use rollout::Rolled;
pub use steps::retire::STEP as RETIRE;
pub use store::change_store;

pub use crate::agent::client::Keep;
pub use crate::fleet::{Answers, Prompt, Question, Settings, Typed, answer_question, quote};
pub use crate::journal::{COMMAND_CHARS, Ending};
