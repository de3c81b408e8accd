//! `zeekctl.cfg` (once `broctl.cfg`): the lines of the file, and the table of what zeekctl knows. Source: `zeekctl.md` 3 and
//! 4, zeekctl 2.6.0-67.

use std::collections::BTreeMap;

use super::ini::{Lines, trim};
use super::report::Fate;
use crate::layout::problem::{Problems, Report, Span, Spanned};
use crate::layout::tree::{MAX_BYTES, shorten};

/// What zeekctl converts a value to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Bool,
    Int,
    Text,
}

impl Type {
    /// zeekctl's word for it.
    fn as_str(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Text => "string",
        }
    }

    fn fits(self, text: &str) -> bool {
        match self {
            Type::Bool => switch(text).is_some(),
            Type::Int => python_int(text).is_some(),
            Type::Text => true,
        }
    }
}

/// An option that zeekctl knows, and what becomes of it unless its value says otherwise.
struct Known {
    name: &'static str,
    kind: Type,
    /// Its name when zeekctl was called BroControl, which zeekctl refuses.
    old_name: Option<&'static str>,
    fate: Fate,
    reason: &'static str,
}

const fn known(name: &'static str, kind: Type, fate: Fate, reason: &'static str) -> Known {
    Known { name, kind, old_name: None, fate, reason }
}

const fn renamed(old_name: &'static str, known: Known) -> Known {
    Known { old_name: Some(old_name), ..known }
}

use Fate::{NotNeeded, NotTakenOver, Translated};
use Type::{Bool, Int, Text};

/// Folders of zeekctl's own installation.
const OWN_FOLDER: &str = "a folder of zeekctl's installation, which nothing here uses";
/// zeekctl's mails about hosts and processes.
const OWN_MAIL: &str = "no mail is sent; `zeek-cluster status --watch` and `doctor` tell of it";
/// Reasons that a value replaces by better ones.
const BY_VALUE: &str = "backend, which is ZeroMQ";

