//! Attestation reports of AMD SEV-SNP (AMD 56860 for the report, 57230 for certificates and their extensions): versions 2 to
//! 5, of Milan, Genoa and Turin, parsed strictly.

mod chain;
mod crl;
mod family;
mod guest_policy;
mod refusal;
mod report;
mod rsa;
mod rules;
mod signer;
mod signing_key;
mod table;
#[cfg(test)]
mod tests;
mod vek;

use alloc::vec::Vec;

pub(crate) use chain::{Roots, pinned};
pub use crl::revocation_list_window;
pub use family::{Family, Tcb};
pub use guest_policy::GuestRules;
pub use quoth_attestation::guest_policy::{Abi, Protection};
pub use refusal::SnpRefusal;
pub(crate) use report::Report;
pub use rules::SnpRules;
pub use signer::ReportSigner;
pub use signing_key::SigningKey;
pub use table::certificate_table;

use crate::signatures::Signatures;
use crate::x509::{Certificate, Validity};

/// A report whose chain and signature are valid.
pub(crate) struct Attested {
    pub(crate) report: Report,
    pub(crate) family: Family,
    /// The reported TCB, which equals the certified one.
    pub(crate) tcb: Tcb,
    /// When each revocation list was made and expires, Unix seconds.
    pub(crate) crls: Vec<(u64, u64)>,
}

/// Verifies a report and its endorsements: certificates from VEK to root, revocation lists.
pub(crate) fn verify<C: AsRef<[u8]>>(
    report: &[u8],
    certificates: &[C],
    crls: &[C],
    roots: Roots,
    validity: Validity,
    signatures: &Signatures,
) -> Result<Attested, SnpRefusal> {
    let report = Report::parse(report)?;
    let links = chain::read(certificates)?;
    let crls: Vec<&[u8]> = crls.iter().map(AsRef::as_ref).collect();
    let judged = judge(&report, links.each_ref(), &crls, roots, validity, signatures)?;
    Ok(judged.of(report))
}

/// Verifies a report with `certificates` in any order. It needs three of them; of several chains, one must be valid.
pub(crate) fn verify_any<C: AsRef<[u8]>>(
    report: &[u8],
    certificates: &[C],
    crls: &[C],
    roots: Roots,
    validity: Validity,
    signatures: &Signatures,
) -> Result<Attested, SnpRefusal> {
    let report = Report::parse(report)?;
    let links = chain::readable(certificates);
    let mut chains = chain::by_name(&links, report.signing_key);
    if chains.len() > 1 {
        // A refusal of the chain whose key signed the report says more than one of another chain.
        let signed = |vek: &Certificate<'_>| vek.p384_key().is_some_and(|key| report.signature_check(key).holds());
        let (first, rest): (Vec<_>, Vec<_>) = chains.into_iter().partition(|[vek, ..]| signed(vek));
        chains = [first, rest].concat();
    }
    let mut refusal = SnpRefusal::ChainLength { expected: chain::LENGTH, actual: certificates.len() };
    for (index, chain) in chains.into_iter().enumerate() {
        // Lists of other families do not apply to this chain.
        let [.., root] = chain;
        let own: Vec<&[u8]> = crls.iter().map(AsRef::as_ref).filter(|crl| crl::is_by(crl, root)).collect();
        match judge(&report, chain, &own, roots, validity, signatures) {
            Ok(judged) => return Ok(judged.of(report)),
            Err(first) if index == 0 => refusal = first,
            Err(_) => {}
        }
    }
    Err(refusal)
}

/// The facts that a valid chain adds to its report.
struct Judged {
    family: Family,
    tcb: Tcb,
    crls: Vec<(u64, u64)>,
}

impl Judged {
    fn of(self, report: Report) -> Attested {
        let Self { family, tcb, crls } = self;
        Attested { report, family, tcb, crls }
    }
}

fn judge(
    report: &Report,
    links: [&Certificate<'_>; chain::LENGTH],
    crls: &[&[u8]],
    roots: Roots,
    validity: Validity,
    signatures: &Signatures,
) -> Result<Judged, SnpRefusal> {
    let family = chain::family(links, report.signing_key, roots)?;
    let [vek, ..] = links;
    let own = vek.p384_key().map(|key| report.signature_check(key));
    let prechecked =
        signatures.precheck(|cache| own.into_iter().chain(chain::signature_checks(links, cache)).collect());
    let chain = chain::verify(links, family, crls, report.signing_key, validity, &prechecked)?;
    match report.family {
        Some(reported) if reported != family => {
            return Err(SnpRefusal::FamilyMismatch { certificates: family, report: reported });
        }
        // Turin's firmware never wrote version 2, which does not name the processor.
        None if family == Family::Turin => return Err(SnpRefusal::Version { actual: report.version }),
        _ => {}
    }
    let tcb = chain.vek.check(report, family, &prechecked)?;
    let crls = chain.crls.iter().map(|crl| (crl.this_update, crl.next_update)).collect();
    Ok(Judged { family, tcb, crls })
}
