//! Forged chains with AMD's names, under a root made by the test. The honest one is accepted; each change to it is refused by
//! the one check that the change violates.
#![allow(clippy::unwrap_used)]

mod forge;
mod node;
mod prechecked;
mod several;

use alloc::vec;

use forge::*;
use quoth_attestation::Digest;

use super::{Family, GuestRules, SigningKey, SnpRules, Tcb, verify};
use crate::signatures::Signatures;
use crate::x509::Validity;

fn bent(bend: impl FnOnce(&mut Forge)) -> &'static str {
    let mut forge = Forge::new();
    bend(&mut forge);
    forge.code()
}

/// Rules that [`report`] satisfies.
fn rules() -> SnpRules {
    let floor = Tcb { fmc: 0, bootloader: 4, tee: 0, snp: 24, microcode: 200 };
    SnpRules { floors: [(Family::Genoa, floor)].into(), crl: false, ..SnpRules::default() }
}

fn ruled(bend: impl FnOnce(&mut Forge)) -> &'static str {
    let mut forge = Forge::new();
    bend(&mut forge);
    forge.ruled(&rules())
}

#[test]
fn honest_twins_are_genuine() {
    for family in Family::ALL {
        for vlek in [false, true] {
            assert_eq!(Forge::of(family, vlek).code(), "genuine", "{family:?} {vlek}");
        }
    }
    assert_eq!(ruled(|_| {}), "accepted");
    for version in 2..=5u32 {
        assert_eq!(
            bent(|forge| {
                forge.put(0, &version.to_le_bytes());
                if version == 2 {
                    forge.put(0x188, &[0; 3]);
                }
            }),
            "genuine",
            "version {version}"
        );
    }
}

#[test]
fn a_forged_chain_with_the_right_names_ends_at_no_root() {
    let forge = Forge::new();
    let root = forge.root.der(&keys().root);
    // A root that is not pinned: each signature of it differs.
    let certificates = [forge.vek.der(forge.vek_issuer), forge.intermediate.der(&keys().root), root];
    let refused =
        verify(&forge.signed(), &certificates, &[], roots, Validity { at: NOW, skew: 0 }, &Signatures::default());
    assert_eq!(refused.err().unwrap().code(), "snp.chain.root");
    assert_eq!(bent(|forge| forge.short = 1), "snp.chain.length");
    assert_eq!(bent(|forge| forge.short = 3), "snp.chain.length");
}

#[test]
fn each_link_is_named_signed_and_made_for_its_place() {
    assert_eq!(bent(|forge| forge.vek_issuer = &keys().root), "snp.chain.signature");
    assert_eq!(bent(|forge| forge.vek.subject = "SEV_VCEK"), "snp.chain.name");
    assert_eq!(bent(|forge| forge.vek.subject = "SEV-VLEK"), "snp.chain.name");
    assert_eq!(bent(|forge| forge.vek.issuer = "SEV-Milan"), "snp.chain.name");
    assert_eq!(bent(|forge| forge.intermediate.subject = "SEV-VLEK-Genoa"), "snp.chain.name");
    assert_eq!(bent(|forge| forge.intermediate.issuer = "ARK-Milan"), "snp.chain.name");
    let authority =
        || vec![extension("0603551d13", true, &hexed("30030101ff")), extension("0603551d0f", true, &hexed("03020106"))];
    assert_eq!(bent(|forge| forge.vek.extensions.extend(authority())), "snp.chain.constraints");
    // Each of the two alone makes an authority of a leaf.
    assert_eq!(bent(|forge| forge.vek.extensions.push(authority().remove(0))), "snp.chain.constraints");
    assert_eq!(bent(|forge| forge.vek.extensions.push(authority().remove(1))), "snp.chain.constraints");
    let leaf = [extension("0603551d13", true, &hexed("3000")), extension("0603551d0f", true, &hexed("03020780"))];
    assert_eq!(bent(|forge| forge.vek.extensions.extend(leaf)), "genuine");
    assert_eq!(bent(|forge| drop(forge.intermediate.extensions.remove(0))), "snp.chain.constraints");
    assert_eq!(bent(|forge| drop(forge.intermediate.extensions.remove(1))), "snp.chain.constraints");
    assert_eq!(bent(|forge| drop(forge.root.extensions.remove(1))), "snp.chain.constraints");
    let twice = |forge: &mut Forge| forge.vek.extensions.push(forge.vek.extensions[0].clone());
    assert_eq!(bent(twice), "snp.chain.certificate");
    assert_eq!(
        bent(|forge| forge.vek.extensions.push(extension("0603551d20", true, &[5, 0]))),
        "snp.chain.certificate"
    );
}

