//! Attack: holds a connection that only answers pings.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::field::Field;
use super::session::Session;

/// Pause before the first connection, in which the other attackers open theirs.
const LATER: Duration = Duration::from_secs(3);
/// Pause before the attacker replaces a connection that the node ended.
const AGAIN: Duration = Duration::from_secs(7);
const WINDOW: u32 = 65_535;

pub(super) async fn run(field: Arc<Field>) {
    sleep(LATER).await;
    match Session::open(&field.http2, WINDOW).await {
        Ok(mut session) => {
            field.seen.add("idle opened");
            session.ended().await;
        }
        Err(_) => field.seen.add("idle refused"),
    }
    sleep(AGAIN).await;
}
