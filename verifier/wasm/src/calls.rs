//! What calls do.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use quoth_attestation::json::Writer;
use quoth_attestation::receipt::Execution;
use quoth_verifier::{
    Check, HardwareEvidence, Policy, Refusal, Request, ResponseHead, Time, TimeChoice, VerifiedExchange, VerifiedNode,
    Verifier,
};

use crate::fields::Fields;
use crate::objects::{self, Object};

/// What an answer is.
pub(crate) enum Kind {
    Text = 0,
    Bytes = 1,
}

/// Does what a call says: its first byte names it, fields follow.
pub(crate) fn answer(call: &[u8]) -> (Kind, Vec<u8>) {
    let mut json = Writer::new();
    let done = call.split_first().and_then(|(what, fields)| done(*what, Fields::new(fields), &mut json));
    match done {
        Some(Answer::Json) => (Kind::Text, json.finish().into_bytes()),
        Some(Answer::Bytes(bytes)) => (Kind::Bytes, bytes),
        None => {
            let mut json = Writer::new();
            error(&mut json, "call", "the call is malformed");
            (Kind::Text, json.finish().into_bytes())
        }
    }
}

enum Answer {
    /// What was written.
    Json,
    Bytes(Vec<u8>),
}

fn done(what: u8, mut fields: Fields<'_>, json: &mut Writer) -> Option<Answer> {
    match what {
        0 => open(fields.bytes()?, json),
        1 => {
            objects::take(fields.number()?)?;
            json.object(|_| ());
        }
        2 => {
            let (number, at) = (fields.number()?, fields.number()?);
            let evidence = HardwareEvidence::Nitro { document: fields.bytes()?.to_vec() };
            hardware(number, &evidence, at, json)?;
        }
        3 => {
            let (number, at) = (fields.number()?, fields.number()?);
            let report = fields.bytes()?.to_vec();
            let evidence = HardwareEvidence::SevSnp { report, certificates: fields.list()?, crls: fields.list()? };
            hardware(number, &evidence, at, json)?;
        }
        4 => appraise(fields, json)?,
        5 => stream(fields, json)?,
        6 => return push(fields.number()?, fields.bytes()?, json),
        7 => finish(fields.number()?, json)?,
        8 => transcript(fields, json)?,
        _ => return None,
    }
    Some(Answer::Json)
}

fn open(policy: &[u8], json: &mut Writer) {
    match Policy::from_json(policy) {
        Ok(policy) => kept(Object::Verifier(Box::new(Verifier::new(policy))), json),
        Err(wrong) => error(json, "policy.invalid", &wrong.to_string()),
    }
}

fn hardware(number: u64, evidence: &HardwareEvidence, at: u64, json: &mut Writer) -> Option<()> {
    let verdict = with_verifier(number, |verifier| verifier.verify_hardware(evidence, at))?;
    json.object(|json| {
        json.key("platform").text(verdict.platform().name());
        json.key("genuine").boolean(verdict.genuine().is_ok());
        json.key("accepted").boolean(verdict.accepted().is_ok());
        json.key("image");
        match verdict.accepted() {
            Ok(image) => {
                json.text(image);
                json.key("refusal").null();
            }
            Err(refusal) => {
                json.null();
                refused(refusal, json.key("refusal"));
            }
        }
        json.key("time_basis").text(verdict.time_basis());
        checked(verdict.checks(), json);
    });
    Some(())
}

/// `now` 0: evidence of a past moment is not appraised by itself, only in a transcript.
fn appraise(mut fields: Fields<'_>, json: &mut Writer) -> Option<()> {
    let (number, evidence) = (fields.number()?, fields.bytes()?);
    let (nonce, now) = (fields.nonce()?, fields.number()?);
    let verdict = with_verifier(number, |verifier| verifier.verify_node(evidence, nonce.as_ref(), Time::Live { now }))?;
    judged(verdict, json, |node, json| {
        described(&node, json);
        json.key("number").number(objects::keep(Object::Node(node)).into());
    });
    Some(())
}

fn stream(mut fields: Fields<'_>, json: &mut Writer) -> Option<()> {
    let node = objects::with(fields.number()?, |object| match object {
        Object::Node(node) => Some(node.clone()),
        _ => None,
    })?;
    let request =
        Request { method: fields.text()?.into(), target: fields.text()?.into(), body: fields.bytes()?.to_vec() };
    let nonce = fields.nonce()?;
    let (opening, cti) = (fields.text()?.parse().ok()?, Some(fields.text()?.parse().ok()?));
    let head = ResponseHead { status: fields.number()?.try_into().ok()?, cti, opening, nonce };
    kept(Object::Stream(Box::new(node.verify_stream(&request, head))), json);
    Some(())
}

