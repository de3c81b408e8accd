//! TLS: certificates of both sides, ciphers, and what is wrong with a server's files.

use std::pin::Pin;

use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslVerifyMode, SslVersion};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::client::{Raw, Served, within};
use crate::certificates::{Authority, Identity};
use crate::websocket::{ListenError, WebSocketServerOptions, WebSocketTLSOptions};

struct Files {
    folder: TempDir,
    authority: Authority,
    tls: WebSocketTLSOptions,
}

impl Files {
    fn new() -> Files {
        let (folder, authority) = (TempDir::new().unwrap(), Authority::new("test authority"));
        let (cert_file, key_file) = authority.sign("server").write(folder.path(), "server");
        let tls = WebSocketTLSOptions {
            cert_file: Some(cert_file),
            key_file: Some(key_file),
            ..WebSocketTLSOptions::default()
        };
        Files { folder, authority, tls }
    }

    fn served(&self) -> Served {
        Served::with(|options| options.tls_options = self.tls.clone())
    }

    /// A client that trusts the authority and has an identity of its own or none.
    fn client(&self, identity: Option<&Identity>) -> SslContextBuilder {
        let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
        context.set_verify(SslVerifyMode::PEER);
        context.cert_store_mut().add_cert(self.authority.0.certificate.clone()).unwrap();
        if let Some(identity) = identity {
            context.set_certificate(&identity.certificate).unwrap();
            context.set_private_key(&identity.key).unwrap();
        }
        context
    }
}

