//! Attack: sends model names that a receipt cannot hold, and keys that a careless reader confuses with others.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::field::Field;
use super::session::{Session, ask};

const WINDOW: u32 = 65_535;
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn run(field: Arc<Field>) {
    let Ok(session) = Session::open(&field.http2, WINDOW).await else { return };
    for body in bodies().iter().cycle() {
        let answer = ask(&session.sender(), field.post("/v1/chat/completions"), body.clone().into()).await;
        field.saw("poison", answer.as_ref().ok().map(|(status, _)| *status));
        if answer.is_err() {
            return;
        }
        sleep(PAUSE).await;
    }
}

fn bodies() -> Vec<String> {
    let named = |name: &str| format!(r#"{{"model":"{name}","messages":[]}}"#);
    let long = |length: usize| named(&format!("m-{}", "a".repeat(length - 2)));
    vec![
        named(""),
        long(256),
        long(257),
        long(300),
        long(9_000),
        long(70_000),
        named(&format!("m-{}", "\\u0000".repeat(40))),
        named(&format!("m-{}", "é".repeat(128))),
        r#"{"model":"m-1","MODEL":"m-2","messages":[]}"#.into(),
        r#"{"Model":"m-2","model":"m-1","messages":[]}"#.into(),
        r#"{"model":"m-1","\u006dodel":"m-2","messages":[]}"#.into(),
        format!(r#"{{"model":"m-1","x":{}{}}}"#, "[".repeat(1_000), "]".repeat(1_000)),
    ]
}
