//! Zeek's WebSocket API of a deployed node, with Python's `websockets` as its client.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::examples::example;
use crate::support::{Authority, Background, Line, Sandbox, python_with};

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager:
    type: manager
    websocket: { listen_port: WEBSOCKET }
  logger: { type: logger }
  worker: { type: worker }
";

/// A cluster whose manager listens on the tenth port of the sandbox, with further keys of `websocket`.
fn cluster(further: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_layout(&layout(&sandbox, further));
    sandbox
}

fn layout(sandbox: &Sandbox, further: &str) -> String {
    let port = port(sandbox).to_string();
    LAYOUT.replace("WEBSOCKET }", &format!("WEBSOCKET{further} }}")).replace("WEBSOCKET", &port)
}

fn port(sandbox: &Sandbox) -> u16 {
    sandbox.port + 10
}

/// A client in Python; none where its package is missing.
fn client(sandbox: &Sandbox, scheme: &str, args: &[&str]) -> Option<Background> {
    let mut command = Command::new(python_with("websockets")?);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/websocket_client.py"));
    command.arg(format!("{scheme}://127.0.0.1:{}/v1/messages/json", port(sandbox))).args(args);
    Some(Background::start(command))
}

/// The next message of a client.
fn receives(client: &Background) -> Value {
    let text = client.prints();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn is_ack(message: &Value) -> String {
    assert_eq!((&message["type"], &message["version"]), (&json!("ack"), &json!("8.2.2")), "{message}");
    message["endpoint"].as_str().expect("an id").to_owned()
}

/// Topic, event and its one argument.
fn event(message: &Value) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{message}")).to_owned();
    let inner = &message["data"][2]["data"];
    (text(&message["topic"]), text(&inner[0]["data"]), text(&inner[1]["data"][0]["data"]))
}

fn expected(topic: &str, name: &str, text: &str) -> (String, String, String) {
    (topic.to_owned(), name.to_owned(), text.to_owned())
}

#[test]
fn two_python_clients_talk_through_the_manager_and_hear_the_cluster() {
    let sandbox = cluster("");
    sandbox.expect(0, &["deploy"]);
    let Some(mut one) = client(&sandbox, "ws", &["--topic", "/test/", "--name", "probe/1.0"]) else { return };
    let mut other = client(&sandbox, "ws", &["--topic", "/test/", "--topic", "/more/"]).expect("as before");
    let (id, other_id) = (is_ack(&receives(&one)), is_ack(&receives(&other)));
    let numbered = |id: &str, n: u8| id.starts_with("zeromq_manager_") && id.ends_with(&format!("-websocket-{n}"));
    assert!(numbered(&id, 0) || numbered(&id, 1), "{id}");
    let outside = Background::start(sandbox.command(&["subscribe", "/test/", "-o", "json", "-n", "2"]));
    outside.says("subscribed to");

    one.tell("/test/a Test::ping from one");
    assert_eq!(event(&receives(&other)), expected("/test/a", "Test::ping", "from one"));
    other.tell("/test/b Test::pong from the other");
    assert_eq!(event(&receives(&one)), expected("/test/b", "Test::pong", "from the other"));
    // Members of the cluster elsewhere hear clients under their own ids, and the other way round.
    for (sender, text) in [(&id, "from one"), (&other_id, "from the other")] {
        let seen: Value = serde_json::from_str(&outside.prints()).expect("one JSON object a line");
        assert_eq!((seen["sender"].as_str(), event(&seen).2.as_str()), (Some(sender.as_str()), text));
    }
    sandbox.expect(0, &["publish", "/test/c", "Test::told", "string:by a member"]);
    for client in [&one, &other] {
        assert_eq!(event(&receives(client)), expected("/test/c", "Test::told", "by a member"));
    }

    one.tell("close");
    let gone = format!("'{id}' (127.0.0.1:");
    sandbox.until(Duration::from_secs(10), "both lines of cluster.log", |s| {
        let log = s.expect(0, &["log", "--grep", "WebSocket client"]).stdout;
        let added = log.contains(") application_name=probe/1.0 subscribed to [/test/]")
            && log.contains(") subscribed to [/more/, /test/]");
        let lost = log.contains(&gone) && log.contains(") application_name=probe/1.0 gone with code 1000");
        if added && lost { Ok(()) } else { Err(log) }
    });
    sandbox.expect(0, &["stop", "manager"]);
    assert_eq!(other.prints(), "closed 1001 Terminating");
}

