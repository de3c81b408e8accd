//! The list of all commands.

use super::{
    agent, check, completions, count, deploy, df, diag, doctor, events, exec, help, history, install, keys, layout,
    log, man, metrics, node, nodes, notify, output, peers, plan, publish, releases, remove, restart, rollback, start,
    status, stop, store, subscribe, top, unlock, wait, zeekctl,
};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;

/// All commands, in the order in which the help lists them: bring up, take down, look, the layout, the rest.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Plan(plan::PlanCommand),
    Deploy(deploy::Deploy),
    Check(check::Check),
    Install(install::Install),
    Start(start::Start),
    Stop(stop::Stop),
    Restart(restart::Restart),
    Rollback(rollback::Rollback),
    Unlock(unlock::Unlock),
    Remove(remove::Remove),
    Status(status::StatusCommand),
    Wait(wait::Wait),
    Nodes(nodes::Nodes),
    Count(count::Count),
    #[command(alias = "peerstatus")]
    Peers(peers::Peers),
    Log(log::Log),
    Events(events::Events),
    Diag(diag::Diag),
    Doctor(doctor::Doctor),
    Output(output::Output),
    Top(top::Top),
    Df(df::Df),
    Metrics(metrics::Metrics),
    Releases(releases::Releases),
    History(history::History),
    Notify(notify::Notify),
    Subscribe(subscribe::Subscribe),
    Publish(publish::Publish),
    Exec(exec::Exec),
    Store(store::StoreCommand),
    Layout(layout::LayoutCommand),
    /// zeekctl's config: the same as `layout show`
    #[command(hide = true)]
    Config(layout::Show),
    Keys(keys::Keys),
    Agent(agent::Agent),
    Node(node::Node),
    Completions(completions::Completions),
    Man(man::Man),
    Help(help::Help),
    /// zeekctl's capstats: says what replaces it
    #[command(hide = true)]
    Capstats(zeekctl::ZeekctlCommand),
    /// zeekctl's cleanup: says what replaces it
    #[command(hide = true)]
    Cleanup(zeekctl::ZeekctlCommand),
    /// zeekctl's cron: says what replaces it
    #[command(hide = true)]
    Cron(zeekctl::ZeekctlCommand),
    /// zeekctl's exit: says what replaces it
    #[command(hide = true)]
    Exit(zeekctl::ZeekctlCommand),
    /// zeekctl's netstats: says what replaces it
    #[command(hide = true)]
    Netstats(zeekctl::ZeekctlCommand),
    /// zeekctl's print: says what replaces it
    #[command(hide = true)]
    Print(zeekctl::ZeekctlCommand),
    /// zeekctl's process: says what replaces it
    #[command(hide = true)]
    Process(zeekctl::ZeekctlCommand),
    /// zeekctl's quit: says what replaces it
    #[command(hide = true)]
    Quit(zeekctl::ZeekctlCommand),
    /// zeekctl's scripts: says what replaces it
    #[command(hide = true)]
    Scripts(zeekctl::ZeekctlCommand),
}

impl Command {
    /// Whether this is a process that stays: an agent or a node.
    pub fn is_lasting(&self) -> bool {
        match self {
            Command::Agent(agent) => agent.is_lasting(),
            Command::Node(_) => true,
            _ => false,
        }
    }

    /// Runs the command to its end.
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        match self {
            Command::Plan(command) => command.run(cx),
            Command::Deploy(command) => command.run(cx),
            Command::Check(command) => command.run(cx),
            Command::Install(command) => command.run(cx),
            Command::Start(command) => command.run(cx),
            Command::Stop(command) => command.run(cx),
            Command::Restart(command) => command.run(cx),
            Command::Rollback(command) => command.run(cx),
            Command::Unlock(command) => command.run(cx),
            Command::Remove(command) => command.run(cx),
            Command::Status(command) => command.run(cx),
            Command::Wait(command) => command.run(cx),
            Command::Nodes(command) => command.run(cx),
            Command::Count(command) => command.run(cx),
            Command::Peers(command) => command.run(cx),
            Command::Log(command) => command.run(cx),
            Command::Events(command) => command.run(cx),
            Command::Diag(command) => command.run(cx),
            Command::Doctor(command) => command.run(cx),
            Command::Output(command) => command.run(cx),
            Command::Top(command) => command.run(cx),
            Command::Df(command) => command.run(cx),
            Command::Metrics(command) => command.run(cx),
            Command::Releases(command) => command.run(cx),
            Command::History(command) => command.run(cx),
            Command::Notify(command) => command.run(cx),
            Command::Subscribe(command) => command.run(cx),
            Command::Publish(command) => command.run(cx),
            Command::Exec(command) => command.run(cx),
            Command::Store(command) => command.run(cx),
            Command::Layout(command) => command.run(cx),
            Command::Config(command) => command.run(cx),
            Command::Keys(command) => command.run(cx),
            Command::Agent(command) => command.run(cx),
            Command::Node(command) => command.run(cx),
            Command::Completions(command) => command.run(cx),
            Command::Man(command) => command.run(cx),
            Command::Help(command) => command.run(cx),
            Command::Capstats(command) => command.run(cx, "capstats"),
            Command::Cleanup(command) => command.run(cx, "cleanup"),
            Command::Cron(command) => command.run(cx, "cron"),
            Command::Exit(command) => command.run(cx, "exit"),
            Command::Netstats(command) => command.run(cx, "netstats"),
            Command::Print(command) => command.run(cx, "print"),
            Command::Process(command) => command.run(cx, "process"),
            Command::Quit(command) => command.run(cx, "quit"),
            Command::Scripts(command) => command.run(cx, "scripts"),
        }
    }
}
