//! Genuine evidence, captured from hardware by others: every piece gets its recorded verdict at its recorded time.
#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use quoth_attestation::statement::Platform;
use quoth_test_evidence::{find, left_out, of_kind as vectors, read_all as folder_of};
use quoth_verifier::{
    Abi, Accept, Acpi, Family, GuestRules, HardwareEvidence, HardwareVerdict, Image, Policy, Protection, Refusal,
    ReportSigner, SigningKey, SnpImage, SnpRules, Tcb, Verifier, revocation_list_window,
};
use serde_json::Value;

/// A file that the manifest names.
fn read(name: &str) -> Vec<u8> {
    quoth_test_evidence::read(name).unwrap()
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{vector}: {key}"))
}

fn at(vector: &Value) -> u64 {
    vector["verify_at"].as_u64().unwrap()
}

/// All certificates there are, in the order of their names: the verifier finds its own.
fn certificates() -> Vec<Vec<u8>> {
    [folder_of("snp/ca"), folder_of("snp/vek")].concat()
}

/// Judged by verifiers that have seen nothing, and twice by ones that remember everything that was judged before it.
fn judge(evidence: &HardwareEvidence, at: u64) -> HardwareVerdict {
    static EXPERIENCED: LazyLock<Vec<Verifier>> = LazyLock::new(verifiers);
    let verdict = Verifier::new(Policy::hardware_only()).verify_hardware(evidence, at);
    for other in verifiers().iter().chain(EXPERIENCED.iter()).chain(EXPERIENCED.iter()) {
        let again = other.verify_hardware(evidence, at);
        assert_eq!((again.genuine(), again.accepted()), (verdict.genuine(), verdict.accepted()));
        assert_eq!(again.checks(), verdict.checks());
    }
    verdict
}

/// On one thread, and on two where this build can.
fn verifiers() -> Vec<Verifier> {
    let new = || Verifier::new(Policy::hardware_only());
    vec![
        new(),
        #[cfg(feature = "aws-lc-rs")]
        new().concurrent(),
    ]
}

/// `genuine`, or the code of the refusal.
fn genuine(evidence: &HardwareEvidence, at: u64) -> &'static str {
    judge(evidence, at).genuine().map_or_else(|refusal| refusal.code(), |()| "genuine")
}

fn nitro(document: &[u8]) -> HardwareEvidence {
    HardwareEvidence::Nitro { document: document.to_vec() }
}

fn snp(report: &[u8]) -> HardwareEvidence {
    HardwareEvidence::SevSnp { report: report.to_vec(), certificates: certificates(), crls: Vec::new() }
}

#[test]
fn genuine_nitro_documents_get_their_recorded_verdicts() {
    for vector in vectors("nitro-attestation-document") {
        let (name, at) = (text(&vector, "name"), at(&vector));
        let document = nitro(&read(name));
        let verifies = vector["expected"]["verifies"].as_bool().unwrap();
        assert_eq!(genuine(&document, at) == "genuine", verifies, "{name}: {}", genuine(&document, at));
        if verifies {
            assert_eq!(genuine(&document, at + 4 * 3600), "nitro.chain.validity", "{name}");
            assert_eq!(genuine(&document, at - 24 * 3600), "nitro.chain.validity", "{name}");
        }
        let accepted = judge(&document, at).accepted().map(String::from).map_err(Refusal::code);
        assert!(accepted.is_err(), "{name}: a policy without images accepts nothing");
        if vector["debug_mode"] == true {
            assert_eq!(accepted, Err("measurement.debug"), "{name}");
        }
    }
}

/// Unix seconds of `2024-10-28 18:48:15+00:00`.
fn unix(text: &str) -> u64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<u64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days since 1970 by counting years from March (Howard Hinnant's algorithm).
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    days * 86_400 + number(11..13) * 3600 + number(14..16) * 60 + number(17..19)
}

#[test]
fn documents_are_genuine_to_the_second_that_their_leaf_is_valid() {
    for vector in vectors("nitro-attestation-document") {
        let document = nitro(&read(text(&vector, "name")));
        let [first, last] = [0, 1].map(|index| unix(vector["leaf_validity"][index].as_str().unwrap()));
        assert_eq!(genuine(&document, first), "genuine");
        assert_eq!(genuine(&document, first - 1), "nitro.chain.validity");
        assert_eq!(genuine(&document, last), "genuine");
        assert_eq!(genuine(&document, last + 1), "nitro.chain.validity");
    }
}

