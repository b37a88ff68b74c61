//! Streams as they pass, honest and attacked, however the network cuts them.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::LazyLock;

use proptest::prelude::*;
use quoth_attestation::binding::Nonce;
use quoth_attestation::checkpoint::{Checkpoint, Place, Version};
use quoth_attestation::commit::{Label, Opening};
use quoth_attestation::cose::Payload;
use quoth_attestation::receipt::{Ending, Outcome, Receipt, Status};
use quoth_attestation::record::{self, Kind};
use quoth_attestation::statement::Platform;
use quoth_attestation::{Digest, ExchangeId};
use quoth_verifier::{Refusal, ResponseHead, StreamVerifier, VerifiedExchange, VerifiedNode};
use support::{DONE, Node, Stream, code, event, opening, request, response_head};

fn node() -> &'static (Node, VerifiedNode) {
    static NODE: LazyLock<(Node, VerifiedNode)> = LazyLock::new(|| {
        let node = Node::new(Platform::None);
        let verified = node.verified();
        (node, verified)
    });
    &NODE
}

fn verifier() -> StreamVerifier {
    node().1.verify_stream(&request(), response_head())
}

fn honest() -> Stream {
    node().0.stream(&[event("hel"), event("lo"), event("!")])
}

/// Judges a stream that comes in the given pieces; returns the body that was handed on.
fn judge<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Result<VerifiedExchange, Refusal>) {
    let (mut verifier, mut body) = (verifier(), Vec::new());
    for piece in pieces {
        match verifier.push(piece) {
            Ok(pushed) => body.extend(pushed.body),
            Err(refusal) => return (body, Err(refusal.into())),
        }
    }
    (body, verifier.finish())
}

fn verdict(wire: &str) -> &'static str {
    code(judge([wire.as_bytes()]).1)
}

/// The body so far, a receipt for the whole of `body`, and `rest`, all after one checkpoint.
fn ended(before: &str, body: &str, rest: &str) -> String {
    ended_as(Version::V2, Some(Ending::Terminal), before, body, rest)
}

/// The same under a version's rules, with what the receipt says of the end: nothing, if the provider failed.
fn ended_as(version: Version, ending: Option<Ending>, before: &str, body: &str, rest: &str) -> String {
    let node = &node().0;
    let mut stream = Stream::default();
    let prefix = opening().commit(version.prefix(0), b"");
    let checkpoint = Checkpoint { version, prefix, ..node.checkpoint(Place::First, b"") };
    stream.record(Kind::Checkpoint, node.sign(checkpoint));
    stream.text(before);
    let mut claims = node.claims(body.as_bytes(), true);
    claims.exchange.ending = ending;
    if version == Version::V2 && ending.is_none() {
        claims.exchange.outcome = Outcome::UpstreamFailed;
    }
    stream.record(Kind::Receipt, node.sign(claims));
    stream.text(rest);
    stream.wire
}

#[test]
fn an_honest_stream_is_proven() {
    let stream = honest();
    let (body, exchange) = judge([stream.wire.as_bytes()]);
    assert_eq!(String::from_utf8(body).unwrap(), stream.body);
    assert_eq!(exchange.unwrap().receipt().bytes(), stream.receipt);
    // The id may come from the first checkpoint alone.
    let mut verifier = node().1.verify_stream(&request(), ResponseHead { cti: None, ..response_head() });
    verifier.push(stream.wire.as_bytes()).unwrap();
    assert_eq!(verifier.proven(), (stream.body.len() - DONE.len() - event("!").len()) as u64);
    assert_eq!(code(verifier.finish()), "proven");
}

#[test]
fn every_kind_of_terminal_event_ends_a_stream() {
    let before = event("hello");
    for end in
        ["data: [DONE]\n\n", "event: message_stop\ndata: {}\n\n", "event: response.completed\r\ndata: {}\r\n\r\n"]
    {
        let body = format!("{before}{end}");
        assert_eq!(verdict(&ended(&before, &body, end)), "proven", "{end:?}");
        assert_eq!(verdict(&format!("{}\n", ended(&before, &body, end))), "stream.after_end", "{end:?}");
        let late = record::encode(
            Kind::Checkpoint,
            &node().0.sign(node().0.checkpoint(Place::First.next(Digest([0; 32])), body.as_bytes())),
        );
        assert_eq!(verdict(&(ended(&before, &body, end) + &late)), "stream.after_end", "{end:?}");
        assert_eq!(verdict(&ended(&body, &body, "")), "stream.receipt_late", "{end:?}");
    }
    // Without a terminal event the receipt stands at the end, and says so.
    assert_eq!(verdict(&ended_as(Version::V2, Some(Ending::FinishReason), &before, &before, "")), "proven");
    assert_eq!(verdict(&ended(&before, &format!("{before}data: x\n\n"), "data: x\n\n")), "stream.after_end");
    assert_eq!(verdict(&ended(&before, &format!("{before}\n"), "\n")), "stream.after_end");
}

