//! Ten nodes on eight machines, one of them behind a jump host, and the faults that machines and networks have. After each
//! fault: the exit status as documented, a row for every node, every host on a whole release, and the next deploy succeeds.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Background, Fleet, GATE, INNER, Machines, Taken};

/// Nodes of the shared layout.
const NODES: usize = 10;

/// The rows of `status`, of which there is always one for each node.
fn rows(fleet: &Taken<'_>) -> Vec<Value> {
    let output = fleet.run(&["status", "-o", "json"]);
    let rows: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:#?}"));
    let rows = rows.as_array().expect("an array").clone();
    assert_eq!(rows.len(), NODES, "{output:#?}");
    rows
}

fn all_run(fleet: &Taken<'_>) {
    let rows = rows(fleet);
    assert!(rows.iter().all(|row| row["state"] == "running"), "{rows:#?}");
}

/// Every release that a host has is whole, and `current` is one of them.
fn whole_releases_only(fleet: &Taken<'_>) {
    for index in 0..fleet.machines().count() {
        let cluster = fleet.machines().disk(index).join("campus");
        if let Ok(current) = fs::read_link(cluster.join("current")) {
            assert!(is_whole(&cluster.join(&current)), "{}: {current:?}", Machines::name(index));
        }
        for release in fs::read_dir(cluster.join("releases")).into_iter().flatten().flatten() {
            assert!(is_whole(&release.path()), "{}: {release:?}", Machines::name(index));
        }
    }
}

fn is_whole(release: &Path) -> bool {
    let Ok(text) = fs::read_to_string(release.join("manifest.json")) else { return false };
    serde_json::from_str::<Value>(&text).is_ok_and(|manifest| manifest["binary"].is_string())
}

/// What a deploy after a fault has to reach.
fn the_next_deploy_succeeds(fleet: &Taken<'_>) {
    whole_releases_only(fleet);
    fleet.expect(0, &["deploy"]);
    all_run(fleet);
    whole_releases_only(fleet);
}

#[test]
fn deploy_edit_and_deploy_again_reach_every_machine() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take();
    fleet.expect(0, &["deploy"]);
    all_run(&fleet);
    assert_eq!(fleet.json(0, &["count"])["total"], serde_json::json!({ "defined": NODES, "active": NODES }));
    let again = fleet.expect(0, &["deploy"]);
    assert!(again.stderr.contains("unchanged"), "{again:#?}");
    let before = rows(&fleet);

    fleet.write_layout("", "options: { Cluster::Backend::ZeroMQ::xpub_sndhwm: 900 }\n");
    fleet.expect(0, &["deploy"]);
    let after = rows(&fleet);
    assert!(after.iter().all(|row| row["state"] == "running"), "{after:#?}");
    let releases =
        |index: usize| fs::read_dir(fleet.machines().disk(index).join("campus/releases")).expect("it").count();
    assert!((0..=INNER).all(|index| releases(index) == 2));
    assert_eq!(before.len(), after.len());
    whole_releases_only(&fleet);
}

#[test]
fn a_machine_that_takes_tcp_and_says_nothing_costs_only_its_own_node() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take();
    fleet.machines().pause_sshd(3);
    let output = fleet.expect(1, &["deploy", "--timeout", "60s"]);
    assert!(output.stderr.contains("sensor-3"), "{output:#?}");
    let first = rows(&fleet);
    let of = |name: &str| first.iter().find(|row| row["host"] == name).expect("a row").clone();
    assert_eq!(of("sensor-3")["state"], "unknown");
    let error = of("sensor-3")["error"].as_str().expect("a reason").to_owned();
    assert!(error.contains("says nothing (banner, after 2."), "{error}");
    fleet.machines().resume_sshd(3);
    the_next_deploy_succeeds(&fleet);
}