#[test]
fn documents_that_were_tampered_with_are_refused() {
    for vector in vectors("nitro-attestation-document") {
        let (bytes, at) = (read(text(&vector, "name")), at(&vector));
        let judge = |bytes: &[u8]| genuine(&nitro(bytes), at);
        let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = bytes.clone();
            edit(&mut bytes);
            judge(&bytes)
        };
        assert_eq!(edited(&|bytes| *bytes.last_mut().unwrap() ^= 1), "nitro.cose.signature");
        if let Some(pcr0) = vector["pcr0"].as_str().filter(|pcr0| pcr0.len() == 96) {
            let mut register = [0; 48];
            hex_to(pcr0, &mut register);
            let place = bytes.windows(48).position(|window| window == register).unwrap();
            assert_eq!(edited(&|bytes| bytes[place] ^= 1), "nitro.cose.signature");
        }
        assert_eq!(edited(&|bytes| bytes.push(0)), "nitro.cbor");
        assert_eq!(edited(&|bytes| bytes.truncate(bytes.len() - 1)), "nitro.cbor");
        assert_eq!(judge(&[]), "nitro.cbor");
        // ES256 and ES512 in the protected header, {1: -7} and {1: -36}.
        let header = bytes.windows(4).position(|window| window == [0xa1, 0x01, 0x38, 0x22]).unwrap();
        assert_eq!(edited(&|bytes| bytes[header + 3] = 0x23), "nitro.cose.header");
        // One tag may stand before it, and no other.
        assert_eq!(judge(&[&[0xd2], &bytes[..]].concat()), "genuine");
        assert_eq!(judge(&[&[0xd2, 0xd2], &bytes[..]].concat()), "nitro.cose.tag");
        assert_eq!(judge(&[&[0xd8, 98], &bytes[..]].concat()), "nitro.cose.tag");
        for scalar in [&[0; 48][..], &[0xff; 48]] {
            let end = bytes.len();
            assert_eq!(edited(&|bytes| bytes[end - 48..].copy_from_slice(scalar)), "nitro.cose.signature");
            assert_eq!(edited(&|bytes| bytes[end - 96..end - 48].copy_from_slice(scalar)), "nitro.cose.signature");
        }
    }
}

#[test]
fn reports_and_lists_say_what_to_look_for() {
    for vector in vectors("snp-report") {
        let signer = ReportSigner::read(&read(text(&vector, "name"))).unwrap();
        let key = if vector["signing_key"] == "vlek" { SigningKey::Vlek } else { SigningKey::Vcek };
        assert_eq!(signer.key, key);
        assert_eq!(hex::encode(signer.chip_id), text(&vector, "chip_id"));
        assert_eq!(hex::encode(signer.reported_tcb), text(&vector, "reported_tcb"));
        let Some(family) = signer.family else {
            assert_eq!(vector["report_version"], 2);
            continue;
        };
        let [a, b, c, d, _, _, g, h] = signer.reported_tcb;
        let tcb = match family {
            Family::Turin => Tcb { fmc: a, bootloader: b, tee: c, snp: d, microcode: h },
            _ => Tcb { fmc: 0, bootloader: a, tee: b, snp: g, microcode: h },
        };
        assert_eq!(signer.tcb(family), Ok(tcb));
        let mut reserved = signer;
        reserved.reported_tcb[5] = 1;
        assert_eq!(reserved.tcb(family).unwrap_err().code(), "snp.tcb.reserved");
    }
    for vector in vectors("amd-crl") {
        let window = (unix(text(&vector, "this_update")), unix(text(&vector, "next_update")));
        let crl = read(text(&vector, "name"));
        assert_eq!(revocation_list_window(&crl), Ok(window));
        assert_eq!(revocation_list_window(&crl[1..]).unwrap_err().code(), "snp.crl.invalid");
    }
}

#[test]
fn a_report_is_endorsed_by_its_own_key_only() {
    let leaves = folder_of("snp/vek");
    for vector in vectors("snp-report") {
        let Some(own) = vector["endorsement"].as_array().filter(|own| !own.is_empty()) else { continue };
        let own: Vec<_> = own.iter().map(|name| read(&format!("snp/vek/{}", name.as_str().unwrap()))).collect();
        let report = read(text(&vector, "name"));
        for leaf in leaves.iter().filter(|leaf| !own.contains(leaf)) {
            let certificates = [folder_of("snp/ca"), vec![leaf.clone()]].concat();
            let evidence = HardwareEvidence::SevSnp { report: report.clone(), certificates, crls: Vec::new() };
            assert_ne!(genuine(&evidence, at(&vector)), "genuine");
        }
    }
}

