//! The documents that AMD's service hands out, and their form.

use std::fmt;

use quoth_verifier::revocation_list_window;
use rustls_pki_types::pem::{self, SectionKind};

/// A kind of document that AMD's service provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// The certificate of the chip's key for one state of its firmware, DER.
    Vcek,
    /// The certificates above the VCEK: ASK and ARK, PEM.
    Chain,
    /// The ARK's revocation list, DER.
    Crl,
}

impl Document {
    /// Returns the maximum length, bytes. Genuine documents have about 1.4 KiB, 5 KiB and 1 KiB.
    pub fn limit(self) -> usize {
        match self {
            Self::Vcek => 16 * 1024,
            Self::Chain => 64 * 1024,
            Self::Crl => 1024 * 1024,
        }
    }

    /// Checks that bytes have the form of this document. An error page, or half of a file, does not.
    pub(super) fn check(self, bytes: &[u8]) -> Result<(), &'static str> {
        match self {
            Self::Chain => two_certificates(bytes).map(|_| ()),
            Self::Crl => revocation_list_window(bytes).map(|_| ()).map_err(|_| "not the DER of a revocation list"),
            Self::Vcek => is_sequence(bytes).then_some(()).ok_or("not the DER of a certificate"),
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vcek => "VCEK certificate",
            Self::Chain => "certificate chain",
            Self::Crl => "revocation list",
        })
    }
}

/// Reads PEM with exactly two certificates.
pub(super) fn two_certificates(text: &[u8]) -> Result<[Vec<u8>; 2], &'static str> {
    let mut lines = text;
    let mut found = Vec::new();
    while let Some((kind, der)) = pem::from_buf(&mut lines).map_err(|_| "not PEM")? {
        match kind {
            SectionKind::Certificate if found.len() < 2 && is_sequence(&der) => found.push(der),
            _ => return Err("not two certificates"),
        }
    }
    found.try_into().map_err(|_| "not two certificates")
}

/// Returns whether the bytes are exactly one SEQUENCE (X.690 §8.9) whose length takes two bytes (256 bytes to 64 KiB).
fn is_sequence(der: &[u8]) -> bool {
    match der {
        [0x30, 0x82, high, low, rest @ ..] => rest.len() == usize::from(u16::from_be_bytes([*high, *low])),
        _ => false,
    }
}
