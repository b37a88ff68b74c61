//! `quoth up`: starts or finds an enclave, serves it until it ends, and restarts it if asked to.

mod host;
mod ports;
mod signals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quoth_attestation::Digest;
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep};

use crate::HostError;
use crate::args::Up;
use crate::configuration::Configuration;
use crate::endorsements::{self, Endorsements, Service};
use crate::launch::{Enclave, Launch};
use crate::run_dir::{self, RunDir, State};
use crate::screen::Screen;

use host::Host;
use signals::Signals;

/// Pause before a restart. It doubles after each enclave that ended soon.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause before a restart.
const MOST: Duration = Duration::from_secs(60);
/// An enclave that ran for this time did not end soon.
const STEADY: Duration = Duration::from_secs(600);

/// Runs `quoth up`. Returns once the enclave has drained and stopped.
///
/// # Errors
/// [`HostError`]. The kind determines the exit code.
pub async fn run(options: Up) -> Result<(), HostError> {
    let screen = Arc::new(Screen::default());
    let mut pause = PAUSE;
    loop {
        let begun = Instant::now();
        let error = match once(&options, Arc::clone(&screen)).await {
            Err(error @ HostError::EnclaveEnded { .. }) if options.restart => error,
            result => return result,
        };
        if begun.elapsed() > STEADY {
            pause = PAUSE;
        }
        screen.warn(format!("{error}: restarting it in {} s", pause.as_secs()));
        let mut signals = Signals::new()?;
        tokio::select! {
            () = sleep(pause) => pause = (pause * 2).min(MOST),
            () = signals.next() => return Err(error),
        }
    }
}

/// Runs one enclave from start to end.
async fn once(options: &Up, screen: Arc<Screen>) -> Result<(), HostError> {
    let run_dir = RunDir::create(&options.run_dir)?;
    let _lock = run_dir.lock()?;
    let socket = bind(options.listen)?;
    let listen = socket.local_addr().map_err(HostError::system("the listening address"))?;
    if let Some((mut state, enclave)) = living(&run_dir)? {
        screen.note(format!("an enclave is still running here (process {}): attaching to it", state.pid));
        if options.describes_an_enclave() {
            screen.warn("options for a new enclave are ignored; stop this one first to use them");
        }
        state.listen = listen;
        run_dir.set_state(Some(&state))?;
        let endorsements = endorsements(options, &run_dir)?;
        return Host::new(screen, run_dir, &options.run_dir, state, endorsements, true)?.run(enclave, socket).await;
    }
    let configuration = Configuration::from_options(options, &*screen)?;
    let launch = Launch::from_options(options, &configuration)?;
    run_dir::write(&run_dir.config(), &configuration.bytes)?;
    run_dir::remove(&run_dir.policy())?;
    run_dir::remove(&run_dir.ca())?;
    let measured = launch.measured(&configuration.bytes)?;
    let mut state = State {
        pid: 0,
        started: 0,
        link: launch.link(&run_dir).to_string(),
        nitro: None,
        listen,
        platform: configuration.platform,
        config: Digest::of(&configuration.bytes).to_string(),
        measured,
        models: configuration.models,
        upstreams: configuration.upstreams,
    };
    // The host opens its ports before the enclave connects to them.
    let endorsements = endorsements(options, &run_dir)?;
    let mut host = Host::new(screen, run_dir.clone(), &options.run_dir, state.clone(), endorsements, false)?;
    let enclave = match launch.start(&run_dir).await {
        Ok(enclave) => enclave,
        Err(error) => {
            host.close().await?;
            return Err(error);
        }
    };
    enclave.describe(&mut state);
    if let Err(error) = run_dir.set_state(Some(&state)) {
        enclave.kill();
        return Err(error);
    }
    host.started(state);
    host.run(enclave, socket).await
}

/// Returns the source of endorsements for the enclave's reports.
fn endorsements(options: &Up, run_dir: &RunDir) -> Result<Endorsements, HostError> {
    let folder = endorsements::cache().unwrap_or_else(|| run_dir.path().join("endorsements"));
    let endorsements = Endorsements::new(folder, Service::new(&options.boot.endorsements)?);
    Ok(match options.boot.family {
        Some(family) => endorsements.of_family(family.into()),
        None => endorsements,
    })
}

/// Finds the enclave that a killed host left running.
fn living(run_dir: &RunDir) -> Result<Option<(State, Enclave)>, HostError> {
    let Some(state) = run_dir.state()? else { return Ok(None) };
    match Enclave::find(&state) {
        Some(enclave) => Ok(Some((state, enclave))),
        // It ended while no host was running.
        None => run_dir.forget().map(|()| None),
    }
}

/// Binds the address without listening. Until the node answers, clients are refused instead of kept waiting.
fn bind(listen: SocketAddr) -> Result<TcpSocket, HostError> {
    let bind = || {
        let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restarted host can bind the address while the kernel still holds old connections.
        socket.set_reuseaddr(true)?;
        socket.bind(listen)?;
        Ok(socket)
    };
    bind().map_err(HostError::system(format!("listening on {listen}")))
}
