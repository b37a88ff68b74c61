//! `evidence`: judges saved evidence.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use quoth_attestation::evidence::{self, Evidence as Bundle};
use quoth_attestation::statement::{Platform, Statement};
use quoth_verifier::{HardwareEvidence, Refusal, Time, Verifier, certificate_table};
use rustls_pki_types::pem::{self, SectionKind};

use crate::args::Evidence;
use crate::error::CliError;
use crate::files;
use crate::verdict::Verdict;

/// Maximum bytes in an evidence file: the largest bundle in hexadecimal, and a line end.
const MAX_FILE: usize = 2 * evidence::MAX_BYTES + 2;
/// Maximum files in a folder of certificates, and maximum certificates and lists in them.
const MAX_CERTIFICATES: usize = 1024;
const MAX_DEPTH: usize = 4;
/// Maximum bytes in a file of certificates.
const MAX_CERTIFICATE_FILE: usize = 256 * 1024;
/// Length of an SEV-SNP report, in bytes.
const REPORT: usize = 1184;

/// Certificates and revocation lists, DER.
#[derive(Default)]
struct Endorsements {
    certificates: Vec<Vec<u8>>,
    crls: Vec<Vec<u8>>,
}

/// Detects the kind of saved evidence, and appraises it.
pub(crate) fn run(args: &Evidence) -> Result<Verdict, CliError> {
    let file = decode(files::read(&args.file, MAX_FILE)?);
    let at = args.at.unwrap_or_else(now);
    let has_policy = args.common.policy.is_some();
    let verifier = files::verifier(args.common.policy.as_ref())?;
    if let Ok(bundle) = Bundle::decode(&file) {
        return bundled(&verifier, &file, &bundle, at).map(|verdict| verdict.shown(args.explain, has_policy));
    }
    let evidence = match (&args.certs, file.len() == REPORT) {
        (None, false) => HardwareEvidence::Nitro { document: file },
        (certs, _) => {
            let Endorsements { certificates, crls } =
                certs.as_deref().map(endorsements).transpose()?.unwrap_or_default();
            match file.len() == REPORT || !looks_like_a_document(&file) {
                true => HardwareEvidence::SevSnp { report: file, certificates, crls },
                false => HardwareEvidence::Nitro { document: file },
            }
        }
    };
    Ok(Verdict::of_hardware(verifier.verify_hardware(&evidence, at)).shown(args.explain, has_policy))
}

