//! Why a report has no endorsements.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use quoth_verifier::{Family, Refusal, SnpRefusal};

use super::document::Document;

/// Why a report has no endorsements, each kind with a stable [`code`](Self::code).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndorsementError {
    /// The bytes are not a valid report.
    #[error("not an SEV-SNP report: {0}")]
    Report(SnpRefusal),
    /// The report is of version 2 and does not name its family, and the user did not name it.
    #[error("a report of version 2 does not name its processor: give its family, milan or genoa")]
    FamilyUnknown,
    /// The user named another family than the report.
    #[error("the report is from {}, not from {}", report.name(), named.name())]
    FamilyMismatch {
        /// The family that the user named.
        named: Family,
        /// The family in the report (CPUID).
        report: Family,
    },
    /// The report is signed by a VLEK. AMD gives its certificate only to the cloud that uses the key.
    #[error(
        "the report is signed by a VLEK, and the service does not provide its certificate: take it from the \
         hypervisor's certificate table (extended guest request)"
    )]
    Vlek,
    /// The platform hides the chip's id, so the service cannot find the certificate.
    #[error("the report does not name its chip (MASK_CHIP_ID): ask the platform's owner for its certificate")]
    ChipMasked,
    /// The service's address is invalid.
    #[error("{address}: {problem}")]
    Address {
        /// The given address.
        address: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The service does not know this chip with this firmware (404).
    #[error("unknown chip or firmware: {url}")]
    UnknownChip {
        /// The requested address.
        url: String,
    },
    /// The service stayed busy (429, 503) for as long as this host waits.
    #[error("the service is busy (status {status}, asked {attempts} times{}): {url}", later(*retry_after))]
    Busy {
        /// The requested address.
        url: String,
        /// The last status.
        status: u16,
        /// Number of attempts.
        attempts: u32,
        /// When to try again, if the service said so.
        retry_after: Option<Duration>,
    },
    /// The status is neither 200 nor one after which a retry can help. Redirects are not followed.
    #[error("status {status}: {url}")]
    Status {
        /// The requested address.
        url: String,
        /// The service's status.
        status: u16,
    },
    /// The connection or the TLS handshake failed.
    #[error("{url}: {source}")]
    Connect {
        /// The requested address.
        url: String,
        /// The error of the system or of the TLS library.
        source: io::Error,
    },
    /// The answer is not HTTP, or is incomplete.
    #[error("{url}: {source}")]
    Http {
        /// The requested address.
        url: String,
        /// The error of the HTTP library.
        source: hyper::Error,
    },
    /// The answer was not complete in time.
    #[error("{url}: no {what} within {} ms", limit.as_millis())]
    Timeout {
        /// The requested address.
        url: String,
        /// The missing part.
        what: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// The document is longer than its kind allows.
    #[error("{url}: longer than {limit} bytes")]
    TooLong {
        /// The requested address.
        url: String,
        /// The maximum, bytes.
        limit: usize,
    },
    /// The answer is not the requested document.
    #[error("the service sent an invalid {document}: {problem}")]
    Malformed {
        /// The requested document.
        document: Document,
        /// What is wrong.
        problem: &'static str,
    },
    /// The verifier does not accept the report with these endorsements.
    #[error("the endorsements do not match this report: {0} ({code})", code = .0.code())]
    Refused(Refusal),
    /// The downloaded revocation list is not valid now.
    #[error("the revocation list is valid from {this_update} to {next_update}, but the time is {now}")]
    CrlStale {
        /// Unix seconds.
        this_update: u64,
        /// Unix seconds.
        next_update: u64,
        /// Unix seconds.
        now: u64,
    },
    /// The downloaded revocation list is older than the cached one.
    #[error("the service sent a revocation list of {offered}, older than the cached one of {held}")]
    CrlRollback {
        /// Unix seconds.
        held: u64,
        /// Unix seconds.
        offered: u64,
    },
    /// The cache could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl EndorsementError {
    /// Returns the stable code, for programs and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Report(_) => "endorsement.report",
            Self::FamilyUnknown => "endorsement.family.unknown",
            Self::FamilyMismatch { .. } => "endorsement.family.mismatch",
            Self::Vlek => "endorsement.vlek",
            Self::ChipMasked => "endorsement.chip_masked",
            Self::Address { .. } => "endorsement.address",
            Self::UnknownChip { .. } => "endorsement.unknown_chip",
            Self::Busy { .. } => "endorsement.busy",
            Self::Status { .. } => "endorsement.status",
            Self::Connect { .. } => "endorsement.connect",
            Self::Http { .. } => "endorsement.http",
            Self::Timeout { .. } => "endorsement.timeout",
            Self::TooLong { .. } => "endorsement.too_long",
            Self::Malformed { .. } => "endorsement.malformed",
            Self::Refused(_) => "endorsement.refused",
            Self::CrlStale { .. } => "endorsement.crl.stale",
            Self::CrlRollback { .. } => "endorsement.crl.rollback",
            Self::File { .. } => "endorsement.file",
        }
    }

    /// Returns whether the error concerns the report itself, not the way to its endorsements.
    pub fn is_verdict(&self) -> bool {
        matches!(self, Self::Report(_) | Self::Vlek | Self::ChipMasked | Self::UnknownChip { .. } | Self::Refused(_))
    }

    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

fn later(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |after| format!("; it asks to try again in {} s", after.as_secs()))
}
