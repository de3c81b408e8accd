//! One message to one target: a program's standard input, or an HTTP POST. Every failure is a sentence.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use openssl::ssl::{SslConnector, SslMethod};
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::api::notify::{Notice, NotifyFormat, NotifyHttp, NotifyText, NotifyWay};

/// How long one delivery may take, all in all.
const WITHIN: Duration = Duration::from_secs(10);

/// The most that a program may say about its failure.
const MAX_OUTPUT: u64 = 4096;

/// The most that a file with a secret, or with authorities, may hold.
const MAX_FILE: u64 = 16 << 20;

/// Where systems keep their authorities, when OpenSSL's own variable `SSL_CERT_FILE` does not say.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Delivers it, or says why not.
pub async fn deliver(way: &NotifyWay, notice: &Notice) -> Result<(), String> {
    let delivered = async {
        match way {
            NotifyWay::Command(command) => run(command, notice).await,
            NotifyWay::Http(http) => post(http, notice).await,
        }
    };
    match tokio::time::timeout(WITHIN, delivered).await {
        Ok(ended) => ended,
        Err(_) => Err(format!("not delivered within {} s", WITHIN.as_secs())),
    }
}

async fn run(command: &[String], notice: &Notice) -> Result<(), String> {
    let [program, arguments @ ..] = command else { return Err("names no program".to_owned()) };
    let mut text = serde_json::to_vec(notice).map_err(|error| error.to_string())?;
    text.push(b'\n');
    let mut command = Command::new(program);
    // A group of its own, so that a signal to the agent's does not reach it; ended when the deadline passes.
    command.args(arguments).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{program} cannot be started: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read is judged by its exit status.
        let _ = input.write_all(&text).await;
    }
    let mut said = Vec::new();
    if let Some(errors) = child.stderr.take() {
        let mut errors = errors.take(MAX_OUTPUT);
        // What it said is for the message alone.
        let _ = errors.read_to_end(&mut said).await;
    }
    let status = child.wait().await.map_err(|error| format!("{program}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Err(format!("{program}: {status}{}", last.map(|line| format!(": {line}")).unwrap_or_default()))
}

async fn post(http: &NotifyHttp, notice: &Notice) -> Result<(), String> {
    let url = read(&http.url)?;
    // The address may be the secret: it is named by its host alone.
    let url = Url::parse(&url).map_err(|error| format!("its url cannot be read: {error}"))?;
    let host = url.host_str().ok_or("its url has no host")?.to_owned();
    let port = url.port_or_known_default().ok_or("its url has no port")?;
    let request = request(http, &url, &host, notice)?;
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((name, port)).await.map_err(|error| format!("{host}:{port}: {error}"))?;
    let status = match url.scheme() {
        "https" => send(encrypt(stream, name, http.ca_file.as_deref()).await?, request).await,
        _ => send(stream, request).await,
    };
    match status.map_err(|error| format!("{host}:{port}: {error}"))? {
        status if status.is_success() => Ok(()),
        status => Err(format!("{host}:{port} answers {status}")),
    }
}

fn request(http: &NotifyHttp, url: &Url, host: &str, notice: &Notice) -> Result<Request<Full<Bytes>>, String> {
    let body = match http.format {
        NotifyFormat::Json => serde_json::to_vec(notice),
        NotifyFormat::Text => serde_json::to_vec(&serde_json::json!({ "text": notice.text })),
    };
    let body = body.map_err(|error| error.to_string())?;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut request = Request::post(path)
        .header(HOST, authority)
        .header(USER_AGENT, concat!("zeek-cluster/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json");
    for (name, value) in &http.headers {
        let mut value =
            HeaderValue::from_str(&read(value)?).map_err(|_| format!("header {name} has no valid value"))?;
        value.set_sensitive(true);
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name} is no name of a header"))?;
        request = request.header(name, value);
    }
    request.body(Full::new(body.into())).map_err(|error| error.to_string())
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the sender; what it says is said by the answer too.
    let driving = tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    driving.abort();
    Ok(answer?.status())
}

async fn encrypt(
    stream: TcpStream,
    host: &str,
    ca_file: Option<&Path>,
) -> Result<tokio_openssl::SslStream<TcpStream>, String> {
    let prepare = || {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        let named = std::env::var("SSL_CERT_FILE").ok();
        let known = || SYSTEM_BUNDLES.into_iter().find(|path| Path::new(path).exists());
        match (ca_file, named.as_deref().or_else(known)) {
            (Some(file), _) => builder.set_ca_file(file)?,
            (None, Some(file)) => builder.set_ca_file(file)?,
            (None, None) => {}
        }
        builder.build().configure()?.into_ssl(host)
    };
    let ssl = prepare().map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let mut stream = tokio_openssl::SslStream::new(ssl, stream).map_err(|error| error.to_string())?;
    let done = std::pin::Pin::new(&mut stream).connect().await;
    done.map_err(|error| format!("{host}: TLS: {error}{}", verdict(&stream)))?;
    Ok(stream)
}

/// Names the problem with the server's certificate, if there was one.
fn verdict(stream: &tokio_openssl::SslStream<TcpStream>) -> String {
    match stream.ssl().verify_result() {
        openssl::x509::X509VerifyResult::OK => String::new(),
        wrong => format!(" ({wrong})"),
    }
}

/// A text, from where it is kept; no error shows it.
fn read(text: &NotifyText) -> Result<String, String> {
    match text {
        NotifyText::Value(value) => Ok(value.clone()),
        NotifyText::Env { env } => {
            std::env::var(env).map_err(|_| format!("the agent has no variable {env} in its environment"))
        }
        NotifyText::File { file } => read_file(file).map_err(|why| format!("{}: {why}", file.display())),
    }
}

/// The first line of a file that only its owner may read.
fn read_file(path: &Path) -> Result<String, String> {
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if metadata.mode() & 0o077 != 0 {
        return Err(format!("others may read it (mode {:o}): chmod 600", metadata.mode() & 0o777));
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() { Err("its first line is empty".to_owned()) } else { Ok(line.to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::agent::notify::outbox::{Sender, blank};
    use crate::api::notify::NoticePhase;

    fn notice() -> Notice {
        let sender = Sender { cluster: "campus".into(), host: "head".into() };
        Notice { text: "hello".into(), ..blank(NoticePhase::Test, 1.0, &sender) }
    }

    fn shell(script: &str) -> NotifyWay {
        NotifyWay::Command(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
    }

    #[tokio::test]
    async fn a_program_gets_the_message_and_is_judged_by_its_status() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("got");
        deliver(&shell(&format!("cat > {}", path.display())), &notice()).await.unwrap();
        let got: Notice = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(got, notice());
        let refused = deliver(&shell("echo first >&2; echo no line >&2; exit 3"), &notice()).await.unwrap_err();
        assert_eq!(refused, "/bin/sh: exit status: 3: no line");
        let missing = NotifyWay::Command(vec!["/nowhere/at-all".into()]);
        assert!(deliver(&missing, &notice()).await.unwrap_err().starts_with("/nowhere/at-all cannot be started"));
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "hunter2\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let text = NotifyText::File { file: path.clone() };
        let refused = read(&text).unwrap_err();
        assert!(refused.contains("mode 644") && !refused.contains("hunter2"), "{refused}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&text).unwrap(), "hunter2");
        assert!(!format!("{:?}", NotifyText::Value("hunter2".into())).contains("hunter2"));
    }
}
