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
    /// A report of a wrong length.
    #[error("the report is {actual} bytes long, expected {expected}")]
    Length {
        /// Length required, in bytes.
        expected: usize,
        /// Length found, in bytes.
        actual: usize,
    },
    /// The version is undefined, or unknown to this crate.
    #[error("report version {actual}, expected 2 to 5")]
    Version {
        /// The report's version.
        actual: u32,
    },
    /// Reserved bytes are not zero.
    #[error("reserved bytes at {offset:#x} are not zero")]
    Reserved {
        /// Offset of the first of these bytes.
        offset: usize,
    },
    /// The algorithm is not ECDSA over P-384 with SHA-384.
    #[error("signature algorithm {actual}, expected 1 (ECDSA P-384 with SHA-384)")]
    SignatureAlgorithm {
        /// The report's algorithm.
        actual: u32,
    },
    /// The signing key is neither VCEK nor VLEK.
    #[error("signing key {actual}, expected 0 (VCEK) or 1 (VLEK)")]
    SigningKey {
        /// The report's SIGNING_KEY.
        actual: u32,
    },
    /// The platform masks its key, so the report is not signed.
    #[error("the platform masks its chip key: the report is not signed")]
    MaskChipKey,
    /// r or s is out of range, or padding bytes are not zero.
    #[error("the signature's encoding is invalid")]
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
    /// The certificates belong to another family than the processor.
    #[error("the certificates are for {certificates}, the report is from {report}", certificates = certificates.name(), report = report.name())]
    FamilyMismatch {
        /// By the root certificate.
        certificates: Family,
        /// By CPUID.
        report: Family,
    },
    /// Certificates are missing, or there are too many.
    #[error("{actual} certificates, expected {expected}: VCEK or VLEK, ASK or ASVK, ARK")]
    ChainLength {
        /// Number of certificates required.
        expected: usize,
        /// Number of certificates found.
        actual: usize,
    },
    /// The chain does not end at an AMD root.
    #[error("the chain ends at {actual}, which is not an AMD root")]
    ChainRoot {
        /// SHA-256 of the last certificate, DER.
        actual: Box<Digest>,
    },
    /// A certificate is not the strict DER of an X.509 v3 certificate.
    #[error("{certificate}: {problem}")]
    ChainCertificate {
        /// `VEK`, `intermediate` or `root`.
        certificate: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// A signature is not RSA-PSS with SHA-384 and a salt of 48 bytes, or a key is of the wrong kind.
    #[error("{certificate}: {problem}")]
    ChainAlgorithm {
        /// `VEK`, `intermediate`, `root` or `CRL`.
        certificate: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// A certificate is not signed by the one above it.
    #[error("{certificate}: not signed by the one above it")]
    ChainSignature {
        /// `VEK` or `intermediate`.
        certificate: &'static str,
    },
    /// A certificate has another name than its position requires.
    #[error("{certificate}: named {actual}, expected {expected}")]
    ChainName {
        /// `VEK` or `intermediate`, or its issuer.
        certificate: &'static str,
        /// The required common name.
        expected: String,
        /// The common name found.
        actual: String,
    },
    /// A certificate is not yet, or no longer, valid.
    #[error("{certificate}: valid from {not_before} to {not_after}, judged at {at}")]
    ChainValidity {
        /// `VEK`, `intermediate` or `root`.
        certificate: &'static str,
        /// Valid from, Unix seconds.
        not_before: u64,
        /// Valid to, Unix seconds.
        not_after: u64,
        /// Judged at, Unix seconds.
        at: u64,
    },
    /// A certificate is not allowed at its position.
    #[error("{certificate}: {problem}")]
    ChainConstraints {
        /// `VEK`, `intermediate` or `root`.
        certificate: &'static str,
        /// What it lacks, or must not have.
        problem: &'static str,
    },
    /// An extension of a VEK certificate is missing, malformed or not allowed.
    #[error("VEK: extension {oid} {problem}")]
    VekExtension {
        /// The OID below 1.3.6.1.4.1.3704.1.
        oid: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The certificate is for another firmware version than the report.
    #[error("VEK: certified for {expected}, the report says {actual}")]
    VekTcb {
        /// The certificate's TCB.
        expected: Tcb,
        /// The report's TCB.
        actual: Tcb,
    },
    /// The certificate is for another chip.
    #[error("VEK: certified for chip {expected}, the report says {actual}")]
    VekChip {
        /// The certificate's chip, hex.
        expected: String,
        /// The report's chip, hex.
        actual: String,
    },
    /// A revocation list is malformed, or is not valid for this chain.
    #[error("CRL: {problem}")]
    Crl {
        /// What is wrong.
        problem: &'static str,
    },
    /// The intermediate certificate is revoked.
    #[error("the intermediate certificate, serial {serial}, is revoked")]
    Revoked {
        /// Serial number, hex.
        serial: String,
    },
    /// The policy requires a fresh revocation list, and there is none.
    #[error("no revocation list that is fresh at {at}: {found}")]
    CrlStale {
        /// Judged at, Unix seconds.
        at: u64,
        /// The revocation lists found.
        found: String,
    },
    /// The certificate table contradicts itself.
    #[error("the certificate table {problem}")]
    Table {
        /// What is wrong.
        problem: &'static str,
    },
    /// The policy does not accept the family.
    #[error("family {}, the policy accepts {expected}", actual.name())]
    FamilyNotAllowed {
        /// Names of the accepted families.
        expected: String,
        /// The report's family.
        actual: Family,
    },
    /// The policy does not accept this kind of signing key.
    #[error("signed by {}, which the policy does not accept", actual.shown())]
    SignerNotAllowed {
        /// The report's signing key.
        actual: SigningKey,
    },
    /// The guest may be debugged, so its memory can be read.
    #[error("the guest policy {actual:#x} allows debugging")]
    Debug {
        /// The guest policy.
        actual: u64,
    },
    /// The guest policy allows something that the verifier's policy does not accept, or is malformed.
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
        /// The first missing protection.
        missing: Protection,
        /// The guest policy.
        actual: u64,
    },
    /// The guest policy accepts an older firmware ABI.
    #[error("the guest policy demands ABI {actual}, but the policy requires at least {expected}")]
    Abi {
        /// The oldest accepted ABI.
        expected: Abi,
        /// The guest policy's ABI.
        actual: Abi,
    },
    /// A mitigation that the policy requires is not in place now, or was not at launch.
    #[error("the {which} mitigation vector {actual:#x} lacks bits of {expected:#x}")]
    Mitigations {
        /// `launch` or `current`.
        which: &'static str,
        /// The bits that must be set.
        expected: u64,
        /// The report's vector.
        actual: u64,
    },
    /// The report has no mitigation vectors, though the policy requires mitigations.
    #[error("the policy requires mitigations, which only reports of version 5 name; this one has version {version}")]
    MitigationsUnknown {
        /// The report's version.
        version: u32,
    },
    /// Chip owners of this family can forge reports, and the policy names no chips.
    #[error(
        "the owner of any {} chip can forge reports of it (arXiv 2605.12990): the policy must list chip_ids, or say unpinned_milan = true",
        actual.name()
    )]
    FamilyUnpinned {
        /// The report's family.
        actual: Family,
    },
    /// The report was made at a less privileged level than the policy accepts.
    #[error("VMPL {actual}, at most {expected} is accepted")]
    Vmpl {
        /// The greatest accepted level.
        expected: u32,
        /// The report's level.
        actual: u32,
    },
    /// The firmware is older than the policy accepts.
    #[error("{which} TCB is {actual}, at least {expected} is accepted")]
    TcbFloor {
        /// `reported` or `launch`.
        which: &'static str,
        /// The oldest accepted TCB.
        expected: Tcb,
        /// The report's TCB.
        actual: Tcb,
    },
    /// Versions contradict each other: firmware was, or can be, rolled back.
    #[error("the {lesser} TCB {found} is above the {greater} TCB {limit}")]
    TcbRollback {
        /// The TCB that must not be greater.
        lesser: &'static str,
        /// The TCB that must not be lesser.
        greater: &'static str,
        /// Value of the lesser TCB.
        found: Tcb,
        /// Value of the greater TCB.
        limit: Tcb,
    },
    /// Reserved bytes of a TCB are not zero.
    #[error("the {which} TCB has reserved bytes that are not zero")]
    TcbReserved {
        /// `current`, `committed`, `launch` or `reported`.
        which: &'static str,
    },
    /// The platform lacks a required setting.
    #[error("platform info {actual:#x}: {problem}")]
    PlatformInfo {
        /// What is wrong.
        problem: &'static str,
        /// The report's platform info.
        actual: u64,
    },
    /// A pinned field has a value that the policy does not list.
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
        /// The least accepted SVN.
        expected: u32,
        /// The report's SVN.
        actual: u32,
    },
}

impl SnpRefusal {
    /// A stable code for programs and tests.
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
