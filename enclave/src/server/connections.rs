//! Open client connections: how many there may be, and which one makes room for a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quoth_engine::CacheScope;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::limits;
use crate::pace::Taking;
use crate::shares::Party;

/// All open connections.
pub(super) struct Connections {
    most: usize,
    most_unproven: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    all: BTreeMap<u64, Arc<Connection>>,
    /// Those that have shown no valid token and brought no whole request.
    unproven: BTreeSet<u64>,
}

/// One client connection.
pub struct Connection {
    number: u64,
    cache: CacheScope,
    connections: Arc<Connections>,
    state: Mutex<State>,
    evicted: Notify,
}

struct State {
    proven: bool,
    running: usize,
    /// When it was opened, the last bytes of a body came over it, or its last request ended.
    seen: Instant,
    /// Requests that were refused. Each accepted one halves this number.
    refusals: u32,
    /// Requests whose answers the client may still be reading.
    watched: Vec<Watched>,
    /// How many may be watched before ended ones are removed.
    room: usize,
}

/// A request and its answer. Aborting `task` resets its HTTP/2 stream; over HTTP/1.1 only the connection can end.
struct Watched {
    taking: Arc<Taking>,
    task: Option<AbortHandle>,
}

impl Watched {
    fn is_over(&self) -> bool {
        self.task.as_ref().is_some_and(AbortHandle::is_finished) && !self.taking.is_waiting()
    }
}

/// How a connection should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It takes no new request and ends after its last running one.
    Graceful,
    /// It ends now.
    Now,
}

/// Keeps a connection among the open ones.
pub(super) struct Entry(pub(super) Arc<Connection>);

impl Connections {
    /// At most `most` connections; one part in [`limits::UNPROVEN_PART`] of them may be unproven.
    pub(super) fn new(most: usize) -> Arc<Self> {
        let most_unproven = (most / limits::UNPROVEN_PART).max(1);
        Arc::new(Self { most, most_unproven, open: Mutex::default() })
    }

    /// Enters a new connection. If there are too many, the stalest unproven one makes room, otherwise the proven one
    /// that has been idle longest. A connection that has just come, or is busy, makes no room.
    ///
    /// # Errors
    /// How long to wait before one may make room.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Entry, Duration> {
        let mut open = self.lock();
        if open.unproven.len() >= self.most_unproven || open.all.len() >= self.most {
            let (seen, victim) = open.stalest_unproven().or_else(|| open.longest_idle()).ok_or(limits::GRACE)?;
            if let Some(wait) = limits::GRACE.checked_sub(seen.elapsed()).filter(|wait| !wait.is_zero()) {
                return Err(wait);
            }
            open.unproven.remove(&victim);
            open.all.remove(&victim).into_iter().for_each(|connection| connection.evicted.notify_one());
        }
        let number = open.next;
        open.next += 1;
        let connection = Arc::new(Connection::new(number, Arc::clone(self)));
        open.all.insert(number, Arc::clone(&connection));
        open.unproven.insert(number);
        Ok(Entry(connection))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// The unproven connection that makes room. Idle ones go first while they are at least half of the unproven ones: a
    /// client that has only just connected is idle, too.
    fn stalest_unproven(&self) -> Option<(Instant, u64)> {
        let unproven = self.unproven.iter().filter_map(|number| self.all.get(number));
        let (mut idle, mut busy) = ((0, None), (0, None));
        for connection in unproven {
            let state = connection.lock();
            let (count, stalest) = if state.running == 0 { &mut idle } else { &mut busy };
            *count += 1;
            let own = (state.seen, connection.number);
            *stalest = Some(stalest.map_or(own, |stalest: (Instant, u64)| stalest.min(own)));
        }
        let ((idle, stalest_idle), (busy, stalest_busy)) = (idle, busy);
        if idle >= busy { stalest_idle } else { stalest_busy }
    }

