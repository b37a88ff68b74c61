//! A prompt and its answer appear only on the caller's own connection.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, Engine as _};
use quoth_client::{Client, OperatorKey, Options, access_token, token_hash};
use quoth_fake_provider::{Options as Fake, Provider};
use quoth_tests::{House, Node, ask, bearer, chat_body, long_chat_body, proven_chat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

const CANARY: &str = "xylophone-canary-4471-zugzwang";

/// Returns a text unchanged, in hex, and in base64 at each of the three alignments. Leaves out the characters at the edges that
/// depend on neighbouring text.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![text.into(), hex::encode(text).into(), hex::encode_upper(text).into()];
    for skipped in 0..3 {
        let inner = &text.as_bytes()[skipped..];
        let inner = &inner[..inner.len() / 3 * 3];
        forms.push(BASE64_STANDARD.encode(inner).into_bytes());
        forms.push(BASE64_URL_SAFE.encode(inner).into_bytes());
    }
    let letters: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
    forms.push(letters.join(", ").into_bytes());
    forms.push(letters.join(",").into_bytes());
    forms
}

fn contains(bytes: &[u8], form: &[u8]) -> bool {
    let first = form[0];
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(form) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => files(&entry.path(), found),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

/// Reads all readable memory of a process, piece by piece.
fn memory(process: Pid, mut look: impl FnMut(&[u8])) {
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.as_raw_nonzero())).unwrap();
    let memory = fs::File::open(format!("/proc/{}/mem", process.as_raw_nonzero())).unwrap();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with('r'))) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let place = |text| u64::from_str_radix(text, 16).unwrap();
        let mut bytes = vec![0; (place(to) - place(from)) as usize];
        // Some areas of the kernel cannot be read.
        if memory.read_exact_at(&mut bytes, place(from)).is_ok() {
            look(&bytes);
        }
    }
}

/// Returns whether a text is in a process's memory.
fn holds(process: Pid, text: &str) -> bool {
    let mut found = false;
    memory(process, |bytes| found |= forms(text).iter().any(|form| contains(bytes, form)));
    found
}

