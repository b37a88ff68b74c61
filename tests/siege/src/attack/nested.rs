//! Attack: asks for answers with deeply nested objects around a long text.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::field::Field;
use super::session::{Session, ask, drain};

const WINDOW: u32 = 1 << 20;
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(field: Arc<Field>) {
    let Ok(session) = Session::open(&field.http2, WINDOW).await else { return };
    loop {
        let body = Bytes::from_static(br#"{"model":"m-nest","messages":[]}"#);
        let Ok((status, body)) = ask(&session.sender(), field.post("/v1/chat/completions"), body).await else {
            return field.saw("nested", None);
        };
        field.saw("nested", Some(status));
        if drain(body).await.is_err() {
            return;
        }
        sleep(PAUSE).await;
    }
}
