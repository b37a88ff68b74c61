//! `quoth-verify`: the command-line verifier. It appraises nodes, asks them, and checks what they signed.
#![forbid(unsafe_code)]

mod answer;
mod args;
mod commands;
mod error;
mod explain;
mod files;
mod measurements;
mod report;
mod summary;
mod terminal;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command, PolicyCommand};
use error::CliError;
use report::Report;
use verdict::Verdict;

/// The verdict is `proven`.
const PROVEN: u8 = 0;
/// Something was judged and refused.
const REFUSED: u8 = 1;
/// Nothing was refused, but not everything could be judged.
#[cfg(feature = "replay")]
const NOT_COMPARABLE: u8 = 3;
/// There was no judgement: usage (clap uses the same code), network, files.
const FAILED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    #[cfg(feature = "replay")]
    if let Command::Replay(_) = &command {
        commands::replay::settle();
    }
    let as_json = match &command {
        Command::Node(args) => args.common.json,
        Command::Ask(args) => args.common.json,
        Command::Proxy(args) => args.json,
        Command::Evidence(args) => args.common.json,
        Command::Receipt(args) => args.common.json,
        Command::Transcript(args) => args.common.json,
        #[cfg(feature = "replay")]
        Command::Replay(args) => args.json,
        Command::Provision(args) => args.common.json,
        Command::OperatorKey(args) => args.json,
        Command::AccessToken(args) => args.json,
        Command::Policy(_) => false,
    };
    // The proxy lets its running answers end first.
    let ends_itself = matches!(command, Command::Proxy(_));
    let result = tokio::select! {
        result = run(command) => result,
        _ = tokio::signal::ctrl_c(), if !ends_itself => Err(CliError::Interrupted),
    };
    let (printed, code) = match result {
        Ok(Outcome::Proven(report)) => (report.print(as_json), PROVEN),
        Ok(Outcome::Done) => (Ok(()), PROVEN),
        Ok(Outcome::Judged(verdict)) => (verdict.print(as_json), if verdict.holds() { PROVEN } else { REFUSED }),
        #[cfg(feature = "replay")]
        Ok(Outcome::Replayed(replayed)) => {
            let code = match replayed.verdict() {
                "match" => PROVEN,
                "not-comparable" => NOT_COMPARABLE,
                _ => REFUSED,
            };
            (replayed.print(as_json), code)
        }
        Err(error) => {
            let code = if error.is_refusal() { REFUSED } else { FAILED };
            (report::print_error(&error, as_json), code)
        }
    };
    // A verdict that could not be printed does not count.
    ExitCode::from(if printed.is_ok() { code } else { FAILED })
}

/// The result of a command.
enum Outcome {
    /// Everything requested is proven.
    Proven(Report),
    /// A verdict in two parts.
    Judged(Verdict),
    /// Verdicts on several exchanges.
    #[cfg(feature = "replay")]
    Replayed(commands::replay::Replayed),
    /// There was nothing to judge, and the work is done.
    Done,
}

async fn run(command: Command) -> Result<Outcome, CliError> {
    let report = match command {
        Command::Node(args) => commands::node::run(args).await,
        Command::Ask(args) => commands::ask::run(args).await,
        Command::Proxy(args) => return commands::proxy::run(args).await.map(|()| Outcome::Done),
        Command::Evidence(args) => return commands::evidence::run(&args).map(Outcome::Judged),
        Command::Receipt(args) => commands::receipt::run(&args),
        Command::Transcript(args) => commands::transcript::run(&args),
        #[cfg(feature = "replay")]
        Command::Replay(args) => return commands::replay::run(args).await.map(Outcome::Replayed),
        Command::Provision(args) => commands::provision::run(args).await,
        Command::OperatorKey(args) => commands::provision::new_key(&args),
        Command::AccessToken(args) => commands::access_token::new(&args),
        Command::Policy(PolicyCommand::Init(args)) => return commands::policy::init(&args).map(|()| Outcome::Done),
        Command::Policy(PolicyCommand::Compile(args)) => {
            return commands::policy::compile(&args).map(|()| Outcome::Done);
        }
    };
    report.map(Outcome::Proven)
}
