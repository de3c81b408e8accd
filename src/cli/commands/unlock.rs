//! `unlock`: take the lock from a command that hangs.

use crate::cli::change::locked_by;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy;

/// Take the cluster's lock from a command that holds it
///
/// One command at a time changes the cluster; the agent of the manager's host keeps the lock for it. The lock ends with
/// the command, also when that is killed or its connection breaks, so this is for one that is alive and hangs. Shows who
/// holds the lock and asks first, unless `--yes` is given. That command then ends with exit status 1 and begins nothing
/// more; what it had begun stays as it is, and each host is on a whole release.
#[derive(Debug, clap::Args)]
pub struct Unlock {}

impl Unlock {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let settings = cx.reach();
        let Some(holder) = cx.block_on(deploy::holder(&layout, &settings))?.map_err(Failure::lock)? else {
            cx.printer.status("unchanged: nobody holds the lock");
            return Ok(Status::Done);
        };
        cx.printer.status(&locked_by(&holder));
        cx.confirm(&format!("Take the lock from {}?", holder.operator))?;
        cx.block_on(deploy::unlock(&layout, &settings, &holder.run))?.map_err(Failure::lock)?;
        cx.printer.status("unlocked");
        Ok(Status::Done)
    }
}
