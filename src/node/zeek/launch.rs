//! What Zeek is started with: arguments, environment, and the script that depends on its version and on this host.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::ZeekError;
use super::install::{Install, Version};
use super::pulse;
use crate::api::config::{NodeConfig, ZeekConfig};
use crate::api::paths::ClusterDir;
use crate::node::roles;
use crate::transport::zeromq::Keys;

/// The script that this module writes.
const NODE_SCRIPT: &str = "zeek-cluster-node";
/// The script of the release, the same for all nodes.
const CLUSTER_SCRIPT: &str = "zeek-cluster-config";
/// Zeek's process state, in its working directory.
const STATUS_FILE: &str = ".status";

/// Whether Zeek shall run or only read its scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Run,
    Check,
}

/// Where everything of a start is.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Folder of the release: `current`, or a staged one.
    pub(super) release: PathBuf,
    /// Folder of the scripts written here.
    pub(super) scripts: PathBuf,
    /// Zeek's working directory.
    pub(super) work: PathBuf,
}

impl Places {
    /// Of a node that runs.
    pub(super) fn of(config: &NodeConfig, dir: &ClusterDir) -> Places {
        let work = match roles::of(config).writes_logs {
            true => dir.logs_current(&config.name),
            false => dir.node_work(&config.name),
        };
        Places { release: dir.current(), scripts: dir.node_scripts(&config.name), work }
    }
}

/// One start of Zeek, as data.
pub(super) struct Launch<'a> {
    pub(super) config: &'a NodeConfig,
    pub(super) zeek: &'a ZeekConfig,
    pub(super) dir: &'a ClusterDir,
    pub(super) install: &'a Install,
    pub(super) places: Places,
    pub(super) keys: Option<&'a Keys>,
    /// This program, for the scripts that archive logs.
    pub(super) program: PathBuf,
}

