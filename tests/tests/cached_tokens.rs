//! Counts of cached tokens: hidden from callers that share the operator's key, in answers and in receipts.
#![allow(clippy::unwrap_used)]

use quoth_attestation::receipt::{Credential, Execution, Outcome};
use quoth_attestation::transcript::Details;
use quoth_client::{Options as Ask, Proven};
use quoth_fake_provider::{Behaviour, Options as Fake, Provider};
use quoth_tests::{House, bearer, passed_through};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";
const PASSED: (bool, bool) = (true, true);
const HIDDEN: (bool, bool) = (true, false);

/// Starts a node with the operator's key that hides counts, or has no such setting.
async fn house(api: &str, settings: &str) -> House {
    let provider = Provider::start(Fake::default());
    let house = House::behind(provider.port(), api, provider, settings).await;
    house.provision("fake", Some(house.provider.key()), 1).await.unwrap();
    house
}

async fn ask(house: &House, target: &str, stream: bool, own_key: bool) -> Proven {
    let body = json!({
        "model": "m-1", "messages": [{ "role": "user", "content": "one two" }], "input": "one two", "max_tokens": 9,
        "stream": stream,
    });
    let mut headers = if own_key { bearer(house.provider.key()) } else { Default::default() };
    headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
    let proven = house.ask(target, body.to_string(), Ask { details: true, headers, ..Ask::default() }).await.unwrap();
    let claims = proven.exchange.receipt().claims();
    assert_eq!(claims.exchange.outcome, Outcome::Complete);
    let Some(Execution::Upstream(upstream)) = &claims.execution else { panic!("no provider") };
    assert_eq!(upstream.credential, if own_key { Credential::Caller } else { Credential::Operator });
    proven
}

fn body(proven: &Proven) -> &str {
    std::str::from_utf8(&proven.transcript.response.body).unwrap()
}

/// Returns the provider's answer in the details, if it differs from the node's.
fn received(proven: &Proven) -> Option<&str> {
    let Some(Details::Upstream(details)) = &proven.transcript.details else { panic!("no details of a provider") };
    details.received.as_deref().map(|received| std::str::from_utf8(received).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_counts_leave_as_0_and_receipts_have_stars() {
    let house = house("openai", "cached_tokens = \"hide\"\n").await;
    // Also more than the node reads at once.
    for padding in [0, 200_000] {
        let event = |cached: &str| {
            format!(
                "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":2006,\"prompt_tokens_details\":{{\"cached_tokens\":{cached}}}}}}}\n\
                 : {}\n\ndata: [DONE]\n\n",
                "x".repeat(padding)
            )
        };
        house.provider.behave(Behaviour::Verbatim { stream: event("1920") });
        let proven = ask(&house, CHAT, true, false).await;
        assert_eq!((passed_through(&proven.exchange), body(&proven)), (Some(HIDDEN), &*event("0")));
        assert_eq!(received(&proven), Some(&*event("*")));
        assert_eq!(proven.exchange.receipt().claims().usage.unwrap().prompt, 2006);
        // With the caller's own key it is the caller's own cache.
        let proven = ask(&house, CHAT, true, true).await;
        assert_eq!((passed_through(&proven.exchange), body(&proven)), (Some(PASSED), &*event("1920")));
    }
    // The event that ends the stream may have counts, too.
    let last = |cached: &str| {
        format!(
            "event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{{\"usage\":\
             {{\"input_tokens_details\":{{\"cached_tokens\":{cached}}}}}}}}}\n\n"
        )
    };
    house.provider.behave(Behaviour::Verbatim { stream: last("77") });
    let proven = ask(&house, "/v1/responses", true, false).await;
    assert_eq!((body(&proven), received(&proven)), (&*last("0"), Some(&*last("*"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_apis_answers_have_stars() {
    for (api, targets) in [("openai", &[CHAT, "/v1/responses"][..]), ("anthropic", &["/v1/messages"])] {
        let house = house(api, "cached_tokens = \"hide\"\n").await;
        for target in targets {
            let proven = ask(&house, target, false, false).await;
            let starred = received(&proven).unwrap();
            assert!(starred.contains('*'), "{target}: {starred}");
            assert_eq!(
                (starred.replace('*', "0"), passed_through(&proven.exchange)),
                (body(&proven).into(), Some(HIDDEN))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_pass_unless_the_operator_hides_them() {
    let house = house("openai", "").await;
    for stream in [false, true] {
        let proven = ask(&house, CHAT, stream, false).await;
        assert_eq!((passed_through(&proven.exchange), received(&proven)), (Some(PASSED), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_counts_cannot_be_hidden_does_not_pass() {
    let house = house("openai", "cached_tokens = \"hide\"\n").await;
    let stream = "data: {}\n\ndata: {\"usage\":{\"cached_tokens\":1920}\n\ndata: [DONE]\n\n";
    house.provider.behave(Behaviour::Verbatim { stream: stream.into() });
    let body = json!({ "model": "m-1", "messages": [], "stream": true }).to_string();
    let proven = house.ask(CHAT, body, Ask { details: true, ..Ask::default() }).await.unwrap();
    assert_eq!(proven.exchange.receipt().claims().exchange.outcome, Outcome::UpstreamFailed);
    let text = std::str::from_utf8(&proven.transcript.response.body).unwrap();
    assert!(text.contains("upstream_unreadable") && !text.contains("1920"), "{text}");
    assert_eq!(received(&proven), Some("data: {}\n\n"));
}