#[test]
fn each_certificate_is_valid_at_the_time() {
    for place in 0..3 {
        for (not_before, not_after) in [("20270601000000Z", NOT_AFTER), (NOT_BEFORE, "20250101000000Z")] {
            let code = bent(|forge| {
                let sheet = [&mut forge.vek, &mut forge.intermediate, &mut forge.root].into_iter().nth(place).unwrap();
                (sheet.not_before, sheet.not_after) = (not_before, not_after);
            });
            assert_eq!(code, "snp.chain.validity", "{place} {not_before}");
        }
    }
}

#[test]
fn signatures_are_pss_with_one_set_of_parameters_by_keys_of_4096_bits() {
    for algorithm in [PSS_SALT, PSS_MGF, PSS_BARE, PKCS1] {
        assert_eq!(bent(|forge| forge.vek.algorithm = algorithm), "snp.chain.algorithm", "{algorithm}");
        assert_eq!(bent(|forge| forge.intermediate.algorithm = algorithm), "snp.chain.algorithm", "{algorithm}");
    }
    let short = |forge: &mut Forge| {
        forge.intermediate.info = rsa_info(&keys().short);
        forge.vek_issuer = &keys().short;
    };
    assert_eq!(bent(short), "snp.chain.algorithm");
    assert_eq!(bent(|forge| forge.vek.info = rsa_info(&keys().intermediate)), "snp.chain.algorithm");
}

#[test]
fn the_key_is_for_this_chip_and_this_firmware() {
    for below in [1, 2, 3, 4, 5, 6, 7, 8] {
        assert_eq!(bent(|forge| forge.level(&[3, below], Some(number(99)))), "snp.vek.tcb", "{below}");
        assert_eq!(bent(|forge| forge.level(&[3, below], None)), "snp.vek.extension", "{below}");
        // The last byte is right, but the number is wrong.
        let long = der(0x02, &[&[1, TCB[0]]]);
        assert_eq!(bent(|forge| forge.level(&[3, below], Some(long))), "snp.vek.extension", "{below}");
        assert_eq!(bent(|forge| forge.level(&[3, below], Some(der(0x02, &[&[0x84]])))), "snp.vek.extension");
    }
    assert_eq!(bent(|forge| forge.level(&[1], Some(number(1)))), "snp.vek.extension");
    assert_eq!(bent(|forge| forge.level(&[2], Some(der(0x16, &[b"Milan-B0"])))), "snp.vek.extension");
    assert_eq!(bent(|forge| forge.level(&[2], Some(der(0x16, &[b"Siena-B1"])))), "genuine");
    assert_eq!(bent(|forge| forge.level(&[4], None)), "snp.vek.extension");
    assert_eq!(bent(|forge| forge.level(&[4], Some(CHIP[..8].to_vec()))), "snp.vek.extension");
    assert_eq!(bent(|forge| forge.level(&[4], Some(vec![1; 64]))), "snp.vek.chip");
    assert_eq!(bent(|forge| forge.put(0x1a0, &[0; 64])), "snp.vek.chip");
    assert_eq!(bent(|forge| forge.vek.extensions.push(amd(&[5], b"cloud"))), "snp.vek.extension");
    // Turin: it has a boot loader of the management controller, and a short chip id.
    let turin = |bend: &dyn Fn(&mut Forge)| {
        let mut forge = Forge::of(Family::Turin, false);
        bend(&mut forge);
        forge.code()
    };
    assert_eq!(turin(&|forge| forge.level(&[3, 9], Some(number(2)))), "snp.vek.tcb");
    assert_eq!(turin(&|forge| forge.level(&[3, 9], None)), "snp.vek.extension");
    assert_eq!(turin(&|forge| forge.put(0x1a0, &CHIP)), "snp.vek.chip");
    assert_eq!(turin(&|forge| forge.put(0x1a7, &[0])), "snp.vek.chip");
    // A VLEK does not belong to a chip.
    let mut cloud = Forge::of(Family::Genoa, true);
    cloud.put(0x1a0, &CHIP);
    assert_eq!(cloud.code(), "snp.vek.chip");
}

