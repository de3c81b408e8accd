//! First contact: what kind of host it is and what of ours is there, told by one small POSIX script.
//!
//! Scripts reach the host as the standard input of `/bin/sh`, so that no login shell (bash, fish, csh) has to read our
//! quoting. What start-up files print before is skipped up to [`MAGIC`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::error::Step;
use super::fault::Fault;
use super::packing::Packing;
use super::upload;
use crate::api::paths::ClusterDir;

/// The line after which the output is the script's own.
pub(super) const MAGIC: &str = "zeek-cluster-script/1";

/// How much noise may come before [`MAGIC`].
const NOISE_LIMIT: usize = 64 << 10;

/// `sun_path` of a Unix socket holds 108 bytes, one of them the end (unix(7)).
const SOCKET_PATH_LIMIT: usize = 107;

/// What a host told about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Probe {
    /// `uname -s`, such as `Linux`.
    pub system: String,
    /// `uname -m`, such as `x86_64`.
    pub machine: String,
    /// Version of glibc, such as `2.36`; empty where there is none.
    pub glibc: String,
    /// The cluster's folder on that host.
    pub dir: String,
    /// A folder on the way to the cluster's that another user may change, and why.
    pub untrusted: Option<String>,
    /// Where the file system of the cluster's folder is mounted, when that runs no programs.
    pub noexec: Option<String>,
    /// A folder on the way to the cluster's that may not be entered.
    pub closed: Option<String>,
    /// Whether the program asked for is there, and is what its name says.
    pub installed: bool,
    /// The program of the current release, else the newest one; empty where there is none.
    pub program: String,
    /// Whether the agent's socket is there.
    pub socket: bool,
    /// The process of an agent of the folder.
    pub agent: Option<u32>,
    /// Whether a process is there that starts the agent again when it dies.
    pub keeper: bool,
    /// The nodes of the folder that run, whether or not an agent watches them.
    pub nodes: Vec<String>,
    /// What it unpacks; none where it has none of the commands.
    pub packing: Option<Packing>,
    /// Bytes of the program asked for, as it travels, that an interrupted upload left.
    pub partial: u64,
}

/// Where the cluster's folder is, as far as it is known before the host was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// `base_dir` of the layout.
    pub base: Option<String>,
    /// The cluster's name.
    pub cluster: String,
}

/// `BASE` for root where the layout has none.
const BASE_OF_ROOT: &str = "/opt/zeek-cluster";

/// `BASE` below the home folder of anybody else.
const BASE_BELOW_HOME: &str = ".local/share/zeek-cluster";

impl Place {
    /// The folder, unless it depends on the home folder over there.
    pub fn dir(&self, is_root: bool) -> Option<ClusterDir> {
        let base = match &self.base {
            Some(base) if base == "~" || base.starts_with("~/") => return None,
            Some(base) => base,
            None if is_root => BASE_OF_ROOT,
            None => return None,
        };
        Some(ClusterDir::new(Path::new(base).join(&self.cluster)))
    }

    /// The folder of a user with this home folder.
    pub fn dir_at(&self, is_root: bool, home: &Path) -> ClusterDir {
        let base = match self.base.as_deref() {
            Some(base) => match base.strip_prefix('~') {
                Some(below) => home.join(below.trim_start_matches('/')),
                None => Path::new(base).to_owned(),
            },
            None if is_root => Path::new(BASE_OF_ROOT).to_owned(),
            None => home.join(BASE_BELOW_HOME),
        };
        ClusterDir::new(base.join(&self.cluster))
    }

    /// A script that prints the folder's path into `$dir`.
    fn script(&self) -> String {
        let base = match self.base.as_deref() {
            Some("~") => "\"$HOME\"".to_owned(),
            Some(base) => match base.strip_prefix("~/") {
                Some(below) => format!("\"$HOME\"/{}", quote(below)),
                None => quote(base),
            },
            None => format!(
                "$(if [ \"$(id -u)\" = 0 ]; then echo {BASE_OF_ROOT}; else printf '%s' \"$HOME/{BASE_BELOW_HOME}\"; fi)"
            ),
        };
        format!("base={base}\ndir=\"$base\"/{}\n", quote(&self.cluster))
    }
}

