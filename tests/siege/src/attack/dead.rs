//! Attack: keeps requests running to a provider that accepts TCP and sends nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::field::Field;
use super::session::{Session, ask};

const STREAMS: usize = 64;
const WINDOW: u32 = 65_535;
/// Pause after an answered request.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn run(field: Arc<Field>) {
    let Ok(mut session) = Session::open(&field.http2, WINDOW).await else { return };
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let (field, sender) = (Arc::clone(&field), session.sender());
        streams.spawn(async move {
            let body = || Bytes::from_static(br#"{"model":"dead-1","messages":[]}"#);
            while let Ok((status, _)) = ask(&sender, field.post("/v1/chat/completions"), body()).await {
                field.saw("dead-provider", Some(status));
                sleep(PAUSE).await;
            }
        });
    }
    session.ended().await;
}
