//! Holds a thousand streams through one node, and measures the memory of each and its growth.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quoth_tests::Wire;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::door::Door;
use super::house::House;
use super::provider::{Http, Provider};
use super::question::{TARGET, ask, question};
use crate::machine;
use crate::plan::Plan;
use crate::row::{Goal, Row};
use crate::statistics::Series;

const STREAMS: usize = 1000;
/// Number of words of each stream, and the pause before each. Together longer than the measurement.
const WORDS: usize = 40;
const PAUSE_MS: u64 = 500;
/// Time between the two measurements of memory.
const HOLD: Duration = Duration::from_secs(10);
/// Time until the first measurement. By then every stream has sent some words.
const SETTLE: Duration = Duration::from_secs(2);
/// Number of connections that are opened at the same time.
const OPENING: usize = 32;

pub(super) fn measure(plan: &Plan, http: Http) -> Vec<Row> {
    let over = http.name();
    eprintln!("proxied: {STREAMS} streams, {over}");
    let provider = Provider::start(http, WORDS, PAUSE_MS);
    let node = House::start(&provider, Some(&plan.image));
    ask(&mut node.connect(), &question(false));
    let [before, begun, later] = Runtime::new().unwrap().block_on(hold(&node));
    vec![
        per_stream(&format!("memory of the enclave a stream, {over} to the provider"), before.enclave, begun.enclave),
        per_stream(&format!("memory of the host a stream, {over} to the provider"), before.host, begun.host),
        Row {
            what: format!("memory of the enclave with {STREAMS} streams, {over}, {} s later", HOLD.as_secs()),
            ours: format!("{:.1} MiB", later.enclave / 1024.0),
            peer: format!("earlier: {:.1} MiB", begun.enclave / 1024.0),
            value: Series::one(later.enclave / begun.enclave),
            goal: Goal::AtMost(1.05),
        },
    ]
}

fn per_stream(what: &str, before: f64, held: f64) -> Row {
    Row {
        what: format!("{what}, {STREAMS} at once"),
        ours: format!("{:.1} MiB", held / 1024.0),
        peer: format!("before: {:.1} MiB", before / 1024.0),
        value: Series::one((held - before) / STREAMS as f64),
        goal: Goal::Kib,
    }
}

/// Memory of the processes, KiB.
struct Memory {
    enclave: f64,
    host: f64,
}

impl Memory {
    fn of(node: &House) -> Self {
        Self { enclave: machine::memory(node.enclave()), host: machine::memory(node.host()) }
    }
}

/// Returns the memory before, after all streams have begun, and later. All streams must end with a receipt.
async fn hold(node: &House) -> [Memory; 3] {
    let (begun, opening) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(OPENING)));
    let before = Memory::of(node);
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let (begun, opening) = (Arc::clone(&begun), Arc::clone(&opening));
        streams.spawn(stream(node.port(), node.ca().unwrap(), node.key().to_owned(), begun, opening));
    }
    while begun.load(Ordering::Relaxed) < STREAMS {
        sleep(Duration::from_millis(20)).await;
    }
    sleep(SETTLE).await;
    let first = Memory::of(node);
    sleep(HOLD).await;
    let second = Memory::of(node);
    assert_eq!(streams.len(), STREAMS);
    assert!(streams.try_join_next().is_none(), "a stream ended before memory was looked at");
    streams.join_all().await;
    [before, first, second]
}

async fn stream(port: u16, ca: PathBuf, key: String, begun: Arc<AtomicUsize>, opening: Arc<Semaphore>) {
    let place = opening.acquire_owned().await.unwrap();
    let body = question(true);
    let head = format!(
        "POST {TARGET} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let mut wire = Wire::open(port, &ca).await.unwrap();
    wire.send(&[head.as_bytes(), &body].concat()).await.unwrap();
    wire.some().await.unwrap();
    begun.fetch_add(1, Ordering::Relaxed);
    drop(place);
    let answer = wire.answer().await.unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    assert!(answer.status == 200 && text.trim_end().ends_with("data: [DONE]"), "{text}");
    assert_eq!(text.matches("\n: quoth receipt ").count(), 1, "{text}");
}
