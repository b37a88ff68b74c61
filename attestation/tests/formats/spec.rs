//! `SPEC.md` is what the code does: its vectors are read out of the page.

use std::collections::BTreeMap;

use crate::support;
use quoth_attestation::binding::node_binding;
use quoth_attestation::cbor;
use quoth_attestation::commit::{Label, Opening};
use quoth_attestation::cose::Payload;
use quoth_attestation::measurement::pcr;
use quoth_attestation::secret::{self, SecretOrder};

const PAGE: &str = include_str!("../../SPEC.md");

/// The bodies of the page's blocks that are fenced as `kind NAME`.
fn blocks(kind: &str) -> BTreeMap<&'static str, String> {
    PAGE.split("\n```")
        .filter_map(|block| block.split_once('\n'))
        .filter_map(|(info, body)| Some((info.strip_prefix(kind)?.strip_prefix(' ')?, body)))
        .map(|(name, body)| (name, body.split_whitespace().collect()))
        .collect()
}

#[test]
fn vectors() {
    let opening = support::opening();
    let salt = opening.salt(Label::Request);
    let computed: BTreeMap<&str, Vec<u8>> = [
        ("statement", support::statement().encode()),
        ("statement-digest", support::node().0.to_vec()),
        ("binding", node_binding(&support::node(), None).to_vec()),
        ("binding-with-nonce", node_binding(&support::node(), Some(&support::nonce())).to_vec()),
        ("pcr", pcr(&[b"kernel", b"ramdisk"]).to_vec()),
        ("evidence", support::evidence().encode()),
        ("salt", salt.as_bytes().to_vec()),
        ("commitment", opening.commit(Label::Request, support::REQUEST).0.0.to_vec()),
        ("answer", opening.commit(Label::Answer, support::ANSWER).0.0.to_vec()),
        ("log-root", support::log_root().0.to_vec()),
        ("head", support::head().encode().to_vec()),
        ("details-credential", opening.details_credential().to_vec()),
        ("receipt-payload", support::receipt().encode()),
        ("receipt", support::sign(support::receipt()).bytes().to_vec()),
        ("receipt-payload-upstream", support::upstream_receipt().encode()),
        ("checkpoint", support::sign(support::checkpoint()).bytes().to_vec()),
        ("checkpoint-version-1", support::sign(support::checkpoint_of_version_1()).bytes().to_vec()),
        ("possession", support::sign(support::possession()).bytes().to_vec()),
        ("secret-order", support::sign(support::order()).bytes().to_vec()),
        ("secret-aad", SecretOrder::aad(&support::node(), "openai", support::order().counter)),
        ("secret-fingerprint", secret::fingerprint("openai", b"sk-0").to_vec()),
    ]
    .into();
    let page = blocks("hex");
    for (name, bytes) in &computed {
        let shown = page.get(name).unwrap_or_else(|| panic!("SPEC.md lacks the vector {name}: {}", hex::encode(bytes)));
        assert_eq!(*shown, hex::encode(bytes), "{name}");
    }
    assert_eq!(page.len(), computed.len(), "SPEC.md shows a vector that nothing computes");
}

#[test]
fn texts() {
    let page = blocks("text");
    let squeeze = |text: String| text.split_whitespace().collect::<String>();
    assert_eq!(page["stream"], squeeze(support::stream()));
    assert_eq!(page["log-proof"], squeeze(support::log_proof().encode()));
    assert_eq!(page["transcript"], squeeze(support::transcript().encode()));
    assert_eq!(page["details-upstream"], squeeze(support::upstream_details().encode()));
    let (token, hash) = support::access_token();
    assert_eq!((&page["token"], &page["token-hash"]), (&token, &hash.to_string()));
}

#[test]
fn refusals() {
    let rows: Vec<(Vec<u8>, &str)> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once("` | `"))
        .filter_map(|(bytes, rest)| Some((hex::decode(bytes).ok()?, rest.split('`').next()?)))
        .collect();
    assert!(rows.len() >= 15, "the table of refusals is gone");
    for (bytes, code) in rows {
        let error = cbor::decode(&bytes, 64).expect_err("SPEC.md says that this is refused");
        assert_eq!(error.code(), code, "{}", hex::encode(bytes));
    }
}

#[test]
fn every_label_has_a_salt_of_its_own() {
    let labels = [
        Label::Request,
        Label::Response,
        Label::Answer,
        Label::Prefix,
        Label::PrefixAt(0),
        Label::PrefixAt(1),
        Label::Prompt,
        Label::PromptTokens,
        Label::OutputTokens,
        Label::Sampling,
        Label::UpstreamHead,
        Label::UpstreamRequest,
        Label::UpstreamResponse,
    ];
    let salts: std::collections::BTreeSet<_> =
        labels.iter().map(|label| *support::opening().salt(*label).as_bytes()).collect();
    assert_eq!(salts.len(), labels.len());
    let other = Opening::new([0x10; 32]);
    assert!(!salts.contains(other.salt(Label::Request).as_bytes()));
    for label in labels {
        let name = label.name();
        let shown = if name.starts_with("prefix/") { "prefix/NUMBER" } else { &name };
        assert!(PAGE.contains(&format!("`{shown}`")), "SPEC.md lacks the label {shown}");
    }
}
