//! Attack: asks for a large answer over HTTP/1.1 and does not read it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

use super::field::Field;

pub(super) const CONNECTIONS: usize = 20;
/// How long the answer stays unread. Longer than a node should wait.
const HOLD: Duration = Duration::from_secs(90);
const BODY: &str = r#"{"model":"m-big","input":"a"}"#;

pub(super) async fn run(field: Arc<Field>) {
    let Ok(mut stream) = field.http1.open().await else { return };
    let mut head = "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".to_owned();
    for (name, value) in &field.headers {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    let request = format!("{head}content-length: {}\r\n\r\n{BODY}", BODY.len());
    if stream.write_all(request.as_bytes()).await.and(stream.flush().await).is_ok() {
        field.seen.add("slow-reader asked");
        sleep(HOLD).await;
    }
}