/// Every option of zeekctl, in the order of its own table.
const OPTIONS: &[Known] = &[
    known("Debug", Bool, NotNeeded, "`-vv` and ZEEK_CLUSTER_LOG do the same for one command"),
    known("HaveNFS", Bool, NotNeeded, "each host has its own files in its own folder"),
    known("ClusterBackend", Text, Translated, BY_VALUE),
    known(
        "SaveTraces",
        Bool,
        NotTakenOver,
        "no node writes what it captures to a trace; `zeek.args: [-w, trace.pcap]` does it for all",
    ),
    known("StopTimeout", Int, Translated, "stop_grace"),
    known("CommTimeout", Int, NotNeeded, "--timeout bounds each command"),
    known("ControlTopic", Text, NotNeeded, "control commands go through each host's agent"),
    known("CommandTimeout", Int, NotNeeded, "--timeout bounds each command"),
    renamed("BroPort", known("ZeekPort", Int, Translated, "port, and `port` of the nodes")),
    known("MetricsAddress", Text, Translated, "options: Telemetry::metrics_address"),
    known("MetricsPort", Int, Translated, "metrics_port of the nodes"),
    known("LogRotationInterval", Int, Translated, "logging.rotation_interval"),
    known(
        "LogDir",
        Text,
        NotTakenOver,
        "rotated logs are kept in the cluster's own folder, `logs/` below base_dir/NAME",
    ),
    known("MakeArchiveName", Text, NotTakenOver, "archives are named as zeekctl's own make-archive-name names them"),
    known("CompressLogs", Bool, Translated, "logging.compress"),
    known("CompressLogsInFlight", Int, Translated, "zeek.redefs: LogAscii::gzip_level"),
    known("CompressCmd", Text, NotTakenOver, "archives are compressed with gzip"),
    known("CompressExtension", Text, NotTakenOver, "archives end in .gz"),
    known("PrivateAddressSpaceIsLocal", Bool, Translated, "zeek.redefs: Site::private_address_space_is_local"),
    known("SendMail", Text, Translated, "zeek.redefs: Notice::sendmail"),
    known("MailSubjectPrefix", Text, Translated, "zeek.redefs: Notice::mail_subject_prefix"),
    known("MailReplyTo", Text, NotNeeded, OWN_MAIL),
    known("MailTo", Text, Translated, "zeek.redefs: Notice::mail_dest"),
    known("MailFrom", Text, Translated, "zeek.redefs: Notice::mail_from"),
    known("MailAlarmsTo", Text, Translated, "zeek.redefs: Notice::mail_dest_pretty_printed"),
    known("MailAlarmsInterval", Int, Translated, "zeek.redefs: Log::default_mail_alarms_interval"),
    known(
        "MailConnectionSummary",
        Bool,
        NotTakenOver,
        "no connection summaries are made; conn.log holds what they were made from",
    ),
    known("MailHostUpDown", Bool, NotNeeded, OWN_MAIL),
    known("MailArchiveLogFail", Bool, NotNeeded, OWN_MAIL),
    known("MailReceivingPackets", Bool, NotNeeded, OWN_MAIL),
    known("MinDiskSpace", Int, NotNeeded, "`zeek-cluster df` and `doctor` tell of it"),
    known("StatsLogEnable", Bool, NotNeeded, "`zeek-cluster metrics` and each node's metrics_port have the figures"),
    known("StatsLogExpireInterval", Int, NotNeeded, "there is no stats.log"),
    known(
        "CrashExpireInterval",
        Int,
        NotNeeded,
        "what nodes wrote before they ended is bounded: `zeek-cluster output`",
    ),
    known("LogExpireInterval", Text, Translated, "logging.expire"),
    known("KeepLogs", Text, NotTakenOver, "logging.expire removes whole days"),
    renamed("BroArgs", known("ZeekArgs", Text, Translated, "zeek.args")),
    known(
        "MemLimit",
        Text,
        NotTakenOver,
        "no limit of memory is set; a limit of the agent's service holds for its nodes too",
    ),
    known("Env_Vars", Text, Translated, "env_vars of each node"),
    known("TimeFmt", Text, NotNeeded, "times are written as ages, and in JSON as seconds"),
    known("Prefixes", Text, Translated, "zeek.args"),
    known("SitePolicyScripts", Text, Translated, "zeek.scripts"),
    known("StatusCmdShowAll", Bool, NotNeeded, "`status` always shows peers"),
    known("StopWait", Bool, NotNeeded, "`stop` always waits, and logs are archived before it returns"),
    known("CronCmd", Text, NotTakenOver, "there is no cron job; run the command from cron itself"),
    known("PFRINGClusterID", Int, Translated, "env_vars of the workers: PCAP_PF_RING_CLUSTER_ID"),
    known("PFRINGClusterType", Text, Translated, "env_vars of the workers: PCAP_PF_RING_USE_CLUSTER_…"),
    known("PFRINGFirstAppInstance", Int, Translated, "interface of the workers: its number after `@`"),
    known("PcapSnaplen", Int, Translated, "zeek.redefs: Pcap::snaplen"),
    known("PcapBufsize", Int, Translated, "zeek.redefs: Pcap::bufsize"),
    known("TimeMachineHost", Text, NotNeeded, "Zeek has no time machine nodes any more"),
    known("TimeMachinePort", Text, NotNeeded, "Zeek has no time machine nodes any more"),
    known("UseWebSocket", Bool, Translated, "websocket of the manager"),
    known("WebSocketHost", Text, Translated, "websocket.listen_addr of the manager"),
    known("WebSocketPort", Int, Translated, "websocket.listen_port of the manager"),
    known("WebSocketUrl", Text, NotNeeded, "control commands go through each host's agent"),
    known("WebSocketTimeout", Int, NotNeeded, "--timeout bounds each command"),
    renamed("BroBase", known("ZeekBase", Text, Translated, "zeek.prefix")),
    known("Version", Text, NotNeeded, "zeekctl sets it itself"),
    known("StandAlone", Bool, NotNeeded, "zeekctl sets it itself"),
    known("OS", Text, NotNeeded, "zeekctl sets it itself"),
    known("Time", Text, NotNeeded, OWN_FOLDER),
    known("LogExpireMinutes", Int, NotNeeded, "zeekctl sets it itself, from LogExpireInterval"),
    known("BinDir", Text, NotNeeded, OWN_FOLDER),
    renamed("Bro", known("Zeek", Text, NotTakenOver, "`bin/zeek` below zeek.prefix is started")),
    known("ScriptsDir", Text, NotNeeded, OWN_FOLDER),
    known("PostProcDir", Text, NotTakenOver, "no program is run for archived logs"),
    known("HelperDir", Text, NotNeeded, OWN_FOLDER),
    known("CfgDir", Text, NotNeeded, OWN_FOLDER),
    known("SpoolDir", Text, NotNeeded, "nodes work below base_dir/NAME"),
    known("BrokerDBDir", Text, NotTakenOver, "tables that Broker keeps stay where Zeek's scripts put them"),
    known("FileExtractDir", Text, Translated, "zeek.redefs: FileExtract::prefix"),
    known("PolicyDir", Text, NotNeeded, OWN_FOLDER),
    known("StaticDir", Text, NotNeeded, OWN_FOLDER),
    known("LibDir", Text, NotNeeded, OWN_FOLDER),
    known("LibDir64", Text, NotNeeded, OWN_FOLDER),
    known("LibDirInternal", Text, NotNeeded, OWN_FOLDER),
    known("TmpDir", Text, NotNeeded, OWN_FOLDER),
    known("TmpExecDir", Text, NotNeeded, OWN_FOLDER),
    known("StatsDir", Text, NotNeeded, "there is no stats.log"),
    known("PluginDir", Text, NotNeeded, OWN_FOLDER),
    renamed("PluginBroDir", known("PluginZeekDir", Text, NotNeeded, OWN_FOLDER)),
    known("TraceSummary", Text, NotNeeded, "no connection summaries are made"),
    known("CapstatsPath", Text, NotNeeded, "no helper program is used"),
    known("NodeCfg", Text, NotNeeded, "names the file that was read"),
    known("LocalNetsCfg", Text, NotNeeded, "names the file that was read"),
    known("StateFile", Text, NotNeeded, "each host's agent keeps its own state"),
    known("LockFile", Text, NotNeeded, "the agent of the manager's host keeps the lock"),
    known("DebugLog", Text, NotNeeded, "`-vv` writes to standard error"),
    known("StatsLog", Text, NotNeeded, "there is no stats.log"),
    known(
        "DefaultStoreDir",
        Text,
        NotTakenOver,
        "stores are kept in the cluster's own folder, `stores/` below base_dir/NAME",
    ),
    known(
        "SitePolicyPath",
        Text,
        NotTakenOver,
        "Zeek loads site scripts from each host's own installation; its `share/zeek/site` has to be the same everywhere",
    ),
    known("SitePluginPath", Text, NotTakenOver, "zeekctl's plugins cannot be run"),
    known("PolicyDirSiteInstall", Text, NotNeeded, OWN_FOLDER),
    known("PolicyDirSiteInstallAuto", Text, NotNeeded, OWN_FOLDER),
    renamed("BroCtlConfigDir", known("ZeekCtlConfigDir", Text, NotNeeded, OWN_FOLDER)),
    known("ClusterTopicSeparator", Text, NotNeeded, "zeekctl sets it itself"),
];