    fn longest_idle(&self) -> Option<(Instant, u64)> {
        let idle = |connection: &Arc<Connection>| {
            let state = connection.lock();
            (state.running == 0).then_some((state.seen, connection.number))
        };
        self.all.values().filter_map(idle).min()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.0.connections.lock();
        open.unproven.remove(&self.0.number);
        open.all.remove(&self.0.number);
    }
}

impl Connection {
    fn new(number: u64, connections: Arc<Connections>) -> Self {
        let state =
            State { proven: false, running: 0, seen: Instant::now(), refusals: 0, watched: Vec::new(), room: ROOM };
        Self { number, cache: CacheScope::new(), connections, state: Mutex::new(state), evicted: Notify::new() }
    }

    /// A connection without others.
    #[cfg(test)]
    pub(crate) fn alone() -> Arc<Self> {
        Arc::new(Self::new(0, Connections::new(1)))
    }

    /// A number that no other connection of this boot has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The party whose shares its requests use if anyone may ask.
    pub fn party(&self) -> Party {
        Party::Connection(self.number)
    }

    /// The scope in which computed beginnings of prompts are shared: this connection's requests.
    pub fn cache(&self) -> &CacheScope {
        &self.cache
    }

    /// Notes that it has shown a valid token or brought a whole request.
    pub fn prove(&self) {
        if !std::mem::replace(&mut self.lock().proven, true) {
            self.connections.lock().unproven.remove(&self.number);
        }
    }

    /// Notes an answer. Returns how long it should wait: refusals wait longer and longer while they are more than half of
    /// the answers, so that a client that ignores them costs little.
    pub fn answers(&self, refused: bool) -> Duration {
        let mut state = self.lock();
        if !refused {
            state.refusals = state.refusals.saturating_sub(1);
            return Duration::ZERO;
        }
        state.refusals = (state.refusals + 1).min(limits::REFUSALS_COUNTED);
        let beyond = state.refusals.saturating_sub(limits::REFUSALS_AT_ONCE);
        limits::REFUSAL_PAUSE.saturating_mul(beyond).min(limits::REFUSAL_PAUSE_MOST)
    }

    /// Notes that there was no memory for a request. An unproven connection ends, because its next request would cost
    /// as much.
    pub fn overloads(&self) {
        if !self.lock().proven {
            self.evicted.notify_one();
        }
    }

    /// Notes that bytes of a body have come.
    pub fn moved(&self) {
        self.lock().seen = Instant::now();
    }

    /// Watches how the client takes the answer of a request.
    pub(super) fn watch(&self, taking: Arc<Taking>, task: Option<AbortHandle>) {
        let mut state = self.lock();
        if state.watched.len() >= state.room {
            state.watched.retain(|watched| !watched.is_over());
            // Twice as many as are left, so that the cost for each request stays constant.
            state.room = ROOM + 2 * state.watched.len();
        }
        state.watched.push(Watched { taking, task });
    }

    /// Notes that a request runs until the guard is dropped.
    pub fn runs(self: &Arc<Self>) -> Running {
        self.lock().running += 1;
        Running(Arc::clone(self))
    }

    /// Waits until it has to make room for another.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Checks it regularly until it should end.
    pub(super) async fn upkeep(&self, born: Instant) -> End {
        loop {
            sleep(limits::UPKEEP).await;
            if self.has_stalled() {
                return End::Now;
            }
            let state = self.lock();
            let patience = if state.proven { limits::IDLE } else { limits::IDLE_UNPROVEN };
            if state.idle().is_some_and(|idle| idle >= patience) || born.elapsed() >= limits::CONNECTION_LIFE {
                return End::Graceful;
            }
        }
    }

    /// Checks it regularly after it takes no new request, until there is no reason to wait for it.
    pub(super) async fn last_upkeep(&self) {
        loop {
            sleep(limits::UPKEEP).await;
            if self.has_stalled() || self.lock().idle().is_some_and(|idle| idle >= limits::STALL) {
                return;
            }
        }
    }