/// Judges one of our bundles: the hardware's part like any evidence, the whole as a node.
fn bundled(verifier: &Verifier, file: &[u8], bundle: &Bundle, at: u64) -> Result<Verdict, CliError> {
    let platform = Statement::decode(&bundle.statement).map_err(Refusal::from)?.platform;
    let quote = bundle.quote.clone();
    let hardware = match platform {
        Platform::Nitro => Some(HardwareEvidence::Nitro { document: quote.into() }),
        Platform::SevSnp => Some(HardwareEvidence::SevSnp {
            report: quote.into(),
            certificates: bundle.certificates.iter().map(|der| der.to_vec()).collect(),
            crls: bundle.crls.iter().map(|der| der.to_vec()).collect(),
        }),
        _ => None,
    };
    let hardware = hardware.map(|evidence| verifier.verify_hardware(&evidence, at));
    let node = verifier.verify_node(file, bundle.nonce.as_ref(), Time::Live { now: at });
    Ok(Verdict::of_node(platform, hardware, node))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// True if the bytes start like a COSE_Sign1, tagged or not.
fn looks_like_a_document(bytes: &[u8]) -> bool {
    matches!(bytes, [0x84, ..] | [0xd2, 0x84, ..])
}

/// Decodes base64 (either alphabet, padded or not) or hexadecimal; other bytes stay as they are.
fn decode(file: Vec<u8>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&file) else { return file };
    let text: String = text.split_ascii_whitespace().collect();
    if let Ok(bytes) = hex::decode(&text) {
        return bytes;
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [alphabet::STANDARD, alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(&text).ok())
        .filter(|bytes| !bytes.is_empty())
        .unwrap_or(file)
}

/// Reads a folder of DER or PEM files, with subfolders, or a single file, which may also be a certificate table.
fn endorsements(path: &Path) -> Result<Endorsements, CliError> {
    let mut files = Vec::new();
    list(path, MAX_DEPTH, &mut files)?;
    let mut found = Endorsements::default();
    for file in files {
        found.add(&file)?;
        if found.certificates.len() + found.crls.len() > MAX_CERTIFICATES {
            return Err(CliError::TooManyCertificates { limit: MAX_CERTIFICATES });
        }
    }
    Ok(found)
}

/// Lists the files at `path`, sorted by name.
fn list(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    if !path.is_dir() {
        files.push(path.to_owned());
    } else if depth > 0 {
        let failed = |source| CliError::File { file: path.into(), source };
        let entries = fs::read_dir(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            list(&path, depth - 1, files)?;
        }
    }
    match files.len() <= MAX_CERTIFICATES {
        true => Ok(()),
        false => Err(CliError::TooManyCertificates { limit: MAX_CERTIFICATES }),
    }
}

impl Endorsements {
    /// Adds the content of a file. Files without certificates and lists are skipped.
    fn add(&mut self, file: &Path) -> Result<(), CliError> {
        let bytes = match files::read(file, MAX_CERTIFICATE_FILE) {
            // No certificate, list or table is this long.
            Err(CliError::FileTooLong { .. }) => return Ok(()),
            read => read?,
        };
        if bytes.first() == Some(&0x30) {
            self.add_der(&bytes);
        } else if bytes.starts_with(b"-----BEGIN ") {
            let mut lines = Cursor::new(&bytes);
            while let Ok(Some((kind, der))) = pem::from_buf(&mut lines) {
                match kind {
                    SectionKind::Certificate => self.certificates.push(der),
                    SectionKind::Crl => self.crls.push(der),
                    _ => {}
                }
            }
        } else if let Ok(table) = certificate_table(&bytes) {
            table.into_iter().for_each(|der| self.add_der(der));
        }
        Ok(())
    }

    fn add_der(&mut self, der: &[u8]) {
        match is_list(der) {
            true => self.crls.push(der.into()),
            false => self.certificates.push(der.into()),
        }
    }
}

/// True if the signed part starts with a number, as in a revocation list of version 2. A certificate of version 3
/// starts with a tag.
fn is_list(der: &[u8]) -> bool {
    let inside = |der: &[u8]| match der {
        [0x30, length, ..] if *length < 0x80 => Some(2),
        [0x30, length, ..] if *length <= 0x84 => Some(2 + usize::from(length & 0x7f)),
        _ => None,
    };
    let body = inside(der).and_then(|at| der.get(at..)).unwrap_or_default();
    inside(body).and_then(|at| body.get(at)) == Some(&0x02)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_comes_raw_or_as_text() {
        let bytes = vec![0x84, 0x44, 0xff, 0xfe];
        for text in ["8444fffe", "8444FFFE\n", "hET//g==", "hET_\n_g", "hET//g"] {
            assert_eq!(decode(text.into()), bytes, "{text}");
        }
        assert_eq!(decode(bytes.clone()), bytes);
        assert_eq!(decode(b"no such thing!".to_vec()), b"no such thing!");
        assert!(decode(Vec::new()).is_empty());
    }

    #[test]
    fn lists_are_told_from_certificates() {
        assert!(is_list(&[0x30, 0x82, 1, 0, 0x30, 0x81, 9, 0x02, 1, 1]));
        assert!(!is_list(&[0x30, 0x82, 1, 0, 0x30, 0x81, 9, 0xa0, 3, 2]));
        assert!(!is_list(&[0x30]) && !is_list(&[]));
    }
}