#[test]
fn the_signer_is_the_one_that_the_report_names() {
    assert_eq!(bent(|forge| forge.put(0x48, &[4])), "snp.chain.name");
    for key in 2..8 {
        assert_eq!(bent(|forge| forge.put(0x48, &[key << 2])), "snp.report.signing_key", "{key}");
    }
    assert_eq!(bent(|forge| forge.put(0x48, &[2])), "snp.report.mask_chip_key");
    assert_eq!(bent(|forge| forge.put(0x48, &[0x20])), "snp.report.reserved");
    assert_eq!(bent(|forge| forge.put(0x34, &[2])), "snp.report.signature_algorithm");
}

#[test]
fn the_processor_is_of_the_certificates_family() {
    assert_eq!(bent(|forge| forge.put(0x188, &[0x19, 0x01])), "snp.family.mismatch");
    assert_eq!(bent(|forge| forge.put(0x188, &[0x1a, 0x02])), "snp.family.mismatch");
    assert_eq!(bent(|forge| forge.put(0x188, &[0x19, 0xa0])), "genuine");
    assert_eq!(bent(|forge| forge.put(0x188, &[0x17, 0x31])), "snp.family.unknown");
    let mut turin = Forge::of(Family::Turin, false);
    turin.put(0, &[2]);
    turin.put(0x188, &[0; 3]);
    assert_eq!(turin.code(), "snp.report.version");
}

#[test]
fn versions_and_reserved_bytes_are_as_defined() {
    for version in [0u32, 1, 6, 7, u32::MAX] {
        assert_eq!(bent(|forge| forge.put(0, &version.to_le_bytes())), "snp.report.version", "{version}");
    }
    for at in [0x4c, 0x18b, 0x19f, 0x1eb, 0x1ef, 0x1f8, 0x29f] {
        assert_eq!(bent(|forge| forge.put(at, &[1])), "snp.report.reserved", "{at:#x}");
    }
    // From version 5 on, two more words have a meaning.
    let five = |at: usize| {
        move |forge: &mut Forge| {
            forge.put(0, &[5]);
            forge.put(at, &[1]);
        }
    };
    assert_eq!(bent(five(0x1f8)), "genuine");
    assert_eq!(bent(five(0x207)), "genuine");
    assert_eq!(bent(five(0x208)), "snp.report.reserved");
}

#[test]
fn signatures_have_one_encoding() {
    let keep = Forge::new();
    assert_eq!(keep.code(), "genuine");
    let chain = [keep.vek.der(keep.vek_issuer), keep.intermediate.der(&keys().root), keep.root.der(&keys().root)];
    ROOTS.lock().unwrap().push((Digest::of(&chain[2]), keep.family));
    let code = |report: &[u8]| {
        let verdict = verify(report, &chain, &[], roots, Validity { at: NOW, skew: 0 }, &Signatures::default());
        verdict.map_or_else(|refusal| refusal.code(), |_| "genuine")
    };
    let honest = keep.signed();
    assert_eq!(code(&honest), "genuine");
    for at in [0x2a0 + 48, 0x2a0 + 71, 0x2a0 + 72 + 48, 0x2a0 + 144, 1183] {
        let mut changed = honest.clone();
        changed[at] = 1;
        assert_eq!(code(&changed), "snp.report.signature_encoding", "{at:#x}");
    }
    for (at, fill) in [(0x2a0, 0), (0x2a0, 0xff), (0x2a0 + 72, 0), (0x2a0 + 72, 0xff)] {
        let mut changed = honest.clone();
        changed[at..at + 48].fill(fill);
        assert_eq!(code(&changed), "snp.report.signature_encoding", "{at:#x}");
    }
    for at in [0x08, 0x50, 0x8f, 0x90, 0xc0, 0x140, 0x1a0] {
        let mut changed = honest.clone();
        changed[at] ^= 1;
        assert!(["snp.report.signature", "snp.vek.chip"].contains(&code(&changed)), "{at:#x}");
    }
}

