//! The part `streams`: holds many streams through one node, and measures the memory of each and its growth.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{self, SendRequest};
use http::{HeaderMap, Request};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::args::Plan;
use crate::caller::{Caller, chat};
use crate::loopback::Dialer;
use crate::report::{Figure, Outcome};
use crate::site::{Setup, Site};
use crate::tally::Tally;
use crate::watch::{Sample, Trend, Watch};

/// Default time that the streams are held, seconds.
const SECONDS: u64 = 600;
/// Number of streams on one connection.
const PER_CONNECTION: usize = 100;
/// Seconds between two events of a stream.
const PAUSE: u64 = 10;
/// Minimum number of streams opened per second. Streams last longer than the hold by the time for opening all.
const PACE: usize = 60;
/// Number of requests before memory is first measured, so that one-time costs are not counted.
const WARM_UP: usize = 200;
/// Maximum number of streams that are being opened at the same time.
const OPENING: usize = 64;
/// Time limit for opening a stream.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between opening the last stream and measuring memory.
const SETTLE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_secs(2);
/// Allowed growth of memory during the hold, as a share of the mean.
const FLAT: f64 = 0.05;
/// Length of a stream's end that is kept, to find receipt and final event, bytes.
const TAIL: usize = 4 * 1024;
const WINDOW: u32 = 65_535;
/// Memory budget for a stream, bytes.
const STREAM_BUDGET: u64 = 96 * 1024;

/// The counters of all streams.
#[derive(Default)]
struct Count {
    begun: AtomicUsize,
    refused: AtomicUsize,
    ended: AtomicUsize,
    whole: AtomicUsize,
    refusals: Tally,
}

pub(crate) async fn measure(plan: &Plan) -> Outcome {
    let hold = Duration::from_secs(plan.seconds.unwrap_or(SECONDS));
    let limits = limits(plan);
    let site = Site::start(Setup { limits: limits.clone(), ..Setup::default() }).await;
    let mut caller = Caller::new(site.target(site.node.port(), 0));
    for _ in 0..WARM_UP {
        let answer = caller.ask("/v1/chat/completions", chat("m-hold-8-0", true), false).await;
        assert!(answer.is_ok_and(|answer| answer.status == 200), "the node does not answer");
    }
    sleep(SETTLE).await;
    let spare = SETTLE + Duration::from_secs((60 + plan.streams / PACE) as u64);
    let processes = [site.node.enclave(), site.node.host()];
    let began = Instant::now();
    let before = processes.map(|process| Sample::of(process, began).unwrap());

    let count = Arc::new(Count::default());
    let mut connections = JoinSet::new();
    let events = (hold + spare).as_secs() / PAUSE;
    let body = chat(&format!("m-hold-{events}-{}", PAUSE * 1000), true);
    let opening = Arc::new(Semaphore::new(OPENING));
    let dialer = Dialer::new(site.node.port(), &site.ca(), b"h2").unwrap();
    for first in (0..plan.streams).step_by(PER_CONNECTION) {
        let streams = PER_CONNECTION.min(plan.streams - first);
        let request = (site.headers(0), Bytes::from(body.clone()));
        connections.spawn(connection(dialer.clone(), request, streams, Arc::clone(&opening), Arc::clone(&count)));
    }
    let settled = || count.begun.load(Ordering::Relaxed) + count.refused.load(Ordering::Relaxed) >= plan.streams;
    while !settled() && began.elapsed() + SETTLE < spare {
        sleep(Duration::from_millis(50)).await;
    }
    let opened = began.elapsed();
    sleep(SETTLE).await;
    let watch = Watch::start(processes.to_vec(), LOOK);
    sleep(hold).await;
    let samples = watch.stop();
    let (held, ended_early) = (count.begun.load(Ordering::Relaxed), count.ended.load(Ordering::Relaxed));
    // Each stream ends after a known time.
    let end = timeout(spare + PATIENCE, async { while connections.join_next().await.is_some() {} });
    let all_ended = end.await.is_ok();

    let whole = count.whole.load(Ordering::Relaxed);
    let mut figures = vec![
        Figure::judged(
            "streams held at one time",
            (held - ended_early).to_string(),
            format!("≥ {}", plan.streams),
            held - ended_early >= plan.streams,
        ),
        Figure::plain("refused", count.refusals.listed()),
        Figure::plain("time to open them", format!("{:.0} s", opened.as_secs_f64())),
    ];
    for (name, (samples, before)) in ["enclave", "host"].into_iter().zip(samples.iter().zip(before)) {
        figures.extend(memory(name, samples, before, held - ended_early));
    }
    figures.push(Figure::judged(
        "streams that ended whole, with a receipt",
        format!("{whole} of {held}{}", if all_ended { "" } else { ", others never ended" }),
        "all",
        held > 0 && whole == held,
    ));
    let how = format!(
        "{} streams for {} s, an event every {PAUSE} s; limits of the node: {}.",
        plan.streams,
        hold.as_secs(),
        limits.join(", ")
    );
    (how, figures)
}

