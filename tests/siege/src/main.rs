//! `./just siege`: attacks a node of real processes and writes the results to `RELIABILITY.md`.
#![forbid(unsafe_code)]
// A part stops if the harness itself fails. Failures of the node are counted.
#![allow(clippy::unwrap_used)]

mod args;
mod attack;
mod caller;
mod faults;
mod fuzz;
mod hour;
mod loopback;
mod machine;
mod provider;
mod report;
mod site;
mod streams;
mod tally;
mod watch;

use std::process::ExitCode;

use args::{Arguments, Helper, Part, Plan};
use clap::{Parser as _, ValueEnum as _};
use report::{Figure, Outcome};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { helper, plan } = Arguments::parse();
    raise_descriptor_limit();
    match helper {
        Some(Helper::Provider { folder, port }) => match provider::serve(&folder, port).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the provider: {error}");
                ExitCode::FAILURE
            }
        },
        None => siege(plan).await,
    }
}

/// Runs the parts in order. The exit status is 1 if a goal is missed or a part fails, 130 after Ctrl-C or SIGTERM.
async fn siege(plan: Plan) -> ExitCode {
    let parts = if plan.parts.is_empty() { Part::value_variants().to_vec() } else { plan.parts.clone() };
    let mut all_met = true;
    for part in parts {
        eprintln!("{}: begins", part.name());
        let Some((how, figures)) = run(part, plan.clone()).await else {
            eprintln!("{}: interrupted", part.name());
            return ExitCode::from(130);
        };
        println!("{}: {how}\n{}", part.name(), report::table(&figures));
        all_met &= figures.iter().all(Figure::met);
        if !plan.dry_run
            && let Err(error) = report::write(&plan.out, part, &how, &figures)
        {
            eprintln!("{}: {error}", plan.out.display());
            return ExitCode::FAILURE;
        }
    }
    if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one part. Returns `None` after a signal; then all processes of the part end.
async fn run(part: Part, plan: Plan) -> Option<Outcome> {
    let mut running = tokio::spawn(async move {
        match part {
            Part::Faults => faults::measure(&plan).await,
            Part::Streams => streams::measure(&plan).await,
            Part::Attack => attack::measure(&plan).await,
            Part::Hour => hour::measure(&plan).await,
            Part::Fuzz => fuzz::measure(&plan).await,
        }
    });
    let outcome = tokio::select! {
        outcome = &mut running => outcome,
        () = interrupted() => {
            running.abort();
            // The node and the provider end when the task is dropped.
            let _ = running.await;
            return None;
        }
    };
    Some(outcome.unwrap_or_else(|error| {
        let why = error.into_panic();
        let why = why.downcast_ref::<String>().map(String::as_str).or(why.downcast_ref::<&str>().copied());
        let why = why.and_then(|why| why.lines().next()).unwrap_or("it panicked");
        ("The part broke off.".into(), vec![Figure::judged("the part came to its end", why, "yes", false)])
    }))
}

async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Raises the limit of file descriptors to its maximum. Child processes inherit it.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // On failure the limit does not change.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
