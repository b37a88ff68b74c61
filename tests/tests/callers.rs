//! Configured callers: their access tokens, limits, and keys for providers.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Output;

use http::HeaderMap;
use quoth_client::{Client, ClientError, Options as Ask, Proven, access_token, token_hash};
use quoth_fake_provider::{Options as Fake, Provider};
use quoth_tests::{House, command};
use serde_json::{Value, json};

/// A node with three callers in front of a provider.
struct Callers {
    house: House,
    /// A token without limits. Its hash is in the configuration.
    free: String,
    /// Two requests a minute, one at a time.
    limited: String,
}

impl Callers {
    async fn new() -> Self {
        let token = |name| access_token(name).unwrap().to_string();
        let (free, limited) = (token("free"), token("limited"));
        let callers = format!(
            "[[caller]]\nname = \"free\"\ntoken = \"{}\"\n\
             [[caller]]\nname = \"limited\"\ntoken = \"{}\"\nrequests_per_minute = 2\nconcurrent = 1\n\
             [[caller]]\nname = \"later\"\n",
            token_hash(&free).unwrap(),
            token_hash(&limited).unwrap(),
        );
        let provider = Provider::start(Fake::default());
        let house = House::behind(provider.port(), "openai", provider, &callers).await;
        Self { house, free, limited }
    }

