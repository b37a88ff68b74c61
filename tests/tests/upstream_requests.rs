//! Requests to closed providers: their header fields, retries, and hidden keys.
#![allow(clippy::unwrap_used)]

use http::HeaderMap;
use quoth_attestation::receipt::{Execution, Outcome};
use quoth_attestation::transcript::Details;
use quoth_client::{Client, Options as Ask, Proven, access_token, token_hash};
use quoth_fake_provider::{Behaviour, Notice, Options as Fake, Provider};
use quoth_tests::{House, bearer, passed_through};
use serde_json::{Value, json};

fn chat() -> String {
    json!({ "model": "m-1", "messages": [{ "role": "user", "content": "one two" }] }).to_string()
}

fn outcome(proven: &Proven) -> (u16, Outcome) {
    (proven.transcript.response.status, proven.exchange.receipt().claims().exchange.outcome)
}

fn error(proven: &Proven) -> Value {
    serde_json::from_slice::<Value>(&proven.transcript.response.body).unwrap()["error"].take()
}

/// Asks with these header fields.
async fn ask(house: &House, headers: HeaderMap) -> Proven {
    house.ask(Client::CHAT, chat(), Ask { headers, details: true, ..Ask::default() }).await.unwrap()
}

fn with(mut headers: HeaderMap, fields: &[(&'static str, &str)]) -> HeaderMap {
    fields.iter().for_each(|(name, value)| _ = headers.append(*name, value.parse().unwrap()));
    headers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_did_not_process_is_sent_again_and_is_no_retry() {
    let house = House::new("openai", Fake::default()).await;
    for by in [Notice::GoAway, Notice::RefusedStream] {
        let before = house.provider.requests().len();
        house.provider.behave(Behaviour::Unprocessed { times: 2, by });
        let proven = ask(&house, bearer(house.provider.key())).await;
        assert_eq!(outcome(&proven), (200, Outcome::Complete), "{by:?}");
        assert_eq!(house.provider.requests().len(), before + 3, "{by:?}");
        let Some(Execution::Upstream(upstream)) = &proven.exchange.receipt().claims().execution else { panic!() };
        assert_eq!(upstream.retries, 0, "{by:?}");
    }
    let before = house.provider.requests().len();
    house.provider.behave(Behaviour::Unprocessed { times: 9, by: Notice::GoAway });
    let proven = ask(&house, bearer(house.provider.key())).await;
    assert_eq!((outcome(&proven), house.provider.requests().len()), ((502, Outcome::UpstreamFailed), before + 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_pass_or_are_refused_by_name() {
    let house = House::new("openai", Fake::default()).await;
    let known = [
        ("anthropic-beta", "a"),
        ("http-referer", "https://app.example"),
        ("openai-beta", "b"),
        ("openai-organization", "org-1"),
        ("openai-project", "proj-1"),
        ("x-goog-user-project", "p"),
        ("x-title", "An app"),
    ];
    let key = bearer(house.provider.key());
    let dropped = [("referer", "https://other.example"), ("x-stainless-lang", "python"), ("user-agent", "sdk")];
    let proven = ask(&house, with(with(key.clone(), &known), &dropped)).await;
    assert_eq!(outcome(&proven), (200, Outcome::Complete));
    let asked = house.provider.requests().pop().unwrap();
    for (name, value) in known {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
    for (name, _) in dropped {
        assert_eq!(asked.header(name), None, "{name}");
    }
    for name in ["openai-region", "anthropic-workspace", "x-goog-request-params", "helicone-auth", "x-organization-id"]
    {
        let answer = house.node.wire().await.post(Client::CHAT, &[&format!("{name}: x")], chat().as_bytes()).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (400, "unknown_scope"), "{name}");
        assert_eq!(answer.json()["error"]["param"], *name);
    }
    assert_eq!(house.provider.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_keys_are_a_callers_own() {
    let house = House::new("openai", Fake::default()).await;
    house.provision("fake", Some(house.provider.key()), 1).await.unwrap();
    let sent = async |headers| {
        let proven = ask(&house, with(headers, &[("idempotency-key", "retry-1")])).await;
        assert_eq!(outcome(&proven), (200, Outcome::Complete));
        // The receipt commits to the sent request.
        assert_eq!(passed_through(&proven.exchange), Some((true, true)));
        house.provider.requests().pop().unwrap().header("idempotency-key").unwrap().to_owned()
    };
    let own = bearer(house.provider.key());
    let (first, again) = (sent(own.clone()).await, sent(own).await);
    assert_eq!((&first, first.len()), (&again, 64), "the same caller's, over another connection");
    let (one, other) = (sent(HeaderMap::new()).await, sent(HeaderMap::new()).await);
    assert!(one != other && one != first, "two who are known by their connections alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_part_of_the_operators_key_is_shown() {
    let house = House::new("openai", Fake::default()).await;
    let wrong = "sk-operator-0123456789-tail";
    house.provision("fake", Some(wrong), 1).await.unwrap();
    let proven = ask(&house, HeaderMap::new()).await;
    assert_eq!(outcome(&proven), (401, Outcome::UpstreamFailed));
    assert_eq!(error(&proven)["code"], "operator_key_refused");
    let Some(Details::Upstream(details)) = &proven.transcript.details else { panic!() };
    assert_eq!(details.received.as_deref(), Some(&[][..]));
    let told = [&proven.transcript.response.body[..], &details.head].concat();
    let told = String::from_utf8(told).unwrap();
    assert!(!told.contains("sk-opera") && !told.contains("tail"), "{told}");
    assert_eq!(passed_through(&proven.exchange), Some((true, false)));

    // A caller may see its own key.
    let proven = ask(&house, bearer("sk-callers-0123456789-tail")).await;
    assert_eq!(outcome(&proven), (401, Outcome::Complete));
    assert!(error(&proven)["message"].as_str().unwrap().contains("sk-calle"));
    assert_eq!(passed_through(&proven.exchange), Some((true, true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_of_patterns_are_the_ones_that_the_provider_lists() {
    let (token, provider) = (access_token("team").unwrap(), Provider::start(Fake::default()));
    let more = format!(
        "[[upstream]]\nname = \"listed\"\nhost = \"localhost\"\nport = {}\napi = \"openai\"\nmodels = [\"gpt-*\", \
         \"gpt-fake-mini\"]\nca = '''\n{}'''\n[[caller]]\nname = \"team\"\ntoken = \"{}\"\n",
        provider.port(),
        provider.ca_pem(),
        token_hash(&token).unwrap(),
    );
    let house = House::behind(provider.port(), "openai", provider, &more).await;
    let mut connection = Client::new(house.node.policy()).connect(&house.node.url()).await.unwrap();
    let mut get = async |target: &str, headers| {
        let (head, body) = connection.get(target, headers).await.unwrap().into_parts();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let names = body["data"].as_array().into_iter().flatten().map(|model| model["id"].as_str().unwrap().to_owned());
        (head.status.as_u16(), body["id"].as_str().map(str::to_owned), names.collect::<Vec<_>>())
    };
    // Without a key there is no request to the provider.
    let configured = ["fast", "gpt-fake-mini"].map(str::to_owned).to_vec();
    assert_eq!(get("/v1/models", bearer(&token)).await, (200, None, configured.clone()));
    house.provision("listed", Some(house.provider.key()), 1).await.unwrap();
    // Strangers cannot cause this request, and do not see the answer.
    assert_eq!(get("/v1/models", HeaderMap::new()).await, (200, None, configured.clone()));
    assert!(house.provider.requests().is_empty());
    let all = [configured, vec!["gpt-fake".into()]].concat();
    for _ in 0..3 {
        assert_eq!(get("/v1/models", bearer(&token)).await, (200, None, all.clone()));
    }
    for (path, name) in
        [("gpt-fake", Some("gpt-fake")), ("gpt%2Dfake", Some("gpt-fake")), ("text-embedding-fake", None)]
    {
        let status = if name.is_some() { 200 } else { 404 };
        let found = get(&format!("/v1/models/{path}"), bearer(&token)).await;
        assert_eq!(found, (status, name.map(str::to_owned), Vec::new()), "{path}");
    }
    let requests = house.provider.requests();
    assert_eq!(requests.len(), 1, "one question in some minutes");
    assert_eq!((requests[0].method.as_str(), requests[0].target.as_str()), ("GET", "/v1/models"));
}
