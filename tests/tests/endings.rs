//! Ends of providers' streams: what SDKs treat as the end is the end for Quoth, too.
//!
//! It is proven before it leaves, and the receipt names it.
#![allow(clippy::unwrap_used)]

use quoth_attestation::receipt::{Ending, Exchange, Outcome};
use quoth_client::{Options as Ask, Proven};
use quoth_fake_provider::{Behaviour, Options as Fake};
use quoth_tests::{House, bearer};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";

const CHUNK: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n";
const FINISHED: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const DELTA: &str =
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"hi\"}}\n\n";
const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const CREATED: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{}}\n\n";
const COMPLETED: &str = "event: response.completed\ndata: {\"type\":\"response.completed\"}\n\n";

async fn ask(house: &House, target: &str) -> Proven {
    let body = json!({ "model": "m-1", "messages": [], "input": "x", "max_tokens": 9, "stream": true });
    let mut headers = bearer(house.provider.key());
    headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
    let proven = house.ask(target, body.to_string(), Ask { headers, ..Ask::default() }).await;
    proven.unwrap_or_else(|error| panic!("{target}: {error}"))
}

fn said(proven: &Proven) -> (&Exchange, &str) {
    let body = std::str::from_utf8(&proven.transcript.response.body).unwrap();
    (&proven.exchange.receipt().claims().exchange, body)
}

