//! The part `faults`: injects faults under concurrent callers. Acknowledged receipts must survive, and every gap must be visible.

mod account;
mod journal;
mod kind;
mod relay;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use quoth_client::Client;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::args::Plan;
use crate::caller::{Caller, Target, chat};
use crate::report::{Figure, Outcome};
use crate::site::{Setup, Site};
use crate::tally::{Tally, Times};
use account::{Account, Balance};
use journal::Journal;
use kind::Kind;
use relay::Relay;

/// Pause between two requests of one caller.
const PACE: Duration = Duration::from_millis(200);
/// Pause after a failed request.
const RETRY: Duration = Duration::from_millis(100);
/// Number of proven answers that count as recovery.
const RECOVERED: u64 = 16;
/// Time limit for the recovery.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(20);

/// The state that all callers share.
#[derive(Default)]
struct Shared {
    asked: AtomicU64,
    proven: AtomicU64,
    answers: Tally,
    failures: Tally,
    false_words: Tally,
    account: Account,
}

pub(crate) async fn measure(plan: &Plan) -> Outcome {
    let mut site = Site::start(Setup::default()).await;
    let relay = Relay::start(site.node.port()).await;
    let (shared, target) = (Arc::new(Shared::default()), site.target(relay.port(), 0));
    let mut callers = JoinSet::new();
    for number in 0..plan.callers {
        callers.spawn(call(number, Arc::clone(&target), Arc::clone(&shared)));
    }

    let mut journal = Journal::new(site.node.journal_file());
    let (mut injected, recovery) = (BTreeMap::<&str, u64>::new(), Times::default());
    let began = Instant::now();
    let mut problem = None;
    for number in 0..plan.faults {
        if !recovers(&shared, &recovery).await {
            problem = Some(format!("no proven answers for {} s after {number} faults", PATIENCE.as_secs()));
            break;
        }
        if let Err(error) = journal.look() {
            problem = Some(format!("the journal cannot be read after {number} faults: {error}"));
            break;
        }
        let kind = Kind::of(number);
        if kind == Kind::EnclaveKilled {
            journal.newest_is_killed();
        }
        if AssertUnwindSafe(kind.strike(number, &mut site, &relay)).catch_unwind().await.is_err() {
            problem = Some(format!("the node did not come back after fault {number}, {}", kind.name()));
            break;
        }
        *injected.entry(kind.name()).or_default() += 1;
        if number % 25 == 24 {
            eprintln!("faults: {} of {}, {:.0} s", number + 1, plan.faults, began.elapsed().as_secs_f64());
        }
    }
    if problem.is_none() && !recovers(&shared, &recovery).await {
        problem = Some("no proven answers after the last fault".into());
    }

    callers.shutdown().await;
    let took = began.elapsed();
    if problem.is_none() && !tokio::task::block_in_place(|| site.node.stop()).success() {
        problem = Some("the node did not stop in order".into());
    }
    if problem.is_some() {
        // Receipts that its journal lacks now are lost.
        journal.newest_is_killed();
    }
    let balance = shared.account.settle(&journal);
    let how = format!(
        "{} faults under {} callers in {:.0} s ({}).",
        injected.values().sum::<u64>(),
        plan.callers,
        took.as_secs_f64(),
        injected.iter().map(|(kind, count)| format!("{kind}: {count}")).collect::<Vec<_>>().join(", ")
    );
    (how, figures(plan, &shared, &recovery, balance, problem))
}

/// Waits for proven answers and records the time.
async fn recovers(shared: &Shared, recovery: &Times) -> bool {
    let (began, before) = (Instant::now(), shared.proven.load(Ordering::Relaxed));
    while shared.proven.load(Ordering::Relaxed) < before + RECOVERED {
        if began.elapsed() > PATIENCE {
            return false;
        }
        sleep(LOOK).await;
    }
    recovery.add(began.elapsed());
    true
}

/// Sends requests until the task ends: whole answers and streams in turn, a few on each connection.
async fn call(number: usize, target: Arc<Target>, shared: Arc<Shared>) {
    let mut caller = Caller::new(target);
    for turn in number.. {
        shared.asked.fetch_add(1, Ordering::Relaxed);
        let stream = turn % 2 == 0;
        match caller.ask(Client::CHAT, chat("m-whole", stream), false).await {
            Ok(answer) => {
                shared.answers.add(answer.status.to_string());
                shared.account.deliver(&answer);
                // A failure of the provider is proven, too, but is no recovery.
                if answer.status == 200 {
                    shared.proven.fetch_add(1, Ordering::Relaxed);
                }
                sleep(PACE).await;
            }
            Err(failure) => {
                if failure.is_false() {
                    shared.false_words.add(failure.name());
                }
                shared.failures.add(failure.name());
                sleep(RETRY).await;
            }
        }
        if turn % 8 == 7 {
            caller.hang_up();
        }
    }
}

fn figures(
    plan: &Plan,
    shared: &Shared,
    recovery: &Times,
    balance: Result<Balance, String>,
    problem: Option<String>,
) -> Vec<Figure> {
    let mut figures = vec![
        Figure::plain("requests", shared.asked.load(Ordering::Relaxed).to_string()),
        Figure::plain("proven answers by status", shared.answers.listed()),
        Figure::plain("requests without a proven answer", shared.failures.listed()),
        Figure::judged(
            "answers whose proof is false",
            shared.false_words.listed(),
            "none",
            shared.false_words.total() == 0,
        ),
        Figure::plain(
            format!("from the end of a fault to {RECOVERED} proven answers, median and longest"),
            format!("{:.2} s, {:.2} s", recovery.percentile(0.5) / 1000.0, recovery.percentile(1.0) / 1000.0),
        ),
        Figure::judged(
            format!("all {} faults were injected, and the node recovered", plan.faults),
            problem.as_deref().unwrap_or("yes"),
            "yes",
            problem.is_none(),
        ),
    ];
    match balance {
        Ok(balance) => figures.extend(balance.figures()),
        Err(error) => figures.push(Figure::judged("the journal can be read at the end", error, "yes", false)),
    }
    figures
}
