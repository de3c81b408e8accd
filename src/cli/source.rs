//! Opens what `--layout`, `--connect` and `layout import` name: a layout file, another tool's file, or a folder of them.
//!
//! What the files mean is `layout::import`'s affair; which files belong together is decided here.

use std::fs;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::layout::{
    self, Environment, FileKind, Import, SourceFile, ToolVersion, ZeekctlFiles, ZeekctlPlaces, file_kind,
    zeek_conf_host,
};
use crate::node::environment;

/// Layouts and other tools' files above this size are refused before they are read.
const MAX_BYTES: u64 = 1 << 20;

/// What was opened.
pub enum Source {
    /// A layout of ours: its file and its text.
    Layout(PathBuf, String),
    /// Another tool's files.
    Foreign(Box<Import>),
}

/// How names and addresses are looked up.
pub fn environment() -> Environment<'static> {
    Environment { resolve: &environment::resolve, is_local: &environment::is_local }
}

/// Opens a file or a folder.
pub fn open(path: &Path) -> Result<Source, Failure> {
    if path == Path::new("-") {
        let text =
            std::io::read_to_string(std::io::stdin().lock()).map_err(|error| Failure::unreadable(path, &error))?;
        return Ok(Source::Layout("stdin.yaml".into(), text));
    }
    if path.is_dir() {
        return folder(path);
    }
    let text = read_text(path)?;
    match file_kind(path, &text) {
        FileKind::Layout => Ok(Source::Layout(path.to_owned(), text)),
        FileKind::NodeCfg => zeekctl(path, None),
        FileKind::ZeekctlCfg => {
            let node_cfg = ZeekctlPlaces::of(&text).node_cfg.unwrap_or_else(|| beside(path, "node.cfg"));
            match node_cfg.is_file() {
                true => zeekctl(&node_cfg, Some(path)),
                false => Err(is_another(
                    path,
                    "zeekctl's zeekctl.cfg",
                    "its node.cfg is not beside it: name the folder that has both",
                )),
            }
        }
        FileKind::NetworksCfg => {
            Err(is_another(path, "zeekctl's networks.cfg", "name its node.cfg, or the folder that has both"))
        }
        FileKind::ZeekConf if zeek_conf_host(path).is_some() => zeek_confs(path.parent().unwrap_or(Path::new("."))),
        FileKind::ZeekConf => zeek_conf(&[path.to_owned()]),
        FileKind::ClusterLayout => {
            let file = SourceFile { path, text: &text };
            Ok(Source::Foreign(Box::new(layout::import_cluster_layout(&file, &environment()))))
        }
        FileKind::ZeekScript => Err(is_another(
            path,
            "a script for Zeek without `Cluster::nodes`",
            "a layout names it below `zeek: { scripts: [...] }`",
        )),
        FileKind::Template => {
            Err(is_another(path, "a template whose values have not been filled in", "name what your tool makes of it"))
        }
    }
}

fn is_another(path: &Path, what: &str, hint: &str) -> Failure {
    Failure::File { what: format!("{}: this is {what}, not a layout", path.display()), hint: Some(hint.to_owned()) }
}

fn beside(path: &Path, name: &str) -> PathBuf {
    path.parent().unwrap_or(Path::new(".")).join(name)
}

/// The files that a folder may hold, in the places where the tools put them.
struct Inside {
    node_cfg: Option<PathBuf>,
    zeek_conf: Option<PathBuf>,
    /// The folder with `HOST.zeek.conf`.
    hosts: Option<PathBuf>,
    layout: Option<PathBuf>,
}

impl Inside {
    fn of(folder: &Path) -> Inside {
        let first = |places: &[&str]| places.iter().map(|place| folder.join(place)).find(|path| path.is_file());
        let folders = ["etc/zeek/cluster", "cluster", ""].map(|place| folder.join(place));
        Inside {
            node_cfg: first(&["etc/node.cfg", "node.cfg", "etc/zeekctl/node.cfg"]),
            zeek_conf: first(&["etc/zeek/zeek.conf", "zeek.conf"]),
            hosts: folders.into_iter().find(|folder| !host_confs(folder).is_empty()),
            layout: first(&["cluster.yaml", "cluster-layout.zeek"]),
        }
    }
}

