//! Failures on the host's side: no acknowledged receipt is lost, and missing receipts are visible.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use quoth_client::Client;
use quoth_tests::{Node, Options, Wire, ask, chat_body, journal, long_chat_body, proven_chat, verify_journal};
use quoth_verifier::Gap;
use rusqlite::Connection;
use rustix::process::{Signal, kill_process};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_in_mid_stream_comes_back_to_the_living_enclave() {
    let mut node = Node::start().await;
    let mut known = Vec::new();
    for number in 0..5 {
        let proven = proven_chat(&node, &format!("number {number}"), 4, true).await;
        known.push(proven.exchange.receipt().claims().cti.to_string());
    }
    let (before, enclave) = (journal(&node).await, node.enclave());
    assert_eq!(before.receipts.len(), 5);

    let body = long_chat_body("a long one").to_string();
    let mut cut = Client::new(node.policy()).chat(&node.url(), body, Default::default()).await.unwrap();
    cut.next().await.unwrap().unwrap();
    node.kill_host();
    let error = loop {
        match cut.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cut stream was believed"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "stream.cut");
    assert!(node.enclave_lives(), "the enclave outlives its host for a while");

    node.restart_host().await;
    assert_eq!(node.enclave(), enclave, "the same enclave");
    let proven = proven_chat(&node, "and again", 4, true).await;
    known.push(proven.exchange.receipt().claims().cti.to_string());

    let after = journal(&node).await;
    let ids = after.ids();
    for id in known {
        assert!(ids.contains(&id), "a receipt was lost");
    }
    assert_eq!(after.receipts.len(), 7, "five, the cut one, and the last");
    assert!(after.whole, "{}", after.raw);
    let chain = verify_journal(&node, proven.exchange.receipt().node()).unwrap();
    assert!(chain.is_whole() && chain.receipts() == 7, "{chain:?}");
    assert_eq!(after.outcomes().iter().filter(|outcome| **outcome == "client_closed").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_receipt_is_visible() {
    let mut node = Node::start().await;
    for number in 0..3 {
        proven_chat(&node, &format!("number {number}"), 2, false).await;
    }
    let last = proven_chat(&node, "number 3", 2, false).await;
    assert!(journal(&node).await.whole);
    node.stop();
    let database = Connection::open(node.journal_file()).unwrap();
    let gone = database.execute("DELETE FROM receipts WHERE seq = 2", []).unwrap();
    assert_eq!(gone, 1);
    drop(database);
    let journal = journal(&node).await;
    assert_eq!(journal.receipts.len(), 3);
    assert!(!journal.whole, "{}", journal.raw);
    let chain = verify_journal(&node, last.exchange.receipt().node()).unwrap();
    assert_eq!((chain.receipts(), chain.gaps()), (3, &[Gap { first: 2, count: 1 }][..]));
    // A journal with exchanged receipts has no valid chain.
    let database = Connection::open(node.journal_file()).unwrap();
    let swap = "UPDATE receipts SET cose = (SELECT cose FROM receipts WHERE seq = 0) WHERE seq = 1";
    assert_eq!(database.execute(swap, []).unwrap(), 1);
    assert_eq!(verify_journal(&node, last.exchange.receipt().node()).unwrap_err().code(), "chain.order");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_the_node_answers_503_and_recovers() {
    let node = Node::start().await;
    proven_chat(&node, "before", 2, false).await;
    // Another process holds the write lock, so the host cannot store receipts.
    let database = Connection::open(node.journal_file()).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    let refused = loop {
        let body = chat_body("during", 2, false).to_string();
        let answer = node.wire().await.post(Client::CHAT, &[], body.as_bytes()).await.unwrap();
        if answer.status == 503 {
            break answer;
        }
        assert_eq!(answer.status, 200);
        assert!(began.elapsed() < Duration::from_secs(60), "still admitted without a journal");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("journal_unavailable", Some("1")));
    assert!(refused.header("quoth-receipt").is_none());
    assert_eq!(node.wire().await.get("/healthz").await.unwrap().status, 503);
    database.execute_batch("ROLLBACK").unwrap();
    let began = Instant::now();
    while ask(&node.url(), node.policy(), &chat_body("after", 2, false)).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "it did not recover");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let journal = journal(&node).await;
    assert!(journal.whole, "what was signed meanwhile was sent again: {}", journal.raw);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_is_a_503_and_loses_nothing() {
    let node = Node::with(Options { file_limit: Some(2048), ..Options::default() }).await;
    let mut answered = Vec::new();
    let mut wire = node.wire().await;
    let refused = loop {
        let answer = wire.post(Client::CHAT, &[], chat_body("Why?", 1, false).to_string().as_bytes()).await.unwrap();
        match answer.status {
            200 => answered.push(answer.json()["id"].as_str().unwrap().to_owned()),
            _ => break answer,
        }
        assert!(answered.len() < 5000, "it is never full");
    };
    assert_eq!((refused.status, refused.code().as_str()), (503, "journal_unavailable"));
    assert!(answered.len() > 50, "there was room for many: {}", answered.len());
    assert!(node.enclave_lives() && node.host_output().contains("the node refuses requests"), "{}", node.host_output());

    node.lift_file_limit();
    let began = Instant::now();
    while ask(&node.url(), node.policy(), &chat_body("after", 2, false)).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "it did not recover");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let journal = journal(&node).await;
    assert!(journal.whole, "{}", journal.raw);
    let stored = journal.ids();
    assert!(
        answered.iter().all(|id| stored.iter().any(|stored| id.ends_with(stored))),
        "what was answered was stored in the end"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_enclave_ends_the_host_with_an_error() {
    let mut node = Node::start().await;
    proven_chat(&node, "before", 2, false).await;
    kill_process(node.enclave(), Signal::KILL).unwrap();
    let status = node.wait_for_host(Duration::from_secs(10));
    assert_eq!(status.code(), Some(3), "{}", node.host_output());
    assert!(node.host_output().to_lowercase().contains("enclave"), "{}", node.host_output());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_lets_what_runs_come_to_its_end() {
    let mut node = Node::start().await;
    let (url, policy) = (node.url(), node.policy());
    let body = chat_body("a long one", 300, true);
    let mut running = Client::new(policy).chat(&url, body.to_string(), Default::default()).await.unwrap();
    running.next().await.unwrap().unwrap();
    kill_process(node.host(), Signal::INT).unwrap();
    let proven = running.finish().await.unwrap();
    assert_eq!(node.wait_for_host(Duration::from_secs(40)).code(), Some(0), "{}", node.host_output());
    assert!(!node.enclave_lives());
    let id = proven.exchange.receipt().claims().cti.to_string();
    assert!(journal(&node).await.ids().contains(&id), "its receipt was stored before the end");
    assert!(Wire::open(node.port(), &node.run_dir().join("ca.pem")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_on_the_same_folder_is_refused() {
    let node = Node::start().await;
    let output = quoth_tests::command("quoth")
        .args(["up", "--listen", "127.0.0.1:0", "--run-dir"])
        .arg(node.run_dir())
        .output()
        .unwrap();
    assert!(!output.status.success());
    proven_chat(&node, "undisturbed", 2, false).await;
}
