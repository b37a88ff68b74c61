//! Tests of exchanges: receipts, streams, what came back.
#![allow(clippy::unwrap_used)]

mod log;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use bytes::Bytes;
use http::HeaderMap;
use proptest::collection::vec;
use proptest::prelude::*;
use quoth_attestation::checkpoint::Checkpoint;
use quoth_attestation::commit::{Label, Opening};
use quoth_attestation::cose::Signed;
use quoth_attestation::receipt::{Credential, Ending, Execution, Method, Outcome, Receipt, Status, Target};
use quoth_attestation::record::{Kind, Piece, Splitter};
use quoth_attestation::statement::ShortText;
use quoth_attestation::transcript::Details;
use quoth_attestation::{Digest, ExchangeId, FormatError};
use tokio::sync::mpsc;

use super::{End, Exchange, IncomingRequest, Noted, Piece as Part, Pieces, ProofOptions, Streamed};
use crate::callers::Admitted;
use crate::config::Config;
use crate::hold::Hold;
use crate::node::Node;
use crate::shares::Party;
use crate::tls;
use crate::upstream::{CachedCounts, Key, Received, Seen, Upstreams};

const BODY: &[u8] = b"{\"model\":\"m\"}";

/// A node without models on platform `none`, its journal attached.
fn node() -> Arc<Node> {
    let file = format!(
        "version = 1\nplatform = \"none\"\ntls_names = [\"localhost\"]\n[[model]]\nname = \"m\"\nsha256 = \"{}\"\nsize = 1\n\
         context = 16\nparallel = 1\nthreads = 1\n",
        "00".repeat(32)
    );
    made(Config::parse(file.into_bytes()).unwrap())
}

fn made(config: Config) -> Arc<Node> {
    let tls = tls::make(&config.settings.tls_names).unwrap();
    let link = quoth_link::Address::parse("unix:nowhere").unwrap();
    let upstreams = Upstreams::new(&config.settings, &link).unwrap();
    let node = Arc::new(Node::make(&config, Vec::new(), upstreams, &tls).unwrap());
    node.journal.attach();
    node
}

fn asked() -> IncomingRequest {
    IncomingRequest {
        method: "POST".try_into().unwrap(),
        target: "/v1/chat/completions".try_into().unwrap(),
        body: Bytes::from_static(BODY),
        proof: ProofOptions::default(),
        passed: HeaderMap::new(),
        key: None,
        cache: quoth_engine::CacheScope::new(),
        received: crate::clock::millis(),
    }
}

fn hold(node: &Node) -> Arc<Hold> {
    Hold::new(node.budgets.account(Party::Connection(0)), Admitted::default(), 0).unwrap()
}

fn begin(node: &Arc<Node>) -> Exchange {
    Exchange::begin(&node.notary, node.journal.reserve().unwrap(), hold(node), &asked()).unwrap()
}

/// A node in front of a provider that has every model, its journal attached.
fn proxy() -> Arc<Node> {
    let file = "version = 1\nplatform = \"none\"\ntls_names = [\"localhost\"]\n[[upstream]]\nname = \"p\"\n\
                host = \"p.example\"\napi = \"openai\"\nmodels = [\"*\"]\n";
    made(Config::parse(file.into()).unwrap())
}

fn receipt_of(node: &Node, id: &str) -> Signed<Receipt> {
    Signed::decode(&node.notary.ledger.recent(id.parse().unwrap()).unwrap()).unwrap()
}

#[test]
fn receipts_form_a_chain_from_the_statement_on() {
    let node = node();
    let mut prev = node.identity.digest();
    for seq in 0..3 {
        let exchange = begin(&node);
        let id = exchange.id();
        let mut headers = HeaderMap::new();
        exchange.answer(200, b"{}", Outcome::Complete, &mut headers).unwrap();
        let receipt = receipt_of(&node, &id);
        let claims = receipt.claims();
        assert_eq!((claims.seq, claims.prev, claims.node), (seq, prev, node.identity.digest()));
        let sent = BASE64_URL_SAFE_NO_PAD.decode(headers["quoth-receipt"].to_str().unwrap()).unwrap();
        assert_eq!(sent, receipt.bytes());
        let opening = BASE64_URL_SAFE_NO_PAD.decode(headers["quoth-opening"].to_str().unwrap()).unwrap();
        let opening = Opening::new(opening.try_into().unwrap());
        assert_eq!(claims.exchange.request, opening.commit(Label::Request, BODY));
        assert_eq!(claims.exchange.response, opening.commit(Label::Response, b"{}"));
        assert_eq!(claims.iat, claims.times.last_byte() / 1000);
        let key = UnparsedPublicKey::new(&ED25519, node.notary.ledger.public_key());
        key.verify(receipt.to_be_signed(), receipt.signature()).unwrap();
        prev = receipt.digest();
    }
    assert_eq!(node.journal.unacknowledged(), 3);
    assert_eq!(node.journal.running(), 0);
}

