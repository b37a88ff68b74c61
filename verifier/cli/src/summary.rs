//! Describes verdicts in words: the only place that turns proofs into sentences.

use quoth_attestation::Digest;
use quoth_attestation::receipt::{Ending, Execution, Receipt, Upstream};
use quoth_attestation::statement::{Clock, Platform};
use quoth_attestation::transcript::{Details, LocalDetails, Transcript, UpstreamDetails};
use quoth_verifier::{VerifiedExchange, VerifiedHead, VerifiedNode};
use serde_json::json;

use crate::report::Report;

/// The context in which a node is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// As the subject, on an open connection.
    Node,
    /// As the source of an answer, on an open connection.
    Exchange,
    /// From saved proofs.
    Archive,
}

/// The node that answers: platform, image, keys, models.
pub(crate) fn node(report: &mut Report, node: &VerifiedNode, view: View) {
    let statement = node.statement();
    let digest = |digest: Digest| match view {
        View::Node => digest.to_string(),
        _ => format!("{}…", &digest.to_string()[..16]),
    };
    report.row("platform", platform_words(node.platform()));
    if let Some(image) = node.image() {
        report.row("image", format!("{image}: measured code and configuration are as the policy lists"));
    }
    let instance = hex::encode(statement.instance);
    report.row("node", digest(node.digest()));
    if view == View::Node {
        report.row("instance", instance.as_str());
        report.row("software", format!("{} {}", statement.software.name, statement.software.version));
    }
    if view != View::Archive {
        report.row("connection", format!("TLS ends inside it, key {}", digest(node.tls_key())));
    }
    for model in &statement.models {
        report.row("model", format!("{}, GGUF sha256 {}", model.name, model.sha256));
    }
    report.row("time", node.time_basis());
    let models: Vec<_> = statement
        .models
        .iter()
        .map(|model| json!({ "name": model.name.as_str(), "sha256": model.sha256.to_string() }))
        .collect();
    let checks: Vec<_> = node
        .checks()
        .iter()
        .map(
            |check| json!({ "code": check.code, "what": check.what, "expected": check.expected, "found": check.found }),
        )
        .collect();
    report.member(
        "node",
        json!({
            "platform": node.platform().name(),
            "image": node.image(),
            "digest": node.digest().to_string(),
            "instance": instance,
            "tls_key": node.tls_key().to_string(),
            "receipt_key": hex::encode(statement.keys.receipt),
            "config": statement.config.to_string(),
            "software": format!("{} {} {}", statement.software.name, statement.software.version, statement.software.commit),
            "models": models,
            "issued": statement.issued(),
            "not_after": statement.not_after(),
            "clock": statement.clock.name(),
            "time_basis": node.time_basis(),
            "checks": checks,
        }),
    );
}

/// Request and answer, and where each byte came from.
pub(crate) fn exchange(report: &mut Report, transcript: &Transcript, exchange: &VerifiedExchange) {
    let (request, response) = (&transcript.request.body, &transcript.response.body);
    report.row("question", format!("all {} bytes are the ones the receipt commits to", request.len()));
    report.row("answer", format!("all {} bytes are the ones the receipt commits to", response.len()));
    if !transcript.checkpoints.is_empty() {
        report.row("stream", format!("{} signed checkpoints, in order and in place", transcript.checkpoints.len()));
    }
    receipt(report, exchange.receipt().claims());
    if let Some(bodies) = exchange.pass_through() {
        let (request, response) = (bodies.request(), bodies.response());
        let passed = |same| if same { "byte for byte" } else { "not byte for byte" };
        report.row("passed on", format!("question {}, answer {}", passed(request), passed(response)));
        report.member("passed", json!({ "request": request, "response": response }));
    }
    report.member("request_bytes", request.len());
    report.member("response_bytes", response.len());
    report.member("checkpoints", transcript.checkpoints.len());
}