/// Returns the lines of `[limits]`. Given lines replace the defaults. A node reserves one exchange slot in eight for callers
/// that hold few, so there are more slots than streams.
fn limits(plan: &Plan) -> Vec<String> {
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let given: Vec<_> = plan.limits.iter().map(|line| key(line)).collect();
    let own = [
        format!("exchanges = {}", plan.streams * 3 / 2 + OPENING),
        format!("memory_bytes = {}", (plan.streams as u64 * STREAM_BUDGET).max(192 << 20)),
        "connections = 4096".to_owned(),
    ];
    own.into_iter().filter(|line| !given.contains(&key(line))).chain(plan.limits.iter().cloned()).collect()
}

fn memory(name: &str, samples: &[Sample], before: Sample, held: usize) -> Vec<Figure> {
    let Some(trend) = Trend::of(samples, |sample| sample.memory) else {
        return vec![Figure::judged(format!("memory of the {name}"), "too few samples: it ended", "flat", false)];
    };
    let mean = samples.iter().map(|sample| sample.memory).sum::<f64>() / samples.len() as f64;
    let each = (mean - before.memory) * 1024.0 / held.max(1) as f64;
    vec![
        Figure::plain(
            format!("memory of the {name}, before and held"),
            format!("{:.1} MiB, {:.1} MiB", before.memory / 1024.0, mean / 1024.0),
        ),
        Figure::plain(format!("memory of the {name} a stream"), format!("{each:.0} bytes")),
        Figure::judged(
            format!("growth of the {name}'s memory while held"),
            format!("{:+.1} %", trend.growth / mean * 100.0),
            "≤ 5 %",
            trend.is_flat(mean * FLAT),
        ),
    ]
}

/// Opens one connection and its streams, and reads them to their end.
async fn connection(
    dialer: Dialer,
    request: (HeaderMap, Bytes),
    streams: usize,
    opening: Arc<Semaphore>,
    count: Arc<Count>,
) {
    let place = opening.acquire().await;
    let opened = async {
        let stream = dialer.open().await.ok()?;
        let mut builder = client::Builder::new();
        builder.initial_window_size(WINDOW).enable_push(false);
        builder.handshake(stream).await.ok()
    };
    let Some((sender, connection)) = opened.await else {
        (0..streams).for_each(|_| count.refuse("the connection"));
        return;
    };
    drop(place);
    let driver = tokio::spawn(async move { drop(connection.await) });
    let mut running = JoinSet::new();
    for _ in 0..streams {
        let (sender, request) = (sender.clone(), request.clone());
        let (opening, count) = (Arc::clone(&opening), Arc::clone(&count));
        running.spawn(async move {
            let place = opening.acquire_owned().await;
            let begun = timeout(PATIENCE, begin(sender, request)).await;
            drop(place);
            match begun {
                Ok(Ok((200, body, first))) => {
                    count.begun.fetch_add(1, Ordering::Relaxed);
                    let whole = is_whole(body, first).await;
                    count.ended.fetch_add(1, Ordering::Relaxed);
                    count.whole.fetch_add(usize::from(whole), Ordering::Relaxed);
                }
                Ok(Ok((status, ..))) => count.refuse(&status.to_string()),
                Ok(Err(_)) => count.refuse("reset"),
                Err(_) => count.refuse("timeout"),
            }
        });
    }
    while running.join_next().await.is_some() {}
    driver.abort();
}

impl Count {
    fn refuse(&self, why: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.refusals.add(why);
    }
}

/// Sends the request. Returns the status, the body, and the body's first piece.
async fn begin(
    sender: SendRequest<Bytes>,
    (headers, body): (HeaderMap, Bytes),
) -> Result<(u16, RecvStream, Bytes), h2::Error> {
    let mut request = Request::post("https://localhost/v1/chat/completions").body(()).unwrap();
    request.headers_mut().extend(headers);
    let mut sender = sender.ready().await?;
    let (answer, mut stream) = sender.send_request(request, false)?;
    stream.send_data(body, true)?;
    let (head, mut body) = answer.await?.into_parts();
    let first = body.data().await.transpose()?.unwrap_or_default();
    body.flow_control().release_capacity(first.len())?;
    Ok((head.status.as_u16(), body, first))
}

/// Reads a stream to its end. Returns whether it ends with a receipt and the final event.
async fn is_whole(mut body: RecvStream, first: Bytes) -> bool {
    let mut tail = first.to_vec();
    while let Some(piece) = body.data().await {
        let Ok(piece) = piece else { return false };
        if body.flow_control().release_capacity(piece.len()).is_err() {
            return false;
        }
        tail.extend_from_slice(&piece);
        tail.drain(..tail.len().saturating_sub(TAIL));
    }
    ends_well(&tail)
}

fn ends_well(tail: &[u8]) -> bool {
    let text = String::from_utf8_lossy(tail);
    text.contains(": quoth receipt ") && text.trim_end().ends_with("data: [DONE]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_its_receipt_or_its_end_is_not_whole() {
        assert!(ends_well(b"data: x\n\n: quoth receipt AAAA\n\ndata: [DONE]\n\n"));
        assert!(!ends_well(b"data: x\n\ndata: [DONE]\n\n"));
        assert!(!ends_well(b"data: x\n\n: quoth receipt AAAA\n\n"));
    }
}