/// A script that prints the fields of a [`Probe`], one `name=value` a line.
pub(super) fn script(place: &Place, hash: Option<&str>) -> String {
    let wanted = quote(hash.unwrap_or("-"));
    let place = place.script();
    let tools = Packing::ALL.map(Packing::tool).join(" ");
    let partial = upload::partial(&wanted, None);
    format!(
        r#"{place}echo "system=$(uname -sm)"
echo "glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null)"
printf 'dir=%s\n' "$dir"
user=$(id -u)
group=$(id -g)
look() {{
  at=$1
  while [ -n "$at" ]; do
    if [ -d "$at" ]; then
      set -- $(ls -ldnL "$at")
      case $3 in 0|"$user") ;; *) printf 'untrusted=%s belongs to user %s\n' "$at" "$3" ;; esac
      case $1 in
      ?????????[tT]*) ;;
      ????????w*) printf 'untrusted=%s can be written by everyone (%s)\n' "$at" "$1" ;;
      ?????w*) [ "$4" = 0 ] || {{ [ "$4" = "$group" ] && [ "$group" = "$user" ]; }} ||
        printf 'untrusted=%s can be written by group %s (%s)\n' "$at" "$4" "$1" ;;
      esac
      [ -x "$at" ] || printf 'closed=%s\n' "$at"
    fi
    [ "$at" = / ] && break
    at=$(dirname "$at")
  done
}}
look "$dir"
near=$dir
while [ ! -d "$near" ] && [ "$near" != / ]; do near=$(dirname "$near"); done
real=$(cd "$near" 2>/dev/null && pwd -P)
[ -n "$real" ] && [ "$real" != "$near" ] && look "$real"
deepest=
while read -r device mount type options rest; do
  case "${{real:-$near}}/" in
  "${{mount%/}}"/*) [ "${{#mount}}" -ge "${{#deepest}}" ] && {{ deepest=$mount; deepest_options=$options; }} ;;
  esac
done 2>/dev/null </proc/self/mounts
case ",$deepest_options," in *,noexec,*) printf 'noexec=%s\n' "$deepest" ;; esac
wanted="$dir"/bin/zeek-cluster-{wanted}
if [ -x "$wanted" ]; then
  if command -v sha256sum >/dev/null; then
    [ "$(sha256sum <"$wanted" | cut -c1-64)" = {wanted} ] && echo installed=1
  else
    echo installed=1
  fi
fi
[ -S "$dir"/run/agent.sock ] && echo socket=1
here=$(readlink /proc/self/ns/mnt)
grep -lF -- "$dir" /proc/[0-9]*/cmdline 2>/dev/null | while read -r line; do
  words=" $(tr '\0' ' ' <"$line" 2>/dev/null)"
  case $words in *" run "*"--dir $dir "*|*" agent keep --dir $dir "*) ;; *) continue ;; esac
  [ "$(readlink "${{line%cmdline}}ns/mnt" 2>/dev/null)" = "$here" ] || continue
  pid=${{line#/proc/}}
  case $words in
  *" agent keep "*|*" agent run "*" --foreground "*) echo keeper=1 ;;
  *" agent run "*) echo "agent=${{pid%/cmdline}}" ;;
  *zeek-cluster*" node run "*) node=${{words#* node run }}; printf 'node=%s\n' "${{node%% *}}" ;;
  esac
done
packing=
for tool in {tools}; do
  if command -v "$tool" >/dev/null; then packing=$tool; echo "packing=$tool"; break; fi
done
partial="$dir"/bin/{partial}${{packing:+.$packing}}
[ -s "$partial" ] && echo "partial=$(($(wc -c <"$partial")))"
[ -d "$dir"/bin ] || exit 0
current=$(sed -n 's/.*"binary" *: *"\([0-9a-f]\{{64\}}\)".*/\1/p' "$dir"/current/manifest.json 2>/dev/null | head -n 1)
program="$dir"/bin/zeek-cluster-$current
if [ -z "$current" ] || [ ! -x "$program" ]; then
  program=$(ls -t "$dir"/bin/zeek-cluster-* 2>/dev/null | head -n 1)
fi
[ -n "$program" ] && printf 'program=%s\n' "$program"
exit 0
"#
    )
}

