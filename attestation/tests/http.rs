//! `HTTP.md` is what the code does: its examples are read out of the page, checked as a client checks them, and computed anew.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ed25519_dalek::{Signature, Signer, SigningKey};
use quoth_attestation::binding::{Nonce, node_binding};
use quoth_attestation::checkpoint::{Checkpoint, Version};
use quoth_attestation::commit::{Commitment, Label, Opening, token_bytes};
use quoth_attestation::cose::{KeyId, Payload, Possession, Signed};
use quoth_attestation::events::{End, Scanner};
use quoth_attestation::evidence::Evidence;
use quoth_attestation::headers::is_event_stream;
use quoth_attestation::receipt::{Credential, Ending, Execution, Level, Outcome, Receipt};
use quoth_attestation::record::{Kind, Piece, Splitter};
use quoth_attestation::statement::{Platform, Statement};
use quoth_attestation::transcript::Details;
use quoth_attestation::{Digest, ExchangeId};

const PAGE: &str = include_str!("../HTTP.md");

/// The bodies of the page's blocks that are fenced as `kind NAME`.
fn blocks(kind: &str) -> BTreeMap<&'static str, &'static str> {
    PAGE.split("\n```")
        .filter_map(|block| block.split_once('\n'))
        .filter_map(|(info, body)| Some((info.strip_prefix(kind)?.strip_prefix(' ')?, body)))
        .collect()
}

/// The bytes of the block `hex NAME`.
fn shown(name: &str) -> Vec<u8> {
    let text: String = blocks("hex")[name].split_whitespace().collect();
    hex::decode(text).unwrap()
}

/// The bytes that the block `wire NAME` spells, cut where it says so.
fn pieces(name: &str) -> Vec<Vec<u8>> {
    let (mut pieces, mut piece) = (Vec::new(), Vec::new());
    let mut bytes = blocks("wire")[name].bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            // A line end of the page.
            b'\n' => {}
            b'\\' => match bytes.next().unwrap() {
                b'\\' => piece.push(b'\\'),
                b'r' => piece.push(b'\r'),
                b'n' => piece.push(b'\n'),
                b'|' => pieces.push(std::mem::take(&mut piece)),
                other => panic!("{name}: the page does not say what \\{} spells", char::from(other)),
            },
            byte => piece.push(byte),
        }
    }
    pieces.push(piece);
    pieces
}

/// An HTTP/1.1 message.
struct Message {
    start: String,
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Message {
    /// The one in the block `wire NAME`.
    fn named(name: &str) -> Self {
        let bytes = pieces(name).concat();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let mut lines = std::str::from_utf8(&bytes[..end]).unwrap().split("\r\n");
        let start = lines.next().unwrap().to_owned();
        let mut fields = BTreeMap::new();
        for line in lines {
            let (field, value) = line.split_once(": ").unwrap();
            assert_eq!(fields.insert(field.to_owned(), value.to_owned()), None, "{name}: {field} stands twice");
        }
        let message = Self { start, fields, body: bytes[end + 4..].to_vec() };
        if let Some(length) = message.fields.get("content-length") {
            assert_eq!(*length, message.body.len().to_string(), "{name}");
        }
        message
    }

    fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    fn nonce(&self) -> Option<Nonce> {
        self.fields.get("quoth-nonce").map(|hex| Nonce::from_hex(hex).unwrap())
    }

    fn opening(&self) -> Opening {
        Opening::new(base64url(self.field("quoth-opening")).try_into().unwrap())
    }

    fn cti(&self) -> ExchangeId {
        self.field("quoth-cti").parse().unwrap()
    }
}

fn base64url(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&std::array::from_fn(|index| index as u8))
}

/// Reads an envelope; its signature verifies, and signing its claims anew gives the same bytes.
fn verified<T: Payload + Clone>(bytes: &[u8]) -> Signed<T> {
    let (key, signed) = (key(), Signed::<T>::decode(bytes).unwrap());
    let signature = Signature::from_bytes(signed.signature());
    key.verifying_key().verify_strict(signed.to_be_signed(), &signature).unwrap();
    let id = KeyId::of(key.verifying_key().as_bytes());
    let again = Signed::sign(signed.claims().clone(), id, |bytes| key.sign(bytes).to_bytes()).unwrap();
    assert_eq!(hex::encode(again.bytes()), hex::encode(bytes));
    signed
}

