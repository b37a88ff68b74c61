use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use quoth_attestation::binding::Nonce;
use quoth_attestation::commit::Opening;
use quoth_attestation::receipt::Execution;
use quoth_verifier::{
    Check, HardwareEvidence, HardwareVerdict, Policy, Refusal, Request, Time, TimeChoice, VerifiedExchange,
    VerifiedNode, Verifier,
};
use serde_json::{Value, json};

use crate::fields::Fields;
use crate::objects::{self, Object};

/// What an answer is.
pub(crate) enum Kind {
    Text = 0,
    Bytes = 1,
}

enum Answer {
    Json(Value),
    Bytes(Vec<u8>),
}

/// Does what a call says: its first byte names it, fields follow.
pub(crate) fn answer(call: &[u8]) -> (Kind, Vec<u8>) {
    let done = call.split_first().and_then(|(what, fields)| done(*what, Fields::new(fields)));
    match done.unwrap_or(Answer::Json(json!({ "error": { "code": "call", "message": "the call is malformed" } }))) {
        Answer::Json(value) => (Kind::Text, value.to_string().into_bytes()),
        Answer::Bytes(bytes) => (Kind::Bytes, bytes),
    }
}

fn done(what: u8, mut fields: Fields<'_>) -> Option<Answer> {
    let answer = match what {
        0 => open(fields.text()?),
        1 => objects::take(fields.number()?).map(|_| json!({}))?,
        2 => {
            let (number, at) = (fields.number()?, fields.number()?);
            let evidence = HardwareEvidence::Nitro { document: fields.bytes()?.to_vec() };
            hardware(number, &evidence, at)?
        }
        3 => {
            let (number, at) = (fields.number()?, fields.number()?);
            let report = fields.bytes()?.to_vec();
            let evidence = HardwareEvidence::SevSnp { report, certificates: fields.list()?, crls: fields.list()? };
            hardware(number, &evidence, at)?
        }
        4 => appraise(fields.number()?, fields.bytes()?, fields.bytes()?, fields.number()?)?,
        5 => stream(fields)?,
        6 => return push(fields.number()?, fields.bytes()?),
        7 => finish(fields.number()?)?,
        8 => transcript(fields.number()?, fields.bytes()?, fields.number()?)?,
        _ => return None,
    };
    Some(Answer::Json(answer))
}

fn open(policy: &str) -> Value {
    match Policy::from_toml(policy) {
        Ok(policy) => json!({ "number": objects::keep(Object::Verifier(Box::new(Verifier::new(policy)))) }),
        Err(error) => json!({ "error": { "code": "policy.invalid", "message": error.to_string() } }),
    }
}

fn hardware(number: u64, evidence: &HardwareEvidence, at: u64) -> Option<Value> {
    let HardwareVerdict { platform, genuine, accepted, checks, time_basis } = verifier(number)?.hardware(evidence, at);
    let refusal = genuine.as_ref().err().or(accepted.as_ref().err());
    Some(json!({
        "platform": platform.name(),
        "genuine": genuine.is_ok(),
        "accepted": accepted.is_ok(),
        "image": accepted.as_ref().ok(),
        "refusal": refusal.map(refused),
        "time_basis": time_basis,
        "checks": checked(&checks),
    }))
}

/// `now` 0: evidence of a past moment is not appraised by itself, only in a transcript.
fn appraise(number: u64, evidence: &[u8], nonce: &[u8], now: u64) -> Option<Value> {
    let nonce = if nonce.is_empty() { None } else { Some(Nonce::new(nonce).ok()?) };
    let verdict = verifier(number)?.node(evidence, nonce.as_ref(), Time::Live { now });
    Some(judged(verdict, |node| {
        let mut value = described(&node);
        value["number"] = objects::keep(Object::Node(node)).into();
        value
    }))
}

