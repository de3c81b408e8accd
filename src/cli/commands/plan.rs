//! `plan`: what a deploy would do.

use clap_complete::engine::ArgValueCompleter;

use crate::api::outcome::Kind;
use crate::cli::args::{Format, HostArgs};
use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::plan;
use crate::deploy::{self, KeySource, Plan};
use crate::layout::Layout;

/// Show what a deploy would do, and why
///
/// Compares the layout with what every host has: files as unified diffs (keys are never shown, only that a key file changes),
/// the program, and each node that would be started, restarted, stopped or told of a change, with the reason. Changes
/// and starts nothing, and takes no lock. Of a host whose agent does not run it can only say that.
///
/// `deploy` performs exactly what this shows. To review first and deploy later: `plan -o json > FILE`, then
/// `deploy --plan FILE`, which is refused when the layout or the cluster changed meanwhile.
///
/// With HOSTS it shows what a deploy of those hosts alone would do. With `--to` it shows what `zeek-cluster rollback RELEASE` would change instead.
///
/// Exit status 0 when there is nothing to do, 10 when there is, 1 when a host gave no answer or another program holds a
/// port that a node needs, 4 when no host gave an answer.
#[derive(Debug, clap::Args)]
pub struct PlanCommand {
    #[command(flatten)]
    hosts: HostArgs,

    /// Plan to go on without hosts on which staging fails, and to start nodes that moved away from a silent host
    #[arg(long)]
    allow_partial: bool,

    /// Show what going back to this release would change; the beginning of its name is enough
    #[arg(long, value_name = "RELEASE", conflicts_with_all = ["allow_partial", "hosts"])]
    #[arg(add = ArgValueCompleter::new(complete::releases))]
    to: Option<String>,
}

impl PlanCommand {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        if self.to.is_some() {
            return of_rollback(cx, &layout, self.to.as_deref());
        }
        let Some(only) = cx.select_only(&layout, &self.hosts)? else {
            cx.printer.records::<plan::PlanRow>(&[])?;
            return Ok(Status::Done);
        };
        let settings = cx.reach();
        let store = cx.key_store(&layout)?;
        let keys = KeySource::look(store.as_ref());
        let progress = cx.printer.progress();
        let planned = deploy::plan(&layout, &settings, keys, self.allow_partial, only.as_deref(), &progress);
        let planned = cx.block_on(planned)?;
        progress.finish();
        show(cx, &layout, &planned.map_err(Failure::deploy)?)
    }
}

/// Shows what `rollback` to that release would change; without one it is the release that was current before.
pub fn of_rollback(cx: &Context, layout: &Layout, release: Option<&str>) -> Result<Status, Failure> {
    let settings = cx.reach();
    let progress = cx.printer.progress();
    let planned = cx.block_on(deploy::rollback_plan(layout, &settings, release, &progress))?;
    progress.finish();
    let planned = planned.map_err(Failure::deploy)?;
    let status = show(cx, layout, &planned)?;
    cx.printer.status(&format!("release {}", planned.release));
    Ok(status)
}

fn show(cx: &Context, layout: &Layout, planned: &Plan) -> Result<Status, Failure> {
    match cx.printer.format() {
        Format::Table => cx.printer.text(&plan::text(planned, layout.nodes.len()))?,
        Format::Json => cx.printer.json(planned)?,
        _ => cx.printer.records(&plan::rows(planned))?,
    }
    for (_, _, error) in planned.silent() {
        cx.printer.error(&error.what);
        if let Some(hint) = &error.hint {
            cx.printer.hint(hint);
        }
    }
    let taken: Vec<String> =
        planned.hosts.iter().flat_map(|host| host.taken_ports.iter().map(|taken| taken.on(&host.host))).collect();
    taken.iter().for_each(|what| cx.printer.error(what));
    if !taken.is_empty() {
        cx.printer
            .hint("stop that program, or give the nodes other ports in the layout; until then deploy switches nothing");
    }
    if cx.printer.format() != Format::Table {
        cx.printer.status(&planned.summary(layout.nodes.len()));
    }
    let silent = planned.silent().count();
    let unreached = planned.silent().filter(|(_, kind, _)| *kind == Kind::Unreachable).count();
    Ok(match () {
        () if unreached == planned.hosts.len() - planned.left_out().count() => Status::Unreachable,
        () if silent > 0 || !taken.is_empty() => Status::Failed,
        () if planned.is_empty() => Status::Done,
        () => Status::Changes,
    })
}
