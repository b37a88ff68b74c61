//! The provider's answers to an `OpenAI` client.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use quoth_fake_provider::{Options, Provider};
use serde_json::{Value, json};
use support::{Answer, BOTH, ask, ask_chat, good, openai};

async fn post(provider: &Provider, path: &str, body: Value) -> Answer {
    ask(provider, "h2", openai(provider, Method::POST, path, &body)).await.unwrap()
}

fn told(events: &[Value]) -> String {
    events.iter().filter_map(|event| event.pointer("/choices/0/delta/content")?.as_str()).collect()
}

#[tokio::test]
async fn chat_over_both_versions() {
    let provider = good();
    for alpn in BOTH {
        let answer = ask(&provider, alpn, ask_chat(&provider, false)).await.unwrap();
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(answer.header("x-request-id").starts_with("req_"));
        assert!(answer.header("openai-processing-ms").parse::<u64>().is_ok());
        let json = answer.json();
        assert_eq!(json["object"], "chat.completion");
        assert_eq!(json["model"], "gpt-fake-2026-01-01");
        assert_eq!(json["choices"][0]["message"]["content"], "You said: one two three");
        assert_eq!(json["choices"][0]["finish_reason"], "stop");
        assert_eq!(json["usage"]["prompt_tokens"], 3);
        assert_eq!(json["usage"]["total_tokens"], 8);

        let stream = ask(&provider, alpn, ask_chat(&provider, true)).await.unwrap();
        assert_eq!(stream.header("content-type"), "text/event-stream; charset=utf-8");
        assert_eq!(stream.data().last(), Some(&"[DONE]"));
        let events = stream.events();
        assert_eq!(told(&events), "You said: one two three");
        assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "stop");
        assert!(events.iter().all(|event| event["object"] == "chat.completion.chunk" && event.get("usage").is_none()));
        assert_eq!(events.len(), 1 + 5 + 1);
    }
}

#[tokio::test]
async fn usage_comes_last_if_asked_for() {
    let provider = good();
    let body = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 3,
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "one two"}]});
    let events = post(&provider, "/v1/chat/completions", body).await.events();
    let (last, rest) = events.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["prompt_tokens"], 4);
    assert_eq!(last["usage"]["completion_tokens"], 3);
    assert!(rest.iter().all(|event| event["usage"].is_null() && event.get("usage").is_some()));
    assert_eq!(rest.last().unwrap()["choices"][0]["finish_reason"], "length");
    assert_eq!(told(&events), "You said: one ");
}

#[tokio::test]
async fn as_many_pieces_as_told_and_as_slow() {
    let pause = Duration::from_millis(5);
    let provider = Provider::start(Options { deltas: Some(20), pause, ..Options::default() });
    let began = Instant::now();
    let events = ask(&provider, "h2", ask_chat(&provider, true)).await.unwrap().events();
    assert!(began.elapsed() >= 20 * pause);
    assert_eq!(events.len(), 1 + 20 + 1);
    let whole = ask(&provider, "h2", ask_chat(&provider, false)).await.unwrap().json();
    assert_eq!(told(&events), whole["choices"][0]["message"]["content"]);
    assert!(told(&events).starts_with("You said: one two three You said: "));
}

#[tokio::test]
async fn images_are_seen() {
    let provider = good();
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let content = json!([{"type": "text", "text": "what is this"}, image]);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
    let answer = post(&provider, "/v1/chat/completions", body).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "You said, with 1 images: what is this");
}

#[tokio::test]
async fn tools_are_called_once() {
    let provider = good();
    let parameters =
        json!({"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}});
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": parameters}}]);
    let mut body = json!({"model": "m", "tools": tools, "messages": [{"role": "user", "content": "rain?"}]});
    let arguments = json!({"place": "You said: rain?", "days": 1}).to_string();

    let whole = post(&provider, "/v1/chat/completions", body.clone()).await.json();
    let choice = &whole["choices"][0];
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("weather")));
    assert_eq!(call["function"]["arguments"], arguments);

    body["stream"] = true.into();
    let events = post(&provider, "/v1/chat/completions", body.clone()).await.events();
    let calls = |event: &Value| event.pointer("/choices/0/delta/tool_calls/0").cloned();
    assert_eq!(calls(&events[0]).unwrap()["function"]["name"], "weather");
    let said: String =
        events.iter().filter_map(|event| Some(calls(event)?["function"]["arguments"].as_str()?.to_owned())).collect();
    assert_eq!(said, arguments);

    let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "no"});
    body["messages"].as_array_mut().unwrap().extend([choice["message"].clone(), result]);
    let events = post(&provider, "/v1/chat/completions", body.clone()).await.events();
    assert_eq!(told(&events), "You said: rain?");

    body["tool_choice"] = "none".into();
    body["messages"] = json!([{"role": "user", "content": "rain?"}]);
    assert_eq!(told(&post(&provider, "/v1/chat/completions", body).await.events()), "You said: rain?");
}

