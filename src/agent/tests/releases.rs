//! Uploads that break off, and releases that are refused.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::harness::*;
use crate::agent::client::ClientError;
use crate::agent::testing::sha256;

#[tokio::test(flavor = "multi_thread")]
async fn half_an_upload_leaves_nothing_and_the_whole_one_follows() {
    let host = Host::new();
    host.start_agent();
    let (content, hash) = (vec![7; 1000], sha256(&[7; 1000]));
    let mut stream = UnixStream::connect(host.dir.agent_socket()).unwrap();
    write!(stream, "PUT /v1/blobs/{hash} HTTP/1.1\r\nHost: agent\r\nContent-Length: 1000\r\n\r\n").unwrap();
    stream.write_all(&content[..300]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    // The agent answers, or closes: both mean that it is done with this upload.
    let _ = stream.read_to_end(&mut Vec::new());
    let client = host.client();
    assert_eq!(client.missing_blobs(std::slice::from_ref(&hash)).await.unwrap(), std::slice::from_ref(&hash));
    assert_eq!(fs::read_dir(host.dir.path().join("blobs")).unwrap().count(), 0);
    client.put_blob(&hash, content.clone().into(), DEADLINE).await.unwrap();
    client.put_blob(&hash, content.into(), DEADLINE).await.unwrap();
    assert!(client.missing_blobs(&[hash]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_announced_is_refused() {
    let host = Host::new();
    host.start_agent();
    let client = host.client();
    let error = client.put_blob(&sha256(b"a"), "b".into(), DEADLINE).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { status: 422, .. }), "{error}");
    let (manifest, _) = release("r1", vec![script("worker-1", "true")]);
    let error = client.put_release(&manifest, DEADLINE).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { status: 409, .. }), "{error}");
    assert!(client.status().await.unwrap().releases.is_empty());
}