    async fn ask(&self, fields: &[(&'static str, &str)]) -> Result<Proven, ClientError> {
        let mut headers = HeaderMap::new();
        fields.iter().for_each(|(name, value)| _ = headers.insert(*name, value.parse().unwrap()));
        let body = json!({ "model": "m-1", "messages": [{ "role": "user", "content": "one two" }] });
        self.house.ask(Client::CHAT, body.to_string(), Ask { headers, ..Ask::default() }).await
    }

    /// Returns the header field as SDKs send it.
    async fn ask_as(&self, token: &str) -> Result<Proven, ClientError> {
        self.ask(&[("authorization", &format!("Bearer {token}"))]).await
    }

    fn verify(&self, arguments: &[&str]) -> Output {
        command("quoth-verify").args(arguments).arg("--policy").arg(self.house.node.policy_file()).output().unwrap()
    }
}

fn status(outcome: Result<Proven, ClientError>) -> (u16, String, Option<u64>) {
    match outcome {
        Ok(proven) => (proven.transcript.response.status, String::new(), None),
        Err(ClientError::Status { status, code, retry_after }) => (status, code.unwrap_or_default(), retry_after),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_with_a_token_are_answered_and_their_token_stays_here() {
    let callers = Callers::new().await;
    let house = &callers.house;
    let refused = |code: &str| (401, code.to_owned(), None);
    assert_eq!(status(callers.ask(&[]).await), refused("invalid_api_key"));
    assert_eq!(status(callers.ask_as(house.provider.key()).await), refused("invalid_api_key"));
    assert_eq!(status(callers.ask_as(&access_token("free").unwrap()).await), refused("invalid_api_key"));
    assert_eq!(status(callers.ask_as(&callers.free.replace("free", "later")).await), refused("invalid_api_key"));

    // The caller is admitted, but there is no key for the provider.
    assert_eq!(status(callers.ask_as(&callers.free).await).0, 401);
    let own = [("authorization", &*format!("Bearer {}", house.provider.key())), ("quoth-token", &*callers.free)];
    assert_eq!(status(callers.ask(&own).await).0, 200);
    let own = [("x-api-key", house.provider.key()), ("authorization", &*format!("bearer {}", callers.free))];
    assert_eq!(status(callers.ask(&own).await).0, 200);
    house.provision("fake", Some(house.provider.key()), 1).await.unwrap();
    assert_eq!(status(callers.ask_as(&callers.free).await).0, 200);
    assert_eq!(house.provider.requests().len(), 3);
    for request in house.provider.requests() {
        assert!(
            request
                .headers
                .iter()
                .all(|(name, value)| name != "quoth-token" && !value.windows(6).any(|part| part == b"quoth_"))
        );
    }

    // Anyone may ask for the node's identity.
    let mut wire = house.node.wire().await;
    assert_eq!(wire.get("/v1/models").await.unwrap().status, 200);
    assert_eq!(wire.get("/.well-known/quoth/node").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sets_changes_and_removes_tokens_while_the_node_runs() {
    let callers = Callers::new().await;
    let house = &callers.house;
    house.provision("fake", Some(house.provider.key()), 1).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let made = |name: &str, out: &str| {
        let output = command("quoth-verify").args(["access-token", name, "--out", out, "--json"]).output().unwrap();
        assert!(output.status.success());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["hash"].as_str().map(str::len), Some(97));
        fs::read_to_string(out).unwrap().trim().to_owned()
    };
    let (first, second) = (made("later", &file("first")), made("later", &file("second")));
    assert_eq!(status(callers.ask_as(&first).await).0, 401);

    // The token itself is never sent.
    let error = house.provision("later", Some(&first), 2).await.unwrap_err();
    assert!(error.to_string().contains("secret_text"), "{error}");
    let pem = rustls_pki_types::PrivatePkcs8KeyDer::from(house.operator.to_pkcs8().unwrap());
    fs::write(file("operator.pem"), to_pem(pem.secret_pkcs8_der())).unwrap();
    let url = house.node.url();
    let provision = |rest: &[&str]| {
        callers
            .verify(&[&["provision", "later", "--node", &url, "--operator-key", &file("operator.pem")], rest].concat())
    };
    let output = provision(&["--from", &file("first")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(status(callers.ask_as(&first).await).0, 200);
    let asked = callers.verify(&["ask", &url, "one two", "-m", "m-1", "--key-file", &file("first")]);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));

    assert!(provision(&["--from", &file("second")]).status.success());
    assert_eq!((status(callers.ask_as(&first).await).0, status(callers.ask_as(&second).await).0), (401, 200));
    assert!(provision(&["--remove"]).status.success());
    assert_eq!(status(callers.ask_as(&second).await).0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_has_a_rate_and_others_do_not_suffer_from_it() {
    let callers = Callers::new().await;
    let house = &callers.house;
    house.provision("fake", Some(house.provider.key()), 1).await.unwrap();
    for _ in 0..2 {
        assert_eq!(status(callers.ask_as(&callers.limited).await).0, 200);
    }
    let (status_code, code, retry_after) = status(callers.ask_as(&callers.limited).await);
    assert_eq!((status_code, &*code), (429, "rate_limit_exceeded"));
    assert!((1..=30).contains(&retry_after.unwrap()), "{retry_after:?}");
    assert_eq!(status(callers.ask_as(&callers.free).await).0, 200);
    let metrics = house.node.quoth(&["metrics"]);
    assert!(metrics.contains("quoth_caller_admitted_total{caller=\"limited\"} 2\n"), "{metrics}");
    assert!(metrics.contains("quoth_caller_limited_total{caller=\"limited\"} 1\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_takes_its_place_until_it_ends() {
    let callers = Callers::new().await;
    let house = &callers.house;
    house.provider.behave(quoth_fake_provider::Behaviour::StallMidStream { after_events: 2 });
    let bearer = format!("Bearer {}", callers.limited);
    let body = json!({ "model": "m-1", "stream": true, "messages": [{ "role": "user", "content": "one two three" }] });
    let headers: HeaderMap = [
        (http::header::AUTHORIZATION, bearer.parse().unwrap()),
        (http::HeaderName::from_static("x-api-key"), house.provider.key().parse().unwrap()),
    ]
    .into_iter()
    .collect();
    let connection = Client::new(house.node.policy()).connect(&house.node.url()).await.unwrap();
    let options = Ask { headers, ..Ask::default() };
    let mut stream = connection.post(Client::CHAT, body.to_string(), options).await.unwrap();
    assert!(stream.next().await.unwrap().is_some());
    let (code, text, _) = status(callers.ask_as(&callers.limited).await);
    assert_eq!((code, &*text), (429, "rate_limit_exceeded"));
    drop(stream);
    let start = std::time::Instant::now();
    // Once the node notices that the caller has left, it admits the next: 401 is about the provider's key.
    while status(callers.ask_as(&callers.limited).await).0 == 429 {
        assert!(start.elapsed().as_secs() < 10);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn to_pem(der: &[u8]) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der))
}