fn node() -> Digest {
    Digest(shown("node").try_into().unwrap())
}

/// Checks a receipt as the page tells clients to, and returns it.
fn receipt(bytes: &[u8], request: &Message, answer: &Message, body: &[u8]) -> Signed<Receipt> {
    let signed = verified::<Receipt>(bytes);
    let (claims, opening) = (signed.claims(), answer.opening());
    let exchange = &claims.exchange;
    assert_eq!(answer.field("quoth-node"), node().to_string());
    assert_eq!((claims.node, claims.cti, &claims.nonce), (node(), answer.cti(), &request.nonce()));
    assert_eq!(claims.level, Level::Vanilla, "on platform none");
    assert_eq!(request.start, format!("{} {} HTTP/1.1", exchange.method, exchange.target));
    assert_eq!(answer.start.split(' ').nth(1), Some(exchange.status.to_string().as_str()));
    assert_eq!(exchange.request, opening.commit(Label::Request, &request.body));
    assert_eq!(exchange.response, opening.commit(Label::Response, body));
    assert_eq!(exchange.response_length, body.len() as u64);
    let parent = request.fields.get("quoth-parent").map(String::as_str);
    assert_eq!(claims.parent.map(|digest| digest.to_string()).as_deref(), parent);
    signed
}

/// The receipt in an answer's head.
fn whole(request: &str, answer: &str) -> Signed<Receipt> {
    let (request, answer) = (Message::named(request), Message::named(answer));
    let signed = receipt(&base64url(answer.field("quoth-receipt")), &request, &answer, &answer.body);
    assert!(!signed.claims().exchange.streamed);
    signed
}

/// What a splitter makes of a stream that comes in these pieces: neighbouring bytes of the body together.
fn split<'a>(stream: impl IntoIterator<Item = &'a [u8]>) -> Vec<Piece> {
    let (mut splitter, mut pieces) = (Splitter::new(), Vec::new());
    for bytes in stream {
        splitter.push(bytes, &mut pieces).unwrap();
    }
    assert!(splitter.finish().unwrap().is_empty());
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        if let (Some(Piece::Body(body)), Piece::Body(more)) = (joined.last_mut(), &piece) {
            body.extend(more);
        } else {
            joined.push(piece);
        }
    }
    joined
}

fn body(pieces: &[Piece]) -> Vec<u8> {
    let bodies = pieces.iter().map(|piece| match piece {
        Piece::Body(bytes) => &bytes[..],
        Piece::Record { .. } => b"",
    });
    bodies.collect::<Vec<_>>().concat()
}

#[test]
fn the_node() {
    let nonce = Message::named("whole-request").nonce().unwrap();
    assert!(PAGE.contains(&format!("/.well-known/quoth/node?nonce={}", hex::encode(nonce.as_bytes()))));
    let evidence = Evidence::decode(&shown("evidence")).unwrap();
    assert_eq!(evidence.encode(), shown("evidence"));
    assert_eq!((evidence.statement_digest(), evidence.nonce.as_ref()), (node(), Some(&nonce)));
    let statement = Statement::decode(&evidence.statement).unwrap();
    assert_eq!(statement.platform, Platform::None);
    assert_eq!(statement.keys.receipt, key().verifying_key().to_bytes());
    assert_eq!(statement.keys.tls, Digest::of(&shown("spki")));
    let possession = verified::<Possession>(&evidence.quote);
    assert_eq!(possession.claims().binding, node_binding(&node(), Some(&nonce)));
}

