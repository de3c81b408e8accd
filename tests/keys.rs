//! CURVE keys: where they are kept, how they are replaced, and that nobody sees the secret ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::{Keys, Sandbox};

const LAYOUT: &str = "\
name: campus
encryption: on
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
  logger: { type: logger }
  worker: { type: worker, count: 2 }
";
const NODES: [&str; 4] = ["manager", "logger", "worker-1", "worker-2"];
const FILES: [&str; 4] = ["server_publickey", "server_secretkey", "client_publickey", "client_secretkey"];

fn folder(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".local/share/zeek-cluster/keys/campus")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).permissions().mode() & 0o777
}

#[test]
fn keys_are_made_once_and_only_their_owner_can_read_them() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let none = sandbox.expect(3, &["keys", "show-public"]);
    assert!(none.stderr.contains("hint: zeek-cluster keys generate"), "{none:#?}");
    sandbox.expect(3, &["keys", "rotate", "--yes"]);

    let made = sandbox.expect(0, &["keys", "generate"]);
    assert!(made.stderr.contains("made new keys"), "{made:#?}");
    let keys = Keys::read(&folder(&sandbox));
    assert_eq!(mode(&folder(&sandbox)), 0o700);
    assert!(FILES.iter().all(|name| mode(&folder(&sandbox).join(name)) == 0o600));
    assert!(sandbox.expect(0, &["keys", "generate"]).stderr.starts_with("unchanged"));
    assert_eq!(Keys::read(&folder(&sandbox)), keys);

    let shown = sandbox.expect(0, &["keys", "show-public"]).stdout;
    assert_eq!(shown, format!("server_publickey\t{}\nclient_publickey\t{}\n", keys.server_public, keys.client_public));
    let refused = sandbox.expect(2, &["keys", "rotate"]);
    assert!(refused.stderr.contains("--yes"), "{refused:#?}");
    assert_eq!(Keys::read(&folder(&sandbox)), keys);
}

#[test]
fn rotation_gives_every_node_new_keys_and_the_old_ones_open_nothing() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let old = sandbox.path().join("old-keys");
    fs::create_dir(&old).expect("a folder");
    for name in FILES {
        fs::copy(folder(&sandbox).join(name), old.join(name)).expect("copied");
    }
    let before = NODES.map(|name| sandbox.node(name)["pid"].as_u64());
    let rotated = sandbox.expect(0, &["keys", "rotate", "--yes"]);
    assert!(rotated.stderr.contains("the new keys are in"), "{rotated:#?}");
    let after = NODES.map(|name| sandbox.node(name)["pid"].as_u64());
    assert!(
        before.iter().zip(after).all(|(before, after)| after.is_some() && *before != after),
        "{before:?} {after:?}"
    );
    let peers = sandbox.json(0, &["peers"]);
    assert!(peers.as_array().is_some_and(|rows| rows.len() == 12 && rows.iter().all(|row| row["up"] == true)));
    assert_ne!(Keys::read(&folder(&sandbox)), Keys::read(&old));
    assert!(sandbox.expect(0, &["deploy"]).stderr.contains("unchanged"));

    let connect = format!("127.0.0.1:{}", sandbox.port);
    let keys = folder(&sandbox).display().to_string();
    sandbox.expect(0, &["nodes", "--connect", &connect, "--keys", &keys]);
    sandbox.expect(4, &["nodes", "--connect", &connect, "--keys", &old.display().to_string(), "--timeout", "3s"]);
    let others = fs::read_dir(folder(&sandbox).parent().expect("keys/")).expect("readable").count();
    assert_eq!(others, 1, "nothing is left of the old keys");
}

#[test]
fn a_rotation_that_reaches_no_host_changes_nothing() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["keys", "generate"]);
    let keys = Keys::read(&folder(&sandbox));
    // A base that is a file cannot be installed into.
    fs::write(sandbox.base(), "").expect("written");
    let failed = sandbox.run(&["keys", "rotate", "--yes"]);
    fs::remove_file(sandbox.base()).expect("removed");
    assert!([1, 4].contains(&failed.status), "{failed:#?}");
    assert!(failed.stderr.contains("the old ones stay in force"), "{failed:#?}");
    assert_eq!(Keys::read(&folder(&sandbox)), keys);
}

