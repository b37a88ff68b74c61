//! Why something is not proven.

use alloc::boxed::Box;
use alloc::string::String;

use quoth_attestation::events::Ambiguous;
use quoth_attestation::statement::Platform;
use quoth_attestation::{Digest, FormatError};

use crate::snp::SnpRefusal;

/// Why something is not proven.
///
/// Each variant has a stable [`code`](Refusal::code). Texts name fields, numbers, digests, and what evidence itself says
/// openly; never a byte of a prompt or an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are not a value of their format.
    #[error("{0}")]
    Format(FormatError),

    /// The policy does not name this platform.
    #[error("platform is {}, the policy accepts {expected}", actual.name())]
    PlatformNotAllowed {
        /// The platforms of the policy.
        expected: String,
        /// The statement's.
        actual: Platform,
    },

    /// The quote is not over the nonce that was asked for.
    #[error("evidence is over nonce {actual}, expected {expected}")]
    EvidenceNonce {
        /// Hex.
        expected: String,
        /// Hex, or `none`.
        actual: String,
    },
    /// The quote does not bind this statement and this nonce.
    #[error("the quote binds {actual}, expected {expected}")]
    EvidenceBinding {
        /// The binding of statement and nonce, hex.
        expected: String,
        /// What the platform signed, hex, or `none`.
        actual: String,
    },
    /// The quote carries another public key than the statement's receipt key.
    #[error("the quote carries public key {actual}, expected {expected}")]
    EvidencePublicKey {
        /// The statement's receipt key, hex.
        expected: String,
        /// Hex, or `none`.
        actual: String,
    },
    /// The evidence is older than the policy allows.
    #[error("the evidence is {actual} s old, at most {limit} s are accepted")]
    EvidenceAge {
        /// Seconds.
        limit: u64,
        /// Seconds.
        actual: u64,
    },
    /// The evidence comes from the future.
    #[error("the evidence was signed at {actual}, which is after {now}")]
    EvidenceFuture {
        /// The time it is judged at, Unix seconds.
        now: u64,
        /// Unix seconds.
        actual: u64,
    },
    /// The evidence carries endorsements that its platform has no use for.
    #[error("{count} endorsements stand beside a quote that has none")]
    EvidenceEndorsements {
        /// Certificates and revocation lists found.
        count: usize,
    },
    /// On platform `none`: the receipt key has not signed the binding.
    #[error("the receipt key did not sign the evidence")]
    EvidencePossession,
    /// On platform `none`: the policy does not pin the receipt key.
    #[error("receipt key {actual} is not one that the policy pins")]
    EvidenceReceiptKey {
        /// The statement's receipt key, hex.
        actual: String,
    },

    /// The statement is not yet, or no longer, valid.
    #[error("the statement is valid from {issued} to {not_after}, judged at {at}")]
    StatementTimeWindow {
        /// Unix seconds.
        issued: u64,
        /// Unix seconds.
        not_after: u64,
        /// Unix seconds.
        at: u64,
    },
    /// The statement's receipt key is no canonical Ed25519 key of full order.
    #[error("the receipt key is not a sound Ed25519 key")]
    StatementReceiptKey,

    /// No image of the policy has these measurements.
    #[error("measurements are {actual}, which no image of the policy has (of {expected} listed)")]
    MeasurementUnknown {
        /// How many images the policy lists.
        expected: usize,
        /// `pcr0=… pcr1=… pcr2=…`, hex.
        actual: String,
    },
    /// The enclave runs in debug mode: its registers are all zero.
    #[error("registers 0 to 2 are all zero: the enclave runs in debug mode")]
    MeasurementDebug,
    /// A register that the policy pins has another value.
    #[error("register {register} is {actual}, which the policy does not list")]
    MeasurementPin {
        /// Its index.
        register: u64,
        /// Hex.
        actual: String,
    },
    /// The policy does not accept the measured configuration.
    #[error("configuration {actual} is not one that the policy accepts")]
    ConfigNotAccepted {
        /// SHA-256 of the configuration file.
        actual: Box<Digest>,
    },

    /// The attestation document is not the CBOR that it must be.
    #[error("attestation document: {problem} at byte {offset}")]
    NitroCbor {
        /// What is wrong.
        problem: &'static str,
        /// Where.
        offset: usize,
    },
    /// The attestation document stands under another tag than that of a COSE_Sign1, or under two.
    #[error("attestation document: under a tag that is not COSE_Sign1's")]
    NitroCoseTag,
    /// The COSE headers are not exactly the prescribed ones.
    #[error("attestation document: {header} header is {actual}, expected {expected}")]
    NitroCoseHeader {
        /// `protected` or `unprotected`.
        header: &'static str,
        /// Hex.
        expected: &'static str,
        /// Hex; its start, when it is long.
        actual: String,
    },
    /// The leaf certificate's key did not sign the document.
    #[error("attestation document: the signature does not verify")]
    NitroCoseSignature,
    /// A mandatory field is absent.
    #[error("attestation document: {field} is missing")]
    NitroFieldMissing {
        /// The field.
        field: &'static str,
    },
    /// A field occurs twice.
    #[error("attestation document: {field} occurs twice")]
    NitroFieldDuplicate {
        /// The field.
        field: &'static str,
    },
    /// A field that the document does not define.
    #[error("attestation document: unknown field")]
    NitroFieldUnknown,
    /// A field is not what it must be.
    #[error("attestation document: {field} is not {expected}")]
    NitroFieldValue {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A certificate is not the strict DER (X.690 §10) of an X.509 v3 certificate.
    #[error("certificate {position}: {problem}")]
    NitroChainCertificate {
        /// From the root, 0.
        position: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// The chain's length, or an order in it, is not as it must be.
    #[error("certificate chain of {actual}, expected 1 to {limit}, each once")]
    NitroChainLength {
        /// Certificates in the bundle, at most.
        limit: usize,
        /// Found.
        actual: usize,
    },
    /// The chain does not begin at an accepted root.
    #[error("the chain begins at {actual}, accepted is {expected}")]
    NitroChainRoot {
        /// SHA-256 digests of accepted roots.
        expected: String,
        /// SHA-256 of the first certificate, DER.
        actual: Box<Digest>,
    },
    /// A certificate is not signed with ECDSA and SHA-384 over P-384.
    #[error("certificate {position}: {problem} is not that of ECDSA over P-384 with SHA-384")]
    NitroChainAlgorithm {
        /// From the root, 0.
        position: usize,
        /// `signature algorithm` or `public key`.
        problem: &'static str,
    },
    /// A certificate was not signed by the one before it.
    #[error("certificate {position}: not signed by the one before it")]
    NitroChainSignature {
        /// From the root, 0.
        position: usize,
    },
    /// A certificate names another issuer than the one before it.
    #[error("certificate {position}: names another issuer than the one before it")]
    NitroChainIssuer {
        /// From the root, 0.
        position: usize,
    },
    /// A certificate is not yet, or no longer, valid.
    #[error("certificate {position}: valid from {not_before} to {not_after}, judged at {at}")]
    NitroChainValidity {
        /// From the root, 0.
        position: usize,
        /// Unix seconds.
        not_before: u64,
        /// Unix seconds.
        not_after: u64,
        /// Unix seconds.
        at: u64,
    },
    /// A certificate may not stand where it stands (RFC 5280 §4.2.1.3 and §4.2.1.9).
    #[error("certificate {position}: {problem}")]
    NitroChainConstraints {
        /// From the root, 0.
        position: usize,
        /// What it lacks, or has too much.
        problem: &'static str,
    },
    /// The leaf certificate is another module's.
    #[error("the leaf certificate is for {actual}, the document for {expected}")]
    NitroChainModule {
        /// The document's `module_id`.
        expected: String,
        /// The leaf's common name.
        actual: String,
    },

    /// The SEV-SNP report is not accepted.
    #[error("SEV-SNP: {0}")]
    Snp(SnpRefusal),

    /// The receipt names a model that the statement does not list so.
    #[error("model {name} with SHA-256 {actual} is not in the statement")]
    ReceiptModelNotInStatement {
        /// The receipt's model.
        name: String,
        /// The receipt's digest of it.
        actual: Box<Digest>,
    },
    /// The policy does not accept the model.
    #[error("model {name} has SHA-256 {actual}, which the policy does not accept")]
    ModelNotAccepted {
        /// The receipt's model.
        name: String,
        /// SHA-256 of the GGUF file.
        actual: Box<Digest>,
    },
    /// A closed provider answered that the policy does not name.
    #[error("provider {name} answered, which the policy does not accept")]
    UpstreamNotAccepted {
        /// The receipt's provider, and where it is.
        name: String,
    },
    /// The receipt names a provider that the statement does not list.
    #[error("the receipt names provider {actual}, which is not in the node's statement")]
    ReceiptUpstreamNotInStatement {
        /// The receipt's provider, and where it is.
        actual: String,
    },

    /// The node's key did not sign the receipt.
    #[error("the receipt is not signed by this node")]
    ReceiptSignature,
    /// The receipt is another node's, or of another boot.
    #[error("the receipt is of node {actual}, expected {expected}")]
    ReceiptNode {
        /// Digest of the verified statement.
        expected: Box<Digest>,
        /// The receipt's.
        actual: Box<Digest>,
    },
    /// The receipt was issued outside the statement's life.
    #[error("the receipt was issued at {actual}, the statement is valid from {issued} to {not_after}")]
    ReceiptTimeWindow {
        /// Unix seconds.
        issued: u64,
        /// Unix seconds.
        not_after: u64,
        /// The receipt's `iat`.
        actual: u64,
    },
    /// The exchange's times contradict the receipt's `iat`.
    #[error("the exchange lasted from {received} to {last_byte} ms, the receipt was issued at {iat} s")]
    ReceiptTimes {
        /// The receipt's `iat`, Unix seconds.
        iat: u64,
        /// Unix milliseconds.
        received: u64,
        /// Unix milliseconds.
        last_byte: u64,
    },
    /// The receipt claims another level than its platform can have.
    #[error("the receipt's level is {actual}, expected {expected}")]
    ReceiptLevel {
        /// What the platform can have.
        expected: &'static str,
        /// The receipt's.
        actual: &'static str,
    },
    /// The first receipt of a chain does not point to the statement.
    #[error("the first receipt points to {actual}, expected the statement {expected}")]
    ReceiptPrev {
        /// Digest of the statement.
        expected: Box<Digest>,
        /// The receipt's `prev`.
        actual: Box<Digest>,
    },
    /// Outcome and execution contradict each other.
    #[error("outcome {outcome} does not go with {found}")]
    ReceiptExecution {
        /// The receipt's outcome.
        outcome: &'static str,
        /// `an execution` or `no execution`.
        found: &'static str,
    },
    /// The receipt is for another nonce, or for none, or for one where none was sent.
    #[error("the receipt carries nonce {actual}, expected {expected}")]
    ReceiptNonce {
        /// Hex, or `none`.
        expected: String,
        /// Hex, or `none`.
        actual: String,
    },
    /// The receipt is about another request.
    #[error("request {field}: the receipt says {expected}, found {actual}")]
    ReceiptRequestMismatch {
        /// `method`, `target` or `body`.
        field: &'static str,
        /// What the receipt says; of a body the commitment.
        expected: String,
        /// What was found; of a body the commitment.
        actual: String,
    },
    /// The receipt is about another response.
    #[error("response {field}: the receipt says {expected}, found {actual}")]
    ReceiptResponseMismatch {
        /// `status`, `length` or `body`.
        field: &'static str,
        /// What the receipt says; of a body the commitment.
        expected: String,
        /// What was found; of a body the commitment.
        actual: String,
    },
    /// The details are not what the receipt commits to.
    #[error("{part}: the receipt says {expected}, found {actual}")]
    ReceiptDetailsMismatch {
        /// `prompt`, `prompt tokens`, `output tokens`, `sampling`, `prompt token count` or `completion token count`; of a
        /// provider's answer `head`, `sent`, `received`, `certificates` or `provider's key`.
        part: &'static str,
        /// The receipt's commitment or count.
        expected: String,
        /// What was found.
        actual: String,
    },
    /// There are details, but nothing was executed that they could belong to.
    #[error("details without an execution of their kind")]
    ReceiptDetailsUnexpected,

    /// The node's key did not sign a checkpoint.
    #[error("checkpoint {number} is not signed by this node")]
    StreamSignature {
        /// Which one.
        number: u64,
    },
    /// A checkpoint is another node's, request's or response's.
    #[error("checkpoint {number}: {field} is {actual}, expected {expected}")]
    StreamCheckpoint {
        /// Which one.
        number: u64,
        /// `node`, `cti`, `nonce`, `request` or `status`.
        field: &'static str,
        /// Hex or decimal.
        expected: String,
        /// Hex or decimal.
        actual: String,
    },
    /// A checkpoint is missing or repeated.
    #[error("checkpoint number {actual}, expected {expected}")]
    StreamCheckpointNumber {
        /// The next one.
        expected: u64,
        /// The one found.
        actual: u64,
    },
    /// A checkpoint does not point to the one before it.
    #[error("checkpoint {number} does not follow the one before it")]
    StreamCheckpointPrev {
        /// Which one.
        number: u64,
    },
    /// A checkpoint was signed for another place of the stream.
    #[error("checkpoint {number} stands at {actual}, was signed for {expected}")]
    StreamCheckpointOffset {
        /// Which one.
        number: u64,
        /// The signed offset.
        expected: u64,
        /// Body bytes before it.
        actual: u64,
    },
    /// The bytes before a checkpoint are not those it was signed for.
    #[error("the {offset} bytes before checkpoint {number} are not those it was signed for")]
    StreamPrefix {
        /// Which one.
        number: u64,
        /// How many bytes.
        offset: u64,
    },
    /// The stream does not begin with checkpoint 0.
    #[error("the stream does not begin with a checkpoint")]
    StreamCheckpointMissing,
    /// An event that SDKs could take for different things.
    #[error("the event that begins at byte {offset} is ambiguous: {reason}")]
    StreamAmbiguous {
        /// Body bytes before it.
        offset: u64,
        /// Why.
        reason: Ambiguous,
    },
    /// The event that ends the stream came before the receipt.
    #[error("the event that ends the stream, at byte {offset}, comes before the receipt")]
    StreamReceiptLate {
        /// Body bytes before its end.
        offset: u64,
    },
    /// Something other than one event that ends the stream follows the receipt, or anything at all that event.
    #[error("at byte {offset} something follows the end")]
    StreamAfterEnd {
        /// Body bytes before it.
        offset: u64,
    },
    /// The stream ends without its receipt, or short of what the receipt says.
    #[error("the stream is cut: {proven} bytes are proven")]
    StreamCut {
        /// Body bytes before the last checkpoint.
        proven: u64,
    },

    /// The receipt says streamed where it was not, or the reverse.
    #[error("the receipt says streamed: {actual}, expected {expected}")]
    ReceiptStreamed {
        /// What was found.
        expected: bool,
        /// What the receipt says.
        actual: bool,
    },
    /// The receipt does not say how a whole stream ended, or says it of a stream that did not end so.
    #[error("the receipt says that the stream ended by {actual}, expected {expected}")]
    ReceiptEnding {
        /// What was found.
        expected: &'static str,
        /// What the receipt says.
        actual: &'static str,
    },
    /// The receipt is of another request than the response head or the checkpoints.
    #[error("the receipt is of request {actual}, expected {expected}")]
    ReceiptCti {
        /// Hex.
        expected: String,
        /// Hex.
        actual: String,
    },

    /// A receipt does not come after the one before it.
    #[error("receipt {actual} comes after receipt {previous}")]
    ChainOrder {
        /// Position of the one before.
        previous: u64,
        /// Position found.
        actual: u64,
    },
    /// A receipt does not point to the one before it.
    #[error("receipt {seq} points to {actual}, expected {expected}")]
    ChainPrev {
        /// Its position.
        seq: u64,
        /// Digest of the receipt before it.
        expected: Box<Digest>,
        /// Its `prev`.
        actual: Box<Digest>,
    },

    /// There is neither a receipt nor a checkpoint.
    #[error("the transcript holds no proof")]
    TranscriptEmpty,
    /// Details without a receipt, which alone could prove them.
    #[error("the transcript holds details without a receipt")]
    TranscriptDetails,

    /// The connection's key is not the attested one.
    #[error("the connection's TLS key is {actual}, attested is {expected}")]
    TlsKeyMismatch {
        /// The statement's.
        expected: Box<Digest>,
        /// The connection's.
        actual: Box<Digest>,
    },
}

impl Refusal {
    /// Stable code, for programs and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Format(error) => error.code(),
            Self::PlatformNotAllowed { .. } => "platform.not_allowed",
            Self::EvidenceNonce { .. } => "evidence.nonce",
            Self::EvidenceBinding { .. } => "evidence.binding",
            Self::EvidencePublicKey { .. } => "evidence.public_key",
            Self::EvidenceAge { .. } => "evidence.age",
            Self::EvidenceFuture { .. } => "evidence.future",
            Self::EvidenceEndorsements { .. } => "evidence.endorsements",
            Self::EvidencePossession => "evidence.possession",
            Self::EvidenceReceiptKey { .. } => "evidence.receipt_key",
            Self::StatementTimeWindow { .. } => "statement.time_window",
            Self::StatementReceiptKey => "statement.receipt_key",
            Self::MeasurementUnknown { .. } => "measurement.unknown",
            Self::MeasurementDebug => "measurement.debug",
            Self::MeasurementPin { .. } => "measurement.pin",
            Self::Snp(refusal) => refusal.code(),
            Self::ConfigNotAccepted { .. } => "config.not_accepted",
            Self::NitroCbor { .. } => "nitro.cbor",
            Self::NitroCoseTag => "nitro.cose.tag",
            Self::NitroCoseHeader { .. } => "nitro.cose.header",
            Self::NitroCoseSignature => "nitro.cose.signature",
            Self::NitroFieldMissing { .. } => "nitro.field.missing",
            Self::NitroFieldDuplicate { .. } => "nitro.field.duplicate",
            Self::NitroFieldUnknown => "nitro.field.unknown",
            Self::NitroFieldValue { .. } => "nitro.field.value",
            Self::NitroChainCertificate { .. } => "nitro.chain.certificate",
            Self::NitroChainLength { .. } => "nitro.chain.length",
            Self::NitroChainRoot { .. } => "nitro.chain.root",
            Self::NitroChainAlgorithm { .. } => "nitro.chain.algorithm",
            Self::NitroChainSignature { .. } => "nitro.chain.signature",
            Self::NitroChainIssuer { .. } => "nitro.chain.issuer",
            Self::NitroChainValidity { .. } => "nitro.chain.validity",
            Self::NitroChainConstraints { .. } => "nitro.chain.constraints",
            Self::NitroChainModule { .. } => "nitro.chain.module",
            Self::ReceiptModelNotInStatement { .. } => "receipt.model_not_in_statement",
            Self::ModelNotAccepted { .. } => "model.not_accepted",
            Self::UpstreamNotAccepted { .. } => "upstream.not_accepted",
            Self::ReceiptUpstreamNotInStatement { .. } => "receipt.upstream_not_in_statement",
            Self::ReceiptSignature => "receipt.signature",
            Self::ReceiptNode { .. } => "receipt.node",
            Self::ReceiptTimeWindow { .. } => "receipt.time_window",
            Self::ReceiptTimes { .. } => "receipt.times",
            Self::ReceiptLevel { .. } => "receipt.level",
            Self::ReceiptPrev { .. } => "receipt.prev",
            Self::ReceiptExecution { .. } => "receipt.execution",
            Self::ReceiptNonce { .. } => "receipt.nonce",
            Self::ReceiptRequestMismatch { .. } => "receipt.request_mismatch",
            Self::ReceiptResponseMismatch { .. } => "receipt.response_mismatch",
            Self::ReceiptDetailsMismatch { .. } => "receipt.details_mismatch",
            Self::ReceiptDetailsUnexpected => "receipt.details_unexpected",
            Self::ReceiptStreamed { .. } => "receipt.streamed",
            Self::ReceiptEnding { .. } => "receipt.ending",
            Self::ReceiptCti { .. } => "receipt.cti",
            Self::StreamSignature { .. } => "stream.signature",
            Self::StreamCheckpoint { .. } => "stream.checkpoint",
            Self::StreamCheckpointNumber { .. } => "stream.checkpoint_number",
            Self::StreamCheckpointPrev { .. } => "stream.checkpoint_prev",
            Self::StreamCheckpointOffset { .. } => "stream.checkpoint_offset",
            Self::StreamPrefix { .. } => "stream.prefix",
            Self::StreamCheckpointMissing => "stream.checkpoint_missing",
            Self::StreamAmbiguous { .. } => "stream.ambiguous",
            Self::StreamReceiptLate { .. } => "stream.receipt_late",
            Self::StreamAfterEnd { .. } => "stream.after_end",
            Self::StreamCut { .. } => "stream.cut",
            Self::ChainOrder { .. } => "chain.order",
            Self::ChainPrev { .. } => "chain.prev",
            Self::TranscriptEmpty => "transcript.empty",
            Self::TranscriptDetails => "transcript.details",
            Self::TlsKeyMismatch { .. } => "tls.key_mismatch",
        }
    }
}

/// A copy: a verdict and a stream keep theirs.
impl From<&Self> for Refusal {
    fn from(refusal: &Self) -> Self {
        refusal.clone()
    }
}

impl From<SnpRefusal> for Refusal {
    fn from(refusal: SnpRefusal) -> Self {
        Self::Snp(refusal)
    }
}

impl From<FormatError> for Refusal {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}