#[test]
fn the_receipt_says_how_a_whole_stream_ended() {
    let (before, error) = (event("hello"), "data: {\"error\":{\"message\":\"m\"}}\n\n");
    let verdict =
        |version, ending, rest: &str| verdict(&ended_as(version, ending, &before, &format!("{before}{rest}"), rest));
    let (terminal, finish) = (Some(Ending::Terminal), Some(Ending::FinishReason));
    for (ending, rest, expected) in [
        (terminal, DONE, "proven"),
        (finish, "", "proven"),
        (None, error, "proven"),
        (None, "", "proven"),
        (terminal, "", "receipt.ending"),
        (finish, DONE, "receipt.ending"),
        (None, DONE, "receipt.ending"),
        (terminal, error, "receipt.ending"),
        (finish, error, "receipt.ending"),
    ] {
        assert_eq!(verdict(Version::V2, ending, rest), expected, "{ending:?} {rest:?}");
    }
    // Version 1 says nothing of it.
    for (ending, rest, expected) in [
        (None, DONE, "proven"),
        (None, "", "proven"),
        (None, error, "stream.after_end"),
        (terminal, DONE, "receipt.ending"),
        (finish, "", "receipt.ending"),
    ] {
        assert_eq!(verdict(Version::V1, ending, rest), expected, "version 1, {ending:?} {rest:?}");
    }
}

#[test]
fn nothing_that_an_sdk_takes_for_the_end_passes_before_the_receipt() {
    let before = event("hello");
    for end in [
        "data: [DONE]\n\n",
        "data: [DONE]x\n\n",
        "data:  [DONE]\r\r",
        "event: message_stop\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
        "data: {\"\\u0074ype\":\"response.comp\\u006ceted\"}\n\n",
        "event: error\ndata: {}\n\n",
        "data: {\"error\":{}}\n\n",
    ] {
        let body = format!("{before}{end}");
        assert_eq!(verdict(&ended(&body, &body, "")), "stream.receipt_late", "{end:?}");
        let wire = ended(&before, &body, end);
        let ending = if end.contains("error") { None } else { Some(Ending::Terminal) };
        let wire = if ending.is_none() { ended_as(Version::V2, None, &before, &body, end) } else { wire };
        // However it is cut, all that may pass before the verdict is what came before the end.
        for at in (0..=wire.len()).step_by(5) {
            let mut verifier = verifier();
            verifier.push(&wire.as_bytes()[..at]).unwrap();
            verifier.push(&wire.as_bytes()[at..]).unwrap();
            assert_eq!(verifier.passable(), before.len() as u64, "{end:?}");
            assert_eq!(code(verifier.finish()), "proven", "{end:?}");
        }
    }
    // Errors waited for nothing in version 1.
    let body = format!("{before}data: {{\"error\":{{}}}}\n\n");
    assert_eq!(verdict(&ended_as(Version::V1, None, &body, &body, "")), "proven");
    let body = format!("{before}{DONE}");
    assert_eq!(verdict(&ended_as(Version::V1, None, &body, &body, "")), "stream.receipt_late");
}

#[test]
fn ambiguous_events_are_refused() {
    for event in [
        "event: message_delta\ndata: {\"type\":\"message_stop\"}\n\n",
        "event: a\nevent: b\n\n",
        "data: {\"type\":\"a\",\"type\":\"b\"}\n\n",
        "data: 1\n\u{feff}data: [DONE]\n\n",
    ] {
        let before = format!("data: 1\n\n{event}");
        for version in [Version::V1, Version::V2] {
            let wire = ended_as(version, Some(Ending::Terminal), &before, &format!("{before}{DONE}"), DONE);
            let (_, refused) = judge([wire.as_bytes()]);
            assert!(matches!(refused, Err(Refusal::StreamAmbiguous { offset: 9, .. })), "{event:?}: {refused:?}");
        }
    }
}

#[test]
fn only_whole_events_may_pass() {
    let stream = honest();
    let ends: Vec<_> = stream.body.match_indices("\n\n").map(|(at, _)| at as u64 + 2).collect();
    for at in 0..stream.wire.len() {
        let mut verifier = verifier();
        let handed = verifier.push(&stream.wire.as_bytes()[..at]).unwrap().body.len() as u64;
        let whole = ends[..ends.len() - 1].iter().rev().find(|end| **end <= handed);
        assert_eq!(verifier.passable(), whole.copied().unwrap_or(0), "cut at {at}");
    }
}

