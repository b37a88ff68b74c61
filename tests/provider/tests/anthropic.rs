//! The provider's answers to an Anthropic client.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use hyper::StatusCode;
use serde_json::{Value, json};
use support::{BOTH, anthropic, ask, good};

fn body(stream: bool) -> Value {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}});
    let content = json!([image, {"type": "text", "text": "one two"}]);
    json!({"model": "claude-fake", "max_tokens": 100, "stream": stream, "system": "be brief",
        "messages": [{"role": "user", "content": content}]})
}

#[tokio::test]
async fn messages_over_both_versions() {
    let provider = good();
    for alpn in BOTH {
        let answer = ask(&provider, alpn, anthropic(&provider, &body(false))).await.unwrap();
        assert!(answer.header("request-id").starts_with("req_"));
        let json = answer.json();
        assert_eq!(json["model"], "claude-fake-2026-01-01");
        assert_eq!(json["content"], json!([{"type": "text", "text": "You said, with 1 images: one two"}]));
        assert_eq!(json["stop_reason"], "end_turn");
        assert_eq!((&json["usage"]["input_tokens"], &json["usage"]["output_tokens"]), (&json!(4), &json!(7)));

        let stream = ask(&provider, alpn, anthropic(&provider, &body(true))).await.unwrap();
        let events = stream.events();
        let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        let named: Vec<&str> = stream.text().lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        assert_eq!(types, named);
        assert_eq!(types[..3], ["message_start", "content_block_start", "ping"]);
        assert_eq!(types[types.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
        let said: String = events.iter().filter_map(|event| event.pointer("/delta/text")?.as_str()).collect();
        assert_eq!(said, "You said, with 1 images: one two");
        assert_eq!(events[events.len() - 2]["usage"]["output_tokens"], 7);
    }
}

#[tokio::test]
async fn tools_are_called_once() {
    let provider = good();
    let schema = json!({"type": "object", "properties": {"place": {"type": "string"}}});
    let mut body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "rain?"}],
        "tools": [{"name": "weather", "input_schema": schema}]});
    let whole = ask(&provider, "h2", anthropic(&provider, &body)).await.unwrap().json();
    assert_eq!(whole["stop_reason"], "tool_use");
    assert_eq!(whole["content"][0]["input"], json!({"place": "You said: rain?"}));

    body["stream"] = true.into();
    let events = ask(&provider, "h2", anthropic(&provider, &body)).await.unwrap().events();
    let said: String = events.iter().filter_map(|event| event.pointer("/delta/partial_json")?.as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), json!({"place": "You said: rain?"}));

    body["stream"] = false.into();
    let result = json!({"type": "tool_result", "tool_use_id": whole["content"][0]["id"], "content": "no"});
    let turns =
        [json!({"role": "assistant", "content": whole["content"]}), json!({"role": "user", "content": [result]})];
    body["messages"].as_array_mut().unwrap().extend(turns);
    let last = ask(&provider, "h2", anthropic(&provider, &body)).await.unwrap().json();
    assert_eq!(last["content"][0]["text"], "You said: rain?");
}

#[tokio::test]
async fn json_follows_its_schema() {
    let provider = good();
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}],
        "output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let answer = ask(&provider, "h2", anthropic(&provider, &body)).await.unwrap().json();
    assert_eq!(answer["content"][0]["text"], json!({"name": "You said: hi"}).to_string());
}

#[tokio::test]
async fn errors_have_their_shape() {
    let provider = good();
    let mut request = anthropic(&provider, &body(true));
    request.headers_mut().insert("x-api-key", "wrong".parse().unwrap());
    let answer = ask(&provider, "h2", request).await.unwrap();
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let json = answer.json();
    assert_eq!((&json["type"], &json["error"]["type"]), (&json!("error"), &json!("authentication_error")));
    assert_eq!(json["request_id"], answer.header("request-id"));

    let mut request = anthropic(&provider, &body(true));
    request.headers_mut().remove("x-api-key");
    request.headers_mut().insert("authorization", format!("Bearer {}", provider.key()).parse().unwrap());
    assert_eq!(ask(&provider, "h2", request).await.unwrap().status, StatusCode::OK);

    let mut request = anthropic(&provider, &body(true));
    request.headers_mut().remove("anthropic-version");
    assert_eq!(ask(&provider, "h2", request).await.unwrap().status, StatusCode::BAD_REQUEST);
}
