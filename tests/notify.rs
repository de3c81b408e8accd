//! Messages about incidents, to a program and to HTTP servers.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Authority, Sandbox};

const SOON: Duration = Duration::from_secs(90);

fn layout(notify: &str) -> String {
    format!(
        "name: campus\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: {{ type: manager }}\n  worker: {{ type: worker }}\n\
         notify:\n{notify}"
    )
}

fn kill(sandbox: &Sandbox, node: &str) {
    let pid = sandbox.node(node)["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    kill_process(pid.expect("a pid"), Signal::KILL).expect("it ran");
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a message")).collect()
}

fn phases(messages: &[Value]) -> Vec<&str> {
    messages.iter().filter_map(|message| message["phase"].as_str()).collect()
}

/// Requests that a test server received, and the statuses that it answers with next.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<(HeaderMap, Value)>>>, Arc<Mutex<Vec<StatusCode>>>);

impl Taken {
    fn all(&self) -> Vec<(HeaderMap, Value)> {
        self.0.lock().expect("no reader panics").clone()
    }

    fn router(&self) -> Router {
        let take = async |State(taken): State<Taken>, headers: HeaderMap, body: String| {
            taken.0.lock().expect("no reader panics").push((headers, serde_json::from_str(&body).expect("JSON")));
            taken.1.lock().expect("no reader panics").pop().unwrap_or(StatusCode::OK)
        };
        Router::new().route("/hook", post(take)).with_state(self.clone())
    }
}

/// A server on a port of its own, with TLS when it has a certificate; ends with the runtime.
fn serve(runtime: &tokio::runtime::Runtime, router: Router, tls: Option<openssl::ssl::SslAcceptor>) -> SocketAddr {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("its address");
    runtime.spawn(async move {
        let Some(tls) = tls else {
            axum::serve(listener, router).await.expect("it serves");
            return;
        };
        while let Ok((stream, _)) = listener.accept().await {
            let (router, ssl) = (router.clone(), openssl::ssl::Ssl::new(tls.context()).expect("OpenSSL"));
            tokio::spawn(async move {
                let mut stream = tokio_openssl::SslStream::new(ssl, stream).expect("OpenSSL");
                if std::pin::Pin::new(&mut stream).accept().await.is_ok() {
                    let service = hyper_util::service::TowerToHyperService::new(router);
                    let io = hyper_util::rt::TokioIo::new(stream);
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                }
            });
        }
    });
    address
}

#[test]
fn a_crash_is_told_once_and_its_end_once_and_new_targets_restart_nobody() {
    let sandbox = Sandbox::with_layout(&layout("  pager: { command: [/bin/sh, -c, 'cat >> BASE/told'] }\n"));
    sandbox.expect(0, &["deploy"]);
    let told = sandbox.base().join("told");
    let tested = sandbox.json(0, &["notify", "--test"]);
    assert_eq!((&tested[0]["host"], &tested[0]["target"]), (&Value::from("localhost"), &Value::from("pager")));
    assert!(tested[0]["error"].is_null(), "{tested}");
    assert_eq!(phases(&lines(&told)), ["test"]);

    kill(&sandbox, "worker");
    sandbox.until(SOON, "two messages", |_| {
        let messages = lines(&told);
        if messages.len() >= 3 { Ok(()) } else { Err(format!("{messages:#?}")) }
    });
    kill(&sandbox, "worker");
    let messages = sandbox.until(SOON, "two messages more", |_| {
        let messages = lines(&told);
        if messages.len() >= 5 { Ok(messages) } else { Err(format!("{messages:#?}")) }
    });
    assert_eq!(phases(&messages), ["test", "begin", "end", "begin", "end"]);
    let begin = &messages[1];
    assert_eq!((&begin["cluster"], &begin["host"]), (&Value::from("campus"), &Value::from("localhost")));
    assert_eq!((&begin["incident"], &begin["kind"]), (&Value::from("node worker"), &Value::from("node")));
    assert_eq!(begin["event"]["event"], "crashed");
    assert!(begin["text"].as_str().is_some_and(|text| text.contains("worker crashed: ")), "{begin}");

    let pids = |s: &Sandbox| ["manager", "worker"].map(|node| s.node(node)["pid"].clone());
    let before = pids(&sandbox);
    sandbox.write_layout(&layout("  other: { command: [/bin/false], on: node }\n"));
    sandbox.expect(0, &["deploy"]);
    assert_eq!(pids(&sandbox), before, "no node was restarted");
    let tested = sandbox.json(1, &["notify", "--test"]);
    assert_eq!(tested[0]["error"], "/bin/false: exit status: 1");
    sandbox.expect(1, &["notify", "--test", "--target", "pager"]);
}

#[test]
fn a_server_that_refuses_is_asked_again_and_is_shown_meanwhile() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let taken = Taken::default();
    let address = serve(&runtime, taken.router(), None);
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.base()).expect("the base folder");
    let token = sandbox.path().join("token");
    fs::write(&token, "Bearer hunter2-hunter2\n").expect("a file");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("its mode");
    sandbox.write_layout(&layout(&format!(
        "  chat: {{ http: {{ url: 'http://{address}/hook', format: text, headers: {{ Authorization: {{ file: {} }} }} }}, on: node }}\n",
        token.display()
    )));
    sandbox.expect(0, &["deploy"]);
    // Twice: for 15 s at least.
    taken.1.lock().expect("no reader panics").extend([StatusCode::SERVICE_UNAVAILABLE; 2]);
    kill(&sandbox, "worker");
    sandbox.until(SOON, "a target that fails", |s| {
        let output = s.run(&["status"]);
        let told = output.stderr.contains("cannot send messages to chat") && output.stderr.contains("answers 503");
        if told { Ok(()) } else { Err(format!("{output:#?}")) }
    });
    let all = sandbox.until(SOON, "begin again, and the end", |_| {
        let all = taken.all();
        if all.len() >= 4 { Ok(all) } else { Err(format!("{all:#?}")) }
    });
    let texts: Vec<&str> = all.iter().filter_map(|(_, body)| body["text"].as_str()).collect();
    assert!(texts[0] == texts[1] && texts[1] == texts[2], "what was refused is what is sent again: {texts:?}");
    assert!(texts[2].contains("worker crashed") && texts[3].contains("worker joined"), "{texts:?}");
    assert_eq!(all[0].0["authorization"], "Bearer hunter2-hunter2");
    assert_eq!(all[0].1.as_object().map(serde_json::Map::len), Some(1), "a chat hook gets the text alone");
    sandbox.until(SOON, "both in the record", |s| {
        let words = s.json(0, &["events", "-n", "1000"]);
        let has = |word: &str| words.as_array().is_some_and(|all| all.iter().any(|event| event["event"] == word));
        if has("notify_failed") && has("notify_back") { Ok(()) } else { Err(words.to_string()) }
    });
}