#[test]
fn the_search_finds_every_form() {
    for form in forms(CANARY) {
        let hidden = [b"before ".to_vec(), form.clone(), b" after".to_vec()].concat();
        assert!(contains(&hidden, &form));
    }
    for before in ["", "a", "ab"] {
        let encoded = BASE64_STANDARD.encode(format!("{before}{CANARY}c").as_bytes());
        assert!(forms(CANARY).iter().any(|form| contains(encoded.as_bytes(), form)), "shifted by {}", before.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_in_no_log_metric_journal_error_or_core() {
    let mut node = Node::start().await;
    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();

    // Every way in which an exchange can end.
    for stream in [false, true] {
        proven_chat(&node, CANARY, 8, stream).await;
    }
    let mut answers = Vec::new();
    for (field, value) in [
        ("model", json!(CANARY)),
        ("temperature", json!(CANARY)),
        ("seed", json!(CANARY)),
        ("stop", json!([CANARY, 7])),
        (CANARY, json!(1)),
        ("response_format", json!({ "type": CANARY })),
        (
            "response_format",
            json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": { CANARY: 1, "type": CANARY } } }),
        ),
        ("logit_bias", json!({ CANARY: 1 })),
        ("messages", json!([{ "role": CANARY, "content": CANARY }])),
        ("messages", json!([{ "role": "user", "content": CANARY.repeat(200) }])),
    ] {
        let mut body = chat_body(CANARY, 4, false);
        body[field] = value;
        answers.push(ask(&node.url(), node.policy(), &body).await.unwrap().transcript.response.body);
    }
    for body in [CANARY.to_owned(), format!("{{\"{CANARY}\":1,\"{CANARY}\":2}}"), format!("[\"{CANARY}\" {CANARY}")] {
        answers.push(node.wire().await.post(Client::CHAT, &[], body.as_bytes()).await.unwrap().body);
    }
    for header in ["quoth-nonce", "quoth-parent", "quoth-x", "content-encoding", "authorization", "cookie", "x-other"] {
        let line = format!("{header}: {CANARY}");
        let body = chat_body("hello", 2, false).to_string();
        answers.push(node.wire().await.post(Client::CHAT, &[&line], body.as_bytes()).await.unwrap().body);
    }
    answers.push(node.wire().await.get(&format!("/{CANARY}?{CANARY}={CANARY}")).await.unwrap().body);
    answers.push(node.wire().await.get(&format!("/v1/receipts/{CANARY}")).await.unwrap().body);
    for (number, answer) in answers.into_iter().enumerate() {
        seen.push((format!("error {number}"), answer));
    }
    // A client that leaves in mid-stream.
    let body = long_chat_body(CANARY).to_string();
    let mut left = Client::new(node.policy()).chat(&node.url(), body.clone(), Default::default()).await.unwrap();
    left.next().await.unwrap();
    drop(left);
    tokio::time::sleep(Duration::from_millis(1500)).await;

    seen.push(("metrics".into(), node.quoth(&["metrics"]).into()));
    seen.push(("status".into(), node.quoth(&["status", "--json"]).into()));
    seen.push(("receipts".into(), node.quoth(&["receipts", "--json"]).into()));

    // An exchange whose enclave crashes.
    let mut lost = Client::new(node.policy()).chat(&node.url(), body, Default::default()).await.unwrap();
    lost.next().await.unwrap();
    kill_process(node.enclave(), Signal::ABORT).unwrap();
    node.wait_for_host(Duration::from_secs(20));

    let folder = node.run_dir();
    let mut left_behind = Vec::new();
    files(folder.parent().unwrap(), &mut left_behind);
    assert!(left_behind.iter().any(|file| file.ends_with("journal.sqlite")));
    assert!(left_behind.iter().any(|file| file.ends_with("enclave.log")));
    for file in left_behind {
        let name = file.display().to_string();
        assert!(!name.contains("/core"), "{name}");
        seen.push((name, fs::read(&file).unwrap()));
    }
    assert!(seen.iter().all(|(_, bytes)| bytes.len() < 64 << 20), "a core file is long");
    for (place, bytes) in &seen {
        for form in forms(CANARY) {
            assert!(!contains(bytes, &form), "the canary is in {place}");
        }
    }
    no_core();
}

/// Returns the place where the kernel would write a core file.
fn no_core() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if !pattern.starts_with('|') {
        let here = std::env::current_dir().unwrap();
        assert!(
            !fs::read_dir(here).unwrap().flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("core"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_tokens_are_in_no_file_and_not_in_the_hosts_memory() {
    let (own, token) = ("sk-canary-of-a-caller-8812", access_token("team").unwrap());
    let caller = format!("[[caller]]\nname = \"team\"\ntoken = \"{}\"\n", token_hash(&token).unwrap());
    let fake = Provider::start(Fake { key: "sk-canary-of-the-operator-8813".into(), ..Fake::default() });
    let held = fake.key().to_owned();
    let mut house = House::behind(fake.port(), "openai", fake, &caller).await;
    house.provision("fake", Some(&held), 1).await.unwrap();
    for stream in [false, true] {
        let body = json!({ "model": "m-1", "messages": [{ "role": "user", "content": "one two" }], "stream": stream });
        let ask = |headers| house.ask(Client::CHAT, body.to_string(), Options { headers, ..Options::default() });
        let status = async |headers| ask(headers).await.unwrap().transcript.response.status;
        assert_eq!(status(bearer(&token)).await, 200);
        let mut headers = bearer(own);
        headers.insert("quoth-token", token.parse().unwrap());
        assert_eq!(status(headers).await, 401, "the provider does not know this key");
    }
    // Other operators' orders, and broken ones.
    let other = OperatorKey::generate().unwrap();
    let mut connection = Client::new(house.node.policy()).connect(&house.node.url()).await.unwrap();
    assert!(connection.provision(&other, "fake", Some(own), 2).await.is_err());

    let secrets = [&held, own, &token];
    let this = Pid::from_raw(std::process::id().cast_signed()).unwrap();
    assert!(secrets.iter().all(|text| holds(this, text)), "the search finds what is there");
    let host = house.node.host();
    for text in secrets {
        assert!(!holds(host, text), "the host's memory has {text}");
    }
    let mut told = vec![house.node.quoth(&["metrics"]), house.node.quoth(&["status", "--json"])];
    told.push(house.node.quoth(&["receipts", "--json"]));
    let mut wire = house.node.wire().await;
    let list = wire.get("/.well-known/quoth/secrets").await.unwrap();
    assert_eq!(list.status, 405, "strangers learn no names");
    told.push(String::from_utf8(list.body).unwrap());
    kill_process(house.node.enclave(), Signal::ABORT).unwrap();
    house.node.wait_for_host(Duration::from_secs(20));
    let mut left_behind = Vec::new();
    files(house.node.run_dir().parent().unwrap(), &mut left_behind);
    let told = told.into_iter().map(String::into_bytes);
    for bytes in told.chain(left_behind.iter().map(|file| fs::read(file).unwrap())) {
        assert!(secrets.iter().all(|text| forms(text).iter().all(|form| !contains(&bytes, form))));
    }
    no_core();
}