#[test]
fn a_machine_that_swallows_packets_costs_only_its_own_node() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take();
    fleet.expect(0, &["deploy"]);
    fleet.machines().set_black_hole(4, true);
    let output = fleet.expect(1, &["status", "-o", "tsv"]);
    let lines: Vec<Vec<&str>> = output.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), NODES, "{output:#?}");
    for line in &lines {
        assert_eq!(line[3] == "unknown", line[2] == "sensor-4", "{output:#?}");
    }
    let named = format!("sensor-4 ({}:22): no answer to TCP", fleet.machines().address(4));
    assert!(output.stderr.contains(&named), "{output:#?}");
    assert!(output.elapsed < Duration::from_secs(5), "{:?}", output.elapsed);

    fleet.write_layout("", "options: { Cluster::Backend::ZeroMQ::xpub_sndhwm: 900 }\n");
    fleet.expect(1, &["deploy", "--timeout", "60s"]);
    assert_eq!(rows(&fleet).iter().filter(|row| row["state"] == "running").count(), NODES - 1);
    fleet.machines().set_black_hole(4, false);
    the_next_deploy_succeeds(&fleet);
}

#[test]
fn a_machine_with_another_key_is_refused_on_the_way_and_behind_the_gate() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take();
    let known = fs::read_to_string(fleet.machines().known_hosts()).expect("known_hosts");
    let key = known.lines().next().and_then(|line| line.split_once(' ')).expect("a line").1;
    for (index, place) in [(5, "sensor-5 ("), (INNER, "sensor-7 (")] {
        let address = fleet.machines().address(index);
        let wrong: String = known
            .lines()
            .map(|line| {
                if line.starts_with(&format!("{address} ")) {
                    format!("{address} {key}\n")
                } else {
                    format!("{line}\n")
                }
            })
            .collect();
        fs::write(fleet.machines().known_hosts(), wrong).expect("known_hosts");
        let output = fleet.expect(1, &["deploy", "--timeout", "60s"]);
        assert!(output.stderr.contains(place) && output.stderr.contains("host key changed"), "{output:#?}");
        assert!(output.stderr.contains("ssh-keygen -f ") && output.stderr.contains(address), "{output:#?}");
        assert_eq!(rows(&fleet).iter().filter(|row| row["state"] == "unknown").count(), 1);
    }
    fleet.machines().write_known_hosts();
    the_next_deploy_succeeds(&fleet);
}

#[test]
fn a_gate_that_is_gone_is_named_for_the_machine_behind_it() {
    let Some(fleet) = Fleet::shared() else { return };
    let mut fleet = fleet.take();
    fleet.machines_mut().stop_sshd(GATE);
    let gate = format!("{}:22", fleet.machines().address(GATE));
    let output = fleet.expect(1, &["deploy", "--timeout", "60s"]);
    assert!(output.stderr.contains(&format!("sensor-7 ({gate}): jump host: ")), "{output:#?}");
    assert_eq!(rows(&fleet).iter().filter(|row| row["state"] == "unknown").count(), 2);
    fleet.machines_mut().start_sshd(GATE);
    the_next_deploy_succeeds(&fleet);
}

#[test]
fn a_full_disk_is_named_and_nothing_is_switched() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take_bare();
    (0..6).chain([INNER]).for_each(|index| fleet.bring_program(index));
    fleet.machines().limit_disk(6, Path::new("campus"), 1024);
    let output = fleet.expect(1, &["deploy", "--timeout", "60s"]);
    assert!(output.stderr.contains("sensor-6") && output.stderr.contains("df"), "{output:#?}");
    assert_eq!(rows(&fleet).len(), NODES);
    fleet.machines().free_disk(6, Path::new("campus"));
    the_next_deploy_succeeds(&fleet);

    // Later it is the files of the next release that find no room: the nodes go on with the one that they have.
    fleet.machines().limit_disk(6, Path::new("campus/blobs"), 4);
    fleet.machines().limit_disk(6, Path::new("campus/releases"), 4);
    fleet.write_layout("", "options: { Cluster::Backend::ZeroMQ::xpub_sndhwm: 900 }\n");
    let output = fleet.expect(1, &["deploy", "--timeout", "60s"]);
    assert!(output.stderr.contains("sensor-6"), "{output:#?}");
    fleet.machines().free_disk(6, Path::new("campus/blobs"));
    fleet.machines().free_disk(6, Path::new("campus/releases"));
    all_run(&fleet);
    the_next_deploy_succeeds(&fleet);
}

