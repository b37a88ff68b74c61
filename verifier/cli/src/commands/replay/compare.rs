//! Compares a replay with the recorded output and the answer.

use quoth_attestation::transcript::LocalDetails;
use quoth_engine::{Finish, Replay, Replayer, Verdict};

use super::body::{Body, told};
use super::prepare::Candidate;
use super::verdict::{Difference, Side};

/// Number of characters shown of two texts that differ.
const SHOWN: usize = 24;

/// Compares the tokens first, then everything that the answer says about them.
pub(super) fn with_replay(candidate: &Candidate, replay: &Replay, replayer: &Replayer) -> Result<(), Difference> {
    tokens(&replay.verdict, replayer)?;
    let Some(body) = body(candidate)? else { return Ok(()) };
    finish(candidate, &body)?;
    text(candidate, &replay.text, &body.text)?;
    logprobs(candidate, replay, &body)?;
    usage(candidate, &body)
}

fn tokens(verdict: &Verdict, replayer: &Replayer) -> Result<(), Difference> {
    match verdict {
        Verdict::Match => Ok(()),
        Verdict::Mismatch { position, expected: None, found: None, .. } => {
            let what = format!("the output ends after {position} tokens for another reason than the recorded one");
            Err(Difference::new("replay.finish", what).at(*position))
        }
        Verdict::Mismatch { position, expected, found, margin } => {
            Err(Difference::new("replay.output", format!("output token {position} differs"))
                .at(*position)
                .between(Side::token(*expected, replayer), Side::token(*found, replayer))
                .margin(*margin))
        }
        Verdict::Failed { position, error } => {
            let what = format!("no node could have gone on from output token {position}: {error}");
            Err(Difference::new("replay.output", what).at(*position))
        }
        // A verdict unknown to this program is not a match.
        _ => Err(Difference::new("replay.output", "the output does not match")),
    }
}

/// The answer's content; `None` if it broke off before its first word.
fn body(candidate: &Candidate) -> Result<Option<Body>, Difference> {
    let malformed = |what: &str| Difference::new("replay.answer", format!("the answer is not a node's answer: {what}"));
    let (response, asked) = (&candidate.response, &candidate.asked);
    let broken_off = candidate.finish.is_none();
    if broken_off && (response.status != 200 || response.body.is_empty()) {
        return Ok(None);
    }
    if response.status != 200 {
        return Err(malformed("it is an error").between(Side::text("status 200"), Side::text(response.status)));
    }
    let (streams, _) = asked.stream();
    if streams != candidate.streamed {
        return Err(malformed("it is a stream where none was asked for, or none where one was"));
    }
    let body = match streams {
        true => Body::stream(asked.endpoint(), &response.body),
        false => Body::whole(asked.endpoint(), &response.body),
    };
    let body = body.map_err(malformed)?;
    match streams && (body.done == broken_off || (body.failed && !candidate.failed)) {
        true => Err(malformed("its last event is not that of its outcome")),
        false => Ok(Some(body)),
    }
}

fn finish(candidate: &Candidate, body: &Body) -> Result<(), Difference> {
    let expected = candidate.finish.map(|finish| match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    });
    let side = |reason: Option<&str>| Side::text(reason.unwrap_or("none"));
    let found = body.finish.as_deref();
    match found == expected {
        true => Ok(()),
        false => Err(Difference::new("replay.finish", "the answer's finish reason is not the receipt's")
            .between(side(expected), side(found))),
    }
}

fn text(candidate: &Candidate, expected: &str, found: &str) -> Result<(), Difference> {
    // An answer that broke off may lack its end.
    if expected == found || (candidate.finish.is_none() && expected.starts_with(found)) {
        return Ok(());
    }
    let same = expected.chars().zip(found.chars()).take_while(|(expected, found)| expected == found).count();
    let rest = |text: &str| match text.chars().skip(same).take(SHOWN).collect::<String>() {
        rest if rest.is_empty() => Side::text("its end"),
        rest => Side::text(format!("{rest:?}")),
    };
    Err(Difference::new("replay.text", format!("the answer's text differs from character {same} on"))
        .at(same)
        .between(rest(expected), rest(found)))
}

fn logprobs(candidate: &Candidate, replay: &Replay, body: &Body) -> Result<(), Difference> {
    let wanted = candidate.asked.logprobs().is_some();
    let found = body.logprobs.as_deref().unwrap_or_default();
    if !wanted && body.logprobs.is_some() {
        return Err(Difference::new("replay.logprobs", "there are log-probabilities that were not requested"));
    }
    let expected = if wanted { told(candidate.asked.endpoint(), &replay.tokens) } else { Vec::new() };
    let differs = |at: usize| {
        Difference::new("replay.logprobs", format!("the answer's log-probabilities of token {at} differ")).at(at)
    };
    if let Some(at) = expected.iter().zip(found).position(|(expected, found)| expected != found) {
        return Err(differs(at));
    }
    let enough = found.len() == expected.len() || (candidate.finish.is_none() && found.len() < expected.len());
    match enough {
        true => Ok(()),
        false => Err(differs(found.len().min(expected.len())).between(
            Side::text(format!("log-probabilities of {} tokens", expected.len())),
            Side::text(format!("of {}", found.len())),
        )),
    }
}

fn usage(candidate: &Candidate, body: &Body) -> Result<(), Difference> {
    let (streams, counted) = candidate.asked.stream();
    let LocalDetails { prompt_tokens, output_tokens, .. } = &candidate.details;
    let (prompt, completion) = (prompt_tokens.len() as u64, output_tokens.len() as u64);
    let expected =
        (candidate.finish.is_some() && (!streams || counted)).then_some([prompt, completion, prompt + completion]);
    let found = body.usage.map(|usage| [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]);
    let cached = body.usage.map_or(0, |usage| usage.prompt_tokens_details.cached_tokens);
    let side = |counts: Option<[u64; 3]>| match counts {
        Some([prompt, completion, total]) => Side::text(format!("{prompt} + {completion} = {total}")),
        None => Side::text("none"),
    };
    let wrong = |what| Err(Difference::new("replay.usage", what));
    match expected == found {
        // The last token of a prompt is always computed.
        true if cached >= prompt => wrong("the answer names more cached tokens than its prompt can have"),
        true => Ok(()),
        false => wrong("the answer's token counts are not those of its tokens")
            .map_err(|difference| difference.between(side(expected), side(found))),
    }
}