/// The content of a receipt.
pub(crate) fn receipt(report: &mut Report, claims: &Receipt) {
    let exchange = &claims.exchange;
    match &claims.execution {
        Some(Execution::Local(local)) => {
            report.row("words from", format!("the model {}, inside the node", local.model));
            report.row("all the rest", "JSON and framing, written by the measured program itself");
            report.row("arithmetic", format!("{}; engine {}", local.arithmetic, local.engine));
        }
        Some(Execution::Upstream(upstream)) => provider(report, upstream),
        None => report.row("words from", "the node itself: nothing was executed"),
    }
    if let Some(usage) = claims.usage {
        report.row("tokens", format!("{} read, {} written", usage.prompt, usage.completion));
    }
    report.row(
        "receipt",
        format!("no. {} of this instance, {}, {}", claims.seq, claims.level.name(), exchange.outcome.name()),
    );
    let execution = match &claims.execution {
        Some(Execution::Local(local)) => json!({
            "kind": "local", "model": local.model.as_str(), "model_sha256": local.model_sha256.to_string(),
            "arithmetic": local.arithmetic.as_str(), "engine": local.engine.as_str(),
        }),
        Some(Execution::Upstream(upstream)) => json!({
            "kind": "upstream", "provider": upstream.provider.as_str(), "host": upstream.host.as_str(),
            "port": upstream.port, "model_asked": upstream.model_asked.as_str(),
            "model_answered": upstream.model_answered.as_deref(), "request_id": upstream.request_id.as_deref(),
            "credential": upstream.credential.name(), "retries": upstream.retries.get(),
            "tls": upstream.tls.as_ref().map(|tls| json!({
                "version": tls_version(tls.version), "suite": tls_suite(tls.suite),
                "leaf_spki": tls.leaf_spki.to_string(), "chain": tls.chain.to_string(),
            })),
        }),
        None => serde_json::Value::Null,
    };
    report.member(
        "receipt",
        json!({
            "seq": claims.seq,
            "cti": claims.cti.to_string(),
            "iat": claims.iat,
            "prev": claims.prev.to_string(),
            "level": claims.level.name(),
            "method": exchange.method.as_str(),
            "target": exchange.target.as_str(),
            "status": exchange.status.get(),
            "outcome": exchange.outcome.name(),
            "ending": exchange.ending.map(Ending::name),
            "streamed": exchange.streamed,
            "request_commitment": exchange.request.0.to_string(),
            "response_commitment": exchange.response.0.to_string(),
            "response_length": exchange.response_length,
            "usage": claims.usage.map(|usage| json!({ "prompt": usage.prompt, "completion": usage.completion })),
            "execution": execution,
        }),
    );
}

/// The opened values that only the enclave knew.
pub(crate) fn details(report: &mut Report, details: &Details) {
    match details {
        Details::Local(LocalDetails { prompt, prompt_tokens, output_tokens, .. }) => {
            let (read, written) = (prompt_tokens.len(), output_tokens.len());
            let length = prompt.len();
            report.row(
                "details",
                format!("rendered prompt of {length} bytes, {read} + {written} token ids and sampling as committed"),
            );
            report.member("details", json!({ "prompt_tokens": read, "output_tokens": written }));
        }
        Details::Upstream(UpstreamDetails { certificates, sent, received, .. }) => {
            let count = certificates.len();
            report.row("details", format!("head as forwarded and {count} certificates of the provider as committed"));
            let member = json!({ "certificates": count, "sent_altered": sent.is_some(), "received_differs": received.is_some() });
            report.member("details", member);
        }
    }
}

/// A head of the node's log that covers the receipt.
pub(crate) fn head(report: &mut Report, head: &VerifiedHead) {
    let said = head.head();
    let closed = if said.is_closed() { ", closed" } else { "" };
    report.row("log", format!("in the node's log of {} receipts{closed}, root {}", said.size(), said.root()));
    let member = json!({
        "size": said.size(),
        "root": said.root().to_string(),
        "closed": said.is_closed(),
        "head": hex::encode(head.signed().encode()),
    });
    report.member("log", member);
}