#[test]
fn a_receipt_that_cannot_be_made_takes_no_place_in_the_chain() {
    let node = node();
    let place = node.journal.reserve().unwrap();
    let refused = FormatError::OutOfRange { field: "status", expected: "100 to 999" };
    let issued = node.notary.ledger.issue(place, ExchangeId([7; 16]), false, |seq, prev| {
        assert_eq!((seq, prev), (0, node.identity.digest()));
        Err(refused.clone())
    });
    assert_eq!(issued.err(), Some(refused));
    assert!(begin(&node).answer(99, b"", Outcome::Refused, &mut HeaderMap::new()).is_err());
    assert_eq!((node.journal.running(), node.journal.unacknowledged()), (0, 0), "no place of the journal is lost");
    let exchange = begin(&node);
    let id = exchange.id();
    exchange.answer(200, b"{}", Outcome::Refused, &mut HeaderMap::new()).unwrap();
    let receipt = receipt_of(&node, &id);
    assert_eq!((receipt.claims().seq, receipt.claims().prev), (0, node.identity.digest()));
}

#[test]
fn a_request_that_was_executed_in_part_has_failed_and_is_not_refused() {
    let node = proxy();
    let exchange = hides(&node);
    let id = exchange.id();
    exchange.answer(503, b"{}", Outcome::Refused, &mut HeaderMap::new()).unwrap();
    let receipt = receipt_of(&node, &id);
    assert!(matches!(receipt.claims().execution, Some(Execution::Upstream(_))));
    assert_eq!(receipt.claims().exchange.outcome, Outcome::UpstreamFailed);
    for outcome in [Outcome::Complete, Outcome::ClientClosed, Outcome::Length] {
        let exchange = answered(&node, false);
        let id = exchange.id();
        exchange.answer(200, b"{}", outcome, &mut HeaderMap::new()).unwrap();
        assert_eq!(receipt_of(&node, &id).claims().exchange.outcome, outcome);
    }
}

/// What a request asks for, and what its provider answers.
#[derive(Debug)]
struct Talk {
    method: String,
    target: String,
    model: String,
    answered: String,
    request_id: Option<String>,
    usage: (u64, u64),
    status: u16,
    streamed: bool,
    retries: u8,
    received: u64,
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![8 => ".{0,40}", 4 => "[a-z]{250,262}", 1 => "[a-z]{9000}"]
}

prop_compose! {
    fn talks()(
        (method, target) in ("[A-Z]{1,20}|.{0,4}", "/[ -~]{0,40}|/[a-z]{2040,2055}"),
        (model, answered, request_id) in (texts(), texts(), proptest::option::of(texts())),
        usage: (u64, u64),
        status in prop_oneof![8 => 100..1000u16, 1 => any::<u16>()],
        (streamed, retries) in (any::<bool>(), 0..6u8),
        received in prop_oneof![Just(0), Just(1 << 62), any::<u64>()],
    ) -> Talk {
        Talk { method, target, model, answered, request_id, usage, status, streamed, retries, received }
    }
}

