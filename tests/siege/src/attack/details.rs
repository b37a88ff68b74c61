//! Attack: asks for details in each exchange and never reads them.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

use super::field::Field;
use super::session::{Session, ask, drain};

pub(super) const CONNECTIONS: usize = 6;
const WINDOW: u32 = 1 << 20;

pub(super) async fn run(field: Arc<Field>) {
    let Ok(session) = Session::open(&field.http2, WINDOW).await else { return };
    loop {
        let mut request = field.post("/v1/chat/completions");
        request.headers_mut().insert("quoth-details", HeaderValue::from_static("1"));
        let body = Bytes::from_static(br#"{"model":"m-whole","messages":[]}"#);
        let Ok((status, body)) = ask(&session.sender(), request, body).await else { return };
        field.saw("details", Some(status));
        if drain(body).await.is_err() {
            return;
        }
    }
}