#[test]
fn no_secret_key_is_seen_anywhere_but_in_its_files() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let mut heard = String::new();
    let mut run = |args: &[&str]| {
        let output = sandbox.run(args);
        heard += &output.stdout;
        heard += &output.stderr;
    };
    run(&["-vvv", "deploy"]);
    for args in [
        &["layout", "show"] as &[&str],
        &["-vvv", "layout", "show", "-o", "json"],
        &["-vvv", "check"],
        &["-vvv", "status", "-o", "json"],
        &["-vvv", "nodes"],
        &["-vvv", "subscribe", "", "--timeout", "1"],
        &["-vvv", "keys", "show-public"],
        &["-vvv", "output"],
        &["-vvv", "deploy", "-o", "json"],
    ] {
        run(args);
    }
    let keys = Keys::read(&folder(&sandbox));
    let secrets = [keys.server_secret.as_str(), keys.client_secret.as_str()];
    let exposed = |text: &str| secrets.iter().any(|secret| text.contains(secret));
    assert!(heard.contains(&keys.server_public), "something was heard");
    assert!(!exposed(&heard), "a secret key was printed");
    for process in procfs::process::all_processes().expect("/proc").flatten() {
        let arguments = process.cmdline().unwrap_or_default().join(" ");
        assert!(!exposed(&arguments), "a secret key is an argument of process {}", process.pid);
    }
    let mut holders = 0;
    let mut folders = vec![sandbox.base()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(&next).expect("readable").map(|entry| entry.expect("an entry").path()) {
            let metadata = fs::symlink_metadata(&path).expect("there");
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() && exposed(&String::from_utf8_lossy(&fs::read(&path).expect("readable"))) {
                holders += 1;
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                let place = path.strip_prefix(sandbox.base()).expect("below it").display().to_string();
                assert!(place.contains("/keys/") || place.contains("/blobs/"), "{place}");
            }
        }
    }
    assert!(holders >= 2, "the two key files are on the host");
}

#[test]
fn an_export_in_a_safe_brings_the_keys_back() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["keys", "generate"]);
    let keys = Keys::read(&folder(&sandbox));
    fs::write(sandbox.path().join("phrase"), "correct horse\n").expect("written");
    sandbox.expect(0, &["keys", "export", "plain"]);
    sandbox.expect(0, &["keys", "export", "sealed", "--passphrase-file", "phrase"]);
    for name in ["plain", "sealed"] {
        assert_eq!(mode(&sandbox.path().join(name)), 0o600);
    }
    let sealed = fs::read_to_string(sandbox.path().join("sealed")).expect("there");
    assert!(!sealed.contains(&keys.client_secret) && !sealed.contains(&keys.server_secret));
    let again = sandbox.expect(3, &["keys", "export", "plain"]);
    assert!(again.stderr.contains("File exists"), "{again:#?}");

    fs::remove_dir_all(folder(&sandbox)).expect("removed");
    let closed = sandbox.expect(3, &["keys", "import", "sealed"]);
    assert!(closed.stderr.contains("--passphrase-file"), "{closed:#?}");
    assert!(!folder(&sandbox).exists());
    sandbox.expect(0, &["keys", "import", "sealed", "--passphrase-file", "phrase"]);
    assert_eq!(Keys::read(&folder(&sandbox)), keys);
    let same = sandbox.expect(0, &["keys", "import", "plain"]);
    assert!(same.stderr.contains("unchanged"), "{same:#?}");

    fs::remove_dir_all(folder(&sandbox)).expect("removed");
    sandbox.expect(0, &["keys", "generate"]);
    let other = Keys::read(&folder(&sandbox));
    let refused = sandbox.expect(2, &["keys", "import", "plain"]);
    assert!(refused.stderr.contains("--yes"), "{refused:#?}");
    assert_eq!(Keys::read(&folder(&sandbox)), other);
    sandbox.expect(0, &["keys", "import", "plain", "--yes"]);
    assert_eq!(Keys::read(&folder(&sandbox)), keys);
}
