//! One node's host while it runs: serves the ports, shows events, ends with the enclave.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quoth_link::event::{Event, Ready};
use quoth_link::{Address, Name};
use tokio::net::TcpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::ports::Ports;
use super::signals::Signals;
use crate::control::{self, EgressLine, ModelLine, RelayLine, Shared, Snapshot};
use crate::endorsements::{self, Endorsed, EndorsementError, Endorsements};
use crate::events::{self, Report};
use crate::journal::{self, Attachment, Notice};
use crate::launch::Enclave;
use crate::process::{raise_descriptor_limit, url};
use crate::relay::{self, Relay};
use crate::run_dir::{self, RunDir, State};
use crate::screen::{DIM, Screen, bytes};
use crate::{HostError, egress, models, policy};

/// Time limit for the enclave to drain.
const DRAIN: Duration = Duration::from_secs(35);
/// How long to wait for the last events of an enclave that has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The same if the enclave is no longer connected.
const SILENCE: Duration = Duration::from_millis(100);
/// Maximum number of connections that wait to be accepted.
const TCP_BACKLOG: u32 = 1024;
/// Maximum number of boot steps that are shown.
const MAX_STEPS: usize = 64;

/// One node's host while it runs.
pub(super) struct Host {
    screen: Arc<Screen>,
    run_dir: RunDir,
    /// The folder as the user named it.
    shown: PathBuf,
    state: State,
    link: Address,
    found: bool,
    shared: Shared,
    counters: Arc<OnceLock<Arc<relay::Counters>>>,
    tasks: JoinSet<()>,
    reports: mpsc::Receiver<Report>,
    notices: mpsc::UnboundedReceiver<Notice>,
    attachment: watch::Receiver<Attachment>,
    drain: watch::Sender<bool>,
    steps: usize,
    endorsed: mpsc::UnboundedReceiver<Result<Endorsed, EndorsementError>>,
    source: Option<endorsements::Source>,
    ready: Option<Ready>,
    fatal: Option<(Name, Name)>,
    stopped: bool,
    relay: Option<Relay>,
    deadline: Option<Instant>,
}

impl Host {
    /// Opens the ports and serves them. `found` says that the enclave ran before this host.
    pub(super) fn new(
        screen: Arc<Screen>,
        run_dir: RunDir,
        shown: &Path,
        state: State,
        endorsements: Endorsements,
        found: bool,
    ) -> Result<Self, HostError> {
        let link = state.link(&run_dir)?;
        let ports = Ports::listen(&link)?;
        let control = control::listen(&run_dir)?;
        let (shared, counters) = (Shared::default(), Arc::new(OnceLock::<Arc<relay::Counters>>::new()));
        let led = Arc::new(egress::Counters::default());
        let (report, reports) = mpsc::channel(events::BACKLOG);
        let (notice, notices) = mpsc::unbounded_channel();
        let (tell, endorsed) = mpsc::unbounded_channel();
        let (attached, attachment) = watch::channel(Attachment::Waiting);
        let (drain, drained) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let files = state.models.iter().filter_map(|model| model.file()).collect();
        let (connections, _) = shares(raise_descriptor_limit(), &state);
        let limits = egress::Limits { connections, ..egress::Limits::default() };
        tasks.spawn(egress::serve(ports.egress, state.upstreams.clone(), limits, Arc::clone(&led)));
        tasks.spawn(models::serve(ports.model, files, Arc::clone(&screen) as _));
        tasks.spawn(journal::serve(ports.journal, run_dir.journal(), attached, notice));
        tasks.spawn(events::serve(ports.events, report, drained));
        tasks.spawn(endorsements::serve(ports.endorsements, endorsements, tell));
        let (watched, relayed) = (attachment.clone(), Arc::clone(&counters));
        tasks.spawn(control::serve(control, shared.clone(), move |snapshot| {
            refresh(snapshot, &watched, &relayed, &led);
        }));
        let host = Self {
            screen,
            run_dir,
            shown: shown.to_owned(),
            state: state.clone(),
            link,
            found,
            shared,
            counters,
            tasks,
            reports,
            notices,
            attachment,
            drain,
            steps: 0,
            endorsed,
            source: None,
            ready: None,
            fatal: None,
            stopped: false,
            relay: None,
            deadline: None,
        };
        host.describe();
        Ok(host)
    }

