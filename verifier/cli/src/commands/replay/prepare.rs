//! Decides whether an exchange can be compared, and what its replay must give.

use quoth_attestation::receipt::{Execution, Local, Outcome, Receipt};
use quoth_attestation::sampling::Sampling;
use quoth_attestation::transcript::{Details, LocalDetails, Response};
use quoth_attestation::{Digest, ExchangeId};
use quoth_engine::{Arithmetic, EngineError, Finish, Recorded, Replayer};
use quoth_verifier::{Refusal, TimeChoice, VerifiedTranscript, Verifier};

use super::asked::{Asked, Endpoint};
use super::verdict::{Difference, Side, Verdict};

/// Facts from an exchange's receipt.
pub(super) struct Facts {
    pub(super) cti: ExchangeId,
    pub(super) model: Option<String>,
    pub(super) outcome: &'static str,
    /// Token counts of prompt and output.
    pub(super) tokens: Option<(u64, u64)>,
}

/// A proven exchange that can be run again here.
pub(super) struct Candidate {
    pub(super) asked: Asked,
    pub(super) response: Response,
    pub(super) streamed: bool,
    /// Why the output ended; `None` if it broke off.
    pub(super) finish: Option<Finish>,
    /// True if it broke off because the engine failed.
    pub(super) failed: bool,
    pub(super) details: LocalDetails,
}

/// Verifies a transcript and decides whether a run with the model of this hash can say anything about it.
pub(super) fn prepare(
    verifier: &Verifier,
    text: &[u8],
    model: &[u8; 32],
) -> (Option<Facts>, Result<Box<Candidate>, Verdict>) {
    let verified = match verifier.verify_transcript(text, TimeChoice::Archived) {
        Ok(verified) => verified,
        Err(refusal) => return (None, Err(refused(refusal))),
    };
    let facts = facts(verified.exchange().receipt().claims());
    (Some(facts), comparable(&verified, &Digest(*model)).map(Box::new).map_err(Verdict::NotComparable))
}

fn refused(refusal: Refusal) -> Verdict {
    match refusal {
        // The transcript is proven up to the cut, but only a receipt says what was executed.
        Refusal::StreamCut { proven } => Verdict::NotComparable(Difference::new(
            "replay.cut",
            format!("there is no receipt: the answer was cut, {proven} bytes of it are proven"),
        )),
        refusal => Verdict::Refused(refusal),
    }
}

fn facts(claims: &Receipt) -> Facts {
    Facts {
        cti: claims.cti,
        model: match &claims.execution {
            Some(Execution::Local(local)) => Some(local.model.to_string()),
            _ => None,
        },
        outcome: claims.exchange.outcome.name(),
        tokens: claims.usage.map(|usage| (usage.prompt, usage.completion)),
    }
}

fn comparable(verified: &VerifiedTranscript, model: &Digest) -> Result<Candidate, Difference> {
    let (claims, transcript) = (verified.exchange().receipt().claims(), verified.transcript());
    let local = match &claims.execution {
        Some(Execution::Local(local)) => local,
        Some(Execution::Upstream(upstream)) => {
            return Err(Difference::new("replay.upstream", "a provider outside the node gave the answer")
                .between(Side::text("a local execution"), Side::text(&upstream.provider)));
        }
        None => return Err(Difference::new("replay.not_executed", "the node executed nothing: it answered by itself")),
    };
    let target = &transcript.request.target;
    let Some(endpoint) = Endpoint::at(target) else {
        return Err(Difference::new("replay.endpoint", "answers of this endpoint are not sampled token by token")
            .between(
                Side::text("/v1/chat/completions or /v1/completions"),
                Side::text(target.split('?').next().unwrap_or_default()),
            ));
    };
    let Some(details) = transcript.details.as_ref().and_then(Details::local) else {
        return Err(Difference::new(
            "replay.no_details",
            "tokens and sampling are not in the transcript: they must be asked for (quoth-details: 1, `quoth-verify ask --details`)",
        ));
    };
    same_computation(local, model)?;
    let asked = Asked::read(endpoint, &transcript.request.body).map_err(|why| {
        Difference::new(
            "replay.request",
            format!("this engine would refuse the request instead of answering it: {why}"),
        )
    })?;
    let outcome = claims.exchange.outcome;
    Ok(Candidate {
        asked,
        response: transcript.response.clone(),
        streamed: claims.exchange.streamed,
        finish: match outcome {
            Outcome::Complete => Some(Finish::Stop),
            Outcome::Length => Some(Finish::Length),
            _ => None,
        },
        failed: outcome == Outcome::EngineFailed,
        details: details.clone(),
    })
}