fn push(number: u64, bytes: &[u8], json: &mut Writer) -> Option<Answer> {
    objects::with(number, |object| match object {
        Object::Stream(stream) => Some(match stream.push(bytes) {
            Ok(pushed) => Answer::Bytes(pushed.body),
            Err(refusal) => {
                json.object(|json| refused(refusal, json.key("error")));
                Answer::Json
            }
        }),
        _ => None,
    })
}

fn finish(number: u64, json: &mut Writer) -> Option<()> {
    match objects::take(number)? {
        Object::Stream(stream) => judged(stream.finish(), json, |exchange, json| exchanged(&exchange, json)),
        _ => return None,
    }
    Some(())
}

/// `now` 0: at the moment of the transcript's own receipt.
fn transcript(mut fields: Fields<'_>, json: &mut Writer) -> Option<()> {
    let (number, file, now) = (fields.number()?, fields.bytes()?, fields.number()?);
    let time = if now == 0 { TimeChoice::Archived } else { TimeChoice::Live { now } };
    let verdict = with_verifier(number, |verifier| verifier.verify_transcript(file, time))?;
    judged(verdict, json, |proven, json| {
        exchanged(proven.exchange(), json);
        json.key("node").object(|json| described(proven.node(), json));
    });
    Some(())
}

fn with_verifier<T>(number: u64, work: impl FnOnce(&Verifier) -> T) -> Option<T> {
    objects::with(number, |object| match object {
        Object::Verifier(verifier) => Some(work(verifier)),
        _ => None,
    })
}

fn kept(object: Object, json: &mut Writer) {
    json.object(|json| json.key("number").number(objects::keep(object).into()));
}

/// `show` writes members.
fn judged<T>(verdict: Result<T, Refusal>, json: &mut Writer, show: impl FnOnce(T, &mut Writer)) {
    json.object(|json| match verdict {
        Ok(proven) => show(proven, json),
        Err(refusal) => refused(&refusal, json.key("error")),
    });
}

fn refused(refusal: &Refusal, json: &mut Writer) {
    explained(json, refusal.code(), &refusal.to_string());
}

fn error(json: &mut Writer, code: &str, message: &str) {
    json.object(|json| explained(json.key("error"), code, message));
}

fn explained(json: &mut Writer, code: &str, message: &str) {
    json.object(|json| texts(json, &[("code", code), ("message", message)]));
}

/// Members that are texts.
fn texts(json: &mut Writer, members: &[(&str, &str)]) {
    members.iter().for_each(|(name, text)| json.key(name).text(text));
}

fn checked(checks: &[Check], json: &mut Writer) {
    json.key("checks").array(checks, |json, Check { code, what, source, expected, found, .. }| {
        let members = [("code", *code), ("what", what), ("source", source), ("expected", expected), ("found", found)];
        json.object(|json| texts(json, &members));
    });
}

fn described(node: &VerifiedNode, json: &mut Writer) {
    let statement = node.statement();
    texts(
        json,
        &[
            ("platform", node.platform().name()),
            ("digest", &node.digest().to_string()),
            ("tls_key", &node.tls_key().to_string()),
            ("receipt_key", &hex::encode(statement.keys.receipt)),
            ("config", &statement.config.to_string()),
            ("time_basis", node.time_basis()),
        ],
    );
    json.key("image");
    match node.image() {
        Some(image) => json.text(image),
        None => json.null(),
    }
    json.key("models").array(statement.models.iter(), |json, model| {
        json.object(|json| texts(json, &[("name", &model.name), ("sha256", &model.sha256.to_string())]));
    });
    json.key("issued").number(statement.issued());
    json.key("not_after").number(statement.not_after());
    checked(node.checks(), json);
}

fn exchanged(exchange: &VerifiedExchange, json: &mut Writer) {
    let receipt = exchange.receipt();
    let claims = receipt.claims();
    texts(
        json,
        &[
            ("receipt", &receipt.digest().to_string()),
            ("cti", &claims.cti.to_string()),
            ("level", claims.level.name()),
            ("outcome", claims.exchange.outcome.name()),
        ],
    );
    json.key("seq").number(claims.seq);
    json.key("issued").number(claims.iat);
    json.key("status").number(claims.exchange.status.get().into());
    json.key("streamed").boolean(claims.exchange.streamed);
    json.key("execution");
    match &claims.execution {
        Some(Execution::Local(local)) => {
            let members = [("model", &local.model[..]), ("engine", &local.engine), ("arithmetic", &local.arithmetic)];
            json.object(|json| texts(json, &members));
        }
        Some(Execution::Upstream(upstream)) => {
            let members = [("host", &upstream.host[..]), ("model_asked", &upstream.model_asked)];
            json.object(|json| texts(json, &members));
        }
        None => json.null(),
    }
}
