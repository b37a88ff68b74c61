//! Attestation reports of AMD SEV-SNP (AMD 56860 for the report, 57230 for certificates and their extensions), versions 2
//! to 5, of Milan, Genoa and Turin, read strictly.

mod chain;
mod crl;
mod family;
mod refusal;
mod report;
mod rsa;
mod rules;
mod table;
#[cfg(test)]
mod tests;
mod vek;

use alloc::vec::Vec;

pub(crate) use chain::{Roots, pinned};
pub use family::{Family, Tcb};
pub use refusal::SnpRefusal;
pub(crate) use report::Report;
pub use report::SigningKey;
pub use rules::SnpRules;
pub use table::certificate_table;

use crate::x509::{Certificate, Validity};

/// A report whose chain and signature hold.
pub(crate) struct Attested {
    pub(crate) report: Report,
    pub(crate) family: Family,
    /// The reported one, which is also the certified one.
    pub(crate) tcb: Tcb,
    /// When the revocation lists were made, and until when they hold, Unix seconds.
    pub(crate) crls: Vec<(u64, u64)>,
}

/// Verifies a report and its endorsements: certificates from VEK to root, revocation lists.
pub(crate) fn verify<C: AsRef<[u8]>>(
    report: &[u8],
    certificates: &[C],
    crls: &[C],
    roots: Roots,
    validity: Validity,
) -> Result<Attested, SnpRefusal> {
    let report = Report::parse(report)?;
    let chain = chain::verify(certificates, crls, report.signing_key, roots, validity)?;
    match report.family {
        Some(family) if family != chain.family => {
            return Err(SnpRefusal::FamilyMismatch { certificates: chain.family, report: family });
        }
        // Turin's firmware never wrote version 2, which does not say what it runs on.
        None if chain.family == Family::Turin => return Err(SnpRefusal::Version { actual: report.version }),
        _ => {}
    }
    let tcb = chain.vek.check(&report, chain.family)?;
    let crls = chain.crls.iter().map(|crl| (crl.this_update, crl.next_update)).collect();
    Ok(Attested { report, family: chain.family, tcb, crls })
}

/// Verifies a report against `certificates` in any order, of which it needs three; of several chains one must hold.
pub(crate) fn verify_any<C: AsRef<[u8]>>(
    report: &[u8],
    certificates: &[C],
    crls: &[C],
    roots: Roots,
    validity: Validity,
) -> Result<Attested, SnpRefusal> {
    let parsed = Report::parse(report)?;
    let mut chains = chain::by_name(certificates, parsed.signing_key);
    // What is said about the chain whose key signed the report is worth more than what is said about others.
    if chains.len() > 1 {
        chains.sort_by_cached_key(|[vek, ..]| !signed_by(&parsed, vek));
    }
    let mut refusal = SnpRefusal::ChainLength { expected: chain::LENGTH, actual: certificates.len() };
    for (index, chain) in chains.iter().enumerate() {
        // A list of another family has nothing to say about this chain.
        let own: Vec<&[u8]> = crls.iter().map(AsRef::as_ref).filter(|crl| crl::is_by(crl, chain[2])).collect();
        match verify(report, chain, &own, roots, validity) {
            Ok(found) => return Ok(found),
            Err(first) if index == 0 => refusal = first,
            Err(_) => {}
        }
    }
    Err(refusal)
}

fn signed_by(report: &Report, vek: &[u8]) -> bool {
    let key = Certificate::parse(vek).ok().and_then(|vek| vek.p384_key());
    key.is_some_and(|key| report.verify(&key).is_ok())
}
