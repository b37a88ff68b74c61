//! The requested documents, and reports for which none can be requested.

use quoth_host::endorsements::{AMD, Document, Endorsements, Service, Source};
use quoth_test_evidence::left_out;
use quoth_verifier::{Family, HardwareEvidence, Policy, Verifier};

use crate::server::{Kds, status};
use crate::vectors::{self, Machine, NOW, machine_of, machines};
use crate::{Cache, open};

#[tokio::test]
async fn every_genuine_report_gets_its_own_endorsements() {
    let machines = machines();
    for family in Family::ALL {
        if !machines.iter().any(|machine| machine.family == family) {
            left_out(&format!("a report of {} and its endorsements", family.name()));
        }
    }
    for machine in machines {
        if !vectors::has_crl(machine.family) {
            continue;
        }
        let kds = Kds::good(&machine).await;
        let cache = Cache::of(&kds, &machine);
        let found = cache.fetch(&machine).await.unwrap_or_else(|error| panic!("{}: {error}", machine.name));
        let title = machine.family.title();
        let (chain, crl) = (format!("/vcek/v1/{title}/cert_chain"), format!("/vcek/v1/{title}/crl"));
        assert_eq!(kds.targets(), [&*chain, &*machine.target, &*crl]);
        assert_eq!(found.downloaded, [Document::Chain, Document::Vcek, Document::Crl]);
        assert_eq!(found.vek, machine.vek);
        assert_eq!(found.intermediate, vectors::intermediate(machine.family));
        assert_eq!(found.root, vectors::root(machine.family));
        assert_eq!(found.crl.as_ref(), Some(&vectors::crl(machine.family)));
        assert!(found.crl_not_renewed.is_none());

        let evidence = HardwareEvidence::SevSnp {
            report: machine.report.clone(),
            certificates: vec![found.vek, found.intermediate, found.root],
            crls: found.crl.into_iter().collect(),
        };
        assert_eq!(Verifier::new(Policy::hardware_only()).verify_hardware(&evidence, NOW).genuine(), Ok(()));

        // Again, and as another process: no request is sent.
        for endorsements in [&cache.endorsements, &open(cache.folder.path(), &kds, &machine)] {
            let again = endorsements.fetch_at(&machine.report, NOW + 3600).await.unwrap();
            assert!(again.vek == machine.vek && again.downloaded.is_empty());
        }
        assert_eq!(kds.counts(), [1, 1, 1]);
    }
}

#[test]
fn addresses_are_those_of_amd() {
    let service = Service::new(AMD).unwrap();
    let (Some(milan), Some(genoa), Some(turin)) =
        (machine_of("377e6241"), machine_of("8fd94192"), machine_of("3f44a09b"))
    else {
        return;
    };
    let url = |machine: &Machine, document| {
        service.url(&Source::of(&machine.report, Some(machine.family)).unwrap(), document)
    };
    assert_eq!(
        url(&turin, Document::Vcek),
        "https://kdsintf.amd.com/vcek/v1/Turin/3b42092f69c656d3?fmcSPL=0&blSPL=1&teeSPL=0&snpSPL=2&ucodeSPL=71"
    );
    assert_eq!(
        url(&milan, Document::Vcek),
        "https://kdsintf.amd.com/vcek/v1/Milan/3ac3fe21e13fb0990eb28a802e3fb6a29483a6b0753590c951bdd3b8e53786184ca39e3596\
         69a2b76a1936776b564ea464cdce40c05f63c9b610c5068b006b5d?blSPL=2&teeSPL=0&snpSPL=5&ucodeSPL=68"
    );
    assert_eq!(url(&genoa, Document::Chain), "https://kdsintf.amd.com/vcek/v1/Genoa/cert_chain");
    assert_eq!(url(&genoa, Document::Crl), "https://kdsintf.amd.com/vcek/v1/Genoa/crl");
}