/// Does what the API does, from the request read whole to the receipt; none where the API refuses before that.
fn told(node: &Arc<Node>, talk: &Talk) -> Option<Result<String, FormatError>> {
    let asked = IncomingRequest {
        method: Method::new(talk.method.as_str()).ok()?,
        target: Target::new(talk.target.as_str()).ok()?,
        received: talk.received,
        ..asked()
    };
    let model = ShortText::new(talk.model.as_str()).ok()?;
    let mut exchange = Exchange::begin(&node.notary, node.journal.reserve().unwrap(), hold(node), &asked).unwrap();
    let id = exchange.id();
    let route = node.upstreams.route(&model).unwrap();
    let key = Key::held("sk".to_owned().into());
    if let Some(forward) = route.upstream.request("/v1/chat/completions", &asked.passed, &key, asked.body.clone()) {
        exchange.forwards(&route, &forward, false, Credential::Operator);
    }
    (0..talk.retries).for_each(|_| exchange.retries());
    exchange.answers(talk.request_id.as_deref(), false);
    let (prompt, completion) = talk.usage;
    let answer = serde_json::json!({
        "model": talk.answered, "usage": { "prompt_tokens": prompt, "completion_tokens": completion },
    });
    let mut seen = Seen::default();
    seen.note(answer.to_string().as_bytes());
    exchange.note(Noted::Upstream { received: Vec::new(), seen: Some(seen) });
    let issued = match talk.streamed {
        true => {
            exchange.streams();
            exchange.wrote(b"data: a\n\n");
            exchange.checkpoint();
            exchange.end_stream(Outcome::Complete, Ending::Terminal).map(drop)
        }
        false => exchange.answer(talk.status, answer.to_string().as_bytes(), Outcome::Complete, &mut HeaderMap::new()),
    };
    Some(issued.map(|()| id))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_is_asked_and_answered_receipts_decode_and_the_chain_goes_on(talks in vec(talks(), 1..24)) {
        let node = proxy();
        let (mut seq, mut prev) = (0, node.identity.digest());
        for talk in &talks {
            match told(&node, talk) {
                Some(Ok(id)) => {
                    let receipt = receipt_of(&node, &id);
                    prop_assert_eq!((receipt.claims().seq, receipt.claims().prev), (seq, prev));
                    (seq, prev) = (seq + 1, receipt.digest());
                }
                Some(Err(_)) => prop_assert!(!talk.streamed && Status::new(talk.status).is_err(), "{:?}", talk),
                None => {}
            }
            prop_assert_eq!((node.journal.unacknowledged() as u64, node.journal.running()), (seq, 0));
        }
    }
}

/// An exchange whose provider is about to answer. `hides`: its counts are hidden.
fn answered(node: &Arc<Node>, hides: bool) -> Exchange {
    let mut asked = asked();
    asked.proof.details = true;
    let mut exchange = Exchange::begin(&node.notary, node.journal.reserve().unwrap(), hold(node), &asked).unwrap();
    let route = node.upstreams.route(&ShortText::new("m").unwrap()).unwrap();
    let key = Key::held("sk".to_owned().into());
    let forward = route.upstream.request("/v1/chat/completions", &asked.passed, &key, asked.body).unwrap();
    exchange.forwards(&route, &forward, false, Credential::Operator);
    exchange.answers(None, hides);
    exchange
}

/// The same, its counts hidden.
fn hides(node: &Arc<Node>) -> Exchange {
    answered(node, true)
}

/// What the receipt says that came back, as it is committed to, and what the details say.
fn came_back(node: &Node, opening: &Opening, id: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let receipt = receipt_of(node, id);
    let Some(Execution::Upstream(upstream)) = &receipt.claims().execution else { panic!("no provider") };
    assert_eq!(upstream.received, opening.commit(Label::UpstreamResponse, bytes));
    let details = node.notary.details.take(id.parse().unwrap(), &opening.details_credential()).unwrap();
    let Details::Upstream(details) = Details::decode(&details).unwrap() else { panic!("no provider") };
    details.received
}

/// What a provider sent, the counts of cached tokens in it found.
fn received(bytes: &'static [u8]) -> Noted {
    let received = Received::new(Bytes::from_static(bytes), CachedCounts::of(bytes).unwrap());
    Noted::Upstream { received: vec![received], seen: None }
}

