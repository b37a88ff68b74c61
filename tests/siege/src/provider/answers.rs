//! The provider's answers, chosen by the model's name.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

/// Length of an answer to `m-big` and `m-nest`, bytes.
const BIG: usize = 8 << 20;
/// Number of objects around the text of an answer to `m-nest`.
const DEPTH: usize = 60;
/// Number of events of an ordinary stream, and the pause before each.
const EVENTS: u64 = 8;
const PAUSE: Duration = Duration::from_millis(15);
const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

/// Pauses, and the bytes after each.
pub(super) type Pieces = Box<dyn Iterator<Item = (Duration, Bytes)> + Send>;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The body is one piece of known length.
    Whole,
    /// The body ends correctly for HTTP.
    Clean,
    /// The connection, or its stream over HTTP/2, is reset.
    Cut,
    /// The body stalls.
    Silence,
}

/// An answer.
pub(super) struct Answer {
    pub(super) media_type: &'static str,
    pub(super) pieces: Pieces,
    pub(super) end: End,
}

/// Returns the answer to a request's body.
pub(super) async fn to(body: &[u8]) -> Answer {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let model = request["model"].as_str().unwrap_or_default();
    match model {
        "m-big" => return whole(big()),
        "m-nest" => return whole(nested()),
        "m-silent" => std::future::pending().await,
        "m-early" => {
            let events = named(&[("response.created", "response.created"), ("other", "response.completed")]);
            return events_of(events, End::Silence);
        }
        "claude-early" => {
            let events = named(&[("message_start", "message_start"), ("message_delta", "message_stop")]);
            return events_of(events, End::Silence);
        }
        "m-media" => return Answer { media_type: "Text/Event-Stream", ..events_of(hostile_record(), End::Clean) },
        "m-record" => return events_of(hostile_record(), End::Clean),
        "m-late" => return events_of(format!("{}data: [DONE]\n\n: more\n\ndata: more\n\n", chunks()), End::Clean),
        "m-blank" => return events_of(format!("{}data: [DONE]\n\n\n\n", chunks()), End::Clean),
        "m-nodone" => return events_of(chunks(), End::Clean),
        "m-mark" => return events_of(format!("\u{feff}{}data: [DONE]\n\n", chunks()), End::Clean),
        "m-cut" => return events_of(chunks(), End::Cut),
        _ => {}
    }
    match (request["stream"] == true, held(model)) {
        (true, Some((events, pause))) => paced(model, events, pause),
        (true, None) => paced(model, EVENTS, PAUSE),
        (false, _) => whole(completion(model).to_string().into()),
    }
}

/// Reads events and pause of `m-hold-EVENTS-MILLISECONDS`.
fn held(model: &str) -> Option<(u64, Duration)> {
    let (events, pause) = model.strip_prefix("m-hold-")?.split_once('-')?;
    Some((events.parse().ok()?, Duration::from_millis(pause.parse().ok()?)))
}

/// Returns a stream with a pause before each event.
fn paced(model: &str, events: u64, pause: Duration) -> Answer {
    let event = Bytes::from(format!("data: {}\n\n", chunk(model, json!({ "content": "word " }), None)));
    let last = format!("data: {}\n\ndata: [DONE]\n\n", chunk(model, json!({}), Some("stop")));
    let events = (0..events).map(move |_| (pause, event.clone()));
    let pieces = Box::new(events.chain([(pause, Bytes::from(last))]));
    Answer { media_type: EVENT_STREAM, pieces, end: End::Clean }
}

fn whole(body: Bytes) -> Answer {
    Answer { media_type: JSON, pieces: Box::new([(Duration::ZERO, body)].into_iter()), end: End::Whole }
}

fn events_of(events: String, end: End) -> Answer {
    let pieces = Box::new([(Duration::ZERO, Bytes::from(events))].into_iter());
    Answer { media_type: EVENT_STREAM, pieces, end }
}

/// Returns two events of a chat, the second with a finish reason.
fn chunks() -> String {
    let [first, last] = [chunk("m", json!({ "content": "hi" }), None), chunk("m", json!({}), Some("stop"))];
    format!("data: {first}\n\ndata: {last}\n\n")
}

/// Returns a chat with a comment that imitates a record of a node.
fn hostile_record() -> String {
    format!(": quoth receipt AAAA\n\n{}data: [DONE]\n\n", chunks())
}

/// Returns events whose `event` field can differ from the `type` in the data.
fn named(events: &[(&str, &str)]) -> String {
    let event = |(name, kind): &(&str, &str)| {
        format!("event: {name}\ndata: {}\n\n", json!({ "type": kind, "response": { "status": "completed" } }))
    };
    events.iter().map(event).collect()
}

fn chunk(model: &str, delta: Value, finish_reason: Option<&str>) -> Value {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish_reason });
    json!({ "id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice] })
}

fn completion(model: &str) -> Value {
    let message = json!({ "role": "assistant", "content": "eight words that answer what was asked here" });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    let usage = json!({ "prompt_tokens": 8, "completion_tokens": 8, "total_tokens": 16 });
    json!({ "id": "chatcmpl-0", "object": "chat.completion", "created": 1, "model": model, "choices": [choice],
            "usage": usage })
}

fn big() -> Bytes {
    static BODY: OnceLock<Bytes> = OnceLock::new();
    BODY.get_or_init(|| format!("{{\"object\":\"list\",\"data\":\"{}\"}}", "x".repeat(BIG)).into()).clone()
}

fn nested() -> Bytes {
    static BODY: OnceLock<Bytes> = OnceLock::new();
    let text = || "\\n".repeat(BIG / 2);
    let body = || format!("{}{{\"x\":\"{}\"}}{}", "{\"message\":".repeat(DEPTH), text(), "}".repeat(DEPTH));
    BODY.get_or_init(|| body().into()).clone()
}