/// Checks that the same engine computes the same model in the same way.
fn same_computation(local: &Local, model: &Digest) -> Result<(), Difference> {
    let same = |code, what, expected: String, found: String| match expected == found {
        true => Ok(()),
        false => Err(Difference::new(code, what).between(Side::Text(expected), Side::Text(found))),
    };
    let hash = |digest: &Digest| format!("SHA-256 {digest}");
    same("replay.model", "the answer came from another model file", hash(model), hash(&local.model_sha256))?;
    let exact = Arithmetic::Exact.profile();
    same("replay.arithmetic", "the node computed in another way", exact, local.arithmetic.to_string())?;
    same("replay.engine", "another engine computed", Replayer::identity(), local.engine.to_string())
}

impl Candidate {
    /// What the replay must give, or what does not fit the request.
    ///
    /// # Errors
    /// An error if this machine cannot compute it.
    pub(super) fn recorded(&self, replayer: &Replayer) -> Result<Result<Recorded, Difference>, EngineError> {
        match self.asked.prompt(replayer) {
            Ok((text, tokens)) => Ok(self.check(replayer, &text, &tokens)),
            Err(EngineError::Request(error)) => {
                Ok(Err(Difference::new("replay.prompt", format!("this model cannot render the request: {error}"))))
            }
            Err(error) => Err(error),
        }
    }

    fn check(&self, replayer: &Replayer, prompt: &[u8], prompt_tokens: &[u32]) -> Result<Recorded, Difference> {
        let details = &self.details;
        if let Some(at) = first_difference(prompt, &details.prompt) {
            let length = |bytes: &[u8]| Side::text(format!("{} bytes", bytes.len()));
            return Err(Difference::new("replay.prompt", format!("the prompt differs from byte {at} on"))
                .at(at)
                .between(length(prompt), length(&details.prompt)));
        }
        if let Some(at) = first_difference(prompt_tokens, &details.prompt_tokens) {
            let side = |tokens: &[u32]| Side::token(tokens.get(at).copied(), replayer);
            return Err(Difference::new("replay.prompt_tokens", format!("prompt token {at} differs"))
                .at(at)
                .between(side(prompt_tokens), side(&details.prompt_tokens)));
        }
        let sampling = self.sampling(replayer)?;
        let (most, output) = (sampling.max_tokens as usize, details.output_tokens.len());
        if output > most {
            return Err(Difference::new("replay.output", "the output is too long")
                .at(most)
                .between(Side::text(format!("{most} tokens at most")), Side::text(format!("{output} tokens"))));
        }
        Ok(Recorded {
            prompt_tokens: details.prompt_tokens.clone(),
            output_tokens: details.output_tokens.clone(),
            sampling,
            logprobs: self.asked.logprobs(),
            finish: self.finish,
        })
    }

    /// The recorded sampling, if it is what the request asks for and possible with this model. Nothing else may reach the
    /// sampler: a grammar that does not come from the request's schema could be anything.
    fn sampling(&self, replayer: &Replayer) -> Result<Sampling, Difference> {
        let wrong = |what: String| Difference::new("replay.sampling", what);
        let sampling =
            Sampling::decode(&self.details.sampling).map_err(|_| wrong("the recorded sampling is not valid".into()))?;
        if let Some(part) = self.asked.other_than(&sampling) {
            return Err(wrong(format!("the recorded sampling is not what the request asks for: {part}")));
        }
        let context = u64::from(replayer.model().context());
        let needed = self.details.prompt_tokens.len() as u64 + u64::from(sampling.max_tokens);
        if sampling.max_tokens == 0 || needed > context {
            return Err(wrong("the recorded max_tokens does not fit this model's context".into()).between(
                Side::text(format!("{context} tokens with the prompt")),
                Side::text(format!("{needed} tokens")),
            ));
        }
        match sampling.logit_bias.iter().find(|(id, _)| replayer.token(*id).is_none()) {
            Some((id, _)) => Err(wrong(format!("logit_bias names token {id}, which this model lacks"))),
            None => Ok(sampling),
        }
    }
}

fn first_difference<T: PartialEq>(one: &[T], other: &[T]) -> Option<usize> {
    match one.iter().zip(other).position(|(one, other)| one != other) {
        None if one.len() != other.len() => Some(one.len().min(other.len())),
        position => position,
    }
}