#[test]
fn a_machine_without_room_is_left_out_when_a_part_is_allowed_and_keeps_what_it_has() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take();
    fleet.expect(0, &["deploy"]);
    let current =
        |index: usize| fs::read_link(fleet.machines().disk(index).join("campus/current")).expect("a current release");
    let (before, full) = (current(0), 6);
    let pid = fleet.node("worker-5")["pid"].clone();
    fleet.machines().limit_disk(full, Path::new("campus/blobs"), 4);
    fleet.machines().limit_disk(full, Path::new("campus/releases"), 4);
    fleet.write_layout("", "options: { Cluster::Backend::ZeroMQ::xpub_sndhwm: 900 }\n");
    let output = fleet.expect(1, &["deploy", "--allow-partial", "--timeout", "60s"]);
    assert!(output.stderr.contains("failed worker-5 (stage on sensor-6)"), "{output:#?}");
    assert!(output.stderr.contains("No space left on device"), "{output:#?}");
    fleet.machines().free_disk(full, Path::new("campus/blobs"));
    fleet.machines().free_disk(full, Path::new("campus/releases"));
    for index in 0..fleet.machines().count() {
        assert_eq!(current(index) == before, index == full, "{}", Machines::name(index));
    }
    whole_releases_only(&fleet);
    all_run(&fleet);
    let row = fleet.node("worker-5");
    assert_eq!((&row["host"], &row["pid"]), (&"sensor-6".into(), &pid), "its node runs on");
    the_next_deploy_succeeds(&fleet);
    assert_ne!(current(full), before);
}

/// Waits until an upload to a machine has come so far, and returns where it is written.
fn upload_of(fleet: &Taken<'_>, index: usize, size: u64) -> PathBuf {
    let bin = fleet.machines().disk(index).join("campus/bin");
    fleet.until(Duration::from_secs(60), "an upload under way", |_| {
        let mut files = fs::read_dir(&bin).into_iter().flatten().flatten();
        let upload = files.find(|file| file.file_name().to_string_lossy().starts_with(".upload-"));
        let far = |file: &fs::DirEntry| file.metadata().is_ok_and(|metadata| metadata.len() >= size);
        upload.filter(far).map(|file| file.path()).ok_or_else(|| "none".to_owned())
    })
}

#[test]
fn an_upload_that_is_cut_or_starved_is_said_and_the_next_deploy_goes_on_behind_it() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take_bare();
    let (cut, starved) = (2, 3);
    (0..cut).chain(starved + 1..=INNER).for_each(|index| fleet.bring_program(index));
    // What travels is packed, in pieces; as one it is hardly smaller.
    let program = fs::read(env!("CARGO_BIN_EXE_zeek-cluster")).expect("the program");
    let size = zstd::bulk::compress(&program, 3).expect("the packed program").len() as u64;
    let begun = size / 3;
    let holding = fleet.path().join("holding");
    fs::create_dir(&holding).expect("a folder");
    let mut deploy = fleet.command(&["deploy", "--timeout", "60s"]);
    deploy.env("ZEEK_CLUSTER_FAULT", format!("upload:hold={}/it", holding.display()));
    let deploy = Background::start(deploy);
    let [cut_upload, starved_upload] = [cut, starved].map(|index| upload_of(&fleet, index, begun));
    assert!(fleet.machines().cut_sessions(cut) > 0);
    fleet.machines().set_black_hole(starved, true);
    // Whoever comes to the middle now is not held either.
    fs::remove_dir_all(&holding).expect("the folder");
    deploy.says("of the program were sent, then: the SSH session broke");
    deploy.says("then: nothing was acknowledged for 15 s");
    let (status, said) = deploy.end();
    assert_eq!(status, 1, "{said:#?}");
    fleet.machines().set_black_hole(starved, false);

    // What had come so far does not travel again.
    let there = [&cut_upload, &starved_upload].map(|path| fs::metadata(path).expect("the beginning stays").len());
    let sent = || [cut, starved].map(|index| fleet.machines().bytes_sent_to(index));
    let before = sent();
    the_next_deploy_succeeds(&fleet);
    for ((before, after), there) in before.into_iter().zip(sent()).zip(there) {
        let (sent, missing) = (after - before, size - there);
        assert!(there >= begun && sent < missing + missing / 10 + (4 << 20), "{sent} sent, {missing} were missing");
    }
}

