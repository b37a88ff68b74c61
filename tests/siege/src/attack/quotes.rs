//! Attack: asks for evidence over fresh nonces as fast as possible.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::field::Field;
use super::session::{Session, ask, drain};

pub(super) const CONNECTIONS: usize = 3;
const STREAMS: usize = 100;
const WINDOW: u32 = 1 << 20;
/// Pause after a refusal.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn run(field: Arc<Field>) {
    static NONCE: AtomicU64 = AtomicU64::new(0);
    let Ok(mut session) = Session::open(&field.http2, WINDOW).await else { return };
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let (field, sender) = (Arc::clone(&field), session.sender());
        streams.spawn(async move {
            loop {
                let path = format!("/.well-known/quoth/node?nonce={:032x}", NONCE.fetch_add(1, Ordering::Relaxed));
                let Ok((status, body)) = ask(&sender, field.get(&path), Bytes::new()).await else { return };
                field.saw("quotes", Some(status));
                if drain(body).await.is_err() {
                    return;
                }
                if status != 200 {
                    sleep(PAUSE).await;
                }
            }
        });
    }
    session.ended().await;
}