#[test]
fn cut_streams_say_how_far_they_are_proven() {
    let stream = honest();
    for end in 0..stream.wire.len() {
        let mut verifier = verifier();
        let refusal = match verifier.push(&stream.wire.as_bytes()[..end]) {
            Ok(_) => {
                let proven = verifier.proven();
                let refusal = verifier.finish().unwrap_err();
                assert_eq!(refusal, Refusal::StreamCut { proven }, "cut at {end}");
                refusal
            }
            Err(refusal) => refusal.into(),
        };
        assert_eq!(refusal.code(), "stream.cut", "cut at {end}");
    }
    let cut = stream.wire.find(": quoth receipt").unwrap();
    let proven = (event("hel").len() + event("lo").len()) as u64;
    assert_eq!(judge([&stream.wire.as_bytes()[..cut]]).1.unwrap_err(), Refusal::StreamCut { proven });
}

#[test]
fn any_changed_byte_is_refused() {
    let stream = honest();
    for index in 0..stream.wire.len() {
        for bit in [1, 0x20, 0x80] {
            let mut wire = stream.wire.clone().into_bytes();
            wire[index] ^= bit;
            assert!(judge([&wire[..]]).1.is_err(), "byte {index} bit {bit:#x}");
        }
    }
}

#[test]
fn checkpoints_stand_where_they_were_signed_for() {
    let (node, stream) = (&node().0, honest());
    let records: Vec<String> = stream.checkpoints.iter().map(|bytes| record::encode(Kind::Checkpoint, bytes)).collect();
    assert_eq!(verdict(&stream.wire.replace(&records[0], "")), "stream.checkpoint_missing");
    assert_eq!(verdict(&stream.wire.replace(&records[1], "")), "stream.checkpoint_number");
    // The last one may be missing: the receipt covers what it would have proven.
    assert_eq!(verdict(&stream.wire.replace(&records[2], "")), "proven");
    assert_eq!(verdict(&stream.wire.replace(&records[1], &records[1].repeat(2))), "stream.checkpoint_number");
    let moved = stream.wire.replace(&records[1], "").replace(&records[2], &(records[1].clone() + &records[2]));
    assert_eq!(verdict(&moved), "stream.checkpoint_offset");
    assert_eq!(verdict(&stream.wire.replace("\"hel", "\"HEL")), "stream.prefix");
    assert_eq!(verdict(&stream.wire.replace('!', "?")), "receipt.response_mismatch");
    let second = |bend: &dyn Fn(&mut Checkpoint)| {
        let first = event("hel");
        let prev = Digest::of(&node.checkpoint(Place::First, b"").encode());
        let mut checkpoint = node.checkpoint(Place::First.next(prev), first.as_bytes());
        bend(&mut checkpoint);
        verdict(&stream.wire.replace(&records[1], &record::encode(Kind::Checkpoint, &node.sign(checkpoint))))
    };
    assert_eq!(second(&|_| {}), "proven");
    assert_eq!(second(&|checkpoint| checkpoint.node = Digest([0; 32])), "stream.checkpoint");
    assert_eq!(second(&|checkpoint| checkpoint.cti = ExchangeId([6; 16])), "stream.checkpoint");
    assert_eq!(second(&|checkpoint| checkpoint.nonce = None), "stream.checkpoint");
    assert_eq!(second(&|checkpoint| checkpoint.nonce = Some(Nonce::new([1; 16]).unwrap())), "stream.checkpoint");
    assert_eq!(second(&|checkpoint| checkpoint.request.0.0[0] ^= 1), "stream.checkpoint");
    assert_eq!(second(&|checkpoint| checkpoint.status = 201), "stream.checkpoint");
    assert_eq!(second(&|checkpoint| checkpoint.version = Version::V1), "stream.checkpoint");
    assert_eq!(second(&|checkpoint| checkpoint.prefix = opening().commit(Label::Prefix, b"")), "stream.prefix");
    assert_eq!(
        second(&|checkpoint| checkpoint.place = checkpoint.place.next(Digest([0; 32]))),
        "stream.checkpoint_number"
    );
    assert_eq!(second(&|checkpoint| checkpoint.place = Place::First.next(Digest([0; 32]))), "stream.checkpoint_prev");
    assert_eq!(second(&|checkpoint| checkpoint.offset += 1), "stream.checkpoint_offset");
    assert_eq!(second(&|checkpoint| checkpoint.prefix.0.0[0] ^= 1), "stream.prefix");
    let mut forged = stream.checkpoints[1].clone();
    *forged.last_mut().unwrap() ^= 1;
    let forged = stream.wire.replace(&records[1], &record::encode(Kind::Checkpoint, &forged));
    assert_eq!(verdict(&forged), "stream.signature");
}