/// The rows of `doctor` for one host, by their check.
fn findings(fleet: &Taken<'_>, status: i32, host: &str) -> BTreeMap<String, Value> {
    let rows = fleet.json(status, &["doctor", host]);
    rows.as_array()
        .expect("an array")
        .iter()
        .map(|row| (row["check"].as_str().expect("a check").to_owned(), row.clone()))
        .collect()
}

#[test]
fn the_doctor_finds_what_is_wrong_and_says_what_to_do() {
    let Some(fleet) = Fleet::shared() else { return };
    let mut fleet = fleet.take();
    let all = fleet.expect(0, &["doctor", "-o", "table"]);
    assert!(all.stdout.contains("sensor-[1-7]"), "equal results are folded: {all:#?}");
    let behind = findings(&fleet, 0, "sensor-7");
    let gate = fleet.machines().address(GATE).to_owned();
    assert_eq!(behind["ssh.jump"]["what"], format!("root@{gate}:22 (layout)"));
    let key = behind["host-key"]["what"].as_str().expect("both keys");
    assert!(key.starts_with(&format!("{gate}: ssh-ed25519 SHA256:")) && key.contains("; ssh-ed25519 "), "{key}");
    assert!(behind.values().all(|row| row["verdict"] != "failed" && row["verdict"] != "warning"), "{behind:#?}");

    // A port that somebody else has, and one interface, one CPU, and one folder that are not there.
    let mut taker = fleet.machines().inside(2, "python3");
    let listen = "import socket,sys; s=socket.create_server(('0.0.0.0', 9991)); print(flush=True); sys.stdin.read()";
    let taker = Background::start({
        taker.args(["-c", listen]);
        taker
    });
    taker.prints();
    fleet.machines().limit_disk(3, Path::new("campus"), 512);
    let more = "  extra: { type: worker, host: sensor-2, interface: eth7, pin_cpus: [4095], metrics_port: 9991 }\n  \
                other: { type: worker, host: sensor-2, interface: eth0 }\n";
    fleet.write_layout("", more);
    let sick = findings(&fleet, 1, "sensor-2");
    let failed: Vec<&str> =
        sick.values().filter(|row| row["verdict"] == "failed").filter_map(|row| row["check"].as_str()).collect();
    assert_eq!(failed, ["interface", "pin_cpus", "ports"], "{sick:#?}");
    assert!(sick["ports"]["what"].as_str().is_some_and(|what| what.starts_with("taken: 9991 by ")), "{sick:#?}");
    assert!(sick["interface"]["hint"].as_str().is_some_and(|hint| hint.contains("there are: eth0 lo")), "{sick:#?}");
    let full = findings(&fleet, 1, "sensor-3");
    assert_eq!((&full["disk"]["verdict"], &full["clock"]["verdict"]), (&"failed".into(), &"ok".into()), "{full:#?}");

    // Each step of the way.
    fs::write(fleet.machines().known_hosts(), "").expect("known_hosts");
    let unknown = findings(&fleet, 4, "sensor-4");
    assert_eq!(unknown["connect"]["verdict"], "ok");
    assert_eq!((&unknown["host-key"]["verdict"], &unknown["auth"]["verdict"]), (&"failed".into(), &"skipped".into()));
    assert!(
        unknown["host-key"]["hint"].as_str().is_some_and(|hint| hint.contains("-o UserKnownHostsFile=")),
        "{unknown:#?}"
    );
    fleet.machines_mut().stop_sshd(5);
    let refused = findings(&fleet, 4, "sensor-5");
    assert_eq!((&refused["resolve"]["verdict"], &refused["connect"]["verdict"]), (&"ok".into(), &"failed".into()));
}

