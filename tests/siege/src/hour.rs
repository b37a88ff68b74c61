//! The part `hour`: mixed load for a long time. Memory, descriptors and threads of enclave and host must not grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quoth_client::Client;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::args::Plan;
use crate::caller::{Caller, Failure, Target, chat};
use crate::report::{Figure, Outcome};
use crate::site::{LOCAL, Setup, Site};
use crate::tally::{Tally, Times};
use crate::watch::{Sample, Trend, Watch};

/// Default duration of the load, seconds.
const SECONDS: u64 = 3600;
const CALLERS: usize = 24;
/// Pause between two requests of one caller.
const PACE: Duration = Duration::from_millis(150);
const LOOK: Duration = Duration::from_secs(1);
/// Allowed growth: of memory as a share of its mean, but at least a number of KiB; of descriptors; of threads.
const MEMORY: f64 = 0.05;
const MEMORY_LEAST: f64 = 4096.0;
const DESCRIPTORS: f64 = 16.0;
const THREADS: f64 = 4.0;

/// An action of a caller.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Whole,
    Stream,
    LocalWhole,
    LocalStream,
    Embedding,
    Details,
    UnknownModel,
    CutStream,
    Leave,
    Reconnect,
}

impl Deed {
    const ALL: [Self; 10] = [
        Self::Whole,
        Self::Stream,
        Self::LocalWhole,
        Self::Embedding,
        Self::Leave,
        Self::Details,
        Self::LocalStream,
        Self::CutStream,
        Self::UnknownModel,
        Self::Reconnect,
    ];
}

/// The counters of all callers.
#[derive(Default)]
struct Shared {
    done: Tally,
    unexpected: Tally,
    left: AtomicU64,
    times: Times,
}

pub(crate) async fn measure(plan: &Plan) -> Outcome {
    let seconds = plan.seconds.unwrap_or(SECONDS);
    let mut site = Site::start(Setup { local: true, ..Setup::default() }).await;
    let (shared, target) = (Arc::new(Shared::default()), site.target(site.node.port(), 0));
    let (began, end) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    let watch = Watch::start(vec![site.node.enclave(), site.node.host()], LOOK);
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        callers.spawn(call(number, Arc::clone(&target), Arc::clone(&shared), end));
    }
    while Instant::now() < end && site.node.enclave_lives() {
        sleep(LOOK).await;
    }
    let samples = watch.stop();
    let took = began.elapsed();
    while callers.join_next().await.is_some() {}
    let in_order = site.node.enclave_lives() && tokio::task::block_in_place(|| site.node.stop()).success();

    let answered = shared.done.total();
    let mut figures = vec![
        Figure::plain("proven exchanges", format!("{answered} ({:.0} a second)", answered as f64 / took.as_secs_f64())),
        Figure::plain("streams that their callers left", shared.left.load(Ordering::Relaxed).to_string()),
        Figure::judged(
            "answers that were not expected",
            shared.unexpected.listed(),
            "none",
            answered > 0 && shared.unexpected.total() == 0,
        ),
        Figure::plain(
            "time of an exchange, median and p99",
            format!("{:.0} ms, {:.0} ms", shared.times.percentile(0.5), shared.times.percentile(0.99)),
        ),
    ];
    for (name, samples) in ["enclave", "host"].into_iter().zip(&samples) {
        figures.extend(trends(name, &samples[samples.len() / 10..]));
    }
    figures.push(Figure::judged("the node stops in order", if in_order { "yes" } else { "no" }, "yes", in_order));
    (format!("{CALLERS} callers for {:.0} s.", took.as_secs_f64()), figures)
}

fn trends(name: &str, samples: &[Sample]) -> Vec<Figure> {
    let mean = samples.iter().map(|sample| sample.memory).sum::<f64>() / samples.len().max(1) as f64;
    let memory = (mean * MEMORY).max(MEMORY_LEAST);
    let judge = |what: &str, unit: f64, digits: usize, allowed: f64, goal: String, field: fn(&Sample) -> f64| {
        let what = format!("{what} of the {name}: first quarter, last quarter, fitted growth");
        let Some(trend) = Trend::of(samples, field) else {
            return Figure::judged(what, "too few samples: it ended", goal, false);
        };
        let [first, last, growth] = [trend.first, trend.last, trend.growth].map(|value| value / unit);
        let value = format!("{first:.digits$}, {last:.digits$}, {growth:+.digits$}");
        Figure::judged(what, value, goal, trend.is_flat(allowed))
    };
    let goal = format!("grows by ≤ {:.1}", memory / 1024.0);
    vec![
        judge("memory (MiB)", 1024.0, 1, memory, goal, |sample| sample.memory),
        judge("descriptors", 1.0, 1, DESCRIPTORS, format!("grows by ≤ {DESCRIPTORS}"), |sample| sample.descriptors),
        judge("threads", 1.0, 1, THREADS, format!("grows by ≤ {THREADS}"), |sample| sample.threads),
    ]
}

/// Performs actions until the time is over.
async fn call(number: usize, target: Arc<Target>, shared: Arc<Shared>, end: Instant) {
    let mut caller = Caller::new(target);
    let mut turn = number;
    while Instant::now() < end {
        let deed = Deed::ALL[turn % Deed::ALL.len()];
        let began = Instant::now();
        match perform(deed, &mut caller).await {
            Ok(None) => _ = shared.left.fetch_add(1, Ordering::Relaxed),
            Ok(Some(status)) => {
                shared.times.add(began.elapsed());
                shared.done.add(format!("{deed:?}"));
                if status != expected(deed) {
                    shared.unexpected.add(format!("{deed:?} {status}"));
                }
            }
            Err(failure) => shared.unexpected.add(format!("{deed:?}: {}", failure.name())),
        }
        turn += 1;
        sleep(PACE).await;
    }
}

/// Returns the expected status of the proven answer.
fn expected(deed: Deed) -> u16 {
    match deed {
        Deed::UnknownModel => 404,
        _ => 200,
    }
}

/// Performs one action. Returns the status of the proven answer, or `None` if the caller left.
async fn perform(deed: Deed, caller: &mut Caller) -> Result<Option<u16>, Failure> {
    let (path, body, details) = match deed {
        Deed::Whole => (Client::CHAT, chat("m-whole", false), false),
        Deed::Stream | Deed::Leave => (Client::CHAT, chat("m-whole", true), false),
        Deed::LocalWhole => (Client::CHAT, chat(LOCAL, false), false),
        Deed::LocalStream => (Client::CHAT, chat(LOCAL, true), false),
        Deed::Embedding => ("/v1/embeddings", json!({ "model": "m-whole", "input": "a" }).to_string(), false),
        Deed::Details => (Client::CHAT, chat("m-whole", false), true),
        Deed::UnknownModel => (Client::CHAT, chat("nobody-has-this", false), false),
        Deed::CutStream => (Client::CHAT, chat("m-cut", true), false),
        Deed::Reconnect => {
            caller.hang_up();
            (Client::CHAT, chat("m-whole", false), false)
        }
    };
    if let Deed::Leave = deed {
        let mut exchange = caller.begin(path, body, false).await?;
        exchange.next().await?;
        return Ok(None);
    }
    Ok(Some(caller.ask(path, body, details).await?.status))
}