impl Launch<'_> {
    /// Writes the scripts and makes the working directory.
    pub(super) fn write(&self) -> Result<(), ZeekError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ZeekError::Write { path, source }
        };
        for folder in [&self.places.scripts, &self.places.work, &self.dir.stores()] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(failed(folder))?;
        }
        let (program, dir) = (quoted(self.program.as_os_str()), quoted(self.dir.path().as_os_str()));
        let archive = format!(
            "#!/bin/sh\n# Zeek runs this for each log that it rotated.\n\
             exec {program} node archive-log --dir {dir} {} \"$@\"\n",
            self.config.name
        );
        let delete =
            "#!/bin/sh\n# Zeek runs this for each log that is not to be kept.\nexec rm -f -- \"$1\"\n".to_owned();
        for (name, text, mode) in [
            (format!("{NODE_SCRIPT}.zeek"), self.script(), 0o644),
            ("archive-log".to_owned(), archive, 0o755),
            ("delete-log".to_owned(), delete, 0o755),
        ] {
            let path = self.places.scripts.join(name);
            write(&path, &text, mode).map_err(failed(&path))?;
        }
        Ok(())
    }

    /// `zeek-cluster-node.zeek`: loaded before the site's scripts, so that these see the backend's topics.
    fn script(&self) -> String {
        let stores = zeek_string(&self.dir.stores());
        let mut text = format!(
            "# Automatically generated for Zeek {}. Do not edit.\n\n@load {}\n\n\
             @ifdef ( Cluster::default_store_dir )\nredef Cluster::default_store_dir = {stores};\n@endif\n",
            self.install.version,
            backend_script(&self.install.version)
        );
        if let Some(address) = self.metrics_address() {
            let _ = write!(
                text,
                "\n@if ( |Telemetry::metrics_address| == 0 )\nredef Telemetry::metrics_address = \"{address}\";\n@endif\n"
            );
        }
        for (name, value) in &self.zeek.redefs {
            let _ = write!(text, "\n@ifdef ( {name} )\nredef {name} = {value};\n@endif\n");
        }
        text.push_str(&pulse::script(&zeek_string(&pulse::path(&self.dir.node(&self.config.name)))));
        text
    }

    /// Where metrics are served unless the layout or a script says otherwise: at the node's own address, as core nodes do.
    fn metrics_address(&self) -> Option<String> {
        let own = self.config.nodes.iter().find(|entry| entry.name == self.config.name)?;
        match own.ip {
            IpAddr::V4(ip) => Some(ip.to_string()),
            IpAddr::V6(ip) => own.zone_id.is_empty().then(|| format!("[{ip}]")),
        }
    }

    /// Without the program's name. No secret is among them.
    pub(super) fn arguments(&self, purpose: Purpose) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
        match (purpose, &self.zeek.interface) {
            (Purpose::Run, Some(interface)) => add(&["-i", interface]),
            (Purpose::Run, None) => {}
            (Purpose::Check, _) => add(&["-a"]),
        }
        if purpose == Purpose::Run {
            add(&["-U", STATUS_FILE]);
        }
        add(&["-p", "local", "-p", &self.config.name, NODE_SCRIPT]);
        self.zeek.scripts.iter().for_each(|script| add(&[script]));
        add(&[CLUSTER_SCRIPT]);
        self.zeek.aux_scripts.iter().for_each(|script| add(&[script]));
        self.zeek.args.iter().for_each(|word| add(&[word]));
        arguments
    }

    /// What is set over the inherited environment, of which `inherited` tells the values.
    pub(super) fn environment(
        &self,
        purpose: Purpose,
        inherited: &dyn Fn(&str) -> Option<OsString>,
    ) -> BTreeMap<String, OsString> {
        let mut set: BTreeMap<String, OsString> = BTreeMap::new();
        for (name, value) in &self.zeek.env {
            if inherited(name).is_none() {
                set.insert(name.clone(), value.into());
            }
        }
        set.insert("CLUSTER_NODE".into(), self.config.name.clone().into());
        let default = || self.install.script_path.clone().into();
        let site = inherited("ZEEKPATH").filter(|path| !path.is_empty()).unwrap_or_else(default);
        let folders = [self.places.scripts.as_os_str(), self.places.release.as_os_str(), &site];
        set.insert("ZEEKPATH".into(), folders.join(OsStr::new(":")));
        let bin = self.install.zeek.parent().unwrap_or(Path::new("/"));
        let path = inherited("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        let folders = [bin.as_os_str(), self.places.scripts.as_os_str(), &path];
        set.insert("PATH".into(), folders.join(OsStr::new(":")));
        match purpose {
            Purpose::Run => set.extend(self.keys.map(curve).into_iter().flatten()),
            Purpose::Check => {
                set.extend(["ZEEKCTL_CHECK_CONFIG", "ZEEKCTL_DISABLE_LISTEN"].map(|name| (name.into(), "1".into())));
            }
        }
        set
    }
}

/// Source: `protocol/zeromq.md` 0.3.
fn backend_script(version: &Version) -> &'static str {
    match version.number {
        (8, 0) => "policy/frameworks/cluster/backend/zeromq/connect",
        _ => "policy/frameworks/cluster/backend/zeromq",
    }
}

/// Source: `protocol/zeromq.md` 5.2. The server's secret key is there only where something listens.
fn curve(keys: &Keys) -> impl Iterator<Item = (String, OsString)> {
    let pairs = [
        ("SERVER_PUBLICKEY", Some(keys.server_public.clone())),
        ("SERVER_SECRETKEY", keys.server_secret.clone()),
        ("CLIENT_PUBLICKEY", Some(keys.client_public.clone())),
        ("CLIENT_SECRETKEY", Some(keys.client_secret.clone())),
    ];
    pairs.into_iter().filter_map(|(name, key)| Some((format!("ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_{name}"), key?.into())))
}

/// Replaces a file in one step: a Zeek that is still on its way out may read the old one.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    fs::write(&temporary, text)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))?;
    fs::rename(&temporary, path)
}