/// Reads what [`script`] printed.
pub(super) fn parse(output: &[u8]) -> Probe {
    let text = String::from_utf8_lossy(output);
    let mut probe = Probe::default();
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let value = value.to_owned();
        match name {
            "system" => {
                let (system, machine) = value.split_once(' ').unwrap_or((&value, ""));
                (probe.system, probe.machine) = (system.to_owned(), machine.to_owned());
            }
            "glibc" => probe.glibc = value.trim_start_matches("glibc ").to_owned(),
            "dir" => probe.dir = value,
            "untrusted" => probe.untrusted = probe.untrusted.or(Some(value)),
            "noexec" => probe.noexec = Some(value),
            "closed" => probe.closed = probe.closed.or(Some(value)),
            "program" => probe.program = value,
            "installed" => probe.installed = true,
            "socket" => probe.socket = true,
            "agent" => probe.agent = value.parse().ok(),
            "keeper" => probe.keeper = true,
            "node" => probe.nodes.push(value),
            "partial" => probe.partial = value.parse().unwrap_or(0),
            "packing" => probe.packing = Packing::ALL.into_iter().find(|packing| packing.tool() == value),
            _ => {}
        }
    }
    probe
}

/// A script that says [`MAGIC`] on both streams and then is `body`.
pub(super) fn with_magic(body: &str) -> Vec<u8> {
    format!("echo {MAGIC}\necho {MAGIC} >&2\n{body}").into_bytes()
}

/// A script that becomes the command, its standard input empty.
pub(super) fn exec_script(argv: &[String]) -> String {
    let words: Vec<String> = argv.iter().map(|word| quote(word)).collect();
    format!("exec {} </dev/null\n", words.join(" "))
}

/// What follows [`MAGIC`] on standard output; none when it never came.
pub(super) fn after_magic(output: &[u8]) -> Option<&[u8]> {
    after_noise(output, NOISE_LIMIT)
}

/// The same for standard error, where start-up files may complain at length.
pub(super) fn after_magic_on_stderr(output: &[u8]) -> Option<&[u8]> {
    after_noise(output, output.len())
}

fn after_noise(output: &[u8], limit: usize) -> Option<&[u8]> {
    let head = &output[..output.len().min(limit)];
    let line = format!("{MAGIC}\n");
    let at = head.windows(line.len()).position(|window| window == line.as_bytes())?;
    Some(&output[at + line.len()..])
}

/// One word for a POSIX shell, whatever is in it.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Whether this machine's program can run on that host; says what differs. The program is read on another thread: whoever
/// keeps the cluster's lock shares this one.
pub(super) async fn check_program(probe: &Probe, program: &Path) -> Result<(), Fault> {
    let (probe, program) = (probe.clone(), program.to_owned());
    let judged = tokio::task::spawn_blocking(move || judge_program(&probe, &program)).await;
    judged.unwrap_or_else(|error| Err(Fault::failed(Step::Upload, format!("reading this program: {error}"))))
}

