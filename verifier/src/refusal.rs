//! Why something is not proven.

use alloc::boxed::Box;
use alloc::string::String;

use quoth_attestation::events::Ambiguous;
use quoth_attestation::statement::Platform;
use quoth_attestation::{Digest, FormatError};

use crate::snp::SnpRefusal;

/// Why something is not proven.
///
/// Each variant has a stable [`code`](Refusal::code). Texts contain field names, numbers, digests and public values of the
/// evidence, but never a byte of a prompt or an answer.
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
        /// The statement's platform.
        actual: Platform,
    },

    /// The quote is not over the expected nonce.
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
        /// The binding that the platform signed, hex, or `none`.
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
        /// Maximum age, in seconds.
        limit: u64,
        /// Actual age, in seconds.
        actual: u64,
    },
    /// The evidence was signed in the future.
    #[error("the evidence was signed at {actual}, which is after {now}")]
    EvidenceFuture {
        /// Judged at, Unix seconds.
        now: u64,
        /// The signing time, Unix seconds.
        actual: u64,
    },
    /// The evidence carries endorsements that its platform does not use.
    #[error("{count} endorsements, but the platform uses none")]
    EvidenceEndorsements {
        /// Number of certificates and revocation lists found.
        count: usize,
    },
    /// On platform `none`: the receipt key did not sign the binding.
    #[error("the receipt key did not sign the evidence")]
    EvidencePossession,
    /// On platform `none`: the policy does not pin the receipt key.
    #[error("receipt key {actual} is not pinned by the policy")]
    EvidenceReceiptKey {
        /// The statement's receipt key, hex.
        actual: String,
    },

    /// The statement is not yet, or no longer, valid.
    #[error("the statement is valid from {issued} to {not_after}, judged at {at}")]
    StatementTimeWindow {
        /// Valid from, Unix seconds.
        issued: u64,
        /// Valid to, Unix seconds.
        not_after: u64,
        /// Judged at, Unix seconds.
        at: u64,
    },
    /// The statement's receipt key is not a canonical Ed25519 key of full order.
    #[error("the receipt key is not a valid Ed25519 key")]
    StatementReceiptKey,

    /// No image of the policy has these measurements.
    #[error("measurements {actual} match none of the policy's {expected} images")]
    MeasurementUnknown {
        /// Number of images that the policy lists.
        expected: usize,
        /// `pcr0=… pcr1=… pcr2=…`, hex.
        actual: String,
    },
    /// The enclave runs in debug mode: its registers are all zero.
    #[error("registers 0 to 2 are all zero: the enclave runs in debug mode")]
    MeasurementDebug,
    /// A pinned register has a value that the policy does not list.
    #[error("register {register} is {actual}, which the policy does not list")]
    MeasurementPin {
        /// Its index.
        register: u64,
        /// Hex.
        actual: String,
    },
    /// The policy does not accept the measured configuration.
    #[error("configuration {actual} is not accepted by the policy")]
    ConfigNotAccepted {
        /// SHA-256 of the configuration file.
        actual: Box<Digest>,
    },

    /// The attestation document is not the required CBOR.
    #[error("attestation document: {problem} at byte {offset}")]
    NitroCbor {
        /// What is wrong.
        problem: &'static str,
        /// Its offset, in bytes.
        offset: usize,
    },
    /// The attestation document has another tag than that of COSE_Sign1, or two tags.
    #[error("attestation document: the tag is not COSE_Sign1's")]
    NitroCoseTag,
    /// The COSE headers are not exactly as prescribed.
    #[error("attestation document: {header} header is {actual}, expected {expected}")]
    NitroCoseHeader {
        /// `protected` or `unprotected`.
        header: &'static str,
        /// Hex.
        expected: &'static str,
        /// Hex; the start of a long header.
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
    /// A field has a value that is not allowed.
    #[error("attestation document: {field} is not {expected}")]
    NitroFieldValue {
        /// The field.
        field: &'static str,
        /// The required value.
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
    /// The chain has no certificate before the leaf, too many, or one twice.
    #[error("{actual} certificates before the leaf, expected 1 to {limit} without duplicates")]
    NitroChainLength {
        /// Maximum number of certificates in the bundle.
        limit: usize,
        /// Number found.
        actual: usize,
    },
    /// The chain does not begin at an accepted root.
    #[error("the chain begins at {actual}, expected {expected}")]
    NitroChainRoot {
        /// SHA-256 digests of the accepted roots.
        expected: String,
        /// SHA-256 of the first certificate, DER.
        actual: Box<Digest>,
    },
    /// A certificate is not signed with ECDSA and SHA-384 over P-384.
    #[error("certificate {position}: {problem} is not for ECDSA over P-384 with SHA-384")]
    NitroChainAlgorithm {
        /// From the root, 0.
        position: usize,
        /// `signature algorithm` or `public key`.
        problem: &'static str,
    },
    /// A certificate is not signed by the one before it.
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
        /// Valid from, Unix seconds.
        not_before: u64,
        /// Valid to, Unix seconds.
        not_after: u64,
        /// Judged at, Unix seconds.
        at: u64,
    },
    /// A certificate is not allowed at its position (RFC 5280 §4.2.1.3 and §4.2.1.9).
    #[error("certificate {position}: {problem}")]
    NitroChainConstraints {
        /// From the root, 0.
        position: usize,
        /// What it lacks, or must not have.
        problem: &'static str,
    },
    /// The leaf certificate belongs to another module.
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

    /// The statement does not list the receipt's model with this digest.
    #[error("model {name} with SHA-256 {actual} is not in the statement")]
    ReceiptModelNotInStatement {
        /// The receipt's model.
        name: String,
        /// The model's digest in the receipt.
        actual: Box<Digest>,
    },
    /// The policy does not accept the model.
    #[error("model {name} has SHA-256 {actual}, which the policy does not accept")]
    ModelNotAccepted {
        /// The model's name, in the receipt or request.
        name: String,
        /// SHA-256 of the GGUF file.
        actual: Box<Digest>,
    },
    /// A closed provider that the policy does not name answered, or may answer.
    #[error("the policy does not accept provider {name}")]
    UpstreamNotAccepted {
        /// The provider, with host and port.
        name: String,
    },
    /// The receipt names a provider that the statement does not list.
    #[error("the receipt names provider {actual}, which is not in the node's statement")]
    ReceiptUpstreamNotInStatement {
        /// The receipt's provider, with host and port.
        actual: String,
    },

    /// The node's key did not sign the receipt.
    #[error("the receipt is not signed by this node")]
    ReceiptSignature,
    /// The receipt belongs to another node, or to another boot.
    #[error("the receipt names node {actual}, expected {expected}")]
    ReceiptNode {
        /// Digest of the verified statement.
        expected: Box<Digest>,
        /// The digest in the receipt.
        actual: Box<Digest>,
    },
    /// The receipt was issued outside the statement's validity.
    #[error("the receipt was issued at {actual}, the statement is valid from {issued} to {not_after}")]
    ReceiptTimeWindow {
        /// Valid from, Unix seconds.
        issued: u64,
        /// Valid to, Unix seconds.
        not_after: u64,
        /// The receipt's `iat`, Unix seconds.
        actual: u64,
    },
    /// The exchange's times contradict the receipt's `iat`.
    #[error("the exchange lasted from {received} to {last_byte} ms, the receipt was issued at {iat} s")]
    ReceiptTimes {
        /// The receipt's `iat`, Unix seconds.
        iat: u64,
        /// When the request was received, Unix milliseconds.
        received: u64,
        /// When the last byte was ready, Unix milliseconds.
        last_byte: u64,
    },
    /// The receipt claims another level than its platform's.
    #[error("the receipt's level is {actual}, expected {expected}")]
    ReceiptLevel {
        /// The platform's level.
        expected: &'static str,
        /// The receipt's level.
        actual: &'static str,
    },
    /// The first receipt of a chain does not name the statement as its predecessor.
    #[error("the first receipt points to {actual}, expected the statement {expected}")]
    ReceiptPrev {
        /// Digest of the statement.
        expected: Box<Digest>,
        /// The receipt's `prev`.
        actual: Box<Digest>,
    },
    /// Outcome and execution contradict each other.
    #[error("outcome {outcome} contradicts {found}")]
    ReceiptExecution {
        /// The receipt's outcome.
        outcome: &'static str,
        /// `an execution`, `no execution` or `no connection to the provider`.
        found: &'static str,
    },
    /// The receipt has another nonce than the request; one of the two may have none.
    #[error("the receipt carries nonce {actual}, expected {expected}")]
    ReceiptNonce {
        /// Hex, or `none`.
        expected: String,
        /// Hex, or `none`.
        actual: String,
    },
    /// The receipt belongs to another request.
    #[error("request {field}: the receipt says {expected}, found {actual}")]
    ReceiptRequestMismatch {
        /// `method`, `target` or `body`.
        field: &'static str,
        /// The receipt's value; for a body, its commitment.
        expected: String,
        /// The value found; for a body, its commitment.
        actual: String,
    },
    /// The receipt belongs to another response.
    #[error("response {field}: the receipt says {expected}, found {actual}")]
    ReceiptResponseMismatch {
        /// `status`, `length` or `body`.
        field: &'static str,
        /// The receipt's value; for a body, its commitment.
        expected: String,
        /// The value found; for a body, its commitment.
        actual: String,
    },
    /// The details are not what the receipt commits to.
    #[error("{part}: the receipt says {expected}, found {actual}")]
    ReceiptDetailsMismatch {
        /// `prompt`, `prompt tokens`, `output tokens`, `sampling`, `prompt token count` or `completion token count`; for a
        /// provider's answer `head`, `sent`, `received`, `certificates` or `provider's key`.
        part: &'static str,
        /// The receipt's commitment or count.
        expected: String,
        /// The value found.
        actual: String,
    },
    /// The receipt has no execution that the details could belong to.
    #[error("the receipt has no execution of the details' kind")]
    ReceiptDetailsUnexpected,

    /// The node's key did not sign a checkpoint.
    #[error("checkpoint {number} is not signed by this node")]
    StreamSignature {
        /// Its number.
        number: u64,
    },
    /// A checkpoint belongs to another node, request or response.
    #[error("checkpoint {number}: {field} is {actual}, expected {expected}")]
    StreamCheckpoint {
        /// Its number.
        number: u64,
        /// `node`, `cti`, `nonce`, `request`, `status` or `version`.
        field: &'static str,
        /// Hex or decimal.
        expected: String,
        /// Hex or decimal.
        actual: String,
    },
    /// A checkpoint is missing or repeated.
    #[error("checkpoint number {actual}, expected {expected}")]
    StreamCheckpointNumber {
        /// The next number.
        expected: u64,
        /// The number found.
        actual: u64,
    },
    /// A checkpoint does not name the one before it.
    #[error("checkpoint {number} does not follow the one before it")]
    StreamCheckpointPrev {
        /// Its number.
        number: u64,
    },
    /// A checkpoint was signed for another position in the stream.
    #[error("checkpoint {number} is at byte {actual}, but was signed for byte {expected}")]
    StreamCheckpointOffset {
        /// Its number.
        number: u64,
        /// The signed offset.
        expected: u64,
        /// Body bytes before it.
        actual: u64,
    },
    /// The bytes before a checkpoint are not those that it commits to.
    #[error("the {offset} bytes before checkpoint {number} are not those that it commits to")]
    StreamPrefix {
        /// Its number.
        number: u64,
        /// Number of bytes before it.
        offset: u64,
    },
    /// The stream does not begin with checkpoint 0.
    #[error("the stream does not begin with a checkpoint")]
    StreamCheckpointMissing,
    /// SDKs could read this event in different ways.
    #[error("the event that begins at byte {offset} is ambiguous: {reason}")]
    StreamAmbiguous {
        /// Body bytes before it.
        offset: u64,
        /// Why SDKs could differ.
        reason: Ambiguous,
    },
    /// The event that ends the stream comes before the receipt.
    #[error("the event that ends the stream, at byte {offset}, comes before the receipt")]
    StreamReceiptLate {
        /// Body bytes before its end.
        offset: u64,
    },
    /// After the receipt comes something other than one event that ends the stream, or something follows that event.
    #[error("at byte {offset}, data follows the end of the stream")]
    StreamAfterEnd {
        /// Body bytes before the data.
        offset: u64,
    },
    /// The stream ends without its receipt, or before the length in the receipt.
    #[error("the stream is cut: {proven} bytes are proven")]
    StreamCut {
        /// Body bytes before the last checkpoint.
        proven: u64,
    },

    /// The receipt is wrong about whether the answer was streamed.
    #[error("the receipt says streamed: {actual}, expected {expected}")]
    ReceiptStreamed {
        /// True if the answer was streamed.
        expected: bool,
        /// The receipt's claim.
        actual: bool,
    },
    /// The receipt does not say how a whole stream ended, or names an ending that the stream does not have.
    #[error("the receipt says that the stream ended with {actual}, expected {expected}")]
    ReceiptEnding {
        /// The ending found.
        expected: &'static str,
        /// The receipt's ending.
        actual: &'static str,
    },
    /// The receipt belongs to another exchange than the response head or the checkpoints.
    #[error("the receipt names exchange {actual}, expected {expected}")]
    ReceiptCti {
        /// Hex.
        expected: String,
        /// Hex.
        actual: String,
    },

    /// A receipt does not come after the one before it.
    #[error("receipt {actual} comes after receipt {previous}")]
    ChainOrder {
        /// Position of the receipt before.
        previous: u64,
        /// Position found.
        actual: u64,
    },
    /// A receipt does not name the one before it.
    #[error("receipt {seq} points to {actual}, expected {expected}")]
    ChainPrev {
        /// Its position.
        seq: u64,
        /// Digest of the receipt before it.
        expected: Box<Digest>,
        /// Its `prev`.
        actual: Box<Digest>,
    },

    /// A head is of another node, or of another boot.
    #[error("the head names node {actual}, expected {expected}")]
    HeadNode {
        /// Digest of the verified statement.
        expected: Box<Digest>,
        /// The digest in the head.
        actual: Box<Digest>,
    },
    /// The node's statement names no key for heads.
    #[error("the node's statement names no settlement key")]
    HeadKey,
    /// The node's settlement key did not sign the head.
    #[error("the head is not signed by this node's settlement key")]
    HeadSignature,
    /// The path does not lead from the receipt to the head's root.
    #[error("receipt {seq} is not in the log of size {size} that the head signs")]
    HeadInclusion {
        /// The receipt's place.
        seq: u64,
        /// The head's size.
        size: u64,
    },
    /// This build of the verifier checks no signatures of heads.
    #[error("this verifier was built without the feature `log`, so it cannot verify heads")]
    HeadUnsupported,

    /// The transcript has neither a receipt nor a checkpoint.
    #[error("the transcript holds no proof")]
    TranscriptEmpty,
    /// Details without a receipt, which they need as proof.
    #[error("the transcript holds details without a receipt")]
    TranscriptDetails,
    /// A proof of a receipt in the log, without the receipt.
    #[error("the transcript holds a log proof without a receipt")]
    TranscriptLog,

    /// The connection's key is not the attested one.
    #[error("the connection's TLS key is {actual}, but the attested key is {expected}")]
    TlsKeyMismatch {
        /// The attested key's SHA-256.
        expected: Box<Digest>,
        /// The connection's key, SHA-256.
        actual: Box<Digest>,
    },
}

impl Refusal {
    /// A stable code for programs and tests.
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
            Self::HeadNode { .. } => "head.node",
            Self::HeadKey => "head.key",
            Self::HeadSignature => "head.signature",
            Self::HeadInclusion { .. } => "head.inclusion",
            Self::HeadUnsupported => "head.unsupported",
            Self::TranscriptLog => "transcript.log",
            Self::TranscriptEmpty => "transcript.empty",
            Self::TranscriptDetails => "transcript.details",
            Self::TlsKeyMismatch { .. } => "tls.key_mismatch",
        }
    }
}

/// Clones: a verdict and a stream keep their own.
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