#[tokio::test]
async fn json_follows_its_schema() {
    let provider = good();
    let schema = json!({"type": "object", "properties": {
        "name": {"$ref": "#/$defs/name"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
        "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}}, "$defs": {"name": {"type": "string"}}});
    let expected = json!({"name": "You said: hi", "tags": ["a"], "maybe": true});

    let format = json!({"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": schema}});
    let messages = json!([{"role": "user", "content": "hi"}]);
    let body = json!({"model": "m", "stream": true, "response_format": format, "messages": messages});
    let events = post(&provider, "/v1/chat/completions", body).await.events();
    assert_eq!(serde_json::from_str::<Value>(&told(&events)).unwrap(), expected);

    let format = json!({"type": "json_schema", "name": "n", "schema": schema});
    let body = json!({"model": "m", "input": "hi", "text": {"format": format}});
    let answer = post(&provider, "/v1/responses", body).await.json();
    let text = answer["output"][0]["content"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected);
}

#[tokio::test]
async fn responses_plain_and_streaming() {
    let provider = good();
    let input = json!([{"role": "user", "content": [{"type": "input_text", "text": "one two"}]}]);
    let mut body = json!({"model": "m", "instructions": "be brief", "input": input});
    let whole = post(&provider, "/v1/responses", body.clone()).await.json();
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(whole["model"], "m-2026-01-01");
    assert_eq!(whole["output"][0]["content"][0]["text"], "You said: one two");
    assert_eq!(whole["usage"]["input_tokens"], 4);

    body["stream"] = true.into();
    let answer = post(&provider, "/v1/responses", body.clone()).await;
    let events = answer.events();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let named: Vec<&str> = answer.text().lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(types, named);
    let delta = "response.output_text.delta";
    assert_eq!(
        types,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            delta,
            delta,
            delta,
            delta,
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert!(events.iter().enumerate().all(|(number, event)| event["sequence_number"] == number));
    let said: String =
        events.iter().filter(|event| event["type"] == delta).map(|event| event["delta"].as_str().unwrap()).collect();
    assert_eq!(said, "You said: one two");
    assert_eq!(events[11]["response"]["output"][0]["content"][0]["text"], "You said: one two");

    body["max_output_tokens"] = 1.into();
    let events = post(&provider, "/v1/responses", body.clone()).await.events();
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");

    body["max_output_tokens"] = Value::Null;
    body["tools"] = json!([{"type": "function", "name": "look", "parameters": {"type": "object"}}]);
    let events = post(&provider, "/v1/responses", body).await.events();
    let item = &events.last().unwrap()["response"]["output"][0];
    assert_eq!(
        (&item["type"], &item["name"], &item["arguments"]),
        (&json!("function_call"), &json!("look"), &json!("{}"))
    );
}

#[tokio::test]
async fn embeddings_and_models() {
    let provider = good();
    let ask_for =
        |input: Value, format: &str| json!({"model": "e", "input": input, "encoding_format": format, "dimensions": 8});
    let floats = post(&provider, "/v1/embeddings", ask_for(json!(["a", "b c"]), "float")).await.json();
    let vector: Vec<f64> = serde_json::from_value(floats["data"][0]["embedding"].clone()).unwrap();
    assert_eq!(vector.len(), 8);
    assert!((vector.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-5);
    assert_ne!(floats["data"][0]["embedding"], floats["data"][1]["embedding"]);
    assert_eq!(floats["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
    let base64 = post(&provider, "/v1/embeddings", ask_for(json!("a"), "base64")).await.json();
    assert_eq!(base64["data"][0]["embedding"].as_str().unwrap().len(), 44);

    let models = ask(&provider, "h2", openai(&provider, Method::GET, "/v1/models", &Value::Null)).await.unwrap().json();
    assert_eq!((&models["object"], &models["data"][0]["object"]), (&json!("list"), &json!("model")));
}

#[tokio::test]
async fn errors_have_their_shape() {
    let provider = good();
    let mut request = ask_chat(&provider, true);
    request.headers_mut().insert("authorization", "Bearer sk-wrong-0123456789".parse().unwrap());
    let answer = ask(&provider, "h2", request).await.unwrap();
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let error = &answer.json()["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("invalid_request_error"), &json!("invalid_api_key")));
    assert!(error["message"].as_str().unwrap().contains("sk-wrong*******6789."), "{error}");

    let mut request = ask_chat(&provider, true);
    request.headers_mut().remove("authorization");
    assert_eq!(ask(&provider, "h2", request).await.unwrap().status, StatusCode::UNAUTHORIZED);

    assert_eq!(post(&provider, "/v1/nothing", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(post(&provider, "/v1/responses", json!({})).await.status, StatusCode::BAD_REQUEST);
    let answer = post(&provider, "/v1/chat/completions", json!({"model": "m"})).await;
    let error = &answer.json()["error"];
    assert_eq!((answer.status, &error["param"]), (StatusCode::BAD_REQUEST, &json!("messages")));
}