#[test]
fn revocation_lists_revoke_intermediates_and_are_by_the_root() {
    let list = List {
        issuer: "ARK-Genoa",
        revoked: None,
        this_update: "20261201000000Z",
        next_update: "20270301000000Z",
        by_root: true,
    };
    let with = |list: List| bent(|forge| forge.list = Some(list));
    assert_eq!(with(list.clone()), "genuine");
    assert_eq!(with(List { revoked: Some(vec![2, 0, 1]), ..list.clone() }), "genuine");
    assert_eq!(with(List { revoked: Some(vec![2, 0, 2]), ..list.clone() }), "snp.crl.revoked");
    assert_eq!(with(List { issuer: "ARK-Milan", ..list.clone() }), "snp.crl.invalid");
    assert_eq!(with(List { by_root: false, ..list.clone() }), "snp.crl.invalid");
    let judged = |list: Option<List>| {
        let mut forge = Forge::new();
        forge.list = list;
        forge.ruled(&SnpRules { crl: true, ..rules() })
    };
    assert_eq!(judged(Some(list.clone())), "accepted");
    assert_eq!(judged(None), "snp.crl.stale");
    assert_eq!(judged(Some(List { next_update: "20261231000000Z", ..list.clone() })), "snp.crl.stale");
    assert_eq!(judged(Some(List { this_update: "20270201000000Z", ..list })), "snp.crl.stale");
}

#[test]
fn guest_policies_levels_and_platforms_are_ruled() {
    let policy = |bits: u64| ruled(|forge| forge.put(0x08, &bits.to_le_bytes()));
    assert_eq!(policy(0x20000 | 1 << 19), "snp.policy.debug");
    assert_eq!(policy(0x20000 | 1 << 18), "snp.policy.guest");
    assert_eq!(policy(0x20000 | 1 << 16), "snp.policy.guest");
    assert_eq!(policy(0), "snp.policy.guest");
    assert_eq!(policy(0x20000 | 1 << 26), "snp.policy.guest");
    assert_eq!(policy(0x20000 | 1 << 63), "snp.policy.guest");
    assert_eq!(policy(0x20000 | 1 << 25), "accepted");
    assert_eq!(ruled(|forge| forge.put(0x30, &[1])), "snp.vmpl");
    let platform = |bits: u8| ruled(|forge| forge.put(0x40, &[bits]));
    assert_eq!(platform(0), "snp.platform_info");
    assert_eq!(platform(0x21), "snp.platform_info");
    // What the default requires or forbids, for a platform and a guest under other rules.
    let under = |rules: SnpRules, guest: u64, bits: u8| {
        let mut forge = Forge::new();
        forge.put(0x08, &guest.to_le_bytes());
        forge.put(0x40, &[bits]);
        forge.ruled(&rules)
    };
    let hiding = || SnpRules { ciphertext_hiding: true, ..rules() };
    assert_eq!(under(hiding(), 0x20000, 0x20), "snp.platform_info");
    assert_eq!(under(hiding(), 0x20000, 0x30), "accepted");
    assert_eq!(under(SnpRules { alias_check: false, ..rules() }, 0x20000, 0), "accepted");
    let guest = |guest| SnpRules { guest, ..rules() };
    let migration = GuestRules { migration: true, ..GuestRules::default() };
    assert_eq!(under(guest(migration), 0x60000, 0x20), "accepted");
    assert_eq!(under(guest(GuestRules { debug: true, ..GuestRules::default() }), 0xa0000, 0x20), "accepted");
    // The verifier allows SMT and the guest forbids it, so the platform must not have it.
    let mut forge = Forge::new();
    forge.put(0x40, &[0x21]);
    let smt = guest(GuestRules { smt: true, ..GuestRules::default() });
    assert_eq!(forge.ruled(&smt), "snp.platform_info");
    forge.put(0x08, &(0x30000u64).to_le_bytes());
    assert_eq!(forge.ruled(&smt), "accepted");
}

#[test]
fn mitigations_are_in_place_at_launch_and_now() {
    let vectors = |version: u32, launch: u64, current: u64, rules: &SnpRules| {
        let mut forge = Forge::new();
        forge.put(0, &version.to_le_bytes());
        forge.put(0x1f8, &launch.to_le_bytes());
        forge.put(0x200, &current.to_le_bytes());
        forge.ruled(rules)
    };
    for bit in 0..64 {
        let (wanted, others) = (1u64 << bit, !(1u64 << bit));
        let rules = SnpRules { mitigations: wanted, ..rules() };
        assert_eq!(vectors(5, wanted, wanted, &rules), "accepted", "bit {bit}");
        assert_eq!(vectors(5, u64::MAX, u64::MAX, &rules), "accepted", "bit {bit}");
        assert_eq!(vectors(5, others, wanted, &rules), "snp.mitigations", "bit {bit}");
        assert_eq!(vectors(5, wanted, others, &rules), "snp.mitigations", "bit {bit}");
    }
    // Older reports have no mitigation vectors.
    assert_eq!(vectors(4, 0, 0, &SnpRules { mitigations: 1, ..rules() }), "snp.mitigations");
    assert_eq!(vectors(4, 0, 0, &rules()), "accepted");
}

