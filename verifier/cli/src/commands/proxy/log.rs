//! The proxy's log: one line at the start and one for each failure, without content of requests or answers.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use quoth_attestation::ExchangeId;
use quoth_verifier::VerifiedNode;
use serde_json::{Value, json};

use super::failure::Failure;
use crate::explain::explain;
use crate::report::print_json;
use crate::terminal::safe_line;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default();

/// Prints lines for people, or JSON objects for programs.
#[derive(Clone, Copy)]
pub(super) struct Log {
    pub(super) json: bool,
}

impl Log {
    /// The node is verified and SDKs can connect.
    pub(super) fn listening(self, address: SocketAddr, url: &str, node: &VerifiedNode, policy: Option<&Path>) {
        let policy = policy.map(|policy| policy.display().to_string());
        let (digest, platform) = (node.digest().to_string(), node.platform().name());
        let object = json!({
            "event": "listening", "address": address.to_string(), "url": url, "policy": policy,
            "node": { "digest": digest, "platform": platform, "image": node.image() },
        });
        let image = node.image().map(|image| format!(", image {image}")).unwrap_or_default();
        let policy = policy.unwrap_or_else(|| "hardware only".into());
        let words = format!("{url}: node {}…, {platform}{image}, policy {policy}", &digest[..16]);
        self.line(object, GOOD, &format!("http://{address}/v1"), &words);
        if !address.ip().is_loopback() {
            let words =
                "anyone who reaches this address can send requests; the plain HTTP up to this proxy is not proven";
            self.line(json!({ "event": "warning", "message": words }), WARN, "warning", words);
        }
    }

    /// Reports a failed request, unless it is only the SDK's mistake.
    pub(super) fn failed(self, failure: &Failure, cti: Option<ExchangeId>) {
        if !failure.is_notable() {
            return;
        }
        let (code, cti) = (failure.code(), cti.map(|cti| cti.to_string()));
        let whose = cti.as_deref().map(|cti| format!(" (exchange {cti})")).unwrap_or_default();
        if failure.is_refusal() {
            let object = json!({ "event": "refused", "code": code, "meaning": explain(code), "cti": cti });
            return self.line(object, BAD, "refused", &format!("{code}{whose}: {}", explain(code)));
        }
        let message = failure.to_string();
        let object = json!({ "event": "failed", "code": code, "message": message, "cti": cti });
        self.line(object, BAD, "failed", &format!("{code}{whose}: {message}"));
    }

    pub(super) fn stopping(self) {
        self.line(
            json!({ "event": "stopping" }),
            WARN,
            "stopping",
            "waiting for running answers; press Ctrl-C again to end them",
        );
    }

    fn line(self, object: Value, style: Style, first: &str, words: &str) {
        // If nobody reads the log any more, answers continue.
        _ = match self.json {
            true => print_json(&object),
            false => {
                writeln!(anstream::stderr().lock(), "{style}{}{style:#} {}", safe_line(first), safe_line(words))
            }
        };
    }
}
