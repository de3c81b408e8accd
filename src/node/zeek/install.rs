//! Finds Zeek on this host and asks it for its version and its script folders.

use std::env;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use super::error::ZeekError;
use crate::api::config::ZeekConfig;
use crate::api::paths::ClusterDir;

/// Both questions take milliseconds; a disk that has to be woken takes seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Where packages and sources put Zeek, looked at when PATH has none.
const USUAL: [&str; 3] = ["/opt/zeek/bin/zeek", "/usr/local/zeek/bin/zeek", "/usr/local/bin/zeek"];

/// `MAJOR.MINOR`, and the whole as Zeek wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) number: (u32, u32),
    text: String,
}

impl Version {
    /// Reads `zeek version 8.2.2` and likes such as `zeek version 8.3.0-dev.12`.
    pub(super) fn parse(said: &str) -> Option<Version> {
        let text = said.split_whitespace().skip_while(|word| *word != "version").nth(1)?;
        let mut numbers = text.split(['.', '-']).map(str::parse);
        let number = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(Version { number, text: text.to_owned() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A Zeek of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Install {
    pub(super) zeek: PathBuf,
    pub(super) version: Version,
    /// Folders that Zeek looks for scripts in unless told otherwise, with colons.
    pub(super) script_path: String,
}

/// What a Zeek answered, and of which file that is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answers {
    zeek: PathBuf,
    /// Inode, size, and time of the last change in seconds and nanoseconds: another Zeek in its place differs.
    file: (u64, u64, i64, i64),
    version: String,
    script_path: String,
}

/// Finds Zeek and asks it, unless it was asked before on this host; refuses versions that cannot be a node of this cluster.
pub(super) async fn find(config: &ZeekConfig, encrypted: bool, dir: &ClusterDir) -> Result<Install, ZeekError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let zeek = locate(config.prefix.as_deref(), &env::split_paths(&path).collect::<Vec<_>>())?;
    let Answers { version: said, script_path, .. } = match remembered(&zeek, dir) {
        Some(answers) => answers,
        None => {
            let answers = ask_all(&zeek).await?;
            remember(&answers, dir);
            answers
        }
    };
    let version = Version::parse(&said)
        .ok_or_else(|| ZeekError::Version { zeek: zeek.clone(), reason: format!("it said `{}`", said.trim()) })?;
    if version.number < (8, 0) {
        return Err(ZeekError::TooOld { zeek, version: version.to_string() });
    }
    if encrypted && version.number < (8, 2) {
        return Err(ZeekError::NoCurve { zeek, version: version.to_string() });
    }
    Ok(Install { zeek, version, script_path })
}

async fn ask_all(zeek: &Path) -> Result<Answers, ZeekError> {
    let trouble = |reason: String| ZeekError::Version { zeek: zeek.to_owned(), reason };
    let file = identity(zeek).map_err(|error| trouble(error.to_string()))?;
    let version = ask(zeek, "--version").await.map_err(trouble)?;
    let script_path = match ask(&zeek.with_file_name("zeek-config"), "--zeekpath").await {
        Ok(path) if !path.trim().is_empty() => path.trim().to_owned(),
        _ => usual_script_path(zeek),
    };
    Ok(Answers { zeek: zeek.to_owned(), file, version, script_path })
}

fn identity(zeek: &Path) -> io::Result<(u64, u64, i64, i64)> {
    let file = fs::metadata(zeek)?;
    Ok((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

/// What this Zeek answered before; none when it was never asked, or is another file now.
fn remembered(zeek: &Path, dir: &ClusterDir) -> Option<Answers> {
    let answers: Answers = serde_json::from_slice(&fs::read(dir.zeek_answers()).ok()?).ok()?;
    (answers.zeek == zeek && answers.file == identity(zeek).ok()?).then_some(answers)
}

/// Keeps the answers. Several nodes may do so at once: each puts a whole file in place.
fn remember(answers: &Answers, dir: &ClusterDir) {
    let path = dir.zeek_answers();
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let written = serde_json::to_vec(answers).map_err(io::Error::from).and_then(|text| fs::write(&fresh, text));
    if let Err(error) = written.and_then(|()| fs::rename(&fresh, &path)) {
        tracing::debug!(%error, "Zeek will be asked again at the next start");
    }
}

fn locate(prefix: Option<&Path>, path: &[PathBuf]) -> Result<PathBuf, ZeekError> {
    let candidates: Vec<PathBuf> = match prefix {
        Some(prefix) => vec![prefix.join("bin/zeek")],
        None => path.iter().map(|folder| folder.join("zeek")).chain(USUAL.map(PathBuf::from)).collect(),
    };
    let runs =
        |path: &&PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    candidates.iter().find(runs).cloned().ok_or_else(|| {
        let tried: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        ZeekError::Missing { tried: tried.join(", ") }
    })
}

/// What the program answers to one argument; else why not.
async fn ask(program: &Path, argument: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(ANSWER_WITHIN, command.output())
        .await
        .map_err(|_| format!("no answer within {} s", ANSWER_WITHIN.as_secs()))?
        .map_err(|error| error.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        // Zeek before 4 wrote it to standard error.
        true if output.stdout.is_empty() => Ok(said(&output.stderr)),
        true => Ok(said(&output.stdout)),
        false => Err(format!("`{argument}` {}: {}", output.status, said(&output.stderr).trim())),
    }
}

/// Source: Zeek's `DEFAULT_ZEEKPATH`, relative to the prefix.
fn usual_script_path(zeek: &Path) -> String {
    let prefix = zeek.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    let share = prefix.join("share/zeek").display().to_string();
    [
        ".".to_owned(),
        share.clone(),
        format!("{share}/policy"),
        format!("{share}/site"),
        format!("{share}/builtin-plugins"),
    ]
    .join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_zeek_writes_them() {
        for (said, number) in [
            ("zeek version 8.2.2\n", Some((8, 2))),
            ("/opt/zeek/bin/zeek version 8.0.10", Some((8, 0))),
            ("zeek version 9.1.0-dev.37-debug", Some((9, 1))),
            ("zeek version next", None),
            ("", None),
        ] {
            assert_eq!(Version::parse(said).map(|version| version.number), number, "{said}");
        }
    }

    #[tokio::test]
    async fn zeek_is_asked_once_and_again_when_it_is_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, bin) = (ClusterDir::new(folder.path()), folder.path().join("zeek/bin"));
        fs::create_dir_all(folder.path().join("run")).unwrap();
        fs::create_dir_all(&bin).unwrap();
        let asked = folder.path().join("asked");
        let install = |version: &str| {
            let script = format!("#!/bin/sh\necho x >> {}\necho zeek version {version}\n", asked.display());
            let fresh = bin.join("fresh");
            fs::write(&fresh, script).unwrap();
            fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
            fs::rename(&fresh, bin.join("zeek")).unwrap();
        };
        let config = ZeekConfig { prefix: Some(folder.path().join("zeek")), ..ZeekConfig::default() };
        for (version, expected) in [("8.2.2", "x\n"), ("8.2.10", "x\nx\n")] {
            install(version);
            for _ in 0..2 {
                let found = find(&config, false, &dir).await.unwrap();
                assert_eq!(found.version.to_string(), version);
                assert_eq!(fs::read_to_string(&asked).unwrap(), expected);
            }
        }
    }

    #[test]
    fn a_missing_zeek_names_every_place_that_was_tried() {
        let error = locate(Some(Path::new("/nowhere")), &[]).unwrap_err().to_string();
        assert!(error.contains("looked for /nowhere/bin/zeek; install"), "{error}");
        let error = locate(None, &["/nowhere/bin".into()]).map_err(|error| error.to_string());
        if let Err(error) = error {
            assert!(error.contains("/nowhere/bin/zeek, /opt/zeek/bin/zeek, "), "{error}");
        }
    }
}
