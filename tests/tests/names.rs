//! Model names that a receipt cannot hold are refused before they reach a provider, and the node continues.
#![allow(clippy::unwrap_used)]

use quoth_attestation::receipt::{Execution, Outcome};
use quoth_client::{Options as Ask, Proven};
use quoth_fake_provider::{Options as Fake, Provider};
use quoth_tests::{House, Node, bearer, journal, verify_journal};
use serde_json::json;

async fn ask(house: &House, model: &str) -> Proven {
    let body = json!({ "model": model, "messages": [{ "role": "user", "content": "one two three" }] }).to_string();
    let headers = bearer(house.provider.key());
    house
        .ask("/v1/chat/completions", body, Ask { details: false, head: false, parent: None, retries: 0, headers })
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_receipt_can_hold_is_refused_and_the_node_goes_on() {
    let provider = Provider::start(Fake::default());
    let (port, ca) = (provider.port(), provider.ca_pem());
    // The widest pattern: every name belongs to a provider.
    let any = format!(
        "[[upstream]]\nname = \"any\"\nhost = \"localhost\"\nport = {port}\napi = \"openai\"\nmodels = [\"*\"]\n\
         ca = '''\n{ca}'''\n"
    );
    let mut house = House::behind(port, "openai", provider, &any).await;
    let mut receipts = 0;
    for length in [0, 257, 9 * 1024] {
        let before = house.provider.requests().len();
        // Under the pattern of one provider, and under that of the other.
        for name in ["a".repeat(length), format!("m-{}", "a".repeat(length.max(255)))] {
            let proven = ask(&house, &name).await;
            let said: serde_json::Value = serde_json::from_slice(&proven.transcript.response.body).unwrap();
            assert_eq!(
                (proven.transcript.response.status, said["error"]["code"].as_str()),
                (400, Some("invalid_value"))
            );
            assert_eq!(said["error"]["param"], "model");
            let claims = proven.exchange.receipt().claims();
            assert!(claims.execution.is_none() && claims.exchange.outcome == Outcome::Refused);
            receipts += 1;
        }
        assert_eq!(house.provider.requests().len(), before, "no byte of it reached the provider");
        assert_eq!(ask(&house, "m-small").await.transcript.response.status, 200);
        receipts += 1;
    }
    let longest = format!("m-{}", "a".repeat(254));
    let proven = ask(&house, &longest).await;
    let Some(Execution::Upstream(upstream)) = &proven.exchange.receipt().claims().execution else { panic!("refused") };
    assert_eq!(upstream.model_asked, longest);

    house.node.kill_host();
    house.node.restart_host().await;
    let last = ask(&house, "m-small").await;
    let journal = journal(&house.node).await;
    assert_eq!((journal.receipts.len(), journal.whole), (receipts + 2, true), "{}", journal.raw);
    assert!(verify_journal(&house.node, last.exchange.receipt().node()).unwrap().is_whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_model_of_its_own_refuses_them_alike() {
    let node = Node::start().await;
    let mut wire = node.wire().await;
    for length in [0, 257] {
        let body = json!({ "model": "a".repeat(length), "messages": [{ "role": "user", "content": "a" }] });
        let answer = wire.post("/v1/chat/completions", &[], body.to_string().as_bytes()).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_value"), "{length}");
    }
}