/// The acknowledgement that a client gets over TLS, and the protocol, or why there is none.
async fn session(served: &Served, context: SslContextBuilder) -> Result<(String, String), String> {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    let stream = within(TcpStream::connect(served.address)).await.unwrap();
    let ssl = Ssl::new(&context.build()).unwrap();
    let mut stream = SslStream::new(ssl, stream).unwrap();
    within(Pin::new(&mut stream).connect()).await.map_err(|error| error.to_string())?;
    let version = format!("{} {}", stream.ssl().version_str(), stream.ssl().current_cipher().map_or("", |c| c.name()));
    let request = format!("ws://{}/v1/messages/json", served.address);
    let client = within(tokio_tungstenite::client_async(request, stream)).await;
    let (mut client, _) = client.map_err(|error| error.to_string())?;
    client.send(Message::text("[]")).await.map_err(|error| error.to_string())?;
    loop {
        match within(client.next()).await.ok_or("the end")? {
            Ok(Message::Text(text)) => {
                client.close(None).await.map_err(|error| error.to_string())?;
                return Ok((text.as_str().to_owned(), version));
            }
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

#[tokio::test]
async fn tls_12_and_13_work_and_a_silent_client_holds_up_nobody() {
    let files = Files::new();
    let served = files.served();
    let _silent: Vec<Raw> = futures_util::future::join_all((0..5).map(|_| Raw::connect(served.address))).await;
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let mut context = files.client(None);
        context.set_max_proto_version(Some(version)).unwrap();
        let (ack, spoken) = session(&served, context).await.unwrap();
        assert!(ack.starts_with(r#"{"type":"ack""#), "{ack}");
        assert_eq!(spoken.starts_with("TLSv1.3"), version == SslVersion::TLS1_3, "{spoken}");
    }
    let mut old = files.client(None);
    old.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    old.set_max_proto_version(Some(SslVersion::TLS1_1)).unwrap();
    session(&served, old).await.unwrap_err();
    // Plain text is no TLS.
    let mut plain = Raw::connect(served.address).await;
    plain.send(b"GET /v1/messages/json HTTP/1.1\r\n\r\n").await;
    let mut answer = Vec::new();
    // How the system ends the connection does not matter.
    let _either = within(plain.0.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"), "{}", answer.escape_ascii());
    served.end().await;
}

#[tokio::test]
async fn clients_must_present_a_certificate_that_verifies() {
    let mut files = Files::new();
    let (authority, _) = files.authority.0.write(files.folder.path(), "authority");
    files.tls.enable_peer_verification = true;
    files.tls.ca_file = authority.clone();
    let known = files.authority.sign("client");
    let stranger = Authority::new("somebody else").sign("client");
    let text = String::from_utf8(files.authority.0.certificate.to_pem().unwrap()).unwrap();
    for ca_file in [authority, text] {
        files.tls.ca_file = ca_file;
        let served = files.served();
        session(&served, files.client(Some(&known))).await.unwrap();
        session(&served, files.client(None)).await.unwrap_err();
        session(&served, files.client(Some(&stranger))).await.unwrap_err();
        assert_eq!(served.servers.figures().servers[0].refused, 2);
        served.end().await;
    }
    files.tls.ca_file = "NONE".to_owned();
    let served = files.served();
    session(&served, files.client(None)).await.unwrap();
    served.end().await;
    // Without verification nobody looks at the file.
    files.tls.enable_peer_verification = false;
    files.tls.ca_file = "/nowhere".to_owned();
    let served = files.served();
    session(&served, files.client(None)).await.unwrap();
    served.end().await;
}

#[tokio::test]
async fn ciphers_are_obeyed_and_anonymous_ones_need_no_certificate() {
    let mut files = Files::new();
    files.tls.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384".to_owned();
    let served = files.served();
    let mut context = files.client(None);
    context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
    assert_eq!(session(&served, context).await.unwrap().1, "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384");
    served.end().await;

    let anonymous = "AECDH-AES256-SHA@SECLEVEL=0:AECDH-AES256-SHA:P-384";
    files.tls = WebSocketTLSOptions {
        cert_file: Some(String::new()),
        key_file: Some(String::new()),
        ca_file: "NONE".to_owned(),
        ciphers: anonymous.to_owned(),
        ..WebSocketTLSOptions::default()
    };
    let served = files.served();
    let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
    context.set_cipher_list(anonymous).unwrap();
    assert_eq!(session(&served, context).await.unwrap().1, "TLSv1.2 AECDH-AES256-SHA");
    served.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_said_at_once() {
    let mut files = Files::new();
    let good = files.tls.clone();
    let (cert, key) = (good.cert_file.clone().unwrap(), good.key_file.clone().unwrap());
    let served = Served::start();
    let mut refused = |change: &dyn Fn(&mut WebSocketTLSOptions)| -> ListenError {
        files.tls = good.clone();
        change(&mut files.tls);
        let mut options = WebSocketServerOptions::new(std::net::Ipv4Addr::LOCALHOST.into(), 0);
        options.tls_options = files.tls.clone();
        served.servers.listen_websocket(options).unwrap_err()
    };
    let error = refused(&|tls| tls.key_file = None);
    assert_eq!(error.to_string(), "Invalid tls_options: No key_file field");
    let error = refused(&|tls| tls.cert_file = None);
    assert_eq!(error.to_string(), "Invalid tls_options: No cert_file field");
    let error = refused(&|tls| tls.cert_file = Some("/nowhere.pem".to_owned()));
    assert_eq!(
        error.to_string(),
        "Invalid tls_options: cert_file /nowhere.pem: No such file or directory (os error 2)"
    );
    let error = refused(&|tls| tls.cert_file = Some(key.clone()));
    assert_eq!(error.to_string(), format!("Invalid tls_options: cert_file {key}: no certificate in PEM"));
    let error = refused(&|tls| tls.key_file = Some(cert.clone())).to_string();
    assert!(error.starts_with(&format!("Invalid tls_options: key_file {cert}: no private key in PEM")), "{error}");
    let (_, other) = Authority::new("x").sign("y").write(std::path::Path::new(&cert).parent().unwrap(), "other");
    let error = refused(&|tls| tls.key_file = Some(other.clone()));
    assert_eq!(error.to_string(), format!("Invalid tls_options: key_file {other} is not the key of cert_file {cert}"));
    let error = refused(&|tls| tls.ciphers = "NO-SUCH-CIPHER".to_owned()).to_string();
    assert!(error.starts_with("Invalid tls_options: ciphers NO-SUCH-CIPHER: no cipher match"), "{error}");
    let error = refused(&|tls| {
        tls.enable_peer_verification = true;
        tls.ca_file = "/dev/null".to_owned();
    });
    assert_eq!(error.to_string(), "Invalid tls_options: ca_file /dev/null: not a file");
    served.end().await;
}
