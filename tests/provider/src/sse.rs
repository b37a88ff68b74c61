//! Server-sent events.

use hyper::body::Bytes;
use serde_json::Value;

/// One event as it is on the wire.
pub(crate) struct Event {
    pub(crate) bytes: Bytes,
    /// Whether it is a piece of the answer, before which the provider pauses.
    pub(crate) piece: bool,
}

/// Events, made when they are wanted.
pub(crate) type Events = Box<dyn Iterator<Item = Event> + Send>;

impl Event {
    /// `data:` alone, as chat completions have it.
    pub(crate) fn data(data: impl std::fmt::Display) -> Self {
        Self { bytes: format!("data: {data}\n\n").into(), piece: false }
    }

    /// `event:`, which is the data's `type` too, and `data:`.
    pub(crate) fn typed(name: &str, mut data: Value) -> Self {
        data["type"] = name.into();
        Self { bytes: format!("event: {name}\ndata: {data}\n\n").into(), piece: name.ends_with("delta") }
    }

    pub(crate) fn piece(self) -> Self {
        Self { piece: true, ..self }
    }
}