fn judge_program(probe: &Probe, program: &Path) -> Result<(), Fault> {
    let refuse = |what: String| {
        Fault::failed(Step::Upload, what)
            .hint("run this command from a machine like the host, or build the program there")
    };
    if probe.system != "Linux" {
        return Err(refuse(format!("this program is for Linux, the host runs {}", probe.system)));
    }
    if probe.machine != std::env::consts::ARCH {
        let here = std::env::consts::ARCH;
        return Err(refuse(format!("this program is for {here}, the host is {}", probe.machine)));
    }
    let needed =
        needed_glibc_once(program).map_err(|e| Fault::failed(Step::Upload, format!("reading {program:?}: {e}")))?;
    let Some(needed) = needed else { return Ok(()) };
    match version(&probe.glibc) {
        Some(there) if there >= needed => Ok(()),
        Some(_) => Err(refuse(format!(
            "this program needs glibc {}.{}, the host has glibc {}",
            needed.0, needed.1, probe.glibc
        ))),
        None => Err(refuse(format!("this program needs glibc {}.{}, the host has none", needed.0, needed.1))),
    }
}

/// Refuses a folder whose agent's socket nobody could open.
pub(super) fn check_socket_path(dir: &ClusterDir) -> Result<(), Fault> {
    let socket = dir.agent_socket();
    let length = socket.as_os_str().len();
    if length <= SOCKET_PATH_LIMIT {
        return Ok(());
    }
    let what = format!("{} has {length} bytes, a Unix socket's path at most {SOCKET_PATH_LIMIT}", socket.display());
    Err(Fault::failed(Step::Agent, what).hint("set a shorter base_dir in the layout"))
}

/// [`needed_glibc`] of a program, read once however many hosts are to get it.
fn needed_glibc_once(program: &Path) -> io::Result<Option<(u32, u32)>> {
    static KNOWN: Mutex<BTreeMap<PathBuf, Option<(u32, u32)>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(needed) = known.get(program) {
        return Ok(*needed);
    }
    let needed = needed_glibc(program)?;
    known.insert(program.to_owned(), needed);
    Ok(needed)
}