#[test]
fn receipts_and_details_have_stars_in_place_of_hidden_counts() {
    let node = proxy();
    let sent = b"{\"usage\":{\"cached_tokens\":7}}";
    let (came, left) = (&b"{\"usage\":{\"cached_tokens\":*}}"[..], &b"{\"usage\":{\"cached_tokens\":0}}"[..]);
    let opening = |headers: &HeaderMap| {
        let opening = BASE64_URL_SAFE_NO_PAD.decode(headers["quoth-opening"].to_str().unwrap()).unwrap();
        Opening::new(opening.try_into().unwrap())
    };

    let (mut exchange, mut headers) = (hides(&node), HeaderMap::new());
    let id = exchange.id();
    exchange.note(received(sent));
    exchange.answer(200, left, Outcome::Complete, &mut headers).unwrap();
    assert_eq!(came_back(&node, &opening(&headers), &id, came).as_deref(), Some(came));
    let receipt = receipt_of(&node, &id);
    assert_eq!(receipt.claims().exchange.response, opening(&headers).commit(Label::Response, left));

    // Nothing was hidden: there is no second copy.
    let (mut exchange, mut headers) = (hides(&node), HeaderMap::new());
    let id = exchange.id();
    exchange.note(received(b"{}"));
    exchange.answer(200, b"{}", Outcome::Complete, &mut headers).unwrap();
    assert_eq!(came_back(&node, &opening(&headers), &id, b"{}"), None);

    // What the node says after it breaks off did not come back.
    let (mut exchange, mut headers) = (hides(&node), HeaderMap::new());
    let id = exchange.id();
    exchange.headers(&mut headers);
    exchange.streams();
    exchange.note(received(sent));
    exchange.wrote(left);
    exchange.breaks_off();
    exchange.wrote(b"data: error\n\n");
    exchange.end_stream(Outcome::UpstreamFailed, Ending::Terminal).unwrap();
    assert_eq!(came_back(&node, &opening(&headers), &id, came).as_deref(), Some(came));
}

#[test]
fn whoever_leaves_gets_a_receipt_all_the_same() {
    let node = node();
    let exchange = begin(&node);
    let id = exchange.id();
    drop(exchange);
    let receipt = receipt_of(&node, &id);
    let exchange = &receipt.claims().exchange;
    assert_eq!((exchange.outcome, exchange.status.get(), exchange.response_length), (Outcome::ClientClosed, 499, 0));
}

#[test]
fn a_panic_is_the_nodes_fault_not_the_callers() {
    let node = node();
    let exchange = begin(&node);
    let id = exchange.id();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _exchange = exchange;
        panic!("on purpose");
    }));
    assert!(caught.is_err());
    assert_eq!(receipt_of(&node, &id).claims().exchange.outcome, Outcome::EngineFailed);
}

