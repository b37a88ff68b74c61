//! Server-sent events as the provider sends them.

use hyper::body::Bytes;
use serde_json::Value;

/// One encoded event.
pub(crate) struct Event {
    pub(crate) bytes: Bytes,
    /// Whether it is a piece of the answer. The provider pauses before each piece.
    pub(crate) piece: bool,
}

/// Events, made on demand.
pub(crate) type Events = Box<dyn Iterator<Item = Event> + Send>;

impl Event {
    /// Returns an event with only `data:`, as in chat completions.
    pub(crate) fn data(data: impl std::fmt::Display) -> Self {
        Self { bytes: format!("data: {data}\n\n").into(), piece: false }
    }

    /// Returns an event with `event:` and `data:`. The data's `type` is the event's name.
    pub(crate) fn typed(name: &str, mut data: Value) -> Self {
        data["type"] = name.into();
        Self { bytes: format!("event: {name}\ndata: {data}\n\n").into(), piece: name.ends_with("delta") }
    }

    pub(crate) fn piece(self) -> Self {
        Self { piece: true, ..self }
    }
}