fn folder(path: &Path) -> Result<Source, Failure> {
    let inside = Inside::of(path);
    let zeek = inside.zeek_conf.clone().or_else(|| inside.hosts.clone());
    match (&inside.node_cfg, &zeek) {
        (Some(node_cfg), Some(conf)) => {
            let zeekctl_runs = state_db(path, node_cfg).is_some_and(|state| state.is_file());
            let systemd_runs = path.join("var/spool/zeek/generated-scripts").is_dir();
            match (zeekctl_runs, systemd_runs) {
                (true, false) => zeekctl(node_cfg, None),
                (false, true) => zeek_of(&inside),
                _ => Err(Failure::File {
                    what: format!(
                        "{} holds both zeekctl's {} and Zeek 9's {}",
                        path.display(),
                        node_cfg.display(),
                        conf.display()
                    ),
                    hint: Some("name the one that your cluster runs from".to_owned()),
                }),
            }
        }
        (Some(node_cfg), None) => zeekctl(node_cfg, None),
        (None, Some(_)) => zeek_of(&inside),
        (None, None) => match &inside.layout {
            Some(layout) => open(layout),
            None => Err(Failure::File {
                what: format!("{} holds no layout, and no files of zeekctl or of Zeek's zeek.conf", path.display()),
                hint: Some(
                    "name a layout file, zeekctl's prefix (with etc/node.cfg), or a folder with zeek.conf or HOST.zeek.conf"
                        .to_owned(),
                ),
            }),
        },
    }
}

/// A `zeek.conf` alone wins over the files of several hosts, as in Zeek.
fn zeek_of(inside: &Inside) -> Result<Source, Failure> {
    match (&inside.zeek_conf, &inside.hosts) {
        (Some(conf), _) => zeek_conf(std::slice::from_ref(conf)),
        (None, Some(folder)) => zeek_confs(folder),
        (None, None) => Err(Failure::usage("the folder changed while it was read")),
    }
}

/// The files of all hosts, by name: those that Zeek's generator takes.
fn host_confs(folder: &Path) -> Vec<PathBuf> {
    let fine = |path: &Path| {
        let host = zeek_conf_host(path).unwrap_or_default();
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        host.chars().all(letter) && host.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_file() && fine(path)).collect();
    files.sort();
    files
}

fn zeek_confs(folder: &Path) -> Result<Source, Failure> {
    let files = host_confs(folder);
    match files.is_empty() {
        true => Err(Failure::File {
            what: format!("no file in {} is named HOST.zeek.conf as Zeek wants it", folder.display()),
            hint: Some("HOST holds lower-case letters, digits, `-` and `_`".to_owned()),
        }),
        false => zeek_conf(&files),
    }
}

fn zeek_conf(files: &[PathBuf]) -> Result<Source, Failure> {
    let texts = files.iter().map(|path| read_text(path)).collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<SourceFile<'_>> = files.iter().zip(&texts).map(|(path, text)| SourceFile { path, text }).collect();
    let prefix = files.first().and_then(|path| prefix_of(path));
    Ok(Source::Foreign(Box::new(layout::import_zeek_conf(&sources, prefix, &environment()))))
}