/// A word for `sh`.
fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', "'\\''"))
}

/// A path as a string of Zeek's script language.
fn zeek_string(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tests::zeek_config;

    struct Case {
        config: NodeConfig,
        install: Install,
        dir: ClusterDir,
        keys: Keys,
    }

    fn case(version: &str) -> Case {
        let key = |name: &str| format!("{name}-key");
        Case {
            config: zeek_config("worker-1"),
            install: Install {
                zeek: "/opt/zeek/bin/zeek".into(),
                version: Version::parse(&format!("zeek version {version}")).unwrap(),
                script_path: "/opt/zeek/share/zeek".into(),
            },
            dir: ClusterDir::new("/srv/it's"),
            keys: Keys {
                server_public: key("server"),
                server_secret: None,
                client_public: key("client"),
                client_secret: key("secret"),
            },
        }
    }

    impl Case {
        fn launch(&self) -> Launch<'_> {
            Launch {
                config: &self.config,
                zeek: self.config.zeek.as_ref().unwrap(),
                dir: &self.dir,
                install: &self.install,
                places: Places::of(&self.config, &self.dir),
                keys: Some(&self.keys),
                program: "/bin/zc".into(),
            }
        }
    }

    #[test]
    fn arguments_are_in_zeekctls_order() {
        let case = case("8.2.2");
        let run = case.launch().arguments(Purpose::Run).join(" ");
        let expected = "-i af_packet::eth0 -U .status -p local -p worker-1 zeek-cluster-node local zeek-cluster-config tap.zeek -C";
        assert_eq!(run, expected);
        let check = case.launch().arguments(Purpose::Check).join(" ");
        assert_eq!(check, "-a -p local -p worker-1 zeek-cluster-node local zeek-cluster-config tap.zeek -C");
    }

    #[test]
    fn the_environment_has_our_scripts_first_and_the_keys() {
        let case = case("8.2.2");
        let inherited = |name: &str| match name {
            "PATH" => Some("/usr/bin".into()),
            "SNF_FLAGS" => Some("0x1".into()),
            _ => None,
        };
        let environment = case.launch().environment(Purpose::Run, &inherited);
        let get = |name: &str| environment.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(get("CLUSTER_NODE"), Some("worker-1"));
        let zeekpath = "/srv/it's/run/worker-1/scripts:/srv/it's/current:/opt/zeek/share/zeek";
        assert_eq!(get("ZEEKPATH"), Some(zeekpath));
        assert_eq!(get("PATH"), Some("/opt/zeek/bin:/srv/it's/run/worker-1/scripts:/usr/bin"));
        assert_eq!(get("SNF_NUM_RINGS"), Some("2"));
        assert_eq!(get("SNF_FLAGS"), None, "what env_vars set wins");
        assert_eq!(get("ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_CLIENT_SECRETKEY"), Some("secret-key"));
        assert_eq!(get("ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_SERVER_SECRETKEY"), None, "a worker listens nowhere");
        let check = case.launch().environment(Purpose::Check, &inherited);
        assert!(check.contains_key("ZEEKCTL_DISABLE_LISTEN"));
        assert!(!check.keys().any(|name| name.contains("CURVE")));
    }

    #[test]
    fn the_script_follows_the_version() {
        for (version, script) in
            [("8.0.10", "zeromq/connect"), ("8.1.2", "zeromq"), ("8.2.2", "zeromq"), ("9.0.0", "zeromq")]
        {
            let text = case(version).launch().script();
            let expected = format!("@load policy/frameworks/cluster/backend/{script}\n");
            assert!(text.contains(&expected), "{text}");
        }
        let text = case("8.2.2").launch().script();
        assert!(text.contains("@ifdef ( AF_Packet::fanout_id )\nredef AF_Packet::fanout_id = 23;\n@endif\n"), "{text}");
    }

    #[test]
    fn paths_survive_the_shell() {
        assert_eq!(quoted(OsStr::new("/srv/it's")), r"'/srv/it'\''s'");
    }
}
