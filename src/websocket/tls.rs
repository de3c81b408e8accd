//! TLS of a server, made and checked once, when listening starts. Source: `websocket.md` 3.

use std::fs;
use std::path::Path;

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::stack::Stack;
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;

use super::error::ListenError;
use super::options::WebSocketTLSOptions;

/// Ciphers below TLS 1.3 when none are named: ECDHE and DHE with AES, as in Zeek.
const DEFAULT_CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
    ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA256:\
    ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA:\
    ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256";
/// Certificates between a client's and an authority's. Source: `websocket.md` 3.
const VERIFY_DEPTH: u32 = 4;
/// Largest file that is read, in octets: the bundles of systems have about 250,000.
const MAX_FILE: u64 = 16 << 20;
/// Where systems keep their authorities, when OpenSSL's own variable `SSL_CERT_FILE` does not say.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// What stands in `ca_file` when it is the certificates themselves.
const PEM: &str = "-----BEGIN CERTIFICATE-----";

/// What connections are accepted with; none for plain text.
pub(super) fn context(options: &WebSocketTLSOptions) -> Result<Option<SslContext>, ListenError> {
    let Some((cert_file, key_file)) = options.files()? else { return Ok(None) };
    let mut context = builder().map_err(|error| ListenError::Tls { reason: reason(&error) })?;
    set_ciphers(&mut context, &options.ciphers)?;
    if !cert_file.is_empty() {
        identify(&mut context, cert_file, key_file)?;
    }
    if options.enable_peer_verification && options.ca_file != "NONE" {
        verify(&mut context, &options.ca_file)?;
    }
    Ok(Some(context.build()))
}

fn builder() -> Result<SslContextBuilder, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::tls_server())?;
    context.set_mode(
        SslMode::AUTO_RETRY
            | SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::RELEASE_BUFFERS,
    );
    context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    context
        .set_options(SslOptions::NO_RENEGOTIATION | SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::NO_COMPRESSION);
    // Clients hold one connection for long: nothing is gained by sessions that are taken up again.
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_options(SslOptions::NO_TICKET);
    Ok(context)
}

fn set_ciphers(context: &mut SslContextBuilder, ciphers: &str) -> Result<(), ListenError> {
    let list = match ciphers {
        "" | "DEFAULT" => DEFAULT_CIPHERS,
        list => list,
    };
    context
        .set_cipher_list(list)
        .map_err(|error| ListenError::Ciphers { ciphers: list.to_owned(), reason: reason(&error) })
}

/// Loads certificate, chain and key.
fn identify(context: &mut SslContextBuilder, cert_file: &str, key_file: &str) -> Result<(), ListenError> {
    let cert_error = |reason: String| ListenError::File { field: "cert_file", path: cert_file.to_owned(), reason };
    let key_error = |reason: String| ListenError::File { field: "key_file", path: key_file.to_owned(), reason };
    let chain = X509::stack_from_pem(&read(cert_file).map_err(cert_error)?)
        .map_err(|error| cert_error(format!("no certificate in PEM: {}", reason(&error))))?;
    let mut chain = chain.into_iter();
    let own = chain.next().ok_or_else(|| cert_error("no certificate in PEM".to_owned()))?;
    // Without a passphrase callback OpenSSL would ask on the terminal.
    let key = PKey::private_key_from_pem_callback(&read(key_file).map_err(key_error)?, |_| Ok(0))
        .map_err(|error| key_error(format!("no private key in PEM without passphrase: {}", reason(&error))))?;
    context.set_certificate(&own).map_err(|error| cert_error(reason(&error)))?;
    for further in chain {
        context.add_extra_chain_cert(further).map_err(|error| cert_error(reason(&error)))?;
    }
    let matches = own.public_key().is_ok_and(|public| public.public_eq(&key));
    if !matches {
        return Err(ListenError::Mismatch { cert_file: cert_file.to_owned(), key_file: key_file.to_owned() });
    }
    context.set_private_key(&key).map_err(|error| key_error(reason(&error)))
}

/// Has clients present a certificate of one of the authorities.
fn verify(context: &mut SslContextBuilder, ca_file: &str) -> Result<(), ListenError> {
    let authorities = authorities(ca_file)?;
    let trust = || -> Result<_, ErrorStack> {
        let (mut store, mut names) = (X509StoreBuilder::new()?, Stack::new()?);
        for authority in authorities {
            names.push(authority.subject_name().to_owned()?)?;
            store.add_cert(authority)?;
        }
        Ok((store.build(), names))
    };
    let (store, names) = trust().map_err(|error| ListenError::Tls { reason: reason(&error) })?;
    context.set_cert_store(store);
    // The system's authorities are too many to be told to each client.
    if !is_system(ca_file) {
        context.set_client_ca_list(names);
    }
    context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    context.set_verify_depth(VERIFY_DEPTH);
    Ok(())
}

fn is_system(ca_file: &str) -> bool {
    matches!(ca_file, "" | "SYSTEM")
}

/// The certificates that clients' ones are verified against.
fn authorities(ca_file: &str) -> Result<Vec<X509>, ListenError> {
    let (pem, path) = match ca_file {
        system if is_system(system) => {
            let path = system_bundle();
            (read(&path), path)
        }
        pem if pem.contains(PEM) => (Ok(pem.as_bytes().to_vec()), "(text)".to_owned()),
        path => (read(path), path.to_owned()),
    };
    let failed = |reason: String| ListenError::File { field: "ca_file", path: path.clone(), reason };
    let authorities = X509::stack_from_pem(&pem.map_err(failed)?).map_err(|error| failed(reason(&error)))?;
    if authorities.is_empty() { Err(failed("no certificate in PEM".to_owned())) } else { Ok(authorities) }
}

fn system_bundle() -> String {
    let named = std::env::var("SSL_CERT_FILE").ok().filter(|path| !path.is_empty());
    let known = || SYSTEM_BUNDLES.into_iter().find(|path| Path::new(path).exists()).map(str::to_owned);
    named.or_else(known).unwrap_or_else(|| SYSTEM_BUNDLES[0].to_owned())
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let meta = fs::metadata(path).map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("not a file".to_owned());
    }
    if meta.len() > MAX_FILE {
        return Err(format!("{} octets are more than {MAX_FILE}", meta.len()));
    }
    fs::read(path).map_err(|error| error.to_string())
}

/// The last thing that OpenSSL says.
fn reason(error: &ErrorStack) -> String {
    let last = error.errors().iter().rev().find_map(|error| error.reason());
    last.map_or_else(|| "OpenSSL gives no reason".to_owned(), str::to_owned)
}