/// The owner of a Milan chip can sign what [`Forge`] signs, so a policy must pin chips.
#[test]
fn a_forged_milan_is_refused_unless_its_chip_is_pinned_or_it_is_allowed_by_name() {
    let floor = Tcb { fmc: 0, bootloader: 4, tee: 0, snp: 24, microcode: 200 };
    let floors = || [(Family::Milan, floor), (Family::Genoa, floor)].into();
    let unpinned = || SnpRules { floors: floors(), signers: BOTH.into(), ..rules() };
    for vlek in [false, true] {
        let milan = Forge::of(Family::Milan, vlek);
        assert_eq!(milan.ruled(&unpinned()), "snp.family.unpinned");
        assert_eq!(milan.ruled(&SnpRules { unpinned_milan: true, ..unpinned() }), "accepted");
    }
    let milan = Forge::of(Family::Milan, false);
    assert_eq!(milan.ruled(&SnpRules { chips: Some([CHIP].into()), ..unpinned() }), "accepted");
    assert_eq!(milan.ruled(&SnpRules { chips: Some([[1; 64]].into()), ..unpinned() }), "snp.pin");
    // Other families need no pinned chips.
    assert_eq!(Forge::new().ruled(&unpinned()), "accepted");
}

const BOTH: [SigningKey; 2] = [SigningKey::Vcek, SigningKey::Vlek];

#[test]
fn firmware_is_not_rolled_back_nor_older_than_the_floor() {
    let version = |at: usize, index: usize, value: u8| ruled(|forge| forge.put(at + index, &[value]));
    assert_eq!(version(0x38, 7, 199), "snp.tcb.rollback");
    assert_eq!(version(0x1e0, 6, 23), "snp.tcb.rollback");
    assert_eq!(version(0x1e0, 6, 25), "snp.tcb.rollback");
    assert_eq!(version(0x1f0, 0, 5), "snp.tcb.rollback");
    assert_eq!(version(0x1f0, 7, 199), "snp.tcb.floor");
    assert_eq!(version(0x38, 7, 201), "accepted");
    for at in [0x38, 0x1e0, 0x1f0] {
        assert_eq!(version(at, 3, 1), "snp.tcb.reserved", "{at:#x}");
    }
    for floor in [
        Tcb { bootloader: 5, ..Tcb::default() },
        Tcb { tee: 1, ..Tcb::default() },
        Tcb { snp: 25, ..Tcb::default() },
        Tcb { microcode: 201, ..Tcb::default() },
        Tcb { fmc: 1, ..Tcb::default() },
    ] {
        let rules = SnpRules { floors: [(Family::Genoa, floor)].into(), ..rules() };
        assert_eq!(Forge::new().ruled(&rules), "snp.tcb.floor", "{floor}");
    }
}

#[test]
fn keys_host_data_and_images_are_pinned() {
    let pinned = SnpRules {
        id_keys: Some([[2; 48]].into()),
        author_keys: Some([[3; 48]].into()),
        host_data: Some([[4; 32]].into()),
        chips: Some([CHIP].into()),
        guest_svn: 6,
        ..rules()
    };
    let whole = |forge: &mut Forge| {
        forge.put(0x04, &[6]);
        forge.put(0x48, &[1]);
        forge.put(0xc0, &[4; 32]);
        forge.put(0xe0, &[2; 48]);
        forge.put(0x110, &[3; 48]);
    };
    let judged = |bend: &dyn Fn(&mut Forge)| {
        let mut forge = Forge::new();
        whole(&mut forge);
        bend(&mut forge);
        forge.ruled(&pinned)
    };
    assert_eq!(judged(&|_| {}), "accepted");
    assert_eq!(judged(&|forge| forge.put(0x04, &[5])), "snp.guest_svn");
    assert_eq!(judged(&|forge| forge.put(0xc0, &[5])), "snp.pin");
    assert_eq!(judged(&|forge| forge.put(0xe0, &[5])), "snp.pin");
    assert_eq!(judged(&|forge| forge.put(0x110, &[5])), "snp.pin");
    // An author key that the report does not flag does not count.
    assert_eq!(judged(&|forge| forge.put(0x48, &[0])), "snp.pin");
}
