//! The core file of a crash, and what gdb reads out of it; everything within a deadline and bounds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::client::Backtrace;
use crate::api::diag::CoreView;

/// How long gdb or coredumpctl may take.
const WITHIN: Duration = Duration::from_secs(45);

/// The most that is kept of what they write.
const MAX_OUTPUT: u64 = 256 << 10;

/// Frames of each thread.
const FRAMES: &str = "thread apply all backtrace 40";

/// A core file is written when the process ends, give or take what the disk needs.
const SLACK_S: f64 = 60.0;

/// A crash whose core file is looked for.
#[derive(Clone, Debug)]
pub struct Crash {
    /// The process that ended.
    pub pid: Option<u32>,
    /// Its end, seconds since the epoch.
    pub ended_at: f64,
    /// Folders that it may have worked in.
    pub folders: Vec<PathBuf>,
    /// Executables that it may have run, the likeliest first.
    pub programs: Vec<PathBuf>,
}

/// Looks where the kernel says that it writes core files.
pub async fn look(crash: &Crash, backtrace: Backtrace) -> CoreView {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default().trim().to_owned();
    if let Some(program) = pattern.strip_prefix('|') {
        let program = program.to_owned();
        return piped(crash, &program, CoreView { pattern, ..CoreView::default() }, backtrace).await;
    }
    let Some((file, bytes)) = find(crash, &pattern) else {
        let note = "no core file: are they allowed (`ulimit -c` of the agent), and is there room where they go?";
        return CoreView { pattern, note: Some(note.to_owned()), ..CoreView::default() };
    };
    let mut view = CoreView { pattern, bytes: Some(bytes), ..CoreView::default() };
    view.file = Some(file.display().to_string());
    match backtrace {
        Backtrace::Take => match gdb(&file, &crash.programs).await {
            Ok(text) => view.backtrace = Some(text),
            Err(why) => view.note = Some(why),
        },
        Backtrace::Leave => view.note = Some("no backtrace was taken; ask for this node alone".to_owned()),
    }
    view
}

/// The kernel hands cores to a program; of systemd's the core can be had back.
async fn piped(crash: &Crash, program: &str, view: CoreView, backtrace: Backtrace) -> CoreView {
    let Some(pid) = crash.pid.filter(|_| program.contains("systemd-coredump")) else {
        let note = format!("core files go to `{program}`; ask that for the one of this crash");
        return CoreView { note: Some(note), ..view };
    };
    if backtrace == Backtrace::Leave {
        return CoreView { note: Some(format!("coredumpctl info {pid}")), ..view };
    }
    match run("coredumpctl", &["--no-pager", "info", &pid.to_string()]).await {
        Ok(text) => CoreView { backtrace: Some(text), ..view },
        Err(why) => CoreView { note: Some(why), ..view },
    }
}

/// The newest file that the pattern may have made for this crash.
fn find(crash: &Crash, pattern: &str) -> Option<(PathBuf, u64)> {
    let path = Path::new(pattern);
    let folders = match path.parent().filter(|_| path.is_absolute()) {
        Some(folder) => vec![folder.to_owned()],
        None => crash.folders.clone(),
    };
    let name = path.file_name()?.to_string_lossy().into_owned();
    let begins = name.split('%').next().unwrap_or_default();
    let pid = crash.pid.map(|pid| pid.to_string()).filter(|_| name.contains("%p"));
    let fits = |file: &str| file.starts_with(begins) && pid.as_ref().is_none_or(|pid| file.contains(pid.as_str()));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let cores = files.filter(|entry| entry.file_name().to_str().is_some_and(fits)).filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        let written = metadata.modified().ok()?;
        let at = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        ((at - crash.ended_at).abs() <= SLACK_S).then_some((written, entry.path(), metadata.len()))
    });
    cores.max_by_key(|(written, ..): &(SystemTime, _, _)| *written).map(|(_, path, bytes)| (path, bytes))
}

async fn gdb(core: &Path, programs: &[PathBuf]) -> Result<String, String> {
    let core = core.display().to_string();
    // Nothing that lies beside the core or the program is run, and nothing is fetched.
    let mut arguments = vec!["--batch", "-nx", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off"];
    arguments.extend(["-ex", FRAMES]);
    let program = programs.iter().find(|program| program.is_file()).map(|program| program.display().to_string());
    arguments.extend(program.as_deref());
    let core = format!("--core={core}");
    arguments.push(&core);
    run("gdb", &arguments).await
}

/// Standard output and error of a program, cut; the error is a sentence.
async fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("no backtrace: {program} is not installed on the host"),
        _ => format!("no backtrace: cannot start {program}: {error}"),
    })?;
    let Some(output) = child.stdout.take() else { return Err(format!("no backtrace: {program} has no output")) };
    let mut text = Vec::new();
    let read = async {
        let read = output.take(MAX_OUTPUT).read_to_end(&mut text).await;
        // The rest is not needed, cut or not.
        let _ = child.start_kill();
        let _ = child.wait().await;
        read
    };
    match tokio::time::timeout(WITHIN, read).await {
        Ok(Ok(_)) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Ok(Err(error)) => Err(format!("no backtrace: the output of {program} cannot be read: {error}")),
        Err(_) => Err(format!("no backtrace: {program} took longer than {} s", WITHIN.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_this_crash_is_found_among_others() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(folder.path().join(name), b"core").unwrap();
        ["core.worker.17", "core.worker.18", "notes"].into_iter().for_each(write);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let folders = vec![folder.path().to_owned()];
        let crash = Crash { pid: Some(17), ended_at: now, folders, programs: Vec::new() };
        let found = |crash: &Crash, pattern: &str| {
            find(crash, pattern).map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned())
        };
        assert_eq!(found(&crash, "core.%e.%p").as_deref(), Some("core.worker.17"));
        let absolute = folder.path().join("core.%e.%p").display().to_string();
        assert_eq!(
            found(&Crash { folders: Vec::new(), ..crash.clone() }, &absolute).as_deref(),
            Some("core.worker.17")
        );
        assert_eq!(found(&Crash { pid: Some(19), ..crash.clone() }, "core.%e.%p"), None);
        assert_eq!(found(&Crash { ended_at: now - 3600.0, ..crash }, "core.%e.%p"), None, "of an older crash");
    }
}
