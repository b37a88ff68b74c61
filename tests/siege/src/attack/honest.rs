//! The honest callers: they send a steady mix of requests, verify every answer and count every failure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quoth_client::Client;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::caller::{Caller, Failure, Target, chat};
use crate::tally::{Tally, Times};

/// Streams of this model have no pauses, so that the measured times are the node's.
const MODEL: &str = "m-hold-8-0";
/// Pause between two requests of one caller.
const PACE: Duration = Duration::from_millis(50);

/// The results of honest callers.
#[derive(Debug, Default)]
pub(super) struct Honest {
    /// Proven answers by status.
    pub(super) answers: Tally,
    /// All failures.
    pub(super) failures: Tally,
    /// Times from the request to the proof, on an open connection.
    pub(super) times: Times,
    /// Times for opening and verifying a connection.
    pub(super) connects: Times,
}

impl Honest {
    /// Returns the number of answers with status 200.
    pub(super) fn proven(&self) -> u64 {
        self.answers.of("200")
    }

    /// Returns the number of all requests.
    pub(super) fn asked(&self) -> u64 {
        self.answers.total() + self.failures.total()
    }
}

/// Lets each caller send requests until the time is over.
pub(super) async fn ask_for(targets: &[Arc<Target>], time: Duration) -> Arc<Honest> {
    let (honest, end) = (Arc::new(Honest::default()), Instant::now() + time);
    let mut callers = JoinSet::new();
    for (number, target) in targets.iter().enumerate() {
        let (honest, mut caller) = (Arc::clone(&honest), Caller::new(Arc::clone(target)));
        callers.spawn(async move {
            let mut turn = number;
            while Instant::now() < end {
                if let Err(failure) = once(&mut caller, turn, &honest).await {
                    honest.failures.add(failure.name());
                }
                turn += 1;
                sleep(PACE).await;
            }
        });
    }
    while callers.join_next().await.is_some() {}
    honest
}

/// Sends one request. The tenth of each connection is its last. The fifth also asks for details.
async fn once(caller: &mut Caller, turn: usize, honest: &Honest) -> Result<(), Failure> {
    if turn.is_multiple_of(10) {
        caller.hang_up();
    }
    let began = Instant::now();
    let is_new = !caller.is_connected();
    caller.connect().await?;
    if is_new {
        honest.connects.add(began.elapsed());
    }
    let began = Instant::now();
    let answer = caller.ask(Client::CHAT, chat(MODEL, turn.is_multiple_of(2)), turn % 10 == 5).await?;
    honest.times.add(began.elapsed());
    match answer.status {
        200 => honest.answers.add("200"),
        status => honest.failures.add(format!("{status} with a receipt")),
    }
    Ok(())
}
