//! One sentence for each kind of refusal: what it means for the person who asked.

/// What a refusal with this code means.
pub(crate) fn explain(code: &str) -> &'static str {
    EXACT
        .iter()
        .chain(FAMILIES)
        .find(|(known, _)| code == *known || known.strip_suffix('*').is_some_and(|family| code.starts_with(family)))
        .map_or("What was shown does not prove what the policy asks for.", |(_, meaning)| meaning)
}

const EXACT: &[(&str, &str)] = &[
    (
        "platform.not_allowed",
        "The node may be honest, but the policy does not name its kind of platform. A simulated node proves nothing about \
         hardware; to accept one on purpose, give the policy that `quoth up` wrote: --policy run/policy.toml",
    ),
    (
        "tls.key_mismatch",
        "Somebody else answers on this connection than the node that the evidence describes. Nothing was sent to them.",
    ),
    ("measurement.unknown", "The node runs code or configuration that the policy does not list."),
    ("measurement.debug", "The enclave runs in debug mode, in which its operator can read everything."),
    ("config.not_accepted", "The node runs with a configuration that the policy does not list."),
    (
        "nitro.chain.root",
        "The evidence hangs from a root that the policy does not accept. A simulated node makes a new root at every start, so \
         the policy may be of an earlier one.",
    ),
    ("evidence.age", "The evidence is too old to say anything about the node as it is now."),
    ("evidence.nonce", "The evidence was not made for this question; it may be an old one, shown again."),
    ("evidence.receipt_key", "The node signs with a key that the policy does not pin."),
    ("upstream.not_accepted", "A provider outside the node gave the answer, and the policy does not accept that one."),
    ("receipt.upstream_not_in_statement", "The receipt names a provider that this node does not have."),
    ("model.not_accepted", "The node would answer with a model file that the policy does not list."),
    ("receipt.model_not_in_statement", "The receipt names a model that this node does not have."),
    ("receipt.request_mismatch", "The receipt is about another question than the one that was asked."),
    ("receipt.response_mismatch", "The answer is not the one that the node signed: somebody has changed it."),
    ("receipt.signature", "The receipt was not signed by this node's key, or was changed since."),
    ("receipt.node", "The receipt was signed for another node, or for an earlier start of this one."),
    ("receipt.nonce", "The receipt is not for this request: it may be an old one, shown again."),
    ("stream.cut", "The answer stops before its end. What came until the last checkpoint is what the node said."),
    (
        "response.header_missing",
        "The answer came without what a proof needs; it may not come from a Quoth node at all.",
    ),
    ("replay.prompt", "The node did not compute the prompt that this model makes of the request."),
    ("replay.prompt_tokens", "The node did not compute the tokens that this model's prompt is made of."),
    ("replay.sampling", "The node did not choose words in the way that the request asks for."),
    (
        "replay.output",
        "The model does not choose this token after the ones before it: the node answered something else.",
    ),
    ("replay.finish", "The model does not end its output as the node says."),
    ("replay.text", "The model's tokens are as signed, but the answer that was sent says something else."),
    ("response.node", "The answer says that it comes from another node than the one that was checked."),
];

const FAMILIES: &[(&str, &str)] = &[
    (
        "evidence.*",
        "The evidence does not belong to this node, this moment or this question, so it vouches for nothing.",
    ),
    ("snp.policy.*", "The guest is genuine, and was launched with more allowed to others than the policy accepts."),
    (
        "snp.tcb.*",
        "The processor is genuine, and its firmware is older than the policy accepts, or can be rolled back.",
    ),
    ("snp.crl.*", "Whether AMD has revoked what vouches for the processor is not known, or it has."),
    ("snp.*", "The report is not genuine, not valid at that time, or not what the policy asks for."),
    ("nitro.*", "The platform's attestation document is not genuine, not valid now, or not well formed."),
    ("statement.*", "The node's description of itself does not hold."),
    ("receipt.*", "The receipt does not prove this exchange."),
    ("stream.*", "The stream was changed on its way, or its proofs are out of order."),
    ("transcript.*", "The saved exchange is not whole, or was changed since."),
    ("format.*", "The bytes are not well formed; nothing in them was believed."),
    ("upstream.*", "The provider's part in the answer is not proven."),
    ("chain.*", "The receipts do not follow each other as one node's receipts do."),
    ("replay.*", "The model's tokens are as signed, but the answer that was sent is not made of them."),
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
