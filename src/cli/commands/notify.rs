//! `notify --test`: tests the targets of messages about incidents.

use crate::cli::args::HostArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, shown};
use crate::query::{self, NotifyRow};

/// Send a test message from each host to the targets of `notify`
///
/// `notify` in the layout names the targets of messages about incidents: a program on each host (the message is JSON on its standard
/// input) or an HTTP server. Each host's agent reports its own host: one message when an incident begins and one when it
/// ends, at most ten a minute to a target and the rest in one, tried again for a day. This sends one message now, as the
/// deployed release has the targets, and says for each host and target what became of it.
///
/// Columns: host, target, result (ok or failed), milliseconds, error. Exit status 1 when a message was not delivered.
#[derive(Debug, clap::Args)]
pub struct Notify {
    #[command(flatten)]
    hosts: HostArgs,

    /// Send the test message; nothing else can be asked for yet
    #[arg(long, required = true)]
    test: bool,

    /// Only to this target
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
}

impl Notify {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let hosts = cx.select_hosts(&layout, &self.hosts)?;
        let settings = cx.asking();
        let report = cx.block_on(query::test_notify(&layout, &hosts, &settings, self.target.as_deref()))?;
        cx.printer.records(&report.rows)?;
        cx.printer.silent_hosts(&report.silent, &[]);
        if report.rows.is_empty() && report.silent.is_empty() {
            cx.printer.warning("the deployed release has no targets under `notify`");
        }
        let delivered = report.rows.iter().all(|row| row.tested.error.is_none());
        Ok(if delivered && report.silent.is_empty() { Status::Done } else { Status::Failed })
    }
}

impl NotifyRow {
    fn result(&self) -> &'static str {
        if self.tested.error.is_none() { "ok" } else { "failed" }
    }
}

impl Record for NotifyRow {
    const COLUMNS: &'static [Column] = &[
        Column::stays("HOST"),
        Column::stays("TARGET"),
        Column::stays("RESULT"),
        Column::gives("TIME", 4),
        Column::note("WHY"),
    ];

    fn cells(&self) -> Vec<String> {
        let NotifyRow { host, tested } = self;
        vec![
            host.clone(),
            tested.target.clone(),
            self.result().to_owned(),
            format!("{} ms", tested.elapsed_ms),
            tested.error.clone().unwrap_or_default(),
        ]
    }

    fn fields(&self) -> Vec<String> {
        let NotifyRow { host, tested } = self;
        vec![
            host.clone(),
            tested.target.clone(),
            self.result().to_owned(),
            tested.elapsed_ms.to_string(),
            shown(tested.error.as_deref()),
        ]
    }

    fn name(&self) -> &str {
        &self.host
    }
}