fn stream(mut fields: Fields<'_>) -> Option<Value> {
    let node = objects::with(fields.number()?, |object| match object {
        Object::Node(node) => Some(node.clone()),
        _ => None,
    })?;
    let request =
        Request { method: fields.text()?.into(), target: fields.text()?.into(), body: fields.bytes()?.to_vec() };
    let nonce = fields.bytes()?;
    let nonce = if nonce.is_empty() { None } else { Some(Nonce::new(nonce).ok()?) };
    let (opening, cti) = (Opening::new(fields.array()?), fields.array()?);
    let status = u16::try_from(fields.number()?).ok()?;
    let stream = node.stream(&request, nonce.as_ref(), opening, Some(cti), status);
    Some(json!({ "number": objects::keep(Object::Stream(Box::new(stream))) }))
}

fn push(number: u64, bytes: &[u8]) -> Option<Answer> {
    let pushed = objects::with(number, |object| match object {
        Object::Stream(stream) => Some(stream.push(bytes)),
        _ => None,
    })?;
    Some(match pushed {
        Ok(bytes) => Answer::Bytes(bytes),
        Err(refusal) => Answer::Json(json!({ "error": refused(&refusal) })),
    })
}

fn finish(number: u64) -> Option<Value> {
    match objects::take(number)? {
        Object::Stream(stream) => Some(judged(stream.finish(), |exchange| exchanged(&exchange))),
        _ => None,
    }
}

/// `now` 0: at the moment of the transcript's own receipt.
fn transcript(number: u64, file: &[u8], now: u64) -> Option<Value> {
    let time = if now == 0 { TimeChoice::Archived } else { TimeChoice::Live { now } };
    let verdict = verifier(number)?.transcript(file, time);
    Some(judged(verdict, |proven| {
        let mut value = exchanged(proven.exchange());
        value["node"] = described(proven.node());
        value
    }))
}

fn verifier(number: u64) -> Option<Box<Verifier>> {
    objects::with(number, |object| match object {
        Object::Verifier(verifier) => Some(verifier.clone()),
        _ => None,
    })
}

fn judged<T>(verdict: Result<T, Refusal>, show: impl FnOnce(T) -> Value) -> Value {
    match verdict {
        Ok(proven) => show(proven),
        Err(refusal) => json!({ "error": refused(&refusal) }),
    }
}

fn refused(refusal: &Refusal) -> Value {
    json!({ "code": refusal.code(), "message": refusal.to_string() })
}

fn checked(checks: &[Check]) -> Value {
    let show = |check: &Check| {
        let Check { code, what, source, expected, found } = check;
        json!({ "code": code, "what": what, "source": source, "expected": expected, "found": found })
    };
    checks.iter().map(show).collect()
}

fn described(node: &VerifiedNode) -> Value {
    let statement = node.statement();
    let model =
        |model: &quoth_attestation::statement::Model| json!({ "name": model.name, "sha256": model.sha256.to_string() });
    json!({
        "platform": node.platform().name(),
        "image": node.image(),
        "digest": node.digest().to_string(),
        "tls_key": node.tls_key().to_string(),
        "receipt_key": hex::encode(statement.keys.receipt),
        "config": statement.config.to_string(),
        "models": statement.models.iter().map(model).collect::<Value>(),
        "issued": statement.issued,
        "not_after": statement.not_after,
        "time_basis": node.time_basis(),
        "checks": checked(node.checks()),
    })
}

fn exchanged(exchange: &VerifiedExchange) -> Value {
    let receipt = exchange.receipt();
    let claims = receipt.claims();
    let execution = match &claims.execution {
        Some(Execution::Local(local)) => {
            json!({ "model": local.model, "engine": local.engine, "arithmetic": local.arithmetic })
        }
        Some(Execution::Upstream(upstream)) => json!({ "host": upstream.host, "model_asked": upstream.model_asked }),
        None => Value::Null,
    };
    json!({
        "receipt": receipt.digest().to_string(),
        "cti": hex::encode(claims.cti),
        "seq": claims.seq,
        "issued": claims.iat,
        "level": claims.level.name(),
        "outcome": claims.exchange.outcome.name(),
        "status": claims.exchange.status,
        "streamed": claims.exchange.streamed,
        "execution": execution,
    })
}
