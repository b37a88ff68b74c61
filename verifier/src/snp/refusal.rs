//! Why an SEV-SNP report is not accepted.

use alloc::boxed::Box;
use alloc::string::String;

use quoth_attestation::Digest;
use quoth_attestation::guest_policy::{Abi, Protection};

use super::family::{Family, Tcb};
use super::signing_key::SigningKey;

/// Why an SEV-SNP report is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnpRefusal {
    /// A report has one length.
    #[error("the report is {actual} bytes long, expected {expected}")]
    Length {
        /// Bytes.
        expected: usize,
        /// Bytes.
        actual: usize,
    },
    /// A version that is not defined, or not known here.
    #[error("report version {actual}, expected 2 to 5")]
    Version {
        /// The report's.
        actual: u32,
    },
    /// Reserved bytes are not zero.
    #[error("reserved bytes at {offset:#x} are not zero")]
    Reserved {
        /// Where they begin.
        offset: usize,
    },
    /// Not ECDSA over P-384 with SHA-384.
    #[error("signature algorithm {actual}, expected 1 (ECDSA P-384 with SHA-384)")]
    SignatureAlgorithm {
        /// The report's.
        actual: u32,
    },
    /// Neither VCEK nor VLEK.
    #[error("signing key {actual}, expected 0 (VCEK) or 1 (VLEK)")]
    SigningKey {
        /// The report's.
        actual: u32,
    },
    /// The platform hides its key, so nothing is signed.
    #[error("the platform masks its chip key: the report is not signed")]
    MaskChipKey,
    /// r or s is out of range, or bytes that must be zero are not.
    #[error("the signature is not encoded as it must be")]
    SignatureEncoding,
    /// The endorsed key did not sign the report.
    #[error("the report's signature does not verify")]
    Signature,
    /// No family has this CPUID.
    #[error("no known processor has family {family:#x} and model {model:#x}")]
    FamilyUnknown {
        /// CPUID family.
        family: u8,
        /// CPUID model.
        model: u8,
    },
    /// The certificates are of another family than the processor.
    #[error("the certificates are for {certificates}, the report is from {report}", certificates = certificates.name(), report = report.name())]
    FamilyMismatch {
        /// By the root.
        certificates: Family,
        /// By CPUID.
        report: Family,
    },
    /// Certificates are missing, or there are too many.
    #[error("{actual} certificates, expected {expected}: VCEK or VLEK, ASK or ASVK, ARK")]
    ChainLength {
        /// Certificates.
        expected: usize,
        /// Certificates.
        actual: usize,
    },
    /// The chain does not end at an AMD root.
    #[error("the chain ends at {actual}, which is no root of AMD's")]
    ChainRoot {
        /// SHA-256 of the last certificate, DER.
        actual: Box<Digest>,
    },
    /// Not the strict DER of an X.509 v3 certificate.
    #[error("{certificate}: {problem}")]
    ChainCertificate {
        /// `VEK`, `intermediate` or `root`.
        certificate: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// Not RSA-PSS with SHA-384 and a salt of 48 bytes, or not the key that must be there.
    #[error("{certificate}: {problem}")]
    ChainAlgorithm {
        /// `VEK`, `intermediate`, `root` or `CRL`.
        certificate: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// Not signed by the one above.
    #[error("{certificate}: not signed by the one above it")]
    ChainSignature {
        /// `VEK` or `intermediate`.
        certificate: &'static str,
    },
    /// Another name than its place demands.
    #[error("{certificate}: named {actual}, expected {expected}")]
    ChainName {
        /// `VEK` or `intermediate`, or its issuer.
        certificate: &'static str,
        /// The common name.
        expected: String,
        /// The one found.
        actual: String,
    },
    /// Not yet, or no longer, valid.
    #[error("{certificate}: valid from {not_before} to {not_after}, judged at {at}")]
    ChainValidity {
        /// `VEK`, `intermediate` or `root`.
        certificate: &'static str,
        /// Unix seconds.
        not_before: u64,
        /// Unix seconds.
        not_after: u64,
        /// Unix seconds.
        at: u64,
    },
    /// May not stand where it stands.
    #[error("{certificate}: {problem}")]
    ChainConstraints {
        /// `VEK`, `intermediate` or `root`.
        certificate: &'static str,
        /// What it lacks, or has too much.
        problem: &'static str,
    },
    /// An extension of a VEK certificate is missing, malformed, or should not be there.
    #[error("VEK: extension {oid} {problem}")]
    VekExtension {
        /// Below 1.3.6.1.4.1.3704.1.
        oid: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The certificate is for another version of the firmware than the report.
    #[error("VEK: certified for {expected}, the report says {actual}")]
    VekTcb {
        /// The certificate's.
        expected: Tcb,
        /// The reported one.
        actual: Tcb,
    },
    /// The certificate is for another chip.
    #[error("VEK: certified for chip {expected}, the report says {actual}")]
    VekChip {
        /// The certificate's, hex.
        expected: String,
        /// The report's, hex.
        actual: String,
    },
    /// Not a revocation list that holds for this chain.
    #[error("CRL: {problem}")]
    Crl {
        /// What is wrong.
        problem: &'static str,
    },
    /// The intermediate certificate is revoked.
    #[error("the intermediate certificate, serial {serial}, is revoked")]
    Revoked {
        /// Hex.
        serial: String,
    },
    /// There is no revocation list that is fresh enough, and the policy wants one.
    #[error("no revocation list that is fresh at {at}: {found}")]
    CrlStale {
        /// Unix seconds.
        at: u64,
        /// What there is.
        found: String,
    },
    /// A certificate table that contradicts itself.
    #[error("the certificate table {problem}")]
    Table {
        /// What is wrong.
        problem: &'static str,
    },
    /// The policy does not accept the family.
    #[error("family {}, the policy accepts {expected}", actual.name())]
    FamilyNotAllowed {
        /// Names.
        expected: String,
        /// The report's.
        actual: Family,
    },
    /// The policy does not accept this signer.
    #[error("signed by {}, which the policy does not accept", actual.shown())]
    SignerNotAllowed {
        /// The report's.
        actual: SigningKey,
    },
    /// The guest may be debugged: its memory can be read.
    #[error("the guest policy {actual:#x} allows debugging")]
    Debug {
        /// The guest policy.
        actual: u64,
    },
    /// The guest policy allows, or is, something that the verifier's does not accept.
    #[error("the guest policy {actual:#x} {problem}")]
    GuestPolicy {
        /// What is wrong.
        problem: &'static str,
        /// The guest policy.
        actual: u64,
    },
    /// The guest policy does not demand a protection that the verifier's policy requires.
    #[error("the guest policy {actual:#x} does not demand {}, which the policy requires", missing.name())]
    Unprotected {
        /// The first protection that is missing.
        missing: Protection,
        /// The guest policy.
        actual: u64,
    },
    /// The guest policy is content with an older interface of the firmware.
    #[error("the guest policy demands ABI {actual}, the policy at least {expected}")]
    Abi {
        /// The oldest that is accepted.
        expected: Abi,
        /// The guest policy's.
        actual: Abi,
    },
    /// A mitigation that the policy asks for was not, or is not, in place.
    #[error("the {which} mitigation vector is {actual:#x}, without some of {expected:#x}")]
    Mitigations {
        /// `launch` or `current`.
        which: &'static str,
        /// The bits that must be set.
        expected: u64,
        /// The report's.
        actual: u64,
    },
    /// A report that says nothing of mitigations, though the policy asks for some.
    #[error("a report of version {version} names no mitigations, which the policy requires; version 5 does")]
    MitigationsUnknown {
        /// The report's.
        version: u32,
    },
    /// A family whose chips' owners can forge reports, under a policy that names no chips.
    #[error(
        "the owner of any {} chip can forge reports of it (arXiv 2605.12990): the policy must list chip_ids, or say unpinned_milan = true",
        actual.name()
    )]
    FamilyUnpinned {
        /// The report's.
        actual: Family,
    },
    /// The report was made at a less privileged level than the policy accepts.
    #[error("VMPL {actual}, at most {expected} is accepted")]
    Vmpl {
        /// Greatest level.
        expected: u32,
        /// The report's.
        actual: u32,
    },
    /// Firmware older than the policy accepts.
    #[error("{which} TCB is {actual}, at least {expected} is accepted")]
    TcbFloor {
        /// `reported`, `committed` or `launch`.
        which: &'static str,
        /// The floor.
        expected: Tcb,
        /// The report's.
        actual: Tcb,
    },
    /// Versions contradict each other: firmware was, or can be, rolled back.
    #[error("the {lesser} TCB is {found}, above the {greater} one, {limit}")]
    TcbRollback {
        /// Which must not be the greater.
        lesser: &'static str,
        /// Which must not be the lesser.
        greater: &'static str,
        /// The lesser's.
        found: Tcb,
        /// The greater's.
        limit: Tcb,
    },
    /// Reserved bytes of a version are not zero.
    #[error("the {which} TCB has reserved bytes that are not zero")]
    TcbReserved {
        /// Which version.
        which: &'static str,
    },
    /// The platform lacks, or does, something.
    #[error("platform info {actual:#x}: {problem}")]
    PlatformInfo {
        /// What is wrong.
        problem: &'static str,
        /// The report's.
        actual: u64,
    },
    /// A value that the policy pins is another one.
    #[error("{field} is {actual}, which the policy does not list")]
    Pin {
        /// `chip_id`, `host_data`, `id_key` or `author_key`.
        field: &'static str,
        /// Hex.
        actual: String,
    },
    /// The image is older than the policy accepts.
    #[error("guest SVN {actual}, at least {expected} is accepted")]
    GuestSvn {
        /// The floor.
        expected: u32,
        /// The report's.
        actual: u32,
    },
}

