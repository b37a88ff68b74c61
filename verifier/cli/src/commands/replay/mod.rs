//! `replay`: runs the outputs of saved exchanges again and compares them.

mod asked;
mod body;
mod compare;
mod judged;
mod model;
mod prepare;
mod terminal;
mod verdict;

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Instant;
use std::{env, io};

use quoth_attestation::transcript;
use quoth_engine::{Arithmetic, ENVIRONMENT, EngineError, Model, ReplayOptions, Replayer, SealedModel};
use serde_json::{Value, json};
use tokio::sync::oneshot;

pub(crate) use self::judged::Replayed;
use self::judged::{Judged, Pass};
use self::prepare::Candidate;
use self::verdict::{Difference, Verdict};
use crate::args::Replay;
use crate::error::CliError;
use crate::files;
use crate::report::print_json;

/// Restarts the program with the environment that the engine needs, unless its variables are set already. If that fails,
/// computing is only slower.
pub(crate) fn settle() {
    let missing: Vec<_> = ENVIRONMENT.into_iter().filter(|(name, _)| env::var_os(name).is_none()).collect();
    if !missing.is_empty() {
        let _ = Command::new("/proc/self/exe").args(env::args_os().skip(1)).envs(missing).exec();
    }
}

/// Judges every exchange. Computing takes minutes and would block everything else, so it has its own thread.
pub(crate) async fn run(args: Replay) -> Result<Replayed, CliError> {
    let (sender, result) = oneshot::channel();
    let work = move || drop(sender.send(replay(&args)));
    std::thread::Builder::new().name("replay".into()).spawn(work).map_err(CliError::Thread)?;
    // A thread that ended without a result has panicked, and has printed why.
    result.await.unwrap_or(Err(CliError::Interrupted))
}

fn replay(args: &Replay) -> Result<Replayed, CliError> {
    let verifier = files::verifier(args.policy.as_ref())?;
    let sealed = model::read(&args.model)?;
    let model = (args.model.clone(), hex::encode(sealed.sha256()));
    let mut prepared = Vec::new();
    for file in &args.files {
        let text = files::read(file, transcript::MAX_BYTES)?;
        prepared.push(prepare::prepare(&verifier, &text, sealed.sha256()));
    }
    let open: Vec<&Candidate> = prepared.iter().filter_map(|(_, candidate)| candidate.as_deref().ok()).collect();
    let mut pass = Pass::default();
    let results = match open.is_empty() {
        true => Vec::new(),
        false => compute(&load(args, sealed, &mut pass)?, &open, &mut pass)?,
    };
    let pass = (!open.is_empty()).then_some(pass);
    let mut results = results.into_iter();
    let mut judged = Vec::new();
    for (file, (facts, candidate)) in args.files.iter().zip(prepared) {
        let verdict = match candidate.map(|_| results.next()) {
            Err(verdict) => verdict,
            Ok(Some(Ok(()))) => Verdict::Match,
            Ok(Some(Err(difference))) => Verdict::Mismatch(difference),
            Ok(None) => return Err(CliError::Engine(EngineError::Stopped)),
        };
        judged.push(Judged { file: file.clone(), facts, verdict });
    }
    Ok(Replayed { judged, model, pass })
}

fn load(args: &Replay, sealed: SealedModel, pass: &mut Pass) -> Result<Replayer, CliError> {
    let began = Instant::now();
    let cores = || std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let options = ReplayOptions { threads: args.threads.unwrap_or_else(cores), ..ReplayOptions::default() };
    let replayer = Model::load(sealed, Arithmetic::Exact).and_then(|model| Replayer::new(model, options));
    pass.load = began.elapsed();
    replayer.map_err(|source| CliError::Model { file: args.model.clone(), source })
}

fn compute(replayer: &Replayer, open: &[&Candidate], pass: &mut Pass) -> Result<Vec<Result<(), Difference>>, CliError> {
    let mut outputs = Vec::new();
    let mut wrong = Vec::new();
    for candidate in open {
        match candidate.recorded(replayer).map_err(CliError::Engine)? {
            Ok(recorded) => {
                outputs.push(recorded);
                wrong.push(None);
            }
            Err(difference) => wrong.push(Some(difference)),
        }
    }
    let began = Instant::now();
    let bar = terminal::bar(&outputs);
    let progress = &mut |tokens| {
        pass.tokens += tokens;
        bar.inc(tokens as u64);
    };
    let mut replays = replayer.replay(&outputs, progress).map_err(CliError::Engine)?.into_iter();
    bar.finish_and_clear();
    pass.compute = began.elapsed();
    let compare = |(candidate, wrong): (&&Candidate, Option<Difference>)| match wrong {
        Some(difference) => Ok(Err(difference)),
        None => {
            let replay = replays.next().ok_or(CliError::Engine(EngineError::Stopped))?;
            Ok(compare::with_replay(candidate, &replay, replayer))
        }
    };
    open.iter().zip(wrong).map(compare).collect()
}

impl Replayed {
    /// The worst verdict of all.
    pub(crate) fn verdict(&self) -> &'static str {
        let worst = ["refused", "mismatch", "not-comparable"];
        worst.into_iter().find(|name| self.count(name) > 0).unwrap_or("match")
    }

    /// Prints lines and a panel to standard error, or JSON lines to standard output.
    pub(crate) fn print(&self, as_json: bool) -> io::Result<()> {
        if !as_json {
            return terminal::write(&mut anstream::stderr().lock(), self);
        }
        self.judged.iter().try_for_each(|judged| print_json(&judged.to_json()))?;
        print_json(&self.summary())
    }

    fn count(&self, verdict: &str) -> usize {
        self.judged.iter().filter(|judged| judged.verdict.name() == verdict).count()
    }

    fn summary(&self) -> Value {
        let pass = self.pass.as_ref();
        json!({
            "kind": "summary",
            "verdict": self.verdict(),
            "transcripts": self.judged.len(),
            "match": self.count("match"),
            "mismatch": self.count("mismatch"),
            "refused": self.count("refused"),
            "not_comparable": self.count("not-comparable"),
            "tokens": pass.map_or(0, |pass| pass.tokens),
            "load_seconds": pass.map(|pass| pass.load.as_secs_f64()),
            "replay_seconds": pass.map(|pass| pass.compute.as_secs_f64()),
            "model_sha256": self.model.1,
            "arithmetic": Arithmetic::Exact.profile(),
            "engine": Replayer::identity(),
        })
    }
}

impl Judged {
    fn to_json(&self) -> Value {
        let facts = self.facts.as_ref();
        let mut object = json!({
            "kind": "transcript",
            "file": self.file.display().to_string(),
            "verdict": self.verdict.name(),
            "code": self.verdict.code(),
            "message": self.verdict.message(),
            "cti": facts.map(|facts| facts.cti.to_string()),
            "model": facts.and_then(|facts| facts.model.as_deref()),
            "outcome": facts.map(|facts| facts.outcome),
            "tokens": facts.and_then(|facts| facts.tokens).map(|(prompt, output)| json!({ "prompt": prompt, "output": output })),
        });
        if let Some(difference) = self.verdict.difference() {
            object["difference"] = difference.to_json();
        }
        object
    }
}
