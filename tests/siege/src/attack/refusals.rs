//! Attack: sends requests that are refused before their body is read, and counts the refusals that arrive.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use tokio::time::sleep;

use super::field::Field;
use super::session::{Session, ask, drain};

const WINDOW: u32 = 65_535;
const SIZES: [usize; 3] = [60, 3_000, 200_000];
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn run(field: Arc<Field>) {
    let Ok(session) = Session::open(&field.http2, WINDOW).await else { return };
    for size in SIZES.into_iter().cycle() {
        let mut request = field.post("/v1/chat/completions");
        // An unknown header of this protocol, and a token of no caller. A node without tokens ignores the token.
        request.headers_mut().insert("quoth-unknown", HeaderValue::from_static("1"));
        request.headers_mut().insert("quoth-token", HeaderValue::from_static("quoth_nobody_0000"));
        let answer = ask(&session.sender(), request, Bytes::from(vec![b' '; size])).await;
        field.refusals_sent.fetch_add(1, Ordering::Relaxed);
        field.saw("refusals", answer.as_ref().ok().map(|(status, _)| *status));
        // If a reset loses the body of a refusal, it has not arrived: clients report an error then.
        let read = match answer {
            Ok((_, body)) => drain(body).await.map(|_| ()),
            Err(error) => Err(error),
        };
        match read {
            Ok(()) => _ = field.refusals_arrived.fetch_add(1, Ordering::Relaxed),
            // Only the stream was reset. The connection can be used again.
            Err(error) if error.is_reset() && !error.is_go_away() => {}
            Err(_) => return,
        }
        sleep(PAUSE).await;
    }
}