    /// Takes the state of the enclave's new process.
    pub(super) fn started(&mut self, state: State) {
        self.state = state;
        self.describe();
    }

    /// Closes the ports, because no enclave was started.
    pub(super) async fn close(mut self) -> Result<(), HostError> {
        self.tasks.shutdown().await;
        run_dir::remove(&self.run_dir.control())?;
        self.run_dir.forget()
    }

    /// Serves the enclave until it ends.
    pub(super) async fn run(mut self, mut enclave: Enclave, socket: TcpSocket) -> Result<(), HostError> {
        let result = self.serve(&mut enclave, socket).await;
        self.tasks.shutdown().await;
        if result.is_err() && self.relay.is_none() && !self.found {
            // This host started it, and it never answered a request.
            enclave.kill();
        }
        run_dir::remove(&self.run_dir.control())?;
        result
    }

    async fn serve(&mut self, enclave: &mut Enclave, socket: TcpSocket) -> Result<(), HostError> {
        let mut signals = Signals::new()?;
        let mut socket = Some(socket);
        let mut attachment = self.attachment.clone();
        loop {
            let deadline = self.deadline;
            tokio::select! {
                how = enclave.ended() => return self.ended(how).await,
                Some(report) = self.reports.recv() => self.report(report)?,
                Some(notice) = self.notices.recv() => self.notice(notice),
                Some(outcome) = self.endorsed.recv() => self.endorsed(outcome)?,
                Ok(()) = attachment.changed() => {}
                () = signals.next() => match deadline {
                    // An enclave that is not ready yet has no exchange to finish, so it is killed.
                    None if self.found || self.ready.is_some() => self.drain(),
                    _ => return self.kill(enclave).await,
                },
                () = at(deadline) => return self.kill(enclave).await,
            }
            let attached = *attachment.borrow();
            if let (Some(ready), Attachment::Attached { next }, None, None) =
                (&self.ready, attached, &self.relay, deadline)
                && let Some(socket) = socket.take()
            {
                self.relay = Some(self.open(socket)?);
                self.welcome(ready, next);
            }
        }
    }

    /// Starts to accept clients.
    fn open(&self, socket: TcpSocket) -> Result<Relay, HostError> {
        let listen = self.state.listen;
        let listener = socket.listen(TCP_BACKLOG).map_err(HostError::system(format!("listening on {listen}")))?;
        let (_, connections) = shares(raise_descriptor_limit(), &self.state);
        let limits = relay::Limits { connections, ..relay::Limits::default() };
        let relay = Relay::start(listener, self.link.clone(), limits);
        self.counters.get_or_init(|| Arc::clone(relay.counters()));
        Ok(relay)
    }

    fn report(&mut self, report: Report) -> Result<(), HostError> {
        match report {
            Report::Connected => self.shared.change(|snapshot| snapshot.attached = true),
            Report::Disconnected(error) => {
                self.shared.change(|snapshot| snapshot.attached = false);
                if let Some(error) = error {
                    self.screen.warn(error);
                }
            }
            Report::Event(Event::Boot { step, ms }) => {
                self.steps += 1;
                // A host that attaches again does not show them.
                if self.steps <= MAX_STEPS && !self.found {
                    self.screen.step(step, ms);
                }
            }
            Report::Event(Event::Ready(ready)) => {
                run_dir::write(&self.run_dir.ca(), ready.ca.as_str().as_bytes())?;
                self.shared.change(|snapshot| {
                    snapshot.instance = Some(hex::encode(ready.instance));
                    snapshot.node = Some(hex::encode(ready.node));
                });
                self.ready = Some(ready);
                self.write_policy()?;
            }
            Report::Event(Event::Status(status)) => self.shared.change(|snapshot| snapshot.enclave = Some(status)),
            Report::Event(Event::Fatal { step, code }) => self.fatal = Some((step, code)),
            Report::Event(Event::Stopped {}) => self.stopped = true,
        }
        Ok(())
    }