#[tokio::test]
async fn a_request_says_no_more_than_it_must() {
    let Some(machine) = machine_of("3f44a09b") else { return };
    let kds = Kds::good(&machine).await;
    let base = format!("{}/amd/kds/", kds.base);
    let folder = tempfile::tempdir().unwrap();
    let endorsements = Endorsements::new(folder.path(), Service::new(&base).unwrap()).without_crl();
    endorsements.fetch_at(&machine.report, NOW).await.unwrap();
    let host = kds.base.strip_prefix("http://").unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "GET /amd/kds{} HTTP/1.1\r\nhost: {host}\r\nuser-agent: quoth/{version}\r\naccept-encoding: identity\r\n\
         connection: close\r\n\r\n",
        machine.target
    );
    assert_eq!(kds.heads()[1], expected);
    assert_eq!(kds.counts(), [1, 1, 0], "no list was wanted");
}

#[test]
fn two_states_of_a_chip_have_two_names() {
    let mut names = Vec::new();
    for machine in machines() {
        let source = Source::of(&machine.report, Some(machine.family)).unwrap();
        let name = source.file_name(Document::Vcek);
        assert!(name.len() < 255 && !name.contains('/'));
        names.push((machine.target, name));
    }
    names.sort();
    names.dedup();
    let mut files: Vec<_> = names.iter().map(|(_, file)| file).collect();
    files.sort();
    files.dedup();
    assert_eq!(files.len(), names.len());
}

#[tokio::test]
async fn a_report_that_does_not_say_its_family_needs_it_named() {
    let Some(machine) = machine_of("377e6241") else { return };
    assert_eq!(machine.version, 2);
    let kds = Kds::start(|_, _| status("404 Not Found", "", b"")).await;
    let unnamed = |family: Option<Family>| Source::of(&machine.report, family).map_err(|error| error.code());
    assert_eq!(unnamed(None), Err("endorsement.family.unknown"));
    assert_eq!(unnamed(Some(Family::Turin)), Err("endorsement.family.unknown"), "Turin's firmware always says it");
    assert_eq!(unnamed(Some(Family::Milan)).unwrap().family(), Family::Milan);

    let Some(turin) = machine_of("3f44a09b") else { return };
    let named = Source::of(&turin.report, Some(Family::Genoa)).map_err(|error| error.code());
    assert_eq!(named, Err("endorsement.family.mismatch"));
    assert!(kds.targets().is_empty());
}

#[test]
fn reports_whose_key_nobody_hands_out_are_told_apart() {
    let code = |report: &[u8]| Source::of(report, None).unwrap_err().code();
    if let Some(report) = quoth_test_evidence::read("snp/milan-v3-vlek-lunal-dev-attestation-rs-decdab94.bin") {
        assert_eq!(code(&report), "endorsement.vlek");
    }

    let Some(Machine { report, .. }) = machine_of("8fd94192") else { return };
    let changed = |range: std::ops::Range<usize>, byte| {
        let mut report = report.clone();
        report[range].fill(byte);
        report
    };
    assert_eq!(code(&changed(0x1a0..0x1e0, 0)), "endorsement.chip_masked");
    // Reserved bytes of the reported TCB; a CPUID that no processor has; another version.
    assert_eq!(code(&changed(0x182..0x183, 1)), "endorsement.report");
    assert_eq!(code(&changed(0x188..0x189, 0x77)), "endorsement.report");
    assert_eq!(code(&changed(0..1, 9)), "endorsement.report");
    for length in [0, 1183] {
        assert_eq!(code(&report[..length]), "endorsement.report");
    }
    assert_eq!(code(&[&report[..], &[0]].concat()), "endorsement.report");
}

#[test]
fn addresses_of_services_are_checked() {
    for base in ["kdsintf.amd.com", "file:///etc", "http://", "https://a?b=c"] {
        assert_eq!(Service::new(base).unwrap_err().code(), "endorsement.address", "{base}");
    }
}
