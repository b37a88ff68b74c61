//! Boots a node, from an empty process to one that answers. Each step is one function with one line in the log. A
//! failed step names itself and ends the process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use quoth_engine::{Engine, Model};
use quoth_link::event::{Event, Pem, Ready, Status};
use quoth_link::{Address, Listener, Name, Port, RETRY, metrics};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::events::{End, Events, step};
use crate::log::log;
use crate::node::Node;
use crate::tls::{self, Tls};
use crate::upstream::Upstreams;
use crate::{EnclaveError, endorse, feed, limits, server};

/// Threads for connections, at most. The engines have their own threads.
const WORKERS: usize = 8;
/// How often engines are checked.
const LOOK: Duration = Duration::from_secs(1);

/// Runs the enclave until the host asks it to end, or is away for too long.
pub fn run(config: &Path, link: Address) -> Result<(), EnclaveError> {
    // Half of the processors: on two cores, two threads that hand each other work cost more than one.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = (processors / 2).clamp(1, WORKERS);
    // A single worker needs no work stealing.
    let mut builder = if workers == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.max_blocking_threads(limits::BLOCKING_THREADS);
    let runtime =
        builder.worker_threads(workers).enable_all().build().map_err(EnclaveError::io("start the runtime"))?;
    let outcome = runtime.block_on(live(config, link));
    // Threads that still compute must not keep the process alive.
    runtime.shutdown_background();
    outcome
}

/// Tells the host, if it listens, what ended this process outside of the boot steps.
pub fn last_word(link: Address, step: &'static str, error: &EnclaveError) {
    // Without a runtime there is only the log.
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
    let code = Name::of(error.code());
    runtime.block_on(async {
        let events = Arc::new(Events::default());
        let told = Arc::clone(&events);
        tokio::spawn(async move { told.run(link, Status::default).await });
        events.tell_last(Event::Fatal { step: Name::of(step), code }).await;
    });
    runtime.shutdown_background();
}

async fn live(config: &Path, link: Address) -> Result<(), EnclaveError> {
    let events = Arc::new(Events::default());
    let (status, booted) = watch::channel(None::<Arc<Node>>);
    tokio::spawn({
        let (events, link) = (Arc::clone(&events), link.clone());
        async move { events.run(link, || count(&events, booted.borrow().as_deref())).await }
    });
    let (node, tls) = match boot(config, &link, &events).await {
        Ok(booted) => booted,
        Err((step, error)) => {
            let code = Name::of(error.code());
            log!("fatal step={step} {error}");
            events.tell_last(Event::Fatal { step: Name::of(step), code }).await;
            return Err(error);
        }
    };
    status.send_replace(Some(Arc::clone(&node)));
    answer(node, &tls, link, &events).await
}

/// The steps, in order.
async fn boot(path: &Path, link: &Address, events: &Events) -> Result<(Arc<Node>, Tls), (&'static str, EnclaveError)> {
    let at = |name| move |error| (name, error);

    let since = Instant::now();
    let config = Config::read(path).map_err(at("config"))?;
    events.tell(step("config", since));

    let since = Instant::now();
    let models = models(link, &config).await.map_err(at("model"))?;
    events.tell(step("model", since));

    let since = Instant::now();
    let engines = engines(models, &config).await.map_err(at("engine"))?;
    events.tell(step("engine", since));

    let since = Instant::now();
    let tls = tls::make(&config.settings.tls_names).map_err(at("tls"))?;
    events.tell(step("tls", since));

    let since = Instant::now();
    let upstreams = Upstreams::new(&config.settings, link).map_err(at("config"))?;
    let node = Node::make(&config, engines, upstreams, &tls).map_err(at("statement"))?;
    events.tell(step("statement", since));

    let node = Arc::new(node);
    if node.identity.report().is_some() {
        let since = Instant::now();
        let has = endorse::ask(&node.identity, link).await;
        events.tell(step("endorsements", since));
        tokio::spawn(endorse::keep(Arc::clone(&node.identity), link.clone(), has));
    }

    Ok((node, tls))
}