/// Options of the plugins that come with zeekctl.
const PLUGIN_OPTIONS: &[Known] = &[
    known(
        "cluster_backend_zeromq.disable_unencrypted_warning",
        Bool,
        NotNeeded,
        "`encryption: off` is taken as it is said",
    ),
    known("cluster_backend_zeromq.use_curve_encryption", Text, Translated, "encryption"),
    known("cluster_backend_zeromq.curve_dir", Text, NotNeeded, "`zeek-cluster keys` keeps the keys"),
    known("lb_custom.InterfacePrefix", Text, Translated, "interface of the workers with lb_method custom"),
    known("lb_custom.InterfaceSuffix", Text, Translated, "interface of the workers with lb_method custom"),
    known("zeek_port_warning.disable", Bool, NotNeeded, "nothing warns of ZeekPort 47760"),
];

/// Whether a text is the name of an option of zeekctl, in any case; those with a dot are its plugins'.
pub(super) fn is_option(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with("cluster_backend_") || find(&name).is_some() || old_name(&name).is_some()
}

/// Every option of zeekctl and of the plugins that come with it, what becomes of it, and where it stands now or why not.
pub fn zeekctl_options() -> impl Iterator<Item = (&'static str, Fate, &'static str)> {
    OPTIONS.iter().chain(PLUGIN_OPTIONS).map(|option| (option.name, option.fate, option.reason))
}