    /// Resets requests whose clients take nothing. Returns true if only the end of the connection helps.
    fn has_stalled(&self) -> bool {
        let mut state = self.lock();
        state.watched.retain(|watched| !watched.is_over());
        let mut stalled = false;
        for watched in state.watched.iter().filter(|watched| watched.taking.has_stalled()) {
            match watched.task.as_ref().filter(|task| !task.is_finished()) {
                Some(task) => task.abort(),
                // The rest of the answer is in the connection's own buffers.
                None => stalled = true,
            }
        }
        stalled
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How long no request has run; none while one runs.
    fn idle(&self) -> Option<Duration> {
        (self.running == 0).then(|| self.seen.elapsed())
    }
}

/// A guard for a running request, until its answer has been handed on.
pub struct Running(Arc<Connection>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        state.seen = Instant::now();
    }
}

/// Requests that are watched before ended ones are removed.
const ROOM: usize = 16;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::pending;

    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Enters when all others have been there for long enough to make room.
    async fn enter(connections: &Arc<Connections>) -> Entry {
        advance(limits::GRACE).await;
        connections.enter().ok().unwrap()
    }

    fn is_evicted(connection: &Connection) -> bool {
        connection.evicted().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_just_come_does_not_make_room_and_others_wait() {
        let connections = Connections::new(8);
        let first = connections.enter().ok().unwrap();
        assert_eq!(connections.enter().err(), Some(limits::GRACE));
        advance(limits::GRACE - Duration::from_millis(1)).await;
        assert_eq!(connections.enter().err(), Some(Duration::from_millis(1)));
        advance(Duration::from_millis(1)).await;
        assert!(connections.enter().is_ok() && is_evicted(&first.0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_unproven_connection_makes_room() {
        let connections = Connections::new(16);
        let [first, second] = [enter(&connections).await, enter(&connections).await];
        let third = enter(&connections).await;
        assert!(is_evicted(&first.0) && !is_evicted(&second.0));
        second.0.prove();
        third.0.prove();
        let [fourth, fifth] = [enter(&connections).await, enter(&connections).await];
        assert!(!is_evicted(&second.0) && !is_evicted(&third.0), "proven ones are not touched by new ones");
        let _sixth = enter(&connections).await;
        assert!(is_evicted(&fourth.0) && !is_evicted(&fifth.0));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_proven_the_longest_idle_one_makes_room_and_busy_ones_never() {
        let connections = Connections::new(2);
        let first = enter(&connections).await;
        first.0.prove();
        advance(SECOND).await;
        let second = enter(&connections).await;
        second.0.prove();
        let running = second.0.runs();
        let third = enter(&connections).await;
        assert!(is_evicted(&first.0) && !is_evicted(&second.0));
        third.0.prove();
        let _busy = third.0.runs();
        advance(limits::GRACE).await;
        assert!(connections.enter().is_err());
        drop(running);
        advance(limits::GRACE).await;
        assert!(connections.enter().is_ok() && is_evicted(&second.0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unproven_connection_that_is_in_use_outlasts_idle_ones() {
        let connections = Connections::new(16);
        let used = enter(&connections).await;
        advance(SECOND).await;
        let idle = enter(&connections).await;
        advance(SECOND).await;
        drop(used.0.runs());
        let _new = enter(&connections).await;
        assert!(is_evicted(&idle.0) && !is_evicted(&used.0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_moves_is_not_cut_for_idle_connections_nor_do_slow_ones_lock_others_out() {
        let connections = Connections::new(32);
        let busy: Vec<_> = [enter(&connections).await, enter(&connections).await, enter(&connections).await]
            .into_iter()
            .map(|entry| (entry.0.runs(), entry))
            .collect();
        let idle = enter(&connections).await;
        advance(SECOND).await;
        busy[0].1.0.moved();
        let _new = enter(&connections).await;
        assert!(!is_evicted(&idle.0) && !is_evicted(&busy[0].1.0), "most are busy, so the stalest of them goes");
        assert!(is_evicted(&busy[1].1.0) || is_evicted(&busy[2].1.0));
        let _newer = enter(&connections).await;
        assert!(is_evicted(&idle.0) && !is_evicted(&busy[0].1.0), "as many are idle, so the stalest of those goes");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unproven_connection_without_memory_ends_and_a_proven_one_stays() {
        let connections = Connections::new(64);
        let [unproven, proven] = [enter(&connections).await, enter(&connections).await];
        proven.0.prove();
        [&unproven, &proven].into_iter().for_each(|entry| entry.0.overloads());
        assert!(is_evicted(&unproven.0) && !is_evicted(&proven.0));
    }

    #[test]
    fn refusals_in_a_row_wait_longer_and_longer() {
        let connection = Connection::alone();
        for _ in 0..limits::REFUSALS_AT_ONCE {
            assert_eq!(connection.answers(true), Duration::ZERO);
        }
        assert_eq!(connection.answers(true), limits::REFUSAL_PAUSE);
        assert_eq!(connection.answers(true), 2 * limits::REFUSAL_PAUSE);
        (0..100).for_each(|_| _ = connection.answers(true));
        assert_eq!(connection.answers(true), limits::REFUSAL_PAUSE_MOST);
        assert_eq!(connection.answers(false), Duration::ZERO);
        assert!(connection.answers(true) > Duration::ZERO, "one success among many refusals changes little");
        (0..limits::REFUSALS_COUNTED).for_each(|_| _ = connection.answers(false));
        assert_eq!(connection.answers(true), Duration::ZERO);
    }

    #[test]
    fn refusals_wait_when_they_are_more_than_half_of_the_answers() {
        for (refusals, waits) in [(1, false), (2, true), (4, true)] {
            let connection = Connection::alone();
            let mut longest = Duration::ZERO;
            for _ in 0..200 {
                (0..refusals).for_each(|_| longest = longest.max(connection.answers(true)));
                connection.answers(false);
            }
            assert_eq!(longest > Duration::ZERO, waits, "{refusals} to one success");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_and_old_connections_end() {
        for (proven, patience) in [(false, limits::IDLE_UNPROVEN), (true, limits::IDLE)] {
            let entry = Connections::new(8).enter().ok().unwrap();
            if proven {
                entry.0.prove();
            }
            let running = entry.0.runs();
            advance(patience * 2).await;
            drop(running);
            let began = Instant::now();
            assert_eq!(entry.0.upkeep(began).await, End::Graceful);
            assert!((patience..patience + 2 * limits::UPKEEP).contains(&began.elapsed()), "{:?}", began.elapsed());
        }
        let entry = Connections::new(8).enter().ok().unwrap();
        let _running = entry.0.runs();
        let born = Instant::now();
        assert_eq!(entry.0.upkeep(born).await, End::Graceful);
        assert!(born.elapsed() >= limits::CONNECTION_LIFE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_reset_and_its_rest_ends_the_connection() {
        let entry = Connections::new(8).enter().ok().unwrap();
        let (connection, taking) = (&entry.0, Arc::new(Taking::default()));
        let _running = connection.runs();
        let task = tokio::spawn(pending::<()>());
        connection.watch(Arc::clone(&taking), Some(task.abort_handle()));
        taking.offer(1);
        advance(limits::STALL).await;
        assert!(!connection.has_stalled(), "its stream alone is reset");
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(connection.upkeep(Instant::now()).await, End::Now, "what it left is in the connection's buffers");
        taking.took_all();
        assert!(!connection.has_stalled() && connection.lock().watched.is_empty());
    }

    #[tokio::test]
    async fn what_is_over_is_forgotten() {
        let entry = Connections::new(8).enter().ok().unwrap();
        for _ in 0..1000 {
            let task = tokio::spawn(async {});
            entry.0.watch(Arc::default(), Some(task.abort_handle()));
            task.await.unwrap();
            assert!(entry.0.lock().watched.len() <= ROOM);
        }
    }
}