fn api(target: &str) -> &'static str {
    if target == MESSAGES { "anthropic" } else { "openai" }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_sdks_read_to_its_end_is_whole() {
    let typed = "data: {\"type\":\"response.completed\"}\n\n";
    let length = FINISHED.replace("\"stop\"", "\"length\"");
    let two = CHUNK.replace("\"index\":0", "\"index\":1");
    // The path, what passes before the receipt, what after it, what is dropped, and the end in the receipt.
    let whole = [
        (CHAT, CHUNK.to_owned(), DONE, "", Ending::Terminal),
        (CHAT, CHUNK.into(), DONE, "\n", Ending::Terminal),
        (CHAT, CHUNK.into(), DONE, ": bye\n\n", Ending::Terminal),
        (CHAT, CHUNK.into(), DONE, "data: more\n\n<html>", Ending::Terminal),
        (CHAT, CHUNK.into(), "data: [DONE]\r\n\r\n", "\r\n", Ending::Terminal),
        (CHAT, CHUNK.into(), "data: [DONE]\r\r", "", Ending::Terminal),
        (MESSAGES, DELTA.into(), STOP, "event: ping\ndata: {\"type\":\"ping\"}\n\n", Ending::Terminal),
        (MESSAGES, DELTA.into(), "data: {\"type\":\"message\\u005fstop\"}\n\n", "", Ending::Terminal),
        (RESPONSES, CREATED.into(), COMPLETED, DONE, Ending::Terminal),
        (RESPONSES, CREATED.into(), typed, "", Ending::Terminal),
        (CHAT, format!("{CHUNK}{FINISHED}"), "", "", Ending::FinishReason),
        (CHAT, format!("{CHUNK}{length}"), "", "", Ending::FinishReason),
        (CHAT, format!("{CHUNK}{two}{FINISHED}{}", FINISHED.replace(":0", ":1")), "", "", Ending::FinishReason),
        (CHAT, format!("{CHUNK}{FINISHED}"), "", "data: [DONE]\n", Ending::FinishReason),
        (CHAT, format!("{CHUNK}{FINISHED}"), "", "data: [DONE]", Ending::FinishReason),
        (CHAT, format!("{CHUNK}{FINISHED}: bye\n\n"), "", "", Ending::FinishReason),
    ];
    for http1_only in [true, false] {
        for name in ["openai", "anthropic"] {
            let house = House::new(name, Fake { http1_only, ..Fake::default() }).await;
            for (target, before, end, after, ending) in whole.iter().filter(|case| api(case.0) == name) {
                for mark in ["", "\u{feff}"] {
                    let stream = format!("{mark}{before}{end}{after}");
                    house.provider.behave(Behaviour::Verbatim { stream: stream.clone() });
                    let proven = ask(&house, target).await;
                    let (exchange, body) = said(&proven);
                    assert_eq!(body, format!("{before}{end}"), "{stream:?}");
                    let outcome = if before.contains("length") { Outcome::Length } else { Outcome::Complete };
                    assert_eq!((exchange.outcome, exchange.ending), (outcome, Some(*ending)), "{stream:?}");
                    assert!(proven.exchange.pass_through().unwrap().response());
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_last_event_though_the_connection_stays_open() {
    let ends: [&[&str]; 4] = [
        &["data: [DONE]\n\n"],
        &["data: [DONE]", "\r", "\r"],
        &["data: [DONE]\r\n\r", "\n"],
        &["data: [DONE]\r\n\r", "\n\r\n"],
    ];
    for (http1_only, ends) in [(true, &ends[3..]), (false, &ends)] {
        let house = House::new("openai", Fake { http1_only, ..Fake::default() }).await;
        for end in ends {
            let pieces = [CHUNK].iter().chain(*end).map(|piece| (*piece).to_owned()).collect();
            house.provider.behave(Behaviour::Pieces { pieces });
            let proven = ask(&house, CHAT).await;
            let (exchange, body) = said(&proven);
            // An additional blank line is not part of the event.
            let whole = end.concat().replace("\r\n\r\n\r\n", "\r\n\r\n");
            assert_eq!(body, format!("{CHUNK}{whole}"), "{end:?}");
            assert_eq!((exchange.outcome, exchange.ending), (Outcome::Complete, Some(Ending::Terminal)), "{end:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_whole_is_not_called_so() {
    let two = CHUNK.replace("\"index\":0", "\"index\":1");
    let fails = [
        (CHAT, CHUNK.to_owned(), "upstream_cut"),
        (CHAT, format!("{CHUNK}data: [DONE]\n"), "upstream_cut"),
        (CHAT, format!("{CHUNK}{two}{FINISHED}"), "upstream_cut"),
        (RESPONSES, format!("{CREATED}{FINISHED}"), "upstream_cut"),
        (MESSAGES, format!("{DELTA}event: message_stop\ndata: {{}}\n"), "upstream_cut"),
        (CHAT, format!("{CHUNK}event: a\nevent: b\n\n{DONE}"), "upstream_ambiguous"),
        (CHAT, format!("{CHUNK}\u{feff}{DONE}"), "upstream_ambiguous"),
        (CHAT, format!("{CHUNK}data: {{\"type\":\"a\",\"type\":\"b\"}}\n\n{DONE}"), "upstream_ambiguous"),
        (
            RESPONSES,
            format!("{CREATED}event: response.in_progress\ndata: {{\"type\":\"response.completed\"}}\n\n"),
            "upstream_ambiguous",
        ),
        (
            MESSAGES,
            format!("{DELTA}event: message_delta\ndata: {{\"type\":\"message_stop\"}}\n\n"),
            "upstream_ambiguous",
        ),
    ];
    for name in ["openai", "anthropic"] {
        let house = House::new(name, Fake::default()).await;
        for (target, stream, code) in fails.iter().filter(|case| api(case.0) == name) {
            house.provider.behave(Behaviour::Verbatim { stream: stream.clone() });
            let proven = ask(&house, target).await;
            let (exchange, body) = said(&proven);
            assert_eq!((exchange.outcome, exchange.ending), (Outcome::UpstreamFailed, None), "{stream:?}");
            assert!(body.contains(&format!("\"{code}\"")) || name == "anthropic", "{stream:?}: {body}");
            assert!(body.contains("\"error\":") && !body.contains("[DONE]"), "{stream:?}: {body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_error_event_passes_as_it_is_and_ends_the_stream() {
    for (name, target, before, error) in [
        ("openai", CHAT, CHUNK, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"),
        ("openai", RESPONSES, CREATED, "event: error\ndata: {\"type\":\"error\",\"message\":\"overloaded\"}\n\n"),
        (
            "anthropic",
            MESSAGES,
            DELTA,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
        ),
    ] {
        let house = House::new(name, Fake::default()).await;
        for after in ["", DONE, CHUNK] {
            house.provider.behave(Behaviour::Verbatim { stream: format!("{before}{error}{after}") });
            let proven = ask(&house, target).await;
            let (exchange, body) = said(&proven);
            assert_eq!(body, format!("{before}{error}"), "{after:?}");
            assert_eq!((exchange.outcome, exchange.ending), (Outcome::UpstreamFailed, None), "{after:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn media_types_are_read_in_any_spelling_and_once() {
    let house = House::new("openai", Fake::default()).await;
    for values in [vec!["Text/Event-Stream"], vec!["TEXT/EVENT-STREAM ; Charset=UTF-8"]] {
        house.provider.behave(Behaviour::MediaTypes { values: values.clone() });
        let proven = ask(&house, CHAT).await;
        let (exchange, body) = said(&proven);
        assert!(exchange.streamed && body.ends_with(DONE), "{values:?}: {body}");
    }
    for values in [vec!["text/event-stream", "application/json"], vec!["application/json", "Text/Event-Stream"]] {
        house.provider.behave(Behaviour::MediaTypes { values: values.clone() });
        let proven = ask(&house, CHAT).await;
        let (exchange, body) = said(&proven);
        assert!(!exchange.streamed && body.contains("upstream_media_type"), "{values:?}: {body}");
    }
}