#[test]
fn https_is_spoken_with_those_alone_whose_certificate_holds() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let taken = Taken::default();
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.base()).expect("the base folder");
    let authority = Authority::new("ours");
    let (ca, _) = authority.0.write(sandbox.path(), "ca");
    let server = authority.sign("server");
    let mut tls = openssl::ssl::SslAcceptor::mozilla_intermediate_v5(openssl::ssl::SslMethod::tls_server())
        .expect("OpenSSL works");
    tls.set_certificate(&server.certificate).expect("a certificate");
    tls.set_private_key(&server.key).expect("a key");
    let address = serve(&runtime, taken.router(), Some(tls.build()));
    sandbox.write_layout(&layout(&format!(
        "  trusted: {{ http: {{ url: 'https://{address}/hook', ca_file: {ca} }} }}\n  \
         stranger: {{ http: {{ url: 'https://{address}/hook' }} }}\n"
    )));
    sandbox.expect(0, &["deploy"]);
    let tested = sandbox.json(1, &["notify", "--test"]);
    let error = |target: &str| {
        let rows = tested.as_array().expect("rows");
        rows.iter().find(|row| row["target"] == target).unwrap_or_else(|| panic!("{tested}"))["error"].clone()
    };
    assert!(error("trusted").is_null(), "{tested}");
    assert!(error("stranger").as_str().is_some_and(|why| why.contains("TLS")), "{tested}");
    let all = taken.all();
    assert_eq!(all.len(), 1);
    assert_eq!((&all[0].1["phase"], &all[0].1["cluster"]), (&Value::from("test"), &Value::from("campus")));
}

#[test]
fn mistakes_have_their_places() {
    let sandbox = Sandbox::with_layout(&layout(
        "  both: { command: [/bin/true], http: { url: 'http://h/' } }\n  none: { on: disk }\n  \
         ftp: { http: { url: 'ftp://h/' } }\n  lost: { http: { url: { path: /x } } }\n  rel: { command: [page] }\n  \
         odd: { command: [/bin/true], on: [nodes] }\n",
    ));
    let said = sandbox.run(&["layout", "check"]).stderr;
    for (line, what) in [
        (8, "`both` has both `command` and `http`"),
        (9, "`none` does not say how to send messages"),
        (10, "`url` is no address of an HTTP server"),
        (11, "unknown key `path`"),
        (12, "`command` names no program by its absolute path"),
        (13, "`on` cannot be"),
    ] {
        assert!(said.contains(what) && said.contains(&format!("cluster.yaml:{line}:")), "{line} {what}: {said}");
    }
}