#[test]
fn the_receipt_is_of_this_stream() {
    let (node, stream) = (&node().0, honest());
    let honest_record = record::encode(Kind::Receipt, &stream.receipt);
    let receipt = |bend: &dyn Fn(&mut Receipt)| {
        let mut claims = node.claims(stream.body.as_bytes(), true);
        bend(&mut claims);
        verdict(&stream.wire.replace(&honest_record, &record::encode(Kind::Receipt, &node.sign(claims))))
    };
    assert_eq!(receipt(&|_| {}), "proven");
    let whole = |claims: &mut Receipt| {
        (claims.exchange.streamed, claims.exchange.ending) = (false, None);
    };
    assert_eq!(receipt(&whole), "receipt.streamed");
    assert_eq!(receipt(&|claims| claims.exchange.streamed = false), "receipt.streamed", "its ending is not written");
    assert_eq!(receipt(&|claims| claims.cti = ExchangeId([6; 16])), "receipt.cti");
    assert_eq!(receipt(&|claims| claims.nonce = None), "receipt.nonce");
    assert_eq!(receipt(&|claims| claims.exchange.status = Status::new(500).unwrap()), "receipt.response_mismatch");
    assert_eq!(
        receipt(&|claims| claims.exchange.target = "/v1/completions".try_into().unwrap()),
        "receipt.request_mismatch"
    );
    assert_eq!(receipt(&|claims| claims.exchange.response_length -= 1), "receipt.response_mismatch");
    assert_eq!(receipt(&|claims| claims.exchange.response_length += 1), "stream.cut");
    assert_eq!(receipt(&|claims| claims.exchange.response.0.0[0] ^= 1), "receipt.response_mismatch");
    assert_eq!(verdict(&stream.wire.replace(&honest_record, &honest_record.repeat(2))), "stream.after_end");
    assert_eq!(verdict(&honest_record), "stream.checkpoint_missing");
    let other = record::encode(Kind::Receipt, &node.sign(node.claims(b"other", true)));
    let other_question = {
        let mut claims = node.claims(stream.body.as_bytes(), true);
        claims.exchange.request = Opening::new([7; 32]).commit(Label::Request, b"another question");
        record::encode(Kind::Receipt, &node.sign(claims))
    };
    assert_eq!(verdict(&stream.wire.replace(&honest_record, &other)), "receipt.response_mismatch");
    assert_eq!(verdict(&stream.wire.replace(&honest_record, &other_question)), "receipt.request_mismatch");
}

#[test]
fn a_receipt_without_a_stream_says_nothing_of_its_end() {
    let payload = node().0.claims(honest().body.as_bytes(), true).encode();
    // Key 7 (`streamed`) becomes false, and key 9 stays.
    let (streamed, whole) = ([0x07, 0xf5, 0x08], [0x07, 0xf4, 0x08]);
    let at = payload.windows(3).position(|part| part == streamed).unwrap();
    let bent = [&payload[..at], &whole, &payload[at + 3..]].concat();
    assert!(Receipt::decode(&payload).is_ok());
    assert_eq!(Receipt::decode(&bent).unwrap_err().code(), "format.out_of_range");
}

#[test]
fn a_refusal_is_final() {
    let stream = honest();
    let mut verifier = verifier();
    let refusal = Refusal::from(verifier.push(b"data: x\n\n").unwrap_err());
    assert_eq!(refusal, Refusal::StreamCheckpointMissing);
    assert_eq!(verifier.push(stream.wire.as_bytes()).unwrap_err(), &refusal);
    assert_eq!(verifier.finish().unwrap_err(), refusal);
}

#[test]
fn lines_that_look_like_records_are_refused() {
    let stream = honest();
    for line in [": quoth receipt x\n\n", ":quoth\n\n", ": quoth checkpoint !\n\n", "data: a\n: quoth receipt AA\n\n"] {
        let at = stream.wire.find(": quoth receipt").unwrap();
        let wire = format!("{}{line}{}", &stream.wire[..at], &stream.wire[at..]);
        assert!(verdict(&wire).starts_with("format."), "{line:?}: {}", verdict(&wire));
    }
}

proptest! {
    #[test]
    fn a_stream_is_judged_alike_however_it_is_cut(
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        edit in proptest::option::of((any::<prop::sample::Index>(), 1u8..)),
    ) {
        let mut wire = honest().wire.into_bytes();
        if let Some((at, bits)) = edit {
            let at = at.index(wire.len());
            wire[at] ^= bits;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &wire[pair[0]..pair[1]]);
        let (body, cut) = judge(pieces);
        let (whole_body, whole) = judge([&wire[..]]);
        match (whole, cut) {
            (Ok(_), Ok(_)) => {
                prop_assert!(edit.is_none());
                prop_assert_eq!(body, whole_body);
            }
            (Err(whole), Err(cut)) => prop_assert_eq!(whole.code(), cut.code()),
            (whole, cut) => prop_assert!(false, "whole {:?}, cut {:?}", whole.map(drop), cut.map(drop)),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(judge([&bytes[..]]).1.is_err());
    }
}