/// `node.cfg` with what belongs to it; `options` is zeekctl.cfg where that was named.
fn zeekctl(node_cfg: &Path, options: Option<&Path>) -> Result<Source, Failure> {
    let existing = |path: PathBuf| Some(path).filter(|path| path.is_file());
    let options_file = options
        .map(Path::to_path_buf)
        .or_else(|| ["zeekctl.cfg", "broctl.cfg"].into_iter().find_map(|name| existing(beside(node_cfg, name))));
    let options = options_file.as_deref().map(read_text).transpose()?;
    let places = options.as_deref().map(ZeekctlPlaces::of);
    let prefix = places.as_ref().and_then(|places| places.prefix.clone()).or_else(|| prefix_of(node_cfg));
    // zeekctl.cfg of another machine names folders that are not here.
    let networks_file = existing(beside(node_cfg, "networks.cfg"))
        .or_else(|| places.as_ref().and_then(|places| existing(places.networks_cfg.clone()?)));
    let networks = networks_file.as_deref().map(read_text).transpose()?;
    let nodes = read_text(node_cfg)?;
    let state = places.and_then(|places| places.state_db).or_else(|| Some(prefix.as_ref()?.join("spool/state.db")));
    let source = |path: &Option<PathBuf>, text: &Option<String>| path.clone().zip(text.clone());
    let (options, networks) = (source(&options_file, &options), source(&networks_file, &networks));
    let files = ZeekctlFiles {
        node_cfg: SourceFile { path: node_cfg, text: &nodes },
        zeekctl_cfg: options.as_ref().map(|(path, text)| SourceFile { path, text }),
        networks_cfg: networks.as_ref().map(|(path, text)| SourceFile { path, text }),
        version: version(state.as_deref(), prefix.as_deref()),
        prefix,
    };
    Ok(Source::Foreign(Box::new(layout::import_zeekctl(&files, &environment()))))
}

/// `/opt/zeek` of `/opt/zeek/etc/node.cfg` and `/opt/zeek/etc/zeek/cluster/a.zeek.conf`.
fn prefix_of(path: &Path) -> Option<PathBuf> {
    let full = fs::canonicalize(path).ok()?;
    let etc = full.ancestors().skip(1).take(3).find(|folder| folder.ends_with("etc"))?;
    etc.parent().filter(|prefix| *prefix != Path::new("/")).map(Path::to_path_buf)
}

fn state_db(folder: &Path, node_cfg: &Path) -> Option<PathBuf> {
    let options = fs::read_to_string(beside(node_cfg, "zeekctl.cfg")).unwrap_or_default();
    ZeekctlPlaces::of(&options).state_db.or_else(|| Some(folder.join("spool/state.db")))
}

/// Version of the Zeek that zeekctl last installed, else of the one in its prefix. No program is run to find out.
fn version(state: Option<&Path>, prefix: Option<&Path>) -> Option<ToolVersion> {
    let recorded = || {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let state = state.filter(|state| state.is_file())?;
        let db = rusqlite::Connection::open_with_flags(state, flags).ok()?;
        let value: String =
            db.query_row("SELECT value FROM state WHERE key = 'zeekversion'", [], |row| row.get(0)).ok()?;
        ToolVersion::parse(value.trim_matches('"'))
    };
    let installed = || {
        let script = fs::read_to_string(prefix?.join("bin/zeek-config")).ok()?;
        script.lines().find_map(|line| ToolVersion::parse(line.trim().strip_prefix("version=")?))
    };
    recorded().or_else(installed)
}

/// The text of a file; what is no UTF-8 is told with its place.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    let missing = |error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::File {
            what: format!("there is no layout {}", path.display()),
            hint: Some("name one with --layout FILE or ZEEK_CLUSTER_LAYOUT; examples/ has some to start from".into()),
        },
        _ => Failure::unreadable(path, error),
    };
    let metadata = fs::metadata(path).map_err(|error| missing(&error))?;
    if metadata.len() > MAX_BYTES {
        return Err(Failure::File {
            what: format!("{} has {} bytes; a layout has 1 MiB at most", path.display(), metadata.len()),
            hint: None,
        });
    }
    let bytes = fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    String::from_utf8(bytes).map_err(|error| no_utf8(path, &error))
}

/// Where the first byte stands that is no UTF-8.
fn no_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Failure {
    let bytes = error.as_bytes();
    let at = error.utf8_error().valid_up_to();
    let line_start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = String::from_utf8_lossy(&bytes[line_start..at]).chars().count() + 1;
    let what = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => format!("{} is UTF-16", path.display()),
        _ => format!("{}:{line}:{column}: byte 0x{:02x} is no UTF-8", path.display(), bytes[at]),
    };
    Failure::File { what, hint: Some("save the file as UTF-8; a letter such as ä in a comment is enough".to_owned()) }
}