#[test]
fn a_whole_answer() {
    let (request, answer) = (Message::named("whole-request"), Message::named("whole-answer"));
    let (signed, opening) = (whole("whole-request", "whole-answer"), answer.opening());
    let claims = signed.claims();
    assert_eq!(claims.exchange.outcome, Outcome::Complete);
    assert_eq!((claims.seq, claims.prev), (0, node()));
    let computed: [(&str, [u8; 32]); 6] = [
        ("request-digest", Digest::of(&request.body).0),
        ("request-salt", *opening.salt(Label::Request).as_bytes()),
        ("request-commitment", opening.commit(Label::Request, &request.body).0.0),
        ("response-commitment", opening.commit(Label::Response, &answer.body).0.0),
        ("receipt-digest", signed.digest().0),
        ("details-credential", opening.details_credential()),
    ];
    for (name, bytes) in computed {
        assert_eq!(hex::encode(shown(name)), hex::encode(bytes), "{name}");
    }
    assert_eq!(request.field("quoth-details"), "1");
    assert!(PAGE.contains(&format!("`GET /v1/exchanges/{}`", answer.field("quoth-cti"))));
    let text = pieces("details-answer").concat();
    let details = Details::decode(&text).unwrap();
    assert_eq!(details.encode().as_bytes(), text);
    let (Some(Execution::Local(local)), Some(details)) = (&claims.execution, details.local()) else {
        panic!("a local model answered")
    };
    let commitments: [(Commitment, Label, &[u8]); 4] = [
        (local.prompt, Label::Prompt, &details.prompt),
        (local.prompt_tokens, Label::PromptTokens, &token_bytes(&details.prompt_tokens)),
        (local.output_tokens, Label::OutputTokens, &token_bytes(&details.output_tokens)),
        (local.sampling, Label::Sampling, &details.sampling),
    ];
    for (commitment, label, bytes) in commitments {
        assert_eq!(commitment, opening.commit(label, bytes), "{label:?}");
    }
    let usage = claims.usage.unwrap();
    assert_eq!(usage.prompt, details.prompt_tokens.len() as u64);
    assert_eq!(usage.completion, details.output_tokens.len() as u64);
}

#[test]
fn a_stream() {
    let (request, head, reads) =
        (Message::named("stream-request"), Message::named("stream-head"), pieces("stream-body"));
    assert!(is_event_stream(head.field("content-type")) && !head.fields.contains_key("quoth-receipt"));
    let found = split(reads.iter().map(|read| &read[..]));
    let (body, opening) = (body(&found), head.opening());
    let mut checkpoints: Vec<Signed<Checkpoint>> = Vec::new();
    let mut receipts = Vec::new();
    for piece in &found {
        let Piece::Record { kind, bytes, offset } = piece else { continue };
        let prefix = &body[..*offset as usize];
        if *kind == Kind::Receipt {
            receipts.push((receipt(bytes, &request, &head, &body), prefix.len()));
            continue;
        }
        assert!(receipts.is_empty());
        let signed = verified::<Checkpoint>(bytes);
        let (claims, number) = (signed.claims(), checkpoints.len() as u64);
        assert_eq!((claims.node, claims.cti, &claims.nonce), (node(), head.cti(), &request.nonce()));
        assert_eq!((claims.status, claims.version), (200, Version::V2));
        assert_eq!((claims.place.number(), claims.offset), (number, *offset));
        assert_eq!(claims.place.prev().copied(), checkpoints.last().map(Signed::digest));
        assert_eq!(claims.request, opening.commit(Label::Request, &request.body));
        assert_eq!(claims.prefix, opening.commit(Label::PrefixAt(number), prefix));
        checkpoints.push(signed);
    }
    let [(signed, at)] = &receipts[..] else { panic!("one receipt ends a stream") };
    let claims = signed.claims();
    assert!(claims.exchange.streamed);
    assert_eq!((claims.exchange.outcome, claims.exchange.ending), (Outcome::Complete, Some(Ending::Terminal)));
    let first = whole("whole-request", "whole-answer");
    assert_eq!((claims.seq, claims.prev, claims.parent), (1, first.digest(), Some(first.digest())));
    let Some(Execution::Upstream(upstream)) = &claims.execution else { panic!("a provider answered") };
    assert_eq!(upstream.sent, opening.commit(Label::UpstreamRequest, &request.body));
    assert_eq!(upstream.received, opening.commit(Label::UpstreamResponse, &body));
    assert_eq!(upstream.credential, Credential::Caller, "its key is in the request");

    // What follows the receipt is the event that ends the stream, and the only one that does.
    let (mut scanner, mut end) = (Scanner::default(), 0);
    while end < body.len() {
        let (taken, event) = scanner.scan(&body[end..]).unwrap();
        let after_cr = scanner.after_cr() && body.get(end + taken) == Some(&b'\n');
        let begin = end;
        end += taken + usize::from(after_cr);
        if after_cr {
            assert_eq!(scanner.scan(b"\n").unwrap(), (1, None));
        }
        let terminal = event.and_then(|event| event.end);
        assert_eq!(terminal, (begin == *at).then_some(End::Terminal), "the event at {begin}");
    }

    // The numbers in the text.
    assert_eq!(checkpoints.len(), 2);
    let offset = checkpoints[1].claims().offset;
    let text: String = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("has {} bytes, of which checkpoint 1 covers {offset}", body.len())));
    assert!(text.contains(&format!("body comes in {} reads", reads.len())));
    let prefix = opening.commit(Label::PrefixAt(1), &body[..offset as usize]);
    assert_eq!(hex::encode(shown("prefix-commitment")), prefix.0.to_string());
    assert_eq!(hex::encode(shown("stream-commitment")), claims.exchange.response.0.to_string());
}