#[test]
fn tls_and_client_certificates_work_with_python_s_own_tls() {
    let sandbox = Sandbox::new();
    let authority = Authority::new("campus");
    let (ca, _) = authority.0.write(sandbox.path(), "ca");
    let (cert, key) = authority.sign("manager").write(sandbox.path(), "server");
    let (own_cert, own_key) = authority.sign("client").write(sandbox.path(), "client");
    let tls = format!(
        ", tls_options: {{ cert_file: {cert}, key_file: {key}, enable_peer_verification: true, ca_file: {ca} }}"
    );
    sandbox.write_layout(&layout(&sandbox, &tls));
    sandbox.expect(0, &["deploy"]);
    let with_certificate = ["--ca", &ca, "--cert", &own_cert, "--key", &own_key, "--topic", "t"];
    let Some(mut one) = client(&sandbox, "wss", &with_certificate) else { return };
    is_ack(&receives(&one));
    let other = client(&sandbox, "wss", &with_certificate).expect("as before");
    is_ack(&receives(&other));
    one.tell("t/x Test::secret words");
    assert_eq!(event(&receives(&other)), expected("t/x", "Test::secret", "words"));
    for (scheme, args) in [("wss", &["--ca", ca.as_str()][..]), ("ws", &[])] {
        let refused = client(&sandbox, scheme, args).expect("as before").prints();
        assert!(refused.starts_with("failed") || refused.starts_with("closed 1006"), "{scheme}: {refused}");
    }
}

#[test]
fn a_wrong_path_has_404_and_a_wrong_file_is_named_when_the_node_starts() {
    let sandbox = cluster(", tls_options: { cert_file: /nowhere.pem, key_file: /nowhere.key }");
    let deployed = sandbox.run(&["deploy", "--timeout", "8s"]);
    assert_ne!(deployed.status, 0, "{deployed:#?}");
    let said = "Invalid tls_options: cert_file /nowhere.pem: No such file or directory (os error 2)";
    assert!(format!("{}{}", deployed.stdout, deployed.stderr).contains(said), "{deployed:#?}");

    sandbox.write_layout(&layout(&sandbox, ""));
    sandbox.expect(0, &["deploy"]);
    let Some(python) = python_with("websockets") else { return };
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/websocket_client.py"));
    command.arg(format!("ws://127.0.0.1:{}/v1/messages", port(&sandbox)));
    let (status, lines) = Background::start(command).end();
    assert_eq!(status, 0);
    assert!(matches!(&lines[..], [Line::Out(line)] if line.starts_with("failed") && line.contains("404")), "{lines:?}");
}

#[test]
fn who_subscribes_while_the_hub_is_down_is_told_when_it_is_in_effect_and_loses_nothing() {
    let sandbox = Sandbox::new();
    let text = layout(&sandbox, "").replace("  worker: { type: worker }\n", "");
    let (server, plain) = (format!("    websocket: {{ listen_port: {} }}\n", port(&sandbox)), "    type: manager\n");
    assert!(text.contains(&server), "{text}");
    let text = text.replace(&server, "");
    let worker = format!("  worker: {{ type: worker, websocket: {{ listen_port: {} }} }}\n", port(&sandbox));
    sandbox.write_layout(&text.replace(plain, &format!("{plain}  other: {{ type: worker }}\n{worker}")));
    sandbox.expect(0, &["deploy"]);
    // The hub runs in the manager.
    sandbox.expect(0, &["stop", "manager"]);
    let Some(mut client) = client(&sandbox, "ws", &["--topic", "/test/"]) else { return };
    client.tell("/test/early Test::ping said before the answer");
    assert!(client.is_silent(Duration::from_secs(2)), "an acknowledgement would be a promise");
    sandbox.expect(0, &["start", "manager"]);
    is_ack(&receives(&client));
    let outside = Background::start(sandbox.command(&["subscribe", "/test/", "-o", "json", "-n", "1"]));
    outside.says("subscribed to");
    client.tell("/test/late Test::ping said after it");
    let seen: Value = serde_json::from_str(&outside.prints()).expect("one JSON object a line");
    assert_eq!(event(&seen).2, "said after it");
    sandbox.until(Duration::from_secs(20), "what a member says is heard", |sandbox| {
        sandbox.expect(0, &["publish", "/test/told", "Test::told", "string:by a member"]);
        match client.is_silent(Duration::from_millis(500)) {
            true => Err("silence".to_owned()),
            false => Ok(()),
        }
    });
    assert_eq!(event(&receives(&client)), expected("/test/told", "Test::told", "by a member"));
}

#[test]
fn an_event_of_a_worker_reaches_a_client_of_the_manager() {
    let sandbox = cluster("");
    sandbox.expect(0, &["deploy"]);
    let Some(client) = client(&sandbox, "ws", &["--topic", "zeek.cluster.manager"]) else { return };
    is_ack(&receives(&client));
    // Another program takes the worker's place.
    sandbox.expect(0, &["stop", "worker"]);
    let mut sensor = Command::new(example("worker"));
    sensor.arg(sandbox.layout()).args(["worker", "echo", "a packet"]);
    let (status, said) = Background::start(sensor).end();
    assert_eq!(status, 0, "{said:?}");
    assert_eq!(event(&receives(&client)), expected("zeek.cluster.manager", "Sensor::line", "a packet"));
}