async fn models(link: &Address, config: &Config) -> Result<Vec<Model>, EnclaveError> {
    let mut models = Vec::new();
    for (index, settings) in config.settings.models.iter().enumerate() {
        let sealed = feed::fetch(link, index, settings).await?;
        let settings = settings.clone();
        let model = spawn_blocking(move || feed::load(sealed, index, &settings)).await;
        models.push(model.map_err(EnclaveError::make("model"))??);
    }
    Ok(models)
}

/// Starts engines one after the other: each tests its arithmetic and should have the processors for itself.
async fn engines(models: Vec<Model>, config: &Config) -> Result<Vec<Engine>, EnclaveError> {
    let mut engines = Vec::new();
    for (index, (model, settings)) in models.into_iter().zip(&config.settings.models).enumerate() {
        let settings = settings.clone();
        let engine = spawn_blocking(move || feed::start(model, index, &settings)).await;
        engines.push(engine.map_err(EnclaveError::make("engine"))??);
    }
    Ok(engines)
}

async fn answer(node: Arc<Node>, tls: &Tls, link: Address, events: &Events) -> Result<(), EnclaveError> {
    let listener = link.listen(Port::CLIENTS)?;
    let metrics_listener = link.listen(Port::METRICS)?;
    let (drain, draining) = watch::channel(false);
    tokio::spawn({
        let (journal, link) = (Arc::clone(&node.journal), link.clone());
        async move { journal.run(link).await }
    });
    tokio::spawn(serve_metrics(Arc::clone(&node), metrics_listener));
    let serving = tokio::spawn(server::serve(Arc::clone(&node), listener, Arc::clone(&tls.config), draining));
    events.tell(Event::Ready(ready(&node, tls)?));

    let outcome = tokio::select! {
        end = events.end() => {
            log!("ending host_absent={}", end == End::HostAbsent);
            Ok(())
        }
        () = stopped(&node) => {
            log!("ending engine_stopped=true");
            Err(EnclaveError::Engine)
        }
    };
    drain.send_replace(true);
    let drained = timeout(limits::DRAIN, serving).await.is_ok();
    let journaled = timeout(limits::JOURNAL_DRAIN, node.journal.emptied()).await.is_ok();
    // A log that still waits for receipts stays open.
    let closed = drained && journaled && timeout(limits::LOG_CLOSE, node.journal.close()).await.unwrap_or(false);
    let last = match &outcome {
        Ok(()) => Event::Stopped {},
        Err(error) => Event::Fatal { step: Name::of("engine"), code: Name::of(error.code()) },
    };
    events.tell_last(last).await;
    log!("ended drained={drained} journaled={journaled} log_closed={closed}");
    outcome
}

/// Waits until an engine has stopped. Only a new boot mends that.
async fn stopped(node: &Node) {
    while node.engines.iter().all(Engine::is_alive) {
        sleep(LOOK).await;
    }
}

/// Serves counters to the host, a few connections at a time.
async fn serve_metrics(node: Arc<Node>, listener: Listener) {
    let places = Arc::new(Semaphore::new(limits::METRICS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok(mut stream) = listener.accept().await else {
            sleep(RETRY).await;
            continue;
        };
        let text = node.metrics_text();
        tokio::spawn(async move {
            let _ = timeout(limits::METRICS_WRITE, metrics::write(&mut stream, &text)).await;
            drop(place);
        });
    }
}

fn ready(node: &Node, tls: &Tls) -> Result<Ready, EnclaveError> {
    Ok(Ready {
        instance: node.identity.statement().instance,
        node: node.identity.digest().0,
        ca: Pem::try_from(tls.ca_pem.clone()).map_err(EnclaveError::make("authority certificate"))?,
        simulated_root: node.identity.simulated_root().map(|root| root.0),
        receipt_key: node.notary.ledger.public_key(),
    })
}

fn count(events: &Events, node: Option<&Node>) -> Status {
    let uptime_ms = events.uptime_ms();
    node.map_or(Status { uptime_ms, ..Status::default() }, |node| Status {
        uptime_ms,
        connections: node.metrics.connections.value(),
        running: node.journal.running() as u64,
        receipts: node.metrics.ended(),
        unacknowledged: node.journal.unacknowledged() as u64,
        prompt_tokens: node.metrics.prompt_tokens.load(Relaxed),
        completion_tokens: node.metrics.completion_tokens.load(Relaxed),
    })
}