    /// Handles the result of a request for endorsements.
    fn endorsed(&mut self, outcome: Result<Endorsed, EndorsementError>) -> Result<(), HostError> {
        match outcome {
            Ok(Endorsed { source, crl_not_renewed }) => {
                if let Some(error) = crl_not_renewed {
                    self.screen.warn(format!("the revocation list is still valid, but could not be renewed: {error}"));
                }
                self.source = Some(source);
                return self.write_policy();
            }
            Err(error) => self.screen.warn(format!("no endorsements for this machine's reports: {error}")),
        }
        Ok(())
    }

    fn write_policy(&self) -> Result<(), HostError> {
        let Some(ready) = &self.ready else { return Ok(()) };
        match policy::text(&self.state, ready, self.source.as_ref()) {
            Some(text) => run_dir::write(&self.run_dir.policy(), text.as_bytes()),
            // A policy that an earlier host wrote is still valid.
            None => Ok(()),
        }
    }

    fn notice(&self, notice: Notice) {
        match notice {
            Notice::Failed(error) if error.is_passing() => {
                self.screen.warn(format!("journal: {error}; the node refuses requests until it works again"));
            }
            Notice::Failed(error) => self.screen.warn(format!("journal: {error}; the node refuses requests")),
            Notice::Recovered => self.screen.note("journal: works again"),
            Notice::Gap { from, to } => {
                self.screen.warn(format!("journal: receipts {from} to {} are lost", to.saturating_sub(1)));
            }
            Notice::Unreadable { seq } => {
                self.screen.warn(format!("journal: receipt {seq} is stored, but this host cannot read it"));
            }
            Notice::Link(error) => self.screen.warn(format!("journal: {error}")),
        }
    }

    fn drain(&mut self) {
        self.screen.note(format!("stopping: running exchanges may finish {DIM}(Ctrl-C again to kill){DIM:#}"));
        if let Some(relay) = &self.relay {
            relay.stop_accepting();
        }
        self.drain.send_replace(true);
        self.shared.change(|snapshot| snapshot.draining = true);
        self.deadline = Some(Instant::now() + DRAIN);
    }

    async fn kill(&self, enclave: &mut Enclave) -> Result<(), HostError> {
        enclave.kill();
        enclave.ended().await;
        self.run_dir.forget()?;
        Err(HostError::Killed)
    }

    /// Handles the end of the process: reads the last events, lets the last bytes reach clients and journal, returns the result.
    async fn ended(&mut self, mut how: String) -> Result<(), HostError> {
        loop {
            let patience = if self.is_attached() { LAST_WORDS } else { SILENCE };
            match timeout(patience, self.reports.recv()).await {
                Ok(Some(report)) => self.report(report)?,
                Ok(None) | Err(_) => break,
            }
        }
        self.run_dir.forget()?;
        match self.fatal.take() {
            None => {}
            Some((step, code)) if self.ready.is_none() => {
                return Err(HostError::Boot { step, code, log: self.run_dir.enclave_log() });
            }
            Some((step, code)) => how = format!("by itself: {step} failed with {code}"),
        }
        let stored = async {
            // An error means that the journal's task has already ended.
            let _ = self.attachment.wait_for(|attachment| *attachment == Attachment::Waiting).await;
            if let Some(relay) = &mut self.relay {
                relay.stop_accepting();
                relay.finished().await;
            }
        };
        // After this time the rest cannot be delivered.
        let _ = timeout(LAST_WORDS, stored).await;
        match self.deadline.is_some() && self.stopped {
            true => {
                self.screen.note("stopped");
                Ok(())
            }
            false => Err(HostError::EnclaveEnded { how, log: self.run_dir.enclave_log() }),
        }
    }

    fn is_attached(&self) -> bool {
        let mut attached = false;
        self.shared.change(|snapshot| attached = snapshot.attached);
        attached
    }

    fn describe(&self) {
        let line = |model: &run_dir::ModelState| ModelLine {
            name: model.name.clone(),
            sha256: model.sha256.clone(),
            size: model.size,
        };
        self.shared.change(|snapshot| {
            snapshot.host_pid = std::process::id();
            snapshot.enclave_pid = self.state.pid;
            snapshot.platform = self.state.platform.clone();
            snapshot.url = url(self.state.listen);
            snapshot.models = self.state.models.iter().map(line).collect();
            snapshot.upstreams = self.state.upstreams.iter().map(ToString::to_string).collect();
        });
    }

