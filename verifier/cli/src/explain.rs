//! Explains each kind of refusal to users in one sentence.

/// The meaning of a refusal with this code.
pub(crate) fn explain(code: &str) -> &'static str {
    EXACT
        .iter()
        .chain(FAMILIES)
        .find(|(known, _)| code == *known || known.strip_suffix('*').is_some_and(|family| code.starts_with(family)))
        .map_or("The proof does not show what the policy requires.", |(_, meaning)| meaning)
}

const EXACT: &[(&str, &str)] = &[
    (
        "platform.not_allowed",
        "The node may be honest, but the policy does not name its kind of platform. A simulated node proves nothing about \
         hardware; to accept one on purpose, give the policy that `quoth up` wrote: --policy run/policy.toml",
    ),
    (
        "tls.key_mismatch",
        "The peer on this connection is not the node that the evidence describes. No request was sent to it.",
    ),
    ("measurement.unknown", "The node runs code or configuration that the policy does not list."),
    ("measurement.debug", "The enclave runs in debug mode, in which its operator can read everything."),
    ("config.not_accepted", "The node runs with a configuration that the policy does not list."),
    (
        "nitro.chain.root",
        "The evidence ends at a root that the policy does not accept. A simulated node makes a new root at every start, so \
         the policy may be for an earlier start.",
    ),
    ("evidence.age", "The evidence is too old to say anything about the node as it is now."),
    ("evidence.nonce", "The evidence was not made for this request; it may be an old one, replayed."),
    ("evidence.receipt_key", "The node signs with a key that the policy does not pin."),
    ("upstream.not_accepted", "A provider outside the node gave the answer, and the policy does not accept it."),
    ("receipt.upstream_not_in_statement", "The receipt names a provider that this node does not have."),
    ("model.not_accepted", "The node would answer with a model file that the policy does not list."),
    ("receipt.model_not_in_statement", "The receipt names a model that this node does not have."),
    ("receipt.request_mismatch", "The receipt is about another question than the one that was asked."),
    ("receipt.response_mismatch", "The answer is not the one that the node signed: somebody has changed it."),
    ("receipt.signature", "The receipt was not signed by this node's key, or was changed since."),
    ("receipt.node", "The receipt was signed for another node, or for an earlier start of this one."),
    ("receipt.nonce", "The receipt is not for this request; it may be an old one, replayed."),
    ("stream.cut", "The answer stops before its end. What came before the last checkpoint is what the node sent."),
    (
        "response.header_missing",
        "The answer came without what a proof needs; it may not come from a Quoth node at all.",
    ),
    ("replay.prompt", "The node's prompt is not the one that this model makes from the request."),
    ("replay.prompt_tokens", "The node's prompt tokens are not those of this model's prompt."),
    ("replay.sampling", "The node did not sample as the request asks."),
    (
        "replay.output",
        "The model does not choose this token after the ones before it: the node answered something else.",
    ),
    ("replay.finish", "The model does not end its output as the node says."),
    ("replay.text", "The model's tokens are as signed, but the answer that was sent has another text."),
    ("response.node", "The answer says that it comes from another node than the one that was checked."),
];

const FAMILIES: &[(&str, &str)] = &[
    ("evidence.*", "The evidence does not belong to this node, this moment or this question, so it proves nothing."),
    ("snp.policy.*", "The guest is genuine, but its launch allows others more than the policy accepts."),
    (
        "snp.tcb.*",
        "The processor is genuine, but its firmware is older than the policy accepts, or can be rolled back.",
    ),
    ("snp.crl.*", "AMD has revoked a certificate of the processor, or it is not known whether it has."),
    ("snp.*", "The report is not genuine, not valid at that time, or not what the policy asks for."),
    ("nitro.*", "The platform's attestation document is not genuine, not valid now, or not well formed."),
    ("statement.*", "The node's statement is not valid."),
    ("receipt.*", "The receipt does not prove this exchange."),
    ("head.*", "The head of the node's log is not this node's, or does not cover this receipt."),
    ("stream.*", "The stream was changed on its way, or its proofs are out of order."),
    ("transcript.*", "The saved exchange is not whole, or was changed since."),
    ("format.*", "The bytes are not well formed; nothing in them was trusted."),
    ("upstream.*", "The provider's part in the answer is not proven."),
    ("chain.*", "The receipts do not follow each other as one node's receipts do."),
    ("replay.*", "The model's tokens are as signed, but the answer that was sent does not match them."),
    ("response.*", "The answer came with a malformed proof."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_codes_come_before_their_family() {
        assert!(explain("receipt.request_mismatch").contains("another question"));
        assert!(explain("receipt.something_new").contains("does not prove this exchange"));
        assert!(explain("unheard.of").contains("policy"));
        for (code, _) in EXACT {
            assert!(!code.ends_with('*'));
        }
        assert!(FAMILIES.iter().all(|(family, _)| family.ends_with(".*")));
    }
}
