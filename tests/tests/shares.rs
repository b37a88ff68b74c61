//! One caller cannot take the resources that others need: memory, slots, connections, quotes, details.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use quoth_client::{Client, Options as Ask, access_token, token_hash};
use quoth_fake_provider::{Behaviour, Options as Fake, Provider};
use quoth_tests::{House, Http2, Node, bearer, proven_chat};
use serde_json::json;
use tokio::time::{Instant, sleep};

/// The enclave's time limit for a client that reads nothing, plus time for a busy machine.
const STALL: Duration = Duration::from_secs(30);
const SLACK: Duration = Duration::from_secs(30);

const ANSWER: u64 = 1 << 20;

fn question() -> String {
    json!({ "model": "m-1", "messages": [{ "role": "user", "content": "one two" }] }).to_string()
}

fn metric(node: &Node, name: &str) -> u64 {
    let text = node.quoth(&["metrics"]);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < STALL + SLACK, "{what}");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_taken_keep_their_slots_and_memory_until_the_client_has_stalled() {
    let token = access_token("slow").unwrap().to_string();
    let hash = token_hash(&token).unwrap();
    let caller = format!("[[caller]]\nname = \"slow\"\ntoken = \"{hash}\"\nconcurrent = 4\n");
    let provider = Provider::start(Fake { behaviour: Behaviour::LongJson { bytes: ANSWER }, ..Fake::default() });
    let house = House::behind(provider.port(), "openai", provider, &caller).await;
    let authorization = format!("Bearer {}", house.provider.key());
    let fields = [("authorization", &*authorization), ("quoth-token", &*token)];
    let before = metric(&house.node, "quoth_memory_held_bytes");

    // One client reads nothing. The other reads one byte from the connection's buffers.
    for window in [0, 1] {
        let client = Http2::open(&house.node, window).await.unwrap();
        let mut answers = Vec::new();
        for _ in 0..4 {
            let (answer, _) = client.post(Client::CHAT, &fields, Some(question().into())).await.unwrap();
            answers.push(answer.await.unwrap());
            assert_eq!(answers.last().unwrap().status(), 200);
        }
        assert!(metric(&house.node, "quoth_memory_held_bytes") >= before + 4 * ANSWER);
        assert_eq!(metric(&house.node, "quoth_exchange_slots_held"), 4);
        let other = Http2::open(&house.node, 1 << 20).await.unwrap();
        let (answer, _) = other.post(Client::CHAT, &fields, Some(question().into())).await.unwrap();
        assert_eq!(answer.await.unwrap().status(), 429, "its concurrency is used up");

        until("slots come back", || metric(&house.node, "quoth_exchange_slots_held") == 0).await;
        until("memory comes back", || metric(&house.node, "quoth_memory_held_bytes") <= before + (1 << 20)).await;
        let mut headers = bearer(house.provider.key());
        headers.insert("quoth-token", token.parse().unwrap());
        house.ask(Client::CHAT, question(), Ask { headers, ..Ask::default() }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_their_bodies_take_no_slots() {
    let provider = Provider::start(Fake::default());
    let limits = "[limits]\nexchanges = 4\n";
    let house = House::behind(provider.port(), "openai", provider, limits).await;
    let client = Http2::open(&house.node, 1 << 20).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(client.post(Client::CHAT, &[("content-length", "100")], None).await.unwrap());
    }
    let ask = Ask { headers: bearer(house.provider.key()), ..Ask::default() };
    house.ask(Client::CHAT, question(), ask).await.unwrap();
    assert_eq!(metric(&house.node, "quoth_exchange_slots_held"), 0);
    let first = waiting.swap_remove(0).0;
    assert_eq!(first.await.unwrap().status(), 408, "a body that does not come is not waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_at_thirty_kilobytes_a_second_is_slow_and_passes() {
    let node = Node::start().await;
    let client = Http2::open(&node, 1 << 20).await.unwrap();
    let (answer, mut upload) = client.post(Client::CHAT, &[], None).await.unwrap();
    // Longer than the time limit for silence.
    let (rate, seconds) = (30_000, STALL.as_secs() + 5);
    for _ in 0..seconds {
        upload.send_data(Bytes::from(vec![b' '; rate]), false).unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    let body = json!({ "model": Node::MODEL, "messages": [{ "role": "user", "content": "slow" }], "max_tokens": 2 });
    upload.send_data(body.to_string().into(), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_arrive_over_http2_whatever_the_body() {
    let provider = Provider::start(Fake::default());
    let caller = "[[caller]]\nname = \"someone\"\n";
    let house = House::behind(provider.port(), "openai", provider, caller).await;
    // A new connection for every few requests, because later refusals on one connection wait.
    for length in [60, 3_000, 200_000, 60, 3_000, 200_000] {
        let client = Http2::open(&house.node, 1 << 20).await.unwrap();
        for _ in 0..15 {
            let (answer, mut upload) = client.post(Client::CHAT, &[], None).await.unwrap();
            let sent = async {
                let mut rest = Bytes::from(vec![b'x'; length]);
                while !rest.is_empty() {
                    upload.reserve_capacity(rest.len());
                    let room = std::future::poll_fn(|cx| upload.poll_capacity(cx)).await.unwrap().unwrap();
                    let piece = rest.split_to(room.min(rest.len()));
                    upload.send_data(piece, rest.is_empty()).unwrap();
                }
            };
            let (answer, ()) = tokio::join!(answer, sent);
            let mut answer = answer.unwrap();
            assert_eq!(answer.status(), 401);
            let mut body = Vec::new();
            while let Some(piece) = answer.body_mut().data().await {
                body.extend_from_slice(&piece.unwrap());
            }
            assert!(String::from_utf8(body).unwrap().contains("invalid_api_key"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_make_room_and_end() {
    let provider = Provider::start(Fake::default());
    let house = House::behind(provider.port(), "openai", provider, "[limits]\nconnections = 32\n").await;
    let mut idle = Vec::new();
    for _ in 0..32 {
        idle.push(Http2::open(&house.node, 1 << 20).await.unwrap());
    }
    let ask = Ask { headers: bearer(house.provider.key()), ..Ask::default() };
    house.ask(Client::CHAT, question(), ask).await.unwrap();
    until("most have made room", || idle.iter().filter(|client| client.has_ended()).count() >= 28).await;
    until("the rest were idle for too long", || idle.iter().all(Http2::has_ended)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn details_of_one_caller_outlast_those_of_another() {
    let node = Node::start().await;
    let client = Http2::open(&node, 1 << 20).await.unwrap();
    let body =
        json!({ "model": Node::MODEL, "messages": [{ "role": "user", "content": "x" }], "max_tokens": 1 }).to_string();
    let flood = async {
        for _ in 0..40 {
            let asked = join_all(
                (0..8).map(|_| client.post(Client::CHAT, &[("quoth-details", "1")], Some(body.clone().into()))),
            );
            for asked in asked.await {
                let _ = asked.unwrap().0.await.unwrap();
            }
        }
    };
    let ask = Ask { details: true, ..Ask::default() };
    let connection = Client::new(node.policy()).connect(&node.url()).await.unwrap();
    let answer = connection.post(Client::CHAT, body.clone(), ask).await.unwrap();
    flood.await;
    assert!(answer.finish().await.unwrap().transcript.details.is_some());
    proven_chat(&node, "still there?", 4, true).await;
}
