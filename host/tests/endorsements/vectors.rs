//! Genuine reports and endorsements, which others captured from hardware and from AMD's service.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use quoth_test_evidence::{left_out, manifest};
use quoth_verifier::Family;
use serde_json::Value;

/// A time at which all VCEKs and revocation lists of the vectors are valid: 2026-09-01.
pub(crate) const NOW: u64 = 1_788_220_800;

/// A report and its endorsements.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) family: Family,
    pub(crate) report: Vec<u8>,
    pub(crate) vek: Vec<u8>,
    /// Path and query of the VCEK, derived from the certificate.
    pub(crate) target: String,
}

/// A file of the captured evidence.
pub(crate) fn read(name: &str) -> Vec<u8> {
    quoth_test_evidence::read(name).unwrap()
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{vector}: {key}"))
}

/// Returns every report with its VCEK.
pub(crate) fn machines() -> Vec<Machine> {
    let vectors = manifest();
    let reports = vectors.iter().filter(|vector| vector["kind"] == "snp-report" && vector["signing_key"] == "vcek");
    let machines = reports.filter_map(|report| {
        let name = format!("snp/vek/{}", report["endorsement"].get(0)?.as_str()?);
        let vek = vectors.iter().find(|vector| vector["name"] == name.as_str()).unwrap();
        vek["tcb"].is_object().then(|| machine(report, vek))
    });
    machines.collect()
}

/// Returns the report whose name contains `part`. Without it, the check is noted as left out.
pub(crate) fn machine_of(part: &str) -> Option<Machine> {
    let machine = machines().into_iter().find(|machine| machine.name.contains(part));
    if machine.is_none() {
        left_out(&format!("report {part} and its endorsements"));
    }
    machine
}

/// That report, or any other: for tests that end before a revocation list is needed.
pub(crate) fn machine_like(part: &str) -> Option<Machine> {
    let mut machines = machines();
    let place = machines.iter().position(|machine| machine.name.contains(part)).unwrap_or(0);
    if machines.is_empty() {
        left_out("any report and its endorsements");
        return None;
    }
    Some(machines.swap_remove(place))
}

fn machine(report: &Value, vek: &Value) -> Machine {
    let (product, family) = match text(report, "family") {
        "milan" => ("Milan", Family::Milan),
        "genoa" => ("Genoa", Family::Genoa),
        "turin" => ("Turin", Family::Turin),
        other => panic!("{other}"),
    };
    let tcb = &vek["tcb"];
    let fmc = tcb["fmc"].as_u64().map(|fmc| format!("fmcSPL={fmc}&")).unwrap_or_default();
    let (chip, [bl, tee, snp, ucode]) = (text(tcb, "hwid"), ["bl", "tee", "snp", "ucode"].map(|key| &tcb[key]));
    let query = format!("{fmc}blSPL={bl}&teeSPL={tee}&snpSPL={snp}&ucodeSPL={ucode}");
    Machine {
        name: text(report, "name").into(),
        version: report["report_version"].as_u64().unwrap(),
        family,
        report: read(text(report, "name")),
        vek: read(text(vek, "name")),
        target: format!("/vcek/v1/{product}/{chip}?{query}"),
    }
}

pub(crate) fn intermediate(family: Family) -> Vec<u8> {
    read(&format!("snp/ca/sev-{}.der", family.name()))
}

pub(crate) fn root(family: Family) -> Vec<u8> {
    read(&format!("snp/ca/ark-{}.der", family.name()))
}

pub(crate) fn crl(family: Family) -> Vec<u8> {
    read(&crl_of(family))
}

/// Whether the family's revocation list is there; without it a check is noted as left out.
pub(crate) fn has_crl(family: Family) -> bool {
    quoth_test_evidence::read(&crl_of(family)).is_some()
}

fn crl_of(family: Family) -> String {
    format!("snp/crl/vcek_{}_crl_2026-08-19.der", family.name())
}

/// Returns the chain as the service sends it.
pub(crate) fn chain(family: Family) -> Vec<u8> {
    pem(&[intermediate(family), root(family)])
}

pub(crate) fn pem(certificates: &[Vec<u8>]) -> Vec<u8> {
    let mut text = String::new();
    for der in certificates {
        text += "-----BEGIN CERTIFICATE-----\n";
        for line in BASE64_STANDARD.encode(der).as_bytes().chunks(64) {
            text += std::str::from_utf8(line).unwrap();
            text += "\n";
        }
        text += "-----END CERTIFICATE-----\n";
    }
    text.into_bytes()
}
