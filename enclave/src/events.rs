//! Tells the host what it may know: boot steps, readiness, counters, the end. Takes its one command: to drain.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quoth_link::event::{Command, Event, Status};
use quoth_link::{Address, CONNECT_TIMEOUT, Frame, Frames, HOST_ABSENCE, LinkError, Name, Port, RETRY};
use tokio::io::{AsyncWriteExt, split};
use tokio::sync::{Notify, watch};
use tokio::time::{interval, sleep, timeout};

use crate::log::log;

const STATUS: Duration = Duration::from_secs(1);
/// How long the last event may take to reach the host.
const LAST_WORD: Duration = Duration::from_secs(2);

/// The channel to the host.
pub struct Events {
    started: Instant,
    /// Boot steps and readiness. They are told again whenever the host attaches again.
    told: Mutex<Vec<Event>>,
    last: Mutex<Option<Event>>,
    changed: Notify,
    heard: Notify,
    end: watch::Sender<Option<End>>,
}

/// Why the enclave should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The host asked for it.
    Drain,
    /// The host was away for [`HOST_ABSENCE`].
    HostAbsent,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            told: Mutex::default(),
            last: Mutex::default(),
            changed: Notify::new(),
            heard: Notify::new(),
            end: watch::Sender::new(None),
        }
    }
}

impl Events {
    /// Milliseconds since the process began.
    pub fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Logs an event and tells the host, now or when it attaches.
    pub fn tell(&self, event: Event) {
        match &event {
            Event::Boot { step, ms } => log!("boot step={step} ms={ms}"),
            Event::Ready(_) => log!("ready ms={}", self.uptime_ms()),
            _ => {}
        }
        lock(&self.told).push(event);
        self.changed.notify_waiters();
    }

    /// Sends the last event, if the host is there to hear it.
    pub async fn tell_last(&self, event: Event) {
        let heard = self.heard.notified();
        *lock(&self.last) = Some(event);
        self.changed.notify_waiters();
        let _ = timeout(LAST_WORD, heard).await;
    }

    /// Waits until there is a reason to end.
    pub async fn end(&self) -> End {
        let mut end = self.end.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let reason = end.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        reason.unwrap_or(End::HostAbsent)
    }

    /// Serves the host for as long as the enclave lives; `status` is asked once a second.
    pub async fn run(&self, link: Address, status: impl Fn() -> Status) {
        let mut attached = Instant::now();
        loop {
            if let Ok(stream) = link.connect(Port::EVENTS, CONNECT_TIMEOUT).await {
                // The host may come back, however the connection ended.
                let _ = self.serve(stream, &status).await;
                attached = Instant::now();
            }
            if attached.elapsed() >= HOST_ABSENCE {
                self.end.send_replace(Some(End::HostAbsent));
            }
            sleep(RETRY).await;
        }
    }

    async fn serve(&self, stream: quoth_link::Stream, status: &impl Fn() -> Status) -> Result<(), LinkError> {
        let (reader, mut writer) = split(stream);
        let mut commands = Frames::<Command, _>::new(reader);
        let mut tick = interval(STATUS);
        let mut told = 0;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let mut outgoing = Vec::new();
            {
                let events = lock(&self.told);
                events[told..].iter().for_each(|event| event.put(&mut outgoing));
                told = events.len();
            }
            let last = lock(&self.last).clone();
            if let Some(event) = &last {
                event.put(&mut outgoing);
            }
            writer.write_all(&outgoing).await?;
            if last.is_some() {
                self.heard.notify_waiters();
                std::future::pending::<()>().await;
            }
            tokio::select! {
                () = changed => {}
                _ = tick.tick() => writer.write_all(&Event::Status(status()).to_bytes()).await?,
                command = commands.next() => match command? {
                    Some(Command::Drain {}) => drop(self.end.send_replace(Some(End::Drain))),
                    None => return Ok(()),
                },
            }
        }
    }
}

/// A boot step's event.
pub fn step(name: &'static str, since: Instant) -> Event {
    Event::Boot { step: Name::of(name), ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