/// The newest `GLIBC_2.N` among the symbol versions that a program names; none for a static one.
fn needed_glibc(program: &Path) -> io::Result<Option<(u32, u32)>> {
    // `skip_until` is optimized in every build of this program, so the first letter is looked for with it.
    const REST_OF_NAME: &[u8] = b"LIBC_";
    // More than the longest version; kept from one piece to the next.
    const OVERLAP: usize = 32;
    let (mut file, mut buffer, mut newest) = (File::open(program)?, Vec::new(), None);
    loop {
        let keep = buffer.len().min(OVERLAP);
        buffer.drain(..buffer.len() - keep);
        if file.by_ref().take(1 << 20).read_to_end(&mut buffer)? == 0 {
            return Ok(newest);
        }
        let mut rest = buffer.as_slice();
        while rest.skip_until(b'G')? > 0 {
            let Some(behind) = rest.strip_prefix(REST_OF_NAME) else { continue };
            let digits: Vec<u8> = behind.iter().copied().take(12).collect();
            let text: String =
                digits.iter().map(|&c| c as char).take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            newest = newest.max(version(&text));
        }
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(str::parse::<u32>);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn sh(script: &[u8]) -> Vec<u8> {
        let mut child = Command::new("/bin/sh")
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), script).unwrap();
        child.wait_with_output().unwrap().stdout
    }

    #[test]
    fn words_survive_the_shell_whatever_is_in_them() {
        let words = ["a b", "it's", "\"$HOME\"", "`id`", "new\nline", "\\", "*", "", "-n", "ü\t!", "a;b|c>d"];
        for word in words {
            let argv = ["/usr/bin/printf".to_owned(), "%s.".into(), word.into()];
            let output = sh(&with_magic(&exec_script(&argv)));
            assert_eq!(after_magic(&output).unwrap(), format!("{word}.").as_bytes(), "{word:?}");
        }
    }

    #[test]
    fn noise_before_the_magic_line_is_skipped_and_bounded() {
        let told = |noise: usize| [vec![b'x'; noise], format!("\n{MAGIC}\nsystem=Linux\n").into_bytes()].concat();
        assert_eq!(parse(after_magic(&told(1000)).unwrap()).system, "Linux");
        assert_eq!(after_magic(&told(NOISE_LIMIT)), None);
        assert_eq!(after_magic(b""), None);
    }

    #[test]
    fn a_probe_finds_the_program_of_the_current_release() {
        let base = tempfile::tempdir().unwrap();
        let hash = crate::fleet::host::hash_of(Path::new("/bin/true")).unwrap();
        let place = Place { base: Some(base.path().to_str().unwrap().into()), cluster: "it's one".into() };
        let dir = base.path().join("it's one");
        let probe = || parse(after_magic(&sh(&with_magic(&script(&place, Some(&hash))))).unwrap());
        let empty = probe();
        assert_eq!((empty.system.as_str(), empty.dir.as_str()), ("Linux", dir.to_str().unwrap()));
        assert_eq!((empty.installed, empty.socket, empty.program.as_str()), (false, false, ""));
        assert_eq!(place.dir(false), Some(ClusterDir::new(&dir)));

        std::fs::create_dir_all(dir.join("bin")).unwrap();
        std::fs::create_dir_all(dir.join("current")).unwrap();
        for name in [hash.clone(), "b".repeat(64)] {
            let program = dir.join("bin").join(format!("zeek-cluster-{name}"));
            std::fs::copy("/bin/true", program).unwrap();
        }
        std::fs::write(dir.join("current/manifest.json"), format!("{{\n  \"binary\": \"{hash}\"\n}}")).unwrap();
        let full = probe();
        assert!(full.installed);
        let other = parse(after_magic(&sh(&with_magic(&script(&place, Some(&"b".repeat(64)))))).unwrap());
        assert!(!other.installed, "it is not what its name says");
        assert_eq!(full.program, dir.join("bin").join(format!("zeek-cluster-{hash}")).to_str().unwrap());
    }

    #[test]
    fn a_foreign_machine_is_refused_by_both_names() {
        let own = std::env::current_exe().unwrap();
        let host = |machine: &str, glibc: &str| Probe {
            system: "Linux".into(),
            machine: machine.into(),
            glibc: glibc.into(),
            ..Probe::default()
        };
        let here = std::env::consts::ARCH;
        let what = |probe: &Probe| judge_program(probe, &own).unwrap_err().what;
        assert_eq!(what(&host("riscv64", "2.36")), format!("this program is for {here}, the host is riscv64"));
        if needed_glibc(&own).unwrap().is_some() {
            assert!(what(&host(here, "2.4")).ends_with(", the host has glibc 2.4"));
            assert!(what(&host(here, "")).ends_with(", the host has none"));
            assert_eq!(judge_program(&host(here, "99.0"), &own), Ok(()));
        }
    }

    #[test]
    fn the_folder_depends_on_who_one_is_over_there() {
        let place = |base: Option<&str>| Place { base: base.map(Into::into), cluster: "c".into() };
        let at = |base, root| place(base).dir_at(root, Path::new("/home/z")).path().to_str().unwrap().to_owned();
        assert_eq!(at(None, true), "/opt/zeek-cluster/c");
        assert_eq!(at(None, false), "/home/z/.local/share/zeek-cluster/c");
        assert_eq!(at(Some("~/x"), false), "/home/z/x/c");
        assert_eq!(at(Some("/srv"), false), "/srv/c");
        assert_eq!(place(None).dir(false), None);
        assert_eq!(place(Some("~/x")).dir(true), None);
    }

    #[test]
    fn a_folder_too_long_for_a_socket_is_named_with_both_lengths() {
        let long = ClusterDir::new(format!("/{}", "d".repeat(100)));
        assert!(check_socket_path(&long).unwrap_err().what.contains("116 bytes"));
        assert_eq!(check_socket_path(&ClusterDir::new("/opt/zeek-cluster/campus")), Ok(()));
    }
}
