//! Closed providers: requests, answers, receipts and misbehaviour.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use http::Version;
use quoth_attestation::receipt::{Credential, Execution, Outcome, Upstream};
use quoth_attestation::secret::fingerprint;
use quoth_attestation::transcript::{Details, UpstreamDetails};
use quoth_client::{Client, ClientError, OperatorKey, Options as Ask, Proven};
use quoth_fake_provider::{Behaviour, LineEnd, Options as Fake, Provider};
use quoth_tests::{House, bearer, command, passed_through};
use quoth_verifier::{TimeChoice, Verifier};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const CHAT: &str = "/v1/chat/completions";
/// Asks with the caller's own key.
async fn ask(house: &House, target: &str, body: &Value) -> Result<Proven, ClientError> {
    send(house, target, body.to_string(), Some(house.provider.key())).await
}

async fn send(house: &House, target: &str, body: String, key: Option<&str>) -> Result<Proven, ClientError> {
    send_with(house, target, body, key, 0).await
}

async fn send_with(
    house: &House,
    target: &str,
    body: String,
    key: Option<&str>,
    retries: u64,
) -> Result<Proven, ClientError> {
    let mut headers = key.map(bearer).unwrap_or_default();
    headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
    headers.insert("cookie", "secret=1".parse().unwrap());
    house.ask(target, body, Ask { details: true, head: false, parent: None, retries, headers }).await
}

/// Returns the claims of the receipt of a proven exchange.
fn upstream(proven: &Proven) -> Upstream {
    match &proven.exchange.receipt().claims().execution {
        Some(Execution::Upstream(upstream)) => upstream.clone(),
        other => panic!("{other:?}"),
    }
}

/// Relays connections to a target, as a host does for an enclave. The target can be changed.
struct Way {
    port: u16,
    there: watch::Sender<u16>,
}

impl Way {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().port();
        let (there, leads) = watch::channel(port);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut leads = leads.clone();
                let port = *leads.borrow_and_update();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = leads.changed() => {}
                    }
                });
            }
        });
        Self { port: here, there }
    }

    fn lead_to(&self, port: u16) {
        self.there.send_replace(port);
    }
}

fn chat(model: &str, stream: bool) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "one two three" }], "stream": stream })
}

fn outcome(proven: &Proven) -> Outcome {
    proven.exchange.receipt().claims().exchange.outcome
}