#[test]
fn the_doctor_mends_machines_over_ssh_and_their_nodes_run_on() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take();
    fleet.expect(0, &["deploy"]);
    let pids = || rows(&fleet).iter().map(|row| row["pid"].clone()).collect::<Vec<Value>>();
    let before = pids();
    let cluster = |index: usize| fleet.machines().disk(index).join("campus");
    let (open, bare) = (2, INNER);
    fs::set_permissions(cluster(open), fs::Permissions::from_mode(0o755)).expect("its mode is set");
    let agents = fleet.json(0, &["agent", "status"]);
    let agent = agents.as_array().into_iter().flatten().find(|row| row["host"] == Machines::name(bare).as_str());
    let agent = agent.and_then(|row| row["pid"].as_i64()).expect("its agent");
    crate::support::kill_agent(i32::try_from(agent).expect("a pid"));
    fs::remove_dir_all(cluster(bare).join("bin")).expect("its program is taken away");

    let mended = fleet.json(0, &["doctor", "--fix"]);
    let fixed = mended.as_array().into_iter().flatten().filter(|row| row["fix"] == "fixed");
    let mut fixed: Vec<String> = fixed.map(|row| format!("{} of {}", row["check"], row["host"])).collect();
    fixed.sort();
    let expected = [(r#""agent""#, bare), (r#""installed""#, bare), (r#""permissions""#, open)];
    assert_eq!(fixed, expected.map(|(check, index)| format!("{check} of \"{}\"", Machines::name(index))));
    assert_eq!(fs::metadata(cluster(open)).expect("it is there").permissions().mode() & 0o777, 0o700);
    assert_eq!(pids(), before);
    fleet.expect(0, &["plan"]);
}

#[test]
fn a_terminal_is_asked_once_for_a_key_of_many_hosts_and_for_the_password_of_one() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take();
    let locked = fleet.path().join("locked");
    fs::copy(fleet.machines().identity(), &locked).expect("a copy of the key");
    let lock = Command::new("ssh-keygen").args(["-q", "-p", "-N", "sesame", "-f"]).arg(&locked).status();
    assert!(lock.expect("ssh-keygen runs").success());
    let layout = fs::read_to_string(fleet.layout()).expect("the layout");
    let with_key = |path: &Path| {
        let own = format!("identity_file: {}", fleet.machines().identity().display());
        fs::write(fleet.layout(), layout.replace(&own, &format!("identity_file: {}", path.display())))
            .expect("the layout");
    };
    with_key(&locked);
    let said = fleet.on_a_terminal(&["doctor"], &[("locked: ", "sesame")]);
    assert_eq!(said.matches("passphrase of ").count(), 1, "{said}");
    assert!(said.contains("nothing is deployed yet on head,sensor-[1-7]") && !said.contains("sesame"), "{said}");
    // Without a terminal nobody is asked.
    let output = fleet.expect(4, &["doctor", "sensor-2"]);
    assert!(output.stdout.contains("needs a passphrase and there is nobody to ask"), "{output:#?}");

    fleet.machines().set_password(2, "open says me");
    with_key(Path::new("/nonexistent"));
    let said = fleet.on_a_terminal(&["doctor", "sensor-2"], &[(".3: ", "open says me")]);
    assert!(said.contains("nothing is deployed yet on sensor-2") && !said.contains("open says me"), "{said}");
    let output = fleet.expect(4, &["doctor", "sensor-2"]);
    assert!(output.stdout.contains("login as root refused"), "{output:#?}");
}
