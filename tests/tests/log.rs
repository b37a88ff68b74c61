//! The receipt log of a running node: what a caller holds, what the host keeps, and how a boot ends.
#![allow(clippy::unwrap_used)]

use quoth_attestation::Digest;
use quoth_attestation::commit::Label;
use quoth_attestation::log::checkpoint::LogCheckpoint;
use quoth_attestation::log::frontier::Frontier;
use quoth_attestation::log::head::SignedHead;
use quoth_attestation::log::note::Note;
use quoth_client::{Client, Options, Proven};
use quoth_tests::{Node, chat_body, proven_chat};
use quoth_verifier::{TimeChoice, Verifier};
use rusqlite::Connection;
use serde_json::Value;

async fn ask_for_head(node: &Node, stream: bool) -> Proven {
    let options = Options { head: true, ..Options::default() };
    let body = chat_body("Name a colour.", 6, stream).to_string();
    Client::new(node.policy()).chat(&node.url(), body, options).await.unwrap().finish().await.unwrap()
}

/// The text of the answer's first choice.
fn text(proven: &Proven, stream: bool) -> String {
    let body = String::from_utf8(proven.transcript.response.body.clone()).unwrap();
    let content = |json: &str, part: &str| -> Option<String> {
        let value: Value = serde_json::from_str(json).ok()?;
        Some(value["choices"][0][part]["content"].as_str()?.to_owned())
    };
    match stream {
        false => content(&body, "message").unwrap(),
        true => body.lines().filter_map(|line| content(line.strip_prefix("data: ")?, "delta")).collect(),
    }
}

/// The digests of all receipts of a node, in order.
fn entries(database: &Connection) -> Vec<Digest> {
    let mut rows = database.prepare("SELECT digest FROM receipts ORDER BY seq").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(|digest| Digest(digest.unwrap())).collect()
}

fn root(entries: &[Digest]) -> Digest {
    let mut tree = Frontier::new();
    entries.iter().for_each(|entry| tree.push(entry).unwrap());
    tree.root()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_holds_heads_and_the_host_keeps_the_closed_one() {
    let mut node = Node::start().await;
    let mut held = Vec::new();
    let (mut identity, mut receipts) = (None, Vec::new());
    for stream in [false, true] {
        receipts.push(proven_chat(&node, "Why?", 4, stream).await.exchange.receipt().digest());
        let proven = ask_for_head(&node, stream).await;
        let head = *proven.head.as_ref().unwrap().head();
        let claims = proven.exchange.receipt().claims();
        assert_eq!(head.size(), claims.seq + 1);
        receipts.push(proven.exchange.receipt().digest());
        held.push((head.size(), head.root()));
        let answer = proven.transcript.opening.commit(Label::Answer, text(&proven, stream).as_bytes());
        assert_eq!(claims.exchange.answer, Some(answer));
        let saved = proven.transcript.encode();
        let verified = Verifier::new(node.policy()).verify_transcript(saved.as_bytes(), TimeChoice::Archived).unwrap();
        assert_eq!(verified.head().unwrap().head(), &head);
        identity = Some(verified.node().clone());
    }
    assert!(node.terminate().success(), "{}", node.host_output());

    let database = Connection::open(node.journal_file()).unwrap();
    let entries = entries(&database);
    assert_eq!(entries, receipts);
    for (size, held) in held {
        assert_eq!(root(&entries[..usize::try_from(size).unwrap()]), held);
    }
    let (head, note): (Vec<u8>, String) =
        database.query_row("SELECT head, note FROM heads", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let closed = identity.unwrap().verify_head(&SignedHead::decode(&head).unwrap()).unwrap();
    let closed = *closed.head();
    assert_eq!((closed.size(), closed.root(), closed.is_closed()), (4, root(&entries), true));
    let checkpoint = LogCheckpoint::decode(Note::decode(note.as_bytes()).unwrap().text()).unwrap();
    assert_eq!((checkpoint.node(), checkpoint.size(), checkpoint.root()), (closed.node(), 4, closed.root()));
}