#[test]
fn genuine_reports_get_their_recorded_verdicts() {
    let mut families = Vec::new();
    for vector in vectors("snp-report") {
        let name = text(&vector, "name");
        if vector["endorsement"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let report = read(name);
        assert_eq!(genuine(&snp(&report), at(&vector)), "genuine", "{name}");
        assert_eq!(genuine(&snp(&report), 4_000_000_000), "snp.chain.validity", "{name}");
        families.push(text(&vector, "family").to_owned());
    }
    for family in Family::ALL {
        if !families.iter().any(|found| found == family.name()) {
            left_out(&format!("a report of {} and its key", family.name()));
        }
    }
}

#[test]
fn reports_without_their_key_are_refused() {
    for vector in vectors("snp-report") {
        let (name, at) = (text(&vector, "name"), vector["verify_at"].as_u64().unwrap_or(1_750_000_000));
        if name.contains("nokey") {
            assert_ne!(genuine(&snp(&read(name)), at), "genuine", "{name}");
        }
        let bare = HardwareEvidence::SevSnp { report: read(name), certificates: Vec::new(), crls: Vec::new() };
        assert_eq!(genuine(&bare, at), "snp.chain.length", "{name}");
    }
}

#[test]
fn a_report_changed_anywhere_is_refused() {
    // One from a package stands in for Turin's.
    let vector = ["turin", "milan-v2-vcek-sev-"].iter().find_map(|name| find("snp-report", name));
    let Some(vector) = vector else { return };
    let (report, at) = (read(text(&vector, "name")), at(&vector));
    for index in 0..report.len() {
        let mut changed = report.clone();
        changed[index] ^= 1 << (index % 8);
        assert_ne!(genuine(&snp(&changed), at), "genuine", "byte {index}");
    }
    for length in [0, 1, 1183] {
        assert_eq!(genuine(&snp(&report[..length]), at), "snp.report.length");
    }
    assert_eq!(genuine(&snp(&[&report[..], &[0]].concat()), at), "snp.report.length");
}

#[test]
fn revocation_lists_are_by_the_root_and_fresh() {
    let crls = folder_of("snp/crl");
    if crls.is_empty() {
        return;
    }
    for vector in vectors("snp-report") {
        if vector["endorsement"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let (name, at) = (text(&vector, "name"), at(&vector));
        let evidence =
            HardwareEvidence::SevSnp { report: read(name), certificates: certificates(), crls: crls.clone() };
        assert_eq!(genuine(&evidence, at), "genuine", "{name}");
        // One bit of a list, and it is nobody's.
        let mut bent = crls.clone();
        for crl in &mut bent {
            let middle = crl.len() - 300;
            crl[middle] ^= 1;
        }
        let evidence = HardwareEvidence::SevSnp { report: read(name), certificates: certificates(), crls: bent };
        assert_eq!(genuine(&evidence, at), "snp.crl.invalid", "{name}");
    }
}

/// Rules that accept the Genoa machine of the vectors.
fn genoa() -> SnpRules {
    let floor = Tcb { fmc: 0, bootloader: 10, tee: 0, snp: 23, microcode: 27 };
    SnpRules { floors: [(Family::Genoa, floor)].into(), guest: smt(), crl: false, ..SnpRules::default() }
}

fn smt() -> GuestRules {
    GuestRules { smt: true, ..GuestRules::default() }
}

fn verdict(rules: SnpRules, measurement: [u8; 48], name: &str) -> Result<String, &'static str> {
    let policy = Policy::builder()
        .platform(Platform::SevSnp)
        .snp_image(SnpImage { name: "theirs".into(), launch: [measurement].into(), acpi: Acpi::Unknown })
        .snp(rules)
        .models(Accept::Any)
        .build()
        .unwrap();
    let vector = find("snp-report", name).unwrap();
    let verdict = Verifier::new(policy).verify_hardware(&snp(&read(text(&vector, "name"))), at(&vector));
    assert_eq!(verdict.genuine(), Ok(()));
    verdict.accepted().map(String::from).map_err(Refusal::code)
}

#[test]
fn a_policy_accepts_a_genuine_report_and_each_rule_alone_refuses_it() {
    const NAME: &str = "8fd94192";
    let Some(vector) = find("snp-report", NAME) else { return };
    let mut measurement = [0; 48];
    hex_to(text(&vector, "measurement"), &mut measurement);
    let judge = |rules| verdict(rules, measurement, NAME);
    assert_eq!(judge(genoa()), Ok("theirs".into()));
    assert_eq!(verdict(genoa(), [1; 48], NAME), Err("measurement.unknown"));
    let other = [(Family::Milan, Tcb::default())];
    assert_eq!(judge(SnpRules { floors: other.into(), ..genoa() }), Err("snp.family.not_allowed"));
    let floor = Tcb { fmc: 0, bootloader: 10, tee: 0, snp: 28, microcode: 0 };
    assert_eq!(judge(SnpRules { floors: [(Family::Genoa, floor)].into(), ..genoa() }), Err("snp.tcb.floor"));
    assert_eq!(judge(SnpRules { signers: [SigningKey::Vlek].into(), ..genoa() }), Err("snp.signer.not_allowed"));
    assert_eq!(judge(SnpRules { guest: GuestRules::default(), ..genoa() }), Err("snp.policy.guest"));
    let abi = GuestRules { abi: Abi { major: 1, minor: 55 }, ..smt() };
    assert_eq!(judge(SnpRules { guest: abi, ..genoa() }), Err("snp.policy.abi"));
    for protection in Protection::ALL {
        let guest = GuestRules { required: [protection].into(), ..smt() };
        assert_eq!(judge(SnpRules { guest, ..genoa() }), Err("snp.policy.required"), "{protection:?}");
    }
    // The report's vectors are 0x0b.
    assert_eq!(judge(SnpRules { mitigations: 0x0b, ..genoa() }), Ok("theirs".into()));
    assert_eq!(judge(SnpRules { mitigations: 0x04, ..genoa() }), Err("snp.mitigations"));
    assert_eq!(judge(SnpRules { crl: true, ..genoa() }), Err("snp.crl.stale"));
    assert_eq!(judge(SnpRules { ciphertext_hiding: true, ..genoa() }), Err("snp.platform_info"));
    assert_eq!(judge(SnpRules { guest_svn: u32::MAX, ..genoa() }), Err("snp.guest_svn"));
    assert_eq!(judge(SnpRules { chips: Some([[0; 64]].into()), ..genoa() }), Err("snp.pin"));
    assert_eq!(judge(SnpRules { host_data: Some([[1; 32]].into()), ..genoa() }), Err("snp.pin"));
    assert_eq!(judge(SnpRules { id_keys: Some([[1; 48]].into()), ..genoa() }), Err("snp.pin"));
    assert_eq!(judge(SnpRules { author_keys: Some([[1; 48]].into()), ..genoa() }), Err("snp.pin"));
}

#[test]
fn a_debugged_guest_and_a_lesser_level_are_refused_unless_allowed() {
    let milan = |vmpl, debug| SnpRules {
        floors: [(Family::Milan, Tcb::default())].into(),
        signers: [SigningKey::Vcek, SigningKey::Vlek].into(),
        guest: GuestRules { debug, ..smt() },
        crl: false,
        alias_check: false,
        max_vmpl: vmpl,
        unpinned_milan: true,
        ..SnpRules::default()
    };
    let debugged = "377e6241-debug";
    if find("snp-report", debugged).is_some() {
        assert_eq!(verdict(milan(0, false), [1; 48], debugged), Err("snp.policy.debug"));
        assert_eq!(verdict(milan(0, true), [1; 48], debugged), Err("measurement.unknown"));
    }
    let lesser = "decdab94";
    if find("snp-report", lesser).is_some() {
        assert_eq!(verdict(milan(0, false), [1; 48], lesser), Err("snp.vmpl"));
        assert_eq!(verdict(milan(1, false), [1; 48], lesser), Err("measurement.unknown"));
    }
}

/// A genuine chain of Milan is worth what the policy knows of its chip.
#[test]
fn milan_is_refused_unless_its_chip_is_pinned_or_it_is_allowed_by_name() {
    // One from a package stands in for the first.
    let names =
        [&["milan-v2-vcek-lunal", "milan-v2-vcek-sev-"][..], &["milan-v3-vcek-project-oak"], &["milan-v3-vlek"]];
    for names in names {
        let Some(vector) = names.iter().find_map(|name| find("snp-report", name)) else { continue };
        let name = text(&vector, "name");
        let report = read(text(&vector, "name"));
        let (chip, measurement) = (report[0x1a0..0x1e0].try_into().unwrap(), report[0x90..0xc0].try_into().unwrap());
        let unpinned = SnpRules {
            floors: [(Family::Milan, Tcb::default())].into(),
            signers: [SigningKey::Vcek, SigningKey::Vlek].into(),
            guest: smt(),
            crl: false,
            alias_check: false,
            max_vmpl: 1,
            ..SnpRules::default()
        };
        assert_eq!(verdict(unpinned.clone(), measurement, name), Err("snp.family.unpinned"), "{name}");
        let by_name = SnpRules { unpinned_milan: true, ..unpinned.clone() };
        assert_eq!(verdict(by_name, measurement, name), Ok("theirs".into()), "{name}");
        if !name.contains("vlek") {
            let pinned =
                |chip| SnpRules { signers: [SigningKey::Vcek].into(), chips: Some([chip].into()), ..unpinned.clone() };
            assert_eq!(verdict(pinned(chip), measurement, name), Ok("theirs".into()), "{name}");
            assert_eq!(verdict(pinned([1; 64]), measurement, name), Err("snp.pin"), "{name}");
        }
    }
}

#[test]
fn a_policy_accepts_a_genuine_document_by_all_three_registers() {
    let vectors = vectors("nitro-attestation-document");
    let vector = vectors.iter().find(|vector| vector["debug_mode"] == false && vector["pcr0"].is_string());
    let Some(vector) = vector else { return };
    let register = |key| {
        let mut register = [0; 48];
        hex_to(text(vector, key), &mut register);
        register
    };
    let judge = |pcr2| {
        let image = Image { name: "theirs".into(), pcr0: register("pcr0"), pcr1: register("pcr1"), pcr2 };
        let policy = Policy::builder().platform(Platform::Nitro).image(image).models(Accept::Any).build().unwrap();
        let verdict = Verifier::new(policy).verify_hardware(&nitro(&read(text(vector, "name"))), at(vector));
        verdict.accepted().map(String::from).map_err(Refusal::code)
    };
    assert_eq!(judge(register("pcr2")), Ok("theirs".into()));
    assert_eq!(judge([1; 48]), Err("measurement.unknown"));
}

#[test]
fn genuine_is_not_accepted_by_another_platform_s_policy_nor_when_it_is_old() {
    let vectors = vectors("nitro-attestation-document");
    let vector = vectors.iter().find(|vector| vector["debug_mode"] == false && vector["pcr0"].is_string());
    let Some(vector) = vector else { return };
    let register = |key| {
        let mut register = [0; 48];
        hex_to(text(vector, key), &mut register);
        register
    };
    let (document, signed) = (nitro(&read(text(vector, "name"))), at(vector));
    let under = |policy: Policy, at: u64| {
        let verdict = Verifier::new(policy).verify_hardware(&document, at);
        assert_eq!((verdict.platform(), verdict.genuine()), (Platform::Nitro, Ok(())));
        verdict.accepted().map(String::from).map_err(Refusal::clone)
    };
    let image = |name: &str, pcr2| Image { name: name.into(), pcr0: register("pcr0"), pcr1: register("pcr1"), pcr2 };
    let nitro = Policy::builder().platform(Platform::Nitro).models(Accept::Any);
    let theirs = || nitro.clone().image(image("theirs", register("pcr2")));
    let snp = Policy::builder()
        .platform(Platform::SevSnp)
        .snp_image(SnpImage { name: "theirs".into(), launch: [[1; 48]].into(), acpi: Acpi::Unknown })
        .snp(genoa())
        .models(Accept::Any);
    assert_eq!(under(snp.build().unwrap(), signed).unwrap_err().code(), "platform.not_allowed");
    assert_eq!(under(theirs().build().unwrap(), signed), Ok("theirs".into()));
    assert_eq!(under(theirs().max_evidence_age(60).build().unwrap(), signed + 360), Ok("theirs".into()));
    assert_eq!(under(theirs().max_evidence_age(60).build().unwrap(), signed + 361).unwrap_err().code(), "evidence.age");
    let others = nitro.image(image("one", [1; 48])).image(image("other", [2; 48])).build().unwrap();
    let refused = under(others, signed).unwrap_err();
    assert!(matches!(refused, Refusal::MeasurementUnknown { expected: 2, .. }), "{refused}");
}

#[test]
fn an_unknown_launch_digest_is_refused_with_how_many_are_known() {
    let image = |name: &str, digest| SnpImage { name: name.into(), launch: [[digest; 48]].into(), acpi: Acpi::Unknown };
    let policy = Policy::builder()
        .platform(Platform::SevSnp)
        .snp_image(image("one", 1))
        .snp_image(image("other", 2))
        .snp(genoa())
        .models(Accept::Any)
        .build()
        .unwrap();
    let Some(vector) = find("snp-report", "8fd94192") else { return };
    let verdict = Verifier::new(policy).verify_hardware(&snp(&read(text(&vector, "name"))), at(&vector));
    let refused = verdict.accepted().unwrap_err();
    assert!(matches!(refused, Refusal::MeasurementUnknown { expected: 2, .. }), "{refused}");
}

fn hex_to(text: &str, out: &mut [u8]) {
    hex::decode_to_slice(text, out).unwrap();
}
