//! Attack: reads streams with ambiguous ends, and looks for final events without a receipt.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use super::field::Field;
use crate::caller::{Caller, chat};

/// Time limit for a stream.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);
/// The events that SDKs treat as the end of a stream.
const FINAL: [&str; 3] = ["data: [DONE]", "\"response.completed\"", "\"message_stop\""];

pub(super) async fn run(field: Arc<Field>) {
    let responses =
        |model: &str| ("/v1/responses", json!({ "model": model, "input": "x", "stream": true }).to_string());
    let claude = json!({ "model": "claude-early", "max_tokens": 9, "messages": [], "stream": true }).to_string();
    let mut requests = vec![responses("m-early"), ("/v1/messages", claude)];
    for model in ["m-media", "m-record", "m-late", "m-blank", "m-nodone", "m-mark", "m-cut"] {
        requests.push(("/v1/chat/completions", chat(model, true)));
    }
    let mut caller = Caller::new(Arc::clone(&field.target));
    for (path, body) in requests.iter().cycle() {
        let (mut handed, mut is_proven) = (Vec::new(), false);
        let read = async {
            let Ok(mut exchange) = caller.begin(path, body.clone(), false).await else { return };
            while let Ok(Some(bytes)) = exchange.next().await {
                handed.extend_from_slice(&bytes);
            }
            is_proven = exchange.is_proven();
        };
        // The part that arrived is checked in any case.
        let _ = timeout(PATIENCE, read).await;
        field.seen.add(if is_proven { "ends proven" } else { "ends unproven" });
        let text = String::from_utf8_lossy(&handed);
        if !is_proven && FINAL.iter().any(|end| text.contains(end)) {
            field.unproven_ends.fetch_add(1, Ordering::Relaxed);
        }
        sleep(PAUSE).await;
    }
}