fn find(name: &str) -> Option<&'static Known> {
    OPTIONS.iter().chain(PLUGIN_OPTIONS).find(|option| option.name.eq_ignore_ascii_case(name))
}

fn old_name(name: &str) -> Option<&'static Known> {
    OPTIONS.iter().find(|option| option.old_name.is_some_and(|old| old.eq_ignore_ascii_case(name)))
}

/// The options that a file sets.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// By name in lower case; the last assignment of each.
    set: BTreeMap<String, Spanned<String>>,
}

/// An option that a file sets, and what becomes of it unless its value says otherwise.
pub(super) struct SetOption<'a> {
    /// As zeekctl writes it, or as the file does.
    pub(super) name: String,
    pub(super) value: &'a Spanned<String>,
    pub(super) fate: Fate,
    pub(super) reason: &'static str,
}

impl Options {
    /// The value of an option; `name` in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&Spanned<String>> {
        self.set.get(name)
    }

    /// The value of an option, where it is not empty.
    pub(super) fn filled(&self, name: &str) -> Option<&Spanned<String>> {
        self.get(name).filter(|value| !value.value.is_empty())
    }

    /// A whole number; what is none has been reported.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(|value| python_int(&value.value))
    }

    /// A truth value; what is none has been reported.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(|value| switch(&value.value))
    }

    /// All options that are set.
    pub(super) fn all(&self) -> impl Iterator<Item = SetOption<'_>> {
        self.set.iter().map(|(name, value)| match find(name) {
            Some(known) => SetOption { name: known.name.to_owned(), value, fate: known.fate, reason: known.reason },
            None => SetOption {
                name: name.clone(),
                value,
                fate: NotTakenOver,
                reason: "an option of a zeekctl plugin, which cannot be run",
            },
        })
    }
}

/// Reads the file's text, number `source` of the sources. What zeekctl refuses is reported in its words.
pub(super) fn read(text: &str, source: usize, problems: &mut Problems) -> Options {
    let mut options = Options::default();
    if text.len() > MAX_BYTES {
        let report = Report::new(Span { source, start: 0, end: 0 }, "the file is too large");
        problems.push(report.expected("at most 1 MiB"));
        return options;
    }
    for line in Lines::of(text) {
        let trimmed = trim(line.text);
        let at = line.start + line.text.find(trimmed).unwrap_or(0);
        let span = |from: usize, length: usize| Span { source, start: at + from, end: at + from + length };
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let whole = span(0, trimmed.len());
        let Some((written, value)) = trimmed.split_once('=') else {
            let message = format!("zeekctl config syntax error: {}", shorten(trimmed));
            problems.push(Report::new(whole, message).expected("`Option = value`"));
            continue;
        };
        let from = trimmed.len() - value.len() + (value.len() - value.trim_start().len());
        let value = Spanned::new(trim(value).to_owned(), span(from, trim(value).len()));
        assign(&mut options, Spanned::new(trim(written).to_lowercase(), span(0, trim(written).len())), value, problems);
    }
    options.set.iter().for_each(|(name, value)| check(name, value, problems));
    options
}

/// Zeekctl's own check of names comes before that of values.
fn assign(options: &mut Options, name: Spanned<String>, value: Spanned<String>, problems: &mut Problems) {
    let text = name.value.as_str();
    if let Some(known) = old_name(text) {
        let (old, new) = (known.old_name.unwrap_or_default(), known.name);
        let message = format!("option '{old}' is no longer supported, please use '{new}' instead");
        problems.push(Report::new(name.span, message));
        return;
    }
    if !text.contains('.') && find(text).is_none() {
        let message = format!("ignoring unrecognized zeekctl option: {text}");
        let names = OPTIONS.iter().map(|option| option.name);
        problems.warn(Report::new(name.span, message).nearest(text, names));
        return;
    }
    let fine = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'.';
    if !text.bytes().all(fine) {
        let message = format!(
            "zeekctl option name \"{text}\" contains invalid characters (allowed characters: a-z, 0-9, ., and _)"
        );
        problems.push(Report::new(name.span, message));
    } else if text.starts_with(|c: char| c.is_ascii_digit()) {
        problems.push(Report::new(name.span, format!("zeekctl option name \"{text}\" cannot start with a number")));
    }
    options.set.insert(name.value, value);
}