/// Events as a test gives them; a channel that closes is an engine that stopped.
struct Scripted(mpsc::Receiver<&'static str>);

impl Pieces for Scripted {
    async fn next(&mut self) -> Part {
        let noted = Noted::Local { tokens: Vec::new(), text: None };
        let end = |outcome, terminal| Some(End { outcome, terminal, broke_off: false });
        match self.0.recv().await {
            Some("done") => {
                let end = end(Outcome::Complete, Bytes::from_static(b"data: [DONE]\n\n"));
                Part { bytes: Bytes::new(), noted, end }
            }
            Some(text) => Part { bytes: format!("data: {text}\n\n").into(), noted, end: None },
            None => {
                let end = end(Outcome::EngineFailed, Bytes::new());
                Part { bytes: Bytes::from_static(b"data: error\n\n"), noted, end }
            }
        }
    }
}

/// Pieces that a test gives, the last one first.
struct Given(Vec<Part>);

impl Pieces for Given {
    async fn next(&mut self) -> Part {
        self.0.pop().unwrap()
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_commits_to_what_the_provider_sent() {
    let node = proxy();
    for (hidden, sent, left) in [
        (false, &b"data: {}\n\n"[..], &b"data: {}\n\n"[..]),
        (true, b"data: {\"usage\":{\"cached_tokens\":*}}\n\n", b"data: {\"usage\":{\"cached_tokens\":0}}\n\n"),
    ] {
        let exchange = answered(&node, hidden);
        let (id, mut headers) = (exchange.id(), HeaderMap::new());
        exchange.headers(&mut headers);
        let came = Bytes::from_static(b"data: {\"usage\":{\"cached_tokens\":7}}\n\n");
        let counts = CachedCounts::of_event(&came).unwrap();
        let received = hidden.then(|| Received::new(came, counts)).into_iter().collect();
        let piece =
            Part { bytes: Bytes::copy_from_slice(left), noted: Noted::Upstream { received, seen: None }, end: None };
        let terminal = Bytes::from_static(b"data: error\n\n");
        let end = Part {
            bytes: Bytes::new(),
            noted: Noted::Upstream { received: Vec::new(), seen: Some(Seen::default()) },
            end: Some(End { outcome: Outcome::UpstreamFailed, terminal: terminal.clone(), broke_off: true }),
        };
        let (mut stream, _) = Streamed::begin(exchange, Given(vec![end, piece]));
        assert_eq!(stream.next().await.unwrap(), left);
        assert!(stream.next().await.unwrap().ends_with(&terminal));
        assert!(stream.next().await.is_none());
        let opening = BASE64_URL_SAFE_NO_PAD.decode(headers["quoth-opening"].to_str().unwrap()).unwrap();
        let opening = Opening::new(opening.try_into().unwrap());
        assert_eq!(came_back(&node, &opening, &id, sent).as_deref(), Some(sent));
        let receipt = receipt_of(&node, &id);
        assert_eq!(receipt.claims().exchange.response, opening.commit(Label::Response, &[left, &terminal].concat()));
    }
}

async fn drain((mut stream, first): (Streamed<Scripted>, Bytes)) -> Vec<Piece> {
    let (mut splitter, mut pieces) = (Splitter::new(), Vec::new());
    splitter.push(&first, &mut pieces).unwrap();
    while let Some(bytes) = stream.next().await {
        splitter.push(&bytes, &mut pieces).unwrap();
    }
    assert!(splitter.finish().unwrap().is_empty());
    pieces
}

fn outcome(pieces: &[Piece]) -> Outcome {
    let receipt = pieces.iter().find_map(|piece| match piece {
        Piece::Record { kind: Kind::Receipt, bytes, .. } => Some(Signed::<Receipt>::decode(bytes).unwrap()),
        _ => None,
    });
    receipt.unwrap().claims().exchange.outcome
}

#[tokio::test]
async fn a_stream_begins_with_a_checkpoint_and_its_receipt_precedes_the_terminal_event() {
    let node = node();
    let (sender, receiver) = mpsc::channel(8);
    for event in ["a", "done"] {
        sender.send(event).await.unwrap();
    }
    let pieces = drain(Streamed::begin(begin(&node), Scripted(receiver))).await;
    assert!(matches!(pieces[0], Piece::Record { kind: Kind::Checkpoint, offset: 0, .. }));
    assert_eq!(pieces[1], Piece::Body(b"data: a\n\n".to_vec()));
    assert!(matches!(pieces[2], Piece::Record { kind: Kind::Receipt, offset: 9, .. }));
    assert_eq!(pieces[3], Piece::Body(b"data: [DONE]\n\n".to_vec()));
    assert_eq!(outcome(&pieces), Outcome::Complete);
}

#[test]
fn a_checkpoint_that_was_signed_ahead_of_time_is_the_first() {
    let mut exchange = begin(&node());
    exchange.may_stream();
    exchange.may_stream();
    let [first, second] = [exchange.streams(), exchange.checkpoint()].map(|record| {
        let (mut splitter, mut pieces) = (Splitter::new(), Vec::new());
        splitter.push(record.as_bytes(), &mut pieces).unwrap();
        let [Piece::Record { bytes, .. }] = &pieces[..] else { panic!("{record}") };
        Signed::<Checkpoint>::decode(bytes).unwrap()
    });
    assert_eq!((first.claims().place.number(), second.claims().place.number()), (0, 1));
    assert_eq!(second.claims().place.prev(), Some(&first.digest()));
}

#[test]
fn the_salt_of_one_checkpoint_opens_no_other() {
    let mut exchange = begin(&node());
    let mut headers = HeaderMap::new();
    exchange.headers(&mut headers);
    let opening = BASE64_URL_SAFE_NO_PAD.decode(headers["quoth-opening"].to_str().unwrap()).unwrap();
    let opening = Opening::new(opening.try_into().unwrap());
    let checkpoints = [exchange.streams(), exchange.checkpoint()].map(|record| {
        let (mut splitter, mut pieces) = (Splitter::new(), Vec::new());
        splitter.push(record.as_bytes(), &mut pieces).unwrap();
        let [Piece::Record { bytes, .. }] = &pieces[..] else { panic!("{record}") };
        Signed::<Checkpoint>::decode(bytes).unwrap().claims().clone()
    });
    let salt = opening.salt(Label::PrefixAt(0));
    let opens = |number| salt.commit_digest(Label::PrefixAt(number), &Digest::of(b""));
    assert_eq!(opens(0), checkpoints[0].prefix);
    assert_ne!(opens(1), checkpoints[1].prefix);
    assert_eq!(opening.commit(Label::PrefixAt(1), b""), checkpoints[1].prefix);
}

#[test]
fn a_receipt_says_how_a_stream_ended_only_if_it_is_whole() {
    let node = node();
    let ending = |outcome, ending, streams: bool| {
        let mut exchange = begin(&node);
        let id = exchange.id();
        if streams {
            exchange.streams();
        }
        exchange.end_stream(outcome, ending).unwrap();
        receipt_of(&node, &id).claims().exchange.ending
    };
    for found in [Ending::Terminal, Ending::FinishReason] {
        assert_eq!(ending(Outcome::Complete, found, true), Some(found));
        assert_eq!(ending(Outcome::Length, found, true), Some(found));
        for failed in [Outcome::UpstreamFailed, Outcome::EngineFailed, Outcome::ClientClosed] {
            assert_eq!(ending(failed, found, true), None);
        }
        assert_eq!(ending(Outcome::Complete, found, false), None);
    }
}

#[tokio::test]
async fn an_engine_that_stops_in_mid_stream_is_named_in_the_receipt() {
    let node = node();
    let (sender, receiver) = mpsc::channel(8);
    sender.send("a").await.unwrap();
    drop(sender);
    let pieces = drain(Streamed::begin(begin(&node), Scripted(receiver))).await;
    assert_eq!(outcome(&pieces), Outcome::EngineFailed);
    assert!(matches!(pieces.last(), Some(Piece::Record { kind: Kind::Receipt, .. })), "the receipt ends the stream");
}

#[tokio::test]
async fn a_stream_that_nobody_reads_on_ends_as_client_closed() {
    let node = node();
    let (sender, receiver) = mpsc::channel(8);
    sender.send("a").await.unwrap();
    let exchange = begin(&node);
    let id = exchange.id();
    let (mut stream, _) = Streamed::begin(exchange, Scripted(receiver));
    stream.next().await.unwrap();
    drop(stream);
    let receipt = receipt_of(&node, &id);
    let exchange = &receipt.claims().exchange;
    assert_eq!((exchange.outcome, exchange.status.get(), exchange.response_length), (Outcome::ClientClosed, 200, 9));
}

#[tokio::test(start_paused = true)]
async fn bytes_are_under_a_checkpoint_within_a_second() {
    let node = node();
    let (sender, receiver) = mpsc::channel(8);
    let script = tokio::spawn(async move {
        for (pause, event) in [(100, "a"), (5000, "b"), (100, "c"), (3000, "done")] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            sender.send(event).await.unwrap();
        }
    });
    let (mut stream, first) = Streamed::begin(begin(&node), Scripted(receiver));
    let (mut splitter, mut pieces, mut unproven) = (Splitter::new(), Vec::new(), None);
    let (mut offsets, mut next) = (Vec::new(), Some(first));
    while let Some(bytes) = next {
        let now = tokio::time::Instant::now();
        splitter.push(&bytes, &mut pieces).unwrap();
        for piece in pieces.drain(..) {
            match piece {
                Piece::Body(_) => drop(unproven.get_or_insert(now)),
                Piece::Record { kind, bytes, offset } => {
                    let since = unproven.take().map_or(Duration::ZERO, |since| now - since);
                    assert!(since <= Duration::from_secs(1), "{since:?} without a checkpoint");
                    if kind == Kind::Checkpoint {
                        let checkpoint = Signed::<Checkpoint>::decode(&bytes).unwrap();
                        assert_eq!(checkpoint.claims().place.number(), offsets.len() as u64);
                        assert_eq!(checkpoint.claims().offset, offset);
                        offsets.push(offset);
                    }
                }
            }
        }
        next = stream.next().await;
    }
    script.await.unwrap();
    assert_eq!(offsets, [0, 9, 27], "one at once, one after a, one after b and c");
}