fn details(proven: &Proven) -> &UpstreamDetails {
    match &proven.transcript.details {
        Some(Details::Upstream(details)) => details,
        _ => panic!("no details of a provider"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_pass_as_they_are_and_the_receipt_says_to_whom() {
    for http1_only in [true, false] {
        let house = House::new("openai", Fake { http1_only, ..Fake::default() }).await;
        for stream in [false, true] {
            let body = chat("m-large", stream);
            let proven = ask(&house, CHAT, &body).await.unwrap();
            assert_eq!((proven.transcript.response.status, outcome(&proven)), (200, Outcome::Complete));
            assert_eq!(passed_through(&proven.exchange), Some((true, true)));
            let asked = house.provider.requests().pop().unwrap();
            assert_eq!((&asked.body[..], asked.target.as_str()), (body.to_string().as_bytes(), CHAT));
            assert_eq!(asked.version == hyper::Version::HTTP_11, http1_only);
            for absent in ["cookie", "quoth-nonce", "quoth-details"] {
                assert_eq!(asked.header(absent), None);
            }
            assert_eq!(asked.header("accept-encoding"), Some("identity"));
            let upstream = upstream(&proven);
            assert_eq!((upstream.provider.as_str(), upstream.host.as_str()), ("fake", "localhost"));
            assert_eq!((upstream.port, upstream.credential), (house.provider.port(), Credential::Caller));
            assert_eq!(upstream.tls.as_ref().unwrap().version, 0x0304);
            assert_eq!(upstream.model_asked, "m-large");
            assert_eq!(upstream.model_answered.as_deref(), Some("m-large-2026-01-01"));
            assert!(upstream.request_id.unwrap().starts_with("req_"));
            let details = details(&proven);
            let head = str::from_utf8(&details.head).unwrap();
            assert!(head.starts_with("POST /v1/chat/completions\nhost: localhost:"), "{head}");
            assert!(head.contains("\nauthorization: redacted\n") && !head.contains(house.provider.key()));
            assert!(!details.certificates.is_empty() && details.sent.is_none() && details.received.is_none());

            // An auditor needs only the transcript, and no part of it can be changed.
            let text = proven.transcript.encode().into_bytes();
            let verifier = Verifier::new(house.node.policy());
            verifier.verify_transcript(&text, TimeChoice::Archived).unwrap();
            for at in (0..text.len()).step_by(11) {
                let mut changed = text.clone();
                changed[at] ^= 1;
                assert!(verifier.verify_transcript(&changed, TimeChoice::Archived).is_err(), "byte {at}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_of_both_protocols_is_spoken_to_in_the_one_that_is_configured() {
    for (configured, version) in
        [("", Version::HTTP_2), ("http2 = true\n", Version::HTTP_2), ("http2 = false\n", Version::HTTP_11)]
    {
        let provider = Provider::start(Fake::default());
        let house = House::behind(provider.port(), "openai", provider, configured).await;
        assert_eq!(outcome(&ask(&house, CHAT, &chat("m-1", false)).await.unwrap()), Outcome::Complete);
        assert_eq!(house.provider.requests()[0].version, version, "{configured}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_the_only_thing_that_changes() {
    let house = House::new("openai", Fake::default()).await;
    let body = r#"{ "messages": [{"role":"user","content":"\"model\":\"fast\""}], "model" : "fast" }"#;
    let proven = send(&house, CHAT, body.into(), Some(house.provider.key())).await.unwrap();
    let sent = body.replace(r#""model" : "fast""#, r#""model" : "m-small""#);
    assert_eq!(house.provider.requests()[0].body, sent);
    assert_eq!(passed_through(&proven.exchange), Some((false, true)));
    assert_eq!(details(&proven).sent.as_deref(), Some(sent.as_bytes()));
    assert_eq!(upstream(&proven).model_asked, "m-small");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_apis_pass_too() {
    let house = House::new("openai", Fake::default()).await;
    for stream in [false, true] {
        let body = json!({ "model": "m-1", "input": "one two", "stream": stream });
        let proven = ask(&house, "/v1/responses", &body).await.unwrap();
        assert_eq!(outcome(&proven), Outcome::Complete);
        assert!(proven.exchange.receipt().claims().usage.is_some());
    }
    let embedding = json!({ "model": "m-1", "input": "one two" });
    assert_eq!(outcome(&ask(&house, "/v1/embeddings", &embedding).await.unwrap()), Outcome::Complete);
    // Anthropic's path does not serve a model of an OpenAI-compatible provider.
    let refused = ask(&house, "/v1/messages", &chat("m-1", false)).await.unwrap();
    assert_eq!((refused.transcript.response.status, outcome(&refused)), (400, Outcome::Refused));

    let house = House::new("anthropic", Fake::default()).await;
    for stream in [false, true] {
        let body = json!({
            "model": "m-1", "max_tokens": 100, "stream": stream, "messages": [{ "role": "user", "content": "one two" }],
        });
        let proven = ask(&house, "/v1/messages?beta=true", &body).await.unwrap();
        assert_eq!((outcome(&proven), proven.transcript.response.status), (Outcome::Complete, 200));
        let asked = house.provider.requests().pop().unwrap();
        assert_eq!(asked.target, "/v1/messages?beta=true");
        assert_eq!(asked.header("x-api-key"), Some(house.provider.key()));
        assert_eq!((asked.header("authorization"), asked.header("anthropic-version")), (None, Some("2023-06-01")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_parsers_read_differently_never_reaches_a_provider() {
    let house = House::new("openai", Fake::default()).await;
    for body in [
        r#"{"model":"m-1","messages":[],"model":"m-2"}"#,
        r#"{"model":"m-1","mod\u0065l":"m-2","messages":[]}"#,
        r#"{"model":"m-1","MODEL":"m-2","messages":[]}"#,
        r#"{"Model":"m-1","messages":[]}"#,
        "{\"model\":\"m-1\",\"\u{17f}tream\":true}",
        r#"{"model":"m-1","messages":[{"role":"user","content":"\ud800"}]}"#,
        "\u{feff}{\"model\":\"m-1\"}",
        &format!("{{\"model\":\"m-1\",\"x\":{}{}}}", "[".repeat(65), "]".repeat(65)),
    ] {
        let proven = send(&house, CHAT, body.into(), Some(house.provider.key())).await.unwrap();
        assert_eq!((proven.transcript.response.status, outcome(&proven)), (400, Outcome::Refused), "{body}");
    }
    let unknown = ask(&house, CHAT, &chat("other", false)).await.unwrap();
    assert_eq!(unknown.transcript.response.status, 404);
    assert!(house.provider.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_a_prompt_leaves_before_the_provider_is_authenticated() {
    for behaviour in
        [Behaviour::WrongName, Behaviour::UnknownCa, Behaviour::Expired, Behaviour::Tls12Only, Behaviour::CloseAtAccept]
    {
        let house = House::new("openai", Fake { behaviour: behaviour.clone(), ..Fake::default() }).await;
        for stream in [false, true] {
            let proven = ask(&house, CHAT, &chat("m-1", stream)).await.unwrap();
            assert_eq!(
                (proven.transcript.response.status, outcome(&proven)),
                (502, Outcome::UpstreamFailed),
                "{behaviour:?}"
            );
            assert_eq!(upstream(&proven).tls, None);
            let error: Value = serde_json::from_slice(&proven.transcript.response.body).unwrap();
            assert_eq!(error["error"]["code"], "upstream_not_authenticated", "{behaviour:?}");
        }
        assert!(house.provider.requests().is_empty(), "{behaviour:?}");
        // The provider recovers, and so does the node.
        house.provider.behave(Behaviour::Good);
        assert_eq!(outcome(&ask(&house, CHAT, &chat("m-1", false)).await.unwrap()), Outcome::Complete, "{behaviour:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_provider_does_the_receipt_tells_it() {
    let cut = |close_notify| Behaviour::Cut { after_events: 2, close_notify };
    let imitates = |after, split| Behaviour::FalseRecord { after, split };
    let away = Behaviour::Redirect { status: 307, location: "https://elsewhere.example/".into() };
    // The behaviour, the error for a whole answer (`None`: the provider's answer passes), and the error for a stream.
    let cases = [
        (Behaviour::CloseBeforeAnswer, Some("upstream_closed"), Some("upstream_closed")),
        (cut(true), Some("upstream_cut"), Some("upstream_cut")),
        (cut(false), Some("upstream_cut"), Some("upstream_cut")),
        (Behaviour::EndEarly { after_events: 2 }, None, Some("upstream_cut")),
        (Behaviour::StallBeforeHead, Some("upstream_silent"), Some("upstream_silent")),
        (Behaviour::StallMidStream { after_events: 2 }, Some("upstream_silent"), Some("upstream_silent")),
        (Behaviour::NoEvents, None, Some("upstream_malformed")),
        (Behaviour::EndlessLine, None, Some("upstream_too_long")),
        (Behaviour::UnfinishedLine, None, Some("upstream_cut")),
        (Behaviour::InvalidUtf8, None, Some("upstream_malformed")),
        (imitates(LineEnd::Lf, false), None, Some("upstream_imitation")),
        (imitates(LineEnd::Cr, true), None, Some("upstream_imitation")),
        (imitates(LineEnd::CrLf, true), None, Some("upstream_imitation")),
        (imitates(LineEnd::Blank, false), None, Some("upstream_imitation")),
        (Behaviour::BytesAfterEnd, None, None),
        (Behaviour::EndlessFields, Some("upstream_head"), Some("upstream_head")),
        (Behaviour::EndlessField, Some("upstream_head"), Some("upstream_head")),
        (Behaviour::Gzip { blanks: 100 << 20 }, Some("upstream_encoded"), Some("upstream_encoded")),
        (away, Some("upstream_redirect"), Some("upstream_redirect")),
        (Behaviour::LongJson { bytes: 17 << 20 }, Some("upstream_too_long"), Some("upstream_too_long")),
    ];
    for http1_only in [true, false] {
        let house = House::new("openai", Fake { http1_only, ..Fake::default() }).await;
        for (behaviour, whole, streamed) in &cases {
            house.provider.behave(behaviour.clone());
            for (stream, code) in [(false, whole), (true, streamed)] {
                let case = format!("{behaviour:?}, stream {stream}, http1 {http1_only}");
                let proven =
                    ask(&house, CHAT, &chat("m-1", stream)).await.unwrap_or_else(|error| panic!("{case}: {error}"));
                let body = String::from_utf8(proven.transcript.response.body.clone()).unwrap();
                match code {
                    Some(code) => {
                        // Over HTTP/2 a head that is too long ends the stream, as any other fault does.
                        let code = if http1_only { code.to_string() } else { code.replace("_head", "_closed") };
                        assert_eq!(outcome(&proven), Outcome::UpstreamFailed, "{case}");
                        assert!(body.contains(&format!("\"{code}\"")), "{case}: {body}");
                        assert!(!passed_through(&proven.exchange).unwrap().1, "{case}");
                    }
                    None => assert_eq!(outcome(&proven), Outcome::Complete, "{case}: {body}"),
                }
                assert!(!body.contains("quoth receipt"), "{case}");
            }
        }
        house.provider.behave(Behaviour::Good);
        assert_eq!(outcome(&ask(&house, CHAT, &chat("m-1", true)).await.unwrap()), Outcome::Complete);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_own_errors_pass_as_they_are() {
    let house = House::new("openai", Fake::default()).await;
    for (behaviour, status, expected) in [
        (Behaviour::RateLimited { retry_after: 7 }, 429, Outcome::Complete),
        (Behaviour::Unavailable, 503, Outcome::UpstreamFailed),
        (Behaviour::HtmlError, 500, Outcome::UpstreamFailed),
    ] {
        house.provider.behave(behaviour);
        let proven = ask(&house, CHAT, &chat("m-1", true)).await.unwrap();
        assert_eq!((proven.transcript.response.status, outcome(&proven)), (status, expected));
        assert_eq!(passed_through(&proven.exchange), Some((true, true)));
    }
    house.provider.behave(Behaviour::Good);
    let proven = send(&house, CHAT, chat("m-1", false).to_string(), Some("sk-wrong")).await.unwrap();
    assert_eq!(proven.transcript.response.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_provider_is_asked_again_when_the_caller_allows_it() {
    let house = House::new("openai", Fake::default()).await;
    let ask = |retries| send_with(&house, CHAT, chat("m-1", false).to_string(), Some(house.provider.key()), retries);
    let times = |proven: &Proven| (upstream(proven).retries.get(), house.provider.requests().len());
    for behaviour in [Behaviour::RateLimited { retry_after: 1 }, Behaviour::Unavailable] {
        let before = house.provider.requests().len();
        house.provider.behave(behaviour.clone());
        let comes_to_its_senses = async {
            while house.provider.requests().len() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            house.provider.behave(Behaviour::Good);
        };
        let (proven, ()) = tokio::join!(ask(3), comes_to_its_senses);
        let proven = proven.unwrap();
        assert_eq!((proven.transcript.response.status, outcome(&proven)), (200, Outcome::Complete), "{behaviour:?}");
        assert_eq!(times(&proven), (1, before + 2), "{behaviour:?}");
    }
    // Not without permission, not more often than allowed, and not for too long.
    let before = house.provider.requests().len();
    house.provider.behave(Behaviour::Unavailable);
    let proven = ask(0).await.unwrap();
    assert_eq!((proven.transcript.response.status, times(&proven)), (503, (0, before + 1)));
    let proven = ask(1).await.unwrap();
    assert_eq!((proven.transcript.response.status, times(&proven)), (503, (1, before + 3)));
    house.provider.behave(Behaviour::RateLimited { retry_after: 11 });
    let proven = ask(3).await.unwrap();
    assert_eq!((proven.transcript.response.status, times(&proven)), (429, (0, before + 4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_leads_elsewhere_gets_nothing() {
    let (meant, other) = (Provider::start(Fake::default()), Provider::start(Fake::default()));
    let way = Way::to(meant.port()).await;
    let house = House::behind(way.port, "openai", meant, "").await;
    assert_eq!(outcome(&ask(&house, CHAT, &chat("m-1", false)).await.unwrap()), Outcome::Complete);

    // The same name with another certificate. The open connection is cut.
    way.lead_to(other.port());
    for stream in [false, true] {
        let proven = ask(&house, CHAT, &chat("m-1", stream)).await.unwrap();
        assert_eq!((proven.transcript.response.status, outcome(&proven)), (502, Outcome::UpstreamFailed));
        let body = String::from_utf8(proven.transcript.response.body).unwrap();
        assert!(body.contains("upstream_not_authenticated"), "{body}");
    }
    assert!(other.requests().is_empty());
    assert_eq!(house.provider.requests().len(), 1);
    way.lead_to(house.provider.port());
    assert_eq!(outcome(&ask(&house, CHAT, &chat("m-1", false)).await.unwrap()), Outcome::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_alone_gives_keys_and_they_serve_callers_who_have_none() {
    let house = House::new("openai", Fake::default()).await;
    let anonymous = async || send(&house, CHAT, chat("m-1", false).to_string(), None).await.unwrap();
    let refused = anonymous().await;
    assert_eq!((refused.transcript.response.status, outcome(&refused)), (401, Outcome::Refused));

    let client = Client::new(house.node.policy());
    let mut connection = client.connect(&house.node.url()).await.unwrap();
    let stranger = OperatorKey::generate().unwrap();
    let error = connection.provision(&stranger, "fake", Some(house.provider.key()), 1).await.unwrap_err();
    assert_eq!(error.code(), "secret.other_operator");
    let list = connection.provision(&house.operator, "fake", Some(house.provider.key()), 5).await.unwrap();
    let list: Value = serde_json::from_slice(&list).unwrap();
    let fingerprint = hex::encode(fingerprint("fake", house.provider.key().as_bytes()));
    assert_eq!(list, json!({ "secrets": [{ "name": "fake", "fingerprint": fingerprint, "counter": 5 }] }));
    for counter in [4, 5] {
        let error = connection.provision(&house.operator, "fake", Some("sk-old"), counter).await.unwrap_err();
        assert!(error.to_string().contains("secret_counter"), "{error}");
    }
    let error = connection.provision(&house.operator, "other", Some("sk"), 6).await.unwrap_err();
    assert!(error.to_string().contains("secret_name"), "{error}");

    let proven = anonymous().await;
    assert_eq!(outcome(&proven), Outcome::Complete);
    assert_eq!(upstream(&proven).credential, Credential::Operator);
    // Strangers learn neither the names of callers nor their number.
    let list = house.node.wire().await.get("/.well-known/quoth/secrets").await.unwrap();
    assert_eq!((list.status, list.header("allow")), (405, Some("POST")));
    assert!(!String::from_utf8(list.body).unwrap().contains("fake"));

    let list = connection.provision(&house.operator, "fake", None, 7).await.unwrap();
    assert_eq!(list, br#"{"secrets":[]}"#);
    assert_eq!(anonymous().await.transcript.response.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_run_at_once_and_those_who_leave_are_let_go() {
    let fake = Fake { pause: Duration::from_millis(5), streams_per_connection: 100, ..Fake::default() };
    let house = House::new("openai", fake).await;
    let body = chat("m-1", true);
    // A node makes 64 quotes at the same time.
    for _ in 0..3 {
        let asks = (0..50).map(|_| ask(&house, CHAT, &body));
        for proven in futures_util::future::join_all(asks).await {
            assert_eq!(outcome(&proven.unwrap()), Outcome::Complete);
        }
    }
    assert_eq!(house.provider.requests().len(), 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_who_answered_and_that_it_cannot_be_run_again() {
    let house = House::new("openai", Fake::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("key"), house.provider.key()).unwrap();
    let policy = house.node.policy_file();
    let verify = |arguments: &[&str]| {
        let output = command("quoth-verify").args(arguments).arg("--policy").arg(&policy).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (url, key, saved) = (house.node.url(), file("key"), file("a.transcript.json"));
    let ask = ["ask", &url, "one two", "-m", "m-1", "--key-file", &key, "--save", &saved, "--details"];
    for arguments in [&ask[..], &["transcript", &saved]] {
        let (code, told) = verify(arguments);
        assert_eq!(code, Some(0), "{told}");
        let place = format!("a TLS peer that authenticated as localhost:{}", house.provider.port());
        for said in [
            &*place,
            "m-1; the provider says m-1-2026-01-01",
            "TLS 1.3",
            "the caller's",
            "that the provider ran the model",
        ] {
            assert!(told.contains(said), "{said} is not in:\n{told}");
        }
    }
    let model = file("model.gguf");
    std::fs::write(&model, quoth_tiny_model::gguf(quoth_tiny_model::Kind::F32)).unwrap();
    let (code, told) = verify(&["replay", &saved, "--model", &model]);
    assert!(code == Some(3) && told.contains("replay.upstream"), "{told}");
}
