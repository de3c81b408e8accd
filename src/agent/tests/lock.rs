//! The cluster's lock as its holders and everybody else see it on the socket.

use std::time::Duration;

use super::harness::*;
use crate::agent::client::{AgentClient, ClientError, JsonLines};
use crate::api::agent::{Holder, LockEvent, Renewal, RunEnd};

fn holder(run: &str) -> Holder {
    Holder { run: run.into(), operator: "ana@ops1".into(), pid: 4711, command: "deploy".into(), since: 0.0, step: None }
}

async fn next(events: &mut JsonLines<LockEvent>) -> LockEvent {
    let event = tokio::time::timeout(DEADLINE, events.next()).await.expect("in time");
    event.expect("a line").expect("a lock's event")
}

async fn take(client: &AgentClient, run: &str) -> JsonLines<LockEvent> {
    let mut events = client.lock(&holder(run), DEADLINE).await.unwrap();
    assert_eq!(next(&mut events).await, LockEvent::Granted);
    events
}

fn status_of(answer: Result<(), ClientError>) -> u16 {
    match answer {
        Err(ClientError::Refused { status, .. }) => status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_ends_with_its_connection_and_every_answer_names_its_holder_until_then() {
    let host = Host::new();
    host.start_agent();
    let (first, second) = (host.client().with_run("a"), host.client().with_run("b"));
    second.status().await.unwrap();
    assert_eq!(second.writer(), None);

    let lease = take(&first, "a").await;
    first.renew_lock(&Renewal { run: "a".into(), step: Some("staging".into()) }).await.unwrap();
    second.status().await.unwrap();
    let seen = second.writer().expect("a holder");
    assert_eq!((seen.run.as_str(), seen.step.as_deref()), ("a", Some("staging")));
    assert!(seen.since > 1e9, "by the clock of the agent");
    let mut refused = second.lock(&holder("b"), Duration::ZERO).await.unwrap();
    assert!(matches!(next(&mut refused).await, LockEvent::Held(Holder { run, .. }) if run == "a"));
    assert_eq!(status_of(second.renew_lock(&Renewal { run: "b".into(), step: None }).await), 409);

    // As the end of the holder's process does.
    drop(lease);
    let _lease = take(&second, "b").await;
    let end = RunEnd { run: "b".into(), ending: "ok".into(), release: None, error: None, late: Vec::new() };
    second.end_lock(&end).await.unwrap();
    second.status().await.unwrap();
    assert_eq!(second.writer(), None);

    let entries = second.history(Some("b"), 10).await.unwrap();
    let requests: Vec<&str> = entries.iter().map(|entry| entry.request.as_str()).collect();
    assert_eq!(requests, ["POST /v1/lock", "POST /v1/lock/end"]);
    assert_eq!(entries[0].holder.as_ref().map(|holder| holder.command.as_str()), Some("deploy"));
    assert_eq!(entries[1].end, Some(end));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_is_told_who_took_its_lock() {
    let host = Host::new();
    host.start_agent();
    let mut lease = take(&host.client(), "a").await;
    assert_eq!(status_of(host.client().take_lock_away("b").await), 409);
    host.client().take_lock_away("a").await.unwrap();
    assert_eq!(next(&mut lease).await, LockEvent::Lost("unlocked by op@desk".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_keeps_somebodys_lock_is_not_ended_by_anybody_else() {
    let host = Host::new();
    host.start_agent();
    let _lease = take(&host.client().with_run("a"), "a").await;
    assert_eq!(status_of(host.client().with_run("b").exit().await), 423);
    assert_eq!(status_of(host.client().exit().await), 423);
    host.client().with_run("a").exit().await.unwrap();
}