/// What no verdict about a node proves.
pub(crate) fn limits_of_node(report: &mut Report, node: &VerifiedNode) {
    match node.platform() {
        Platform::Simulated => {
            report.not_proven("hardware: this node is simulated, so its operator can read and forge everything above");
        }
        Platform::None => report.not_proven("hardware: only a key you already knew vouches for this node"),
        _ => report.not_proven("that the hardware vendor's root is uncompromised, or that there are no side channels"),
    }
    if node.host_may_run_acpi() {
        report.not_proven(
            "that the host stays out: the policy does not say acpi = \"static\" of this image, and an ordinary kernel runs the \
             ACPI bytecode of its host, which can read and change all memory (BadAML)",
        );
    }
    if node.statement().clock == Clock::Host {
        report.not_proven("the time: the node's clock is set by its host");
    }
}

/// What no verdict about a receipt proves.
pub(crate) fn limits_of_receipt(report: &mut Report, node: &VerifiedNode, claims: &Receipt) {
    limits_of_node(report, node);
    report.not_proven("what was asked and answered: the receipt only commits to it. A transcript shows it");
    limits_of_execution(report, claims);
}

/// What no verdict about an exchange proves.
pub(crate) fn limits_of_exchange(report: &mut Report, node: &VerifiedNode, claims: &Receipt) {
    limits_of_node(report, node);
    limits_of_execution(report, claims);
}

fn limits_of_execution(report: &mut Report, claims: &Receipt) {
    match &claims.execution {
        Some(Execution::Upstream(_)) => report.not_proven("that the provider ran the model it names"),
        Some(Execution::Local(_)) => report.not_proven("that what the model says is true"),
        None => {}
    }
}

/// The provider's authenticated identity, and its own claims.
fn provider(report: &mut Report, upstream: &Upstream) {
    let Upstream { provider, host, port, model_asked, .. } = upstream;
    let Some(tls) = &upstream.tls else {
        report.row("words from", format!("the node itself: there was no connection to {provider} at {host}:{port}"));
        return;
    };
    report.row("words from", format!("{provider}: a TLS peer that authenticated as {host}:{port}"));
    let (version, suite) = (tls_version(tls.version), tls_suite(tls.suite));
    report.row("its TLS", format!("{version}, {suite}, key {}", tls.leaf_spki));
    report.row(
        "asked for",
        match &upstream.model_answered {
            Some(answered) if answered == model_asked => format!("{model_asked}; the provider says the same"),
            Some(answered) => format!("{model_asked}; the provider says {answered}"),
            None => format!("{model_asked}; the provider names none"),
        },
    );
    if let Some(id) = &upstream.request_id {
        report.row("request id", format!("{id}, by the provider's count"));
    }
    report.row("key shown", format!("the {}'s", upstream.credential.name()));
    if upstream.retries.get() > 0 {
        report.row("sent again", format!("{} times, after 429 or 503, as the caller allowed", upstream.retries));
    }
}

/// Names of versions: RFC 8446 §4.2.1.
fn tls_version(version: u16) -> String {
    match version {
        0x0304 => "TLS 1.3".into(),
        0x0303 => "TLS 1.2".into(),
        other => format!("version {other:#06x}"),
    }
}

/// Names of cipher suites: RFC 8446 §B.4, RFC 5289 §3, RFC 7905 §2.
fn tls_suite(suite: u16) -> String {
    match suite {
        0x1301 => "TLS_AES_128_GCM_SHA256".into(),
        0x1302 => "TLS_AES_256_GCM_SHA384".into(),
        0x1303 => "TLS_CHACHA20_POLY1305_SHA256".into(),
        0xc02b => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".into(),
        0xc02c => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".into(),
        0xc02f => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".into(),
        0xc030 => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384".into(),
        0xcca8 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256".into(),
        0xcca9 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256".into(),
        other => format!("suite {other:#06x}"),
    }
}

fn platform_words(platform: Platform) -> String {
    match platform {
        Platform::Nitro => "AWS Nitro Enclaves".into(),
        Platform::SevSnp => "AMD SEV-SNP".into(),
        Platform::Simulated => "simulated: for development, no hardware".into(),
        Platform::None => "none: a pinned key, no hardware".into(),
    }
}