impl SnpRefusal {
    /// Stable code, for programs and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "snp.report.length",
            Self::Version { .. } => "snp.report.version",
            Self::Reserved { .. } => "snp.report.reserved",
            Self::SignatureAlgorithm { .. } => "snp.report.signature_algorithm",
            Self::SigningKey { .. } => "snp.report.signing_key",
            Self::MaskChipKey => "snp.report.mask_chip_key",
            Self::SignatureEncoding => "snp.report.signature_encoding",
            Self::Signature => "snp.report.signature",
            Self::FamilyUnknown { .. } => "snp.family.unknown",
            Self::FamilyMismatch { .. } => "snp.family.mismatch",
            Self::ChainLength { .. } => "snp.chain.length",
            Self::ChainRoot { .. } => "snp.chain.root",
            Self::ChainCertificate { .. } => "snp.chain.certificate",
            Self::ChainAlgorithm { .. } => "snp.chain.algorithm",
            Self::ChainSignature { .. } => "snp.chain.signature",
            Self::ChainName { .. } => "snp.chain.name",
            Self::ChainValidity { .. } => "snp.chain.validity",
            Self::ChainConstraints { .. } => "snp.chain.constraints",
            Self::VekExtension { .. } => "snp.vek.extension",
            Self::VekTcb { .. } => "snp.vek.tcb",
            Self::VekChip { .. } => "snp.vek.chip",
            Self::Crl { .. } => "snp.crl.invalid",
            Self::Revoked { .. } => "snp.crl.revoked",
            Self::CrlStale { .. } => "snp.crl.stale",
            Self::Table { .. } => "snp.table",
            Self::FamilyNotAllowed { .. } => "snp.family.not_allowed",
            Self::SignerNotAllowed { .. } => "snp.signer.not_allowed",
            Self::Debug { .. } => "snp.policy.debug",
            Self::GuestPolicy { .. } => "snp.policy.guest",
            Self::Unprotected { .. } => "snp.policy.required",
            Self::Abi { .. } => "snp.policy.abi",
            Self::Mitigations { .. } | Self::MitigationsUnknown { .. } => "snp.mitigations",
            Self::FamilyUnpinned { .. } => "snp.family.unpinned",
            Self::Vmpl { .. } => "snp.vmpl",
            Self::TcbFloor { .. } => "snp.tcb.floor",
            Self::TcbRollback { .. } => "snp.tcb.rollback",
            Self::TcbReserved { .. } => "snp.tcb.reserved",
            Self::PlatformInfo { .. } => "snp.platform_info",
            Self::Pin { .. } => "snp.pin",
            Self::GuestSvn { .. } => "snp.guest_svn",
        }
    }
}