fn check(name: &str, value: &Spanned<String>, problems: &mut Problems) {
    let kind = find(name).map_or(Text, |known| known.kind);
    let text = value.value.as_str();
    if !kind.fits(text) {
        let message =
            format!("zeekctl option '{name}' has invalid value '{}' for type {}", shorten(text), kind.as_str());
        problems.push(Report::new(value.span, message));
    }
    let quoted = |quote: char| text.starts_with(quote) && text.ends_with(quote);
    if kind == Text && (quoted('"') || quoted('\'')) {
        let message = format!("value of zeekctl option \"{name}\" cannot be wrapped in quotes");
        problems.push(Report::new(value.span, message));
    }
}

/// What Python's `int` takes: blanks around, a sign, `_` between digits.
pub(super) fn python_int(text: &str) -> Option<i64> {
    let text = trim(text);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let fine = digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    fine.then(|| text.replace('_', "").parse().ok()).flatten()
}

/// zeekctl's truth values.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::layout::problem::Sources;

    fn read_text(text: &str) -> (Options, Vec<String>, Vec<String>) {
        let mut sources = Sources::default();
        let source = sources.add(Path::new("zeekctl.cfg"), text);
        let mut problems = Problems::default();
        let options = read(text, source, &mut problems);
        let (errors, warnings) = problems.finish(&sources);
        let shown = |problems: Vec<crate::layout::Problem>| problems.iter().map(ToString::to_string).collect();
        (options, shown(errors), shown(warnings))
    }

    #[test]
    fn names_have_any_case_and_the_last_assignment_wins() {
        let (options, errors, warnings) =
            read_text("# ZeekPort = 1\n\nzeekport=1\nZeekPort = 40000 \r\nUseWebSocket = FALSE\nsome.plugin=x\n");
        assert_eq!((errors.len(), warnings.len()), (0, 0));
        assert_eq!((options.int("zeekport"), options.switch("usewebsocket")), (Some(40000), Some(false)));
        assert_eq!(options.get("some.plugin").map(|value| value.value.as_str()), Some("x"));
    }

    #[test]
    fn what_zeekctl_refuses_is_refused_in_its_words() {
        let refused = |text: &str| read_text(text).1.join("\n");
        assert_eq!(refused("word\n"), "zeekctl.cfg:1:1: zeekctl config syntax error: word; expected `Option = value`");
        assert_eq!(
            refused("ZeekPort = 0x6c70"),
            "zeekctl.cfg:1:12: zeekctl option 'zeekport' has invalid value '0x6c70' for type int"
        );
        assert_eq!(
            refused("MailTo = \"a\""),
            "zeekctl.cfg:1:10: value of zeekctl option \"mailto\" cannot be wrapped in quotes"
        );
        assert_eq!(
            refused("broargs= -C"),
            "zeekctl.cfg:1:1: option 'BroArgs' is no longer supported, please use 'ZeekArgs' instead"
        );
        assert!(refused("a-b.c = 1").contains("contains invalid characters"));
    }

    #[test]
    fn an_unknown_option_is_a_warning() {
        let (_, errors, warnings) = read_text("MailT = x\n");
        assert_eq!(errors.len(), 0);
        assert_eq!(warnings, ["zeekctl.cfg:1:1: ignoring unrecognized zeekctl option: mailt; did you mean `MailTo`?"]);
    }

    #[test]
    fn numbers_are_pythons() {
        for (text, expected) in [(" 4 ", Some(4)), ("+1_000", Some(1000)), ("-1", Some(-1)), ("1__0", None), ("", None)]
        {
            assert_eq!(python_int(text), expected, "{text:?}");
        }
    }
}