#[test]
fn where_a_stream_is_cut_changes_nothing() {
    let stream = pieces("stream-body").concat();
    let whole = split([&stream[..]]);
    assert_eq!(whole.iter().filter(|piece| matches!(piece, Piece::Record { .. })).count(), 3);
    assert_eq!(split(stream.chunks(1)), whole);
    for at in 0..=stream.len() {
        assert_eq!(split([&stream[..at], &stream[at..]]), whole, "cut at {at}");
    }
}

#[test]
fn an_error() {
    let (request, answer) = (Message::named("error-request"), Message::named("error-answer"));
    let signed = whole("error-request", "error-answer");
    let claims = signed.claims();
    assert_eq!((claims.exchange.status.get(), claims.exchange.outcome), (400, Outcome::Refused));
    assert!(claims.nonce.is_none() && claims.execution.is_none() && claims.usage.is_none());
    assert_eq!(claims.seq, 2);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains(&format!(
        "\"code\":\"invalid_json\",\"message\":\"the body is not acceptable JSON: unexpected end at byte {}\"",
        request.body.len()
    )));
}

#[test]
fn receipts_are_one_chain() {
    let stream = pieces("stream-body").concat();
    let second = split([&stream[..]]).into_iter().find_map(|piece| match piece {
        Piece::Record { kind: Kind::Receipt, bytes, .. } => Some(verified::<Receipt>(&bytes)),
        _ => None,
    });
    let (first, second) = (whole("whole-request", "whole-answer"), second.unwrap());
    let third = whole("error-request", "error-answer");
    assert_eq!([&first, &second, &third].map(|receipt| receipt.claims().seq), [0, 1, 2]);
    assert_eq!((second.claims().prev, third.claims().prev), (first.digest(), second.digest()));
}

#[test]
fn every_block_is_checked() {
    let names = |kind| blocks(kind).into_keys().collect::<BTreeSet<_>>();
    let hex = [
        "details-credential",
        "evidence",
        "node",
        "prefix-commitment",
        "receipt-digest",
        "request-commitment",
        "request-digest",
        "request-salt",
        "response-commitment",
        "spki",
        "stream-commitment",
    ];
    let wire = [
        "details-answer",
        "error-answer",
        "error-request",
        "stream-body",
        "stream-head",
        "stream-request",
        "whole-answer",
        "whole-request",
    ];
    assert_eq!(names("hex"), BTreeSet::from(hex));
    assert_eq!(names("wire"), BTreeSet::from(wire));
}