    fn welcome(&self, ready: &Ready, next: u64) {
        let (url, policy) = (url(self.state.listen), self.shown.join("policy.toml"));
        let platform = match &*self.state.platform {
            "simulated" => "simulated: for development, without evidence from hardware".to_owned(),
            "none" => "none: receipts are signed, without evidence for the key".to_owned(),
            "nitro" if self.state.is_played() => {
                "nitro, emulated by QEMU: its evidence has no valid signature".to_owned()
            }
            "sev-snp" => {
                format!("sev-snp, {}", self.source.as_ref().map_or("not endorsed", |source| source.family().title()))
            }
            other => other.to_owned(),
        };
        let mut rows = vec![("url", url.clone()), ("platform", platform)];
        for model in &self.state.models {
            let digest = model.sha256.get(..16).unwrap_or(&model.sha256);
            rows.push(("model", format!("{} {DIM}sha256 {digest}… {}{DIM:#}", model.name, bytes(model.size))));
        }
        for upstream in &self.state.upstreams {
            rows.push(("provider", upstream.to_string()));
        }
        rows.push(("instance", hex::encode(ready.instance)));
        rows.push(("policy", policy.display().to_string()));
        rows.push(("ca", self.shown.join("ca.pem").display().to_string()));
        let title = match self.found {
            true => format!("re-attached, chain continues at seq {next}"),
            false => "ready".to_owned(),
        };
        let name = self.state.models.first().map_or("MODEL", |model| &model.name);
        let paste = format!("quoth-verify ask {url} --policy {} -m {name} \"Say hello.\"", policy.display());
        self.screen.panel(&title, &rows, &paste);
    }
}

/// Divides the possible connections between egress and the relay.
fn shares(possible: usize, state: &State) -> (usize, usize) {
    let egress = egress::CONNECTIONS.min(possible / 2);
    // Without providers, egress needs no connections.
    let reserved = if state.upstreams.is_empty() { 0 } else { egress };
    (egress, relay::CONNECTIONS.min(possible - reserved))
}

/// Updates the values of the snapshot that change on their own.
fn refresh(
    snapshot: &mut Snapshot,
    attachment: &watch::Receiver<Attachment>,
    relay: &OnceLock<Arc<relay::Counters>>,
    egress: &egress::Counters,
) {
    (snapshot.journal, snapshot.journal_next) = match *attachment.borrow() {
        Attachment::Waiting => ("waiting".into(), None),
        Attachment::Failed => ("failed".into(), None),
        Attachment::Attached { next } => ("attached".into(), Some(next)),
    };
    if let Some(counters) = relay.get() {
        snapshot.relay = RelayLine {
            open: counters.open.load(Ordering::Relaxed),
            accepted: counters.accepted.load(Ordering::Relaxed),
            shed: counters.shed.load(Ordering::Relaxed),
            unreachable: counters.unreachable.load(Ordering::Relaxed),
        };
    }
    snapshot.egress = EgressLine {
        open: egress.open.load(Ordering::Relaxed),
        led: egress.led.load(Ordering::Relaxed),
        refused: egress.refused.load(Ordering::Relaxed),
        unresolved: egress.unresolved.load(Ordering::Relaxed),
        unreachable: egress.unreachable.load(Ordering::Relaxed),
        shed: egress.shed.load(Ordering::Relaxed),
    };
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::run_dir::Measured;
    use quoth_link::egress::Destination;

    #[test]
    fn few_descriptors_are_shared() {
        let mut state = State {
            pid: 0,
            started: 0,
            link: String::new(),
            nitro: None,
            listen: "127.0.0.1:1".parse().unwrap(),
            platform: String::new(),
            config: String::new(),
            measured: Measured::Nothing {},
            models: vec![],
            upstreams: vec![],
        };
        assert_eq!(shares(480, &state), (240, 480));
        assert_eq!(shares(usize::MAX, &state), (egress::CONNECTIONS, relay::CONNECTIONS));
        state.upstreams = vec![Destination::new("a", 1).unwrap()];
        assert_eq!(shares(480, &state), (240, 240));
        assert_eq!(shares(5000, &state), (egress::CONNECTIONS, 5000 - egress::CONNECTIONS));
        assert_eq!(shares(usize::MAX, &state), (egress::CONNECTIONS, relay::CONNECTIONS));
    }
}
