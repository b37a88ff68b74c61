//! Forged documents with Amazon's names, under a root made by the test. The honest one is accepted; each change to it is
//! refused by the one check that the change violates.

use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use p384::ecdsa::Signature;
use quoth_attestation::Digest;

use super::super::Document;
use super::forge::*;
use crate::Refusal;

type Bend = fn(&mut Forge);
type Arrange = fn(&mut Vec<Vec<u8>>);
type Edit = fn(&[u8]) -> Vec<u8>;
/// A code, and the position of the certificate that it names.
type Verdict = (&'static str, Option<usize>);

/// The order of P-384's group.
const ORDER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
/// The prime of P-384's field.
const PRIME: &str = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff";
/// SubjectPublicKeyInfo of P-256's generator.
const P256: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a139\
                    45d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

/// The code for a document that `bend` changed before it was signed.
fn bent(bend: impl FnOnce(&mut Forge)) -> &'static str {
    let mut forge = Forge::new();
    bend(&mut forge);
    forge.code(&forge.signed())
}

/// Tests that each change alone leads to this code.
fn each(code: &str, bends: &[Bend]) {
    for (index, bend) in bends.iter().enumerate() {
        assert_eq!(bent(bend), code, "bend {index}");
    }
}

/// The same, with the certificate's position.
fn placed(bend: impl FnOnce(&mut Forge)) -> Verdict {
    let mut forge = Forge::new();
    bend(&mut forge);
    verdict(&forge, &forge.signed())
}

fn verdict(forge: &Forge, document: &[u8]) -> Verdict {
    forge.judge(document).map_or_else(|refusal| (refusal.code(), place(&refusal)), |_| ("genuine", None))
}

/// Tests that each change to one certificate, at any of `places`, leads to this code for it.
fn each_at(code: &str, places: &[usize], bends: &[fn(&mut Sheet)]) {
    for place in places {
        for (index, bend) in bends.iter().enumerate() {
            let found = placed(|forge| bend(&mut forge.chain[*place]));
            let expected = if code == "genuine" { None } else { Some(*place) };
            assert_eq!(found, (code, expected), "bend {index} at {place}");
        }
    }
}

/// The verdict on a document whose certificates were rearranged after they were issued.
fn arranged(arrange: impl FnOnce(&mut Vec<Vec<u8>>)) -> Verdict {
    let forge = Forge::new();
    let mut ders = forge.ders();
    arrange(&mut ders);
    let payload = forge.payload(&ders);
    verdict(&forge, &forge.envelope(&payload, &payload))
}

/// The code for a document whose payload was edited before it was signed.
fn edited(edit: impl FnOnce(&[u8]) -> Vec<u8>) -> &'static str {
    let forge = Forge::new();
    let payload = edit(&forge.payload(&forge.ders()));
    forge.code(&forge.envelope(&payload, &payload))
}

/// The code for a document that was edited after it was signed.
fn tampered(edit: impl FnOnce(&[u8]) -> Vec<u8>) -> &'static str {
    let forge = Forge::new();
    forge.code(&edit(&forge.signed()))
}

/// SubjectPublicKeyInfo of a point of P-384.
fn point(point: &[u8]) -> Vec<u8> {
    der(0x30, &[&hexed("301006072a8648ce3d020106052b81040022"), &der(0x03, &[&[0], point])])
}

/// The honest leaf's point, 97 bytes.
fn honest_point() -> Vec<u8> {
    key(5).verifying_key().to_sec1_point(false).as_bytes().to_vec()
}

/// `value` with the first `from` replaced.
fn replaced(value: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = value.windows(from.len()).position(|window| window == from).expect("something to replace");
    [&value[..at], to, &value[at + from.len()..]].concat()
}

fn with_register(index: Vec<u8>, value: &[u8]) -> Vec<u8> {
    map(&[registers(), vec![(index, value.to_vec())]].concat())
}

const ALL: &[usize] = &[ROOT, REGION, ZONE, INSTANCE, LEAF];
const AUTHORITIES: &[usize] = &[ROOT, REGION, ZONE, INSTANCE];
const ISSUED: &[usize] = &[REGION, ZONE, INSTANCE, LEAF];

#[test]
fn honest_twins_are_genuine() {
    each(
        "genuine",
        &[
            |_| {},
            |forge| forge.fields.reverse(),
            |forge| forge.fields.truncate(6),
            |forge| forge.set("user_data", NULL),
            |forge| forge.set("nonce", &bytes(&[7; 1024])),
            |forge| forge.set("pcrs", &open(&map(&registers()))),
            |forge| forge.set("cabundle", &open(&forge.value("cabundle"))),
            |forge| forge.set("pcrs", &with_register(uint(31), &bytes(&[1; 48]))),
            |forge| forge.chain[LEAF].subject = name(&[(3, &format!("{MODULE}.eu-west-1.aws"))]),
            |forge| drop(forge.chain[LEAF].extensions.remove(0)),
            |forge| forge.chain[LEAF].extensions[1] = usage("03020780"),
            |forge| forge.chain[LEAF].not_after = der(0x18, &[b"20270115100000Z"]),
            |forge| forge.chain[REGION].extensions[0] = constraints("30070101ff020200c8"),
        ],
    );
    each_at("genuine", ALL, &[|sheet| sheet.extensions.push(unknown(false, 9)), |sheet| sheet.serial = vec![1; 20]]);
    assert_eq!(tampered(|document| [&[0xd2], document].concat()), "genuine");
    assert_eq!(edited(open), "genuine");
}

#[test]
fn fields_are_kept_apart_and_null_is_not_empty() {
    let mut forge = Forge::new();
    let honest = forge.signed();
    let attested = forge.judge(&honest).unwrap();
    let user = [attested.public_key, attested.user_data, attested.nonce];
    assert_eq!(user, [Some(&b"key"[..]), Some(b"data"), Some(b"nonce")]);
    assert_eq!((attested.timestamp, &attested.module_id[..]), (NOW * 1000, MODULE));
    assert_eq!((attested.registers, attested.pcrs.len()), ([[0xa0; 48], [0xa1; 48], [0xa2; 48]], 16));
    forge.set("public_key", NULL);
    forge.set("user_data", &bytes(b""));
    forge.remove("nonce");
    let honest = forge.signed();
    let attested = forge.judge(&honest).unwrap();
    assert_eq!([attested.public_key, attested.user_data, attested.nonce], [None, Some(&b""[..]), None]);
}

#[test]
fn a_forged_chain_with_the_right_names_ends_at_no_root() {
    let (honest, others) = (Forge::new(), Forge::of(OTHERS));
    let forged = others.signed();
    assert_eq!(others.code(&forged), "genuine", "where their root is pinned");
    let [expected, actual] = [&honest, &others].map(|forge| Digest::of(&forge.ders()[ROOT]));
    let refusal = Refusal::NitroChainRoot { expected: expected.to_string(), actual: actual.into() };
    assert_eq!(honest.judge(&forged).err(), Some(refusal));
    // One root before the other's chain.
    assert_eq!(arranged(|ders| ders[ROOT] = others.ders()[ROOT].clone()).0, "nitro.chain.root");
    assert_eq!(arranged(|ders| ders[1..].clone_from_slice(&others.ders()[1..])), ("nitro.chain.signature", Some(1)));
    assert_eq!(arranged(|ders| ders[ROOT].push(0)).0, "nitro.chain.root");
    // The pinned root, signed again.
    let mut again = Forge::new();
    again.chain[ROOT].serial = vec![9; 16];
    assert_eq!(honest.code(&again.signed()), "nitro.chain.root");
}

#[test]
fn bundles_begin_at_the_root_and_hold_each_link_once() {
    let cases: [(&str, Option<usize>, Arrange); 17] = [
        ("nitro.chain.root", None, |ders| ders[..LEAF].reverse()),
        ("nitro.chain.root", None, |ders| ders.swap(ROOT, REGION)),
        ("nitro.chain.root", None, |ders| drop(ders.remove(ROOT))),
        ("nitro.chain.root", None, |ders| ders.swap(ROOT, LEAF)),
        ("nitro.chain.issuer", Some(1), |ders| ders.swap(REGION, ZONE)),
        ("nitro.chain.issuer", Some(2), |ders| ders.swap(ZONE, INSTANCE)),
        ("nitro.chain.issuer", Some(1), |ders| drop(ders.remove(REGION))),
        ("nitro.chain.issuer", Some(3), |ders| drop(ders.remove(INSTANCE))),
        ("nitro.chain.issuer", Some(1), |ders| drop(ders.drain(1..LEAF))),
        ("nitro.chain.length", None, |ders| drop(ders.drain(..LEAF))),
        ("nitro.chain.length", None, |ders| ders.insert(0, ders[ROOT].clone())),
        ("nitro.chain.length", None, |ders| ders.insert(LEAF, ders[ROOT].clone())),
        ("nitro.chain.length", None, |ders| ders.insert(ZONE, ders[REGION].clone())),
        ("nitro.chain.length", None, |ders| ders.insert(LEAF, ders[LEAF].clone())),
        ("nitro.chain.length", None, |ders| *ders = vec![ders[ROOT].clone(); 2]),
        ("nitro.field.value", None, |ders| ders[ZONE].clear()),
        ("nitro.field.value", None, |ders| ders[LEAF].clear()),
    ];
    for (index, (code, place, arrange)) in cases.into_iter().enumerate() {
        assert_eq!(arranged(arrange), (code, place), "case {index}");
    }
    // A link that belongs to another chain.
    let others = Forge::of(OTHERS).ders();
    assert_eq!(arranged(|ders| ders.insert(LEAF, others[INSTANCE].clone())), ("nitro.chain.issuer", Some(LEAF)));
    for (more, code) in [(0, "genuine"), (4, "genuine"), (5, "nitro.cbor"), (9, "nitro.cbor")] {
        assert_eq!(bent(|forge| (0..more).for_each(|_| forge.lengthen())), code, "{more} more");
    }
}

#[test]
fn certificates_have_1024_bytes_at_most() {
    for place in ALL {
        assert_eq!(bent(|forge| forge.chain[*place].pad(1024)), "genuine", "{place}");
        assert_eq!(bent(|forge| forge.chain[*place].pad(1025)), "nitro.field.value", "{place}");
    }
}

#[test]
fn each_certificate_is_valid_at_the_time() {
    each_at(
        "nitro.chain.validity",
        ALL,
        &[
            |sheet| sheet.not_after = time("20270115075959Z"),
            |sheet| sheet.not_before = time("20270115080001Z"),
            |sheet| sheet.not_after = der(0x18, &[b"20270115075959Z"]),
            |sheet| core::mem::swap(&mut sheet.not_before, &mut sheet.not_after),
        ],
    );
    each_at(
        "genuine",
        ALL,
        &[
            |sheet| sheet.not_after = time("20270115080000Z"),
            |sheet| sheet.not_before = time("20270115080000Z"),
            |sheet| sheet.not_after = der(0x18, &[b"99991231235959Z"]),
        ],
    );
    // The same document, judged later.
    for (hours, place) in [(3, LEAF), (24, INSTANCE), (24 * 4, ZONE), (24 * 11, REGION)] {
        let found = placed(|forge| {
            (place + 1..=LEAF).for_each(|below| forge.chain[below].not_after = time("20400101000000Z"));
            forge.at = NOW + hours * 3600;
        });
        assert_eq!(found, ("nitro.chain.validity", Some(place)));
    }
}

#[test]
fn times_are_milliseconds_above_zero() {
    // Judged at its own signing time.
    let own_time = |timestamp: u64| {
        let mut forge = Forge::new();
        forge.set("timestamp", &uint(timestamp));
        let document = forge.signed();
        forge.at = Document::parse(&document).map_or(NOW, |document| document.signed_at());
        forge.code(&document)
    };
    assert_eq!(own_time(NOW * 1000 + 999), "genuine");
    for wrong in [1, NOW, NOW * 1_000_000, u64::MAX] {
        assert_eq!(own_time(wrong), "nitro.chain.validity", "{wrong}");
    }
    assert_eq!(own_time(0), "nitro.field.value");
    each(
        "nitro.cbor",
        &[
            |forge| forge.set("timestamp", &[0x20]),
            |forge| forge.set("timestamp", &hexed("fb427a3185c5000000")),
            |forge| forge.set("timestamp", &hexed("c11a6b49d200")),
            |forge| forge.set("timestamp", &hexed("c2480000000000000001")),
            |forge| forge.set("timestamp", &text("1800000000000")),
        ],
    );
}

#[test]
fn each_link_is_named_and_signed_by_the_one_above() {
    each_at(
        "nitro.chain.signature",
        ISSUED,
        &[
            |sheet| sheet.signer += OTHERS,
            // Signed by itself, and by the certificate below.
            |sheet| sheet.signer += 1,
            |sheet| sheet.signer += 2,
            |sheet| sheet.seal = |signature| [&signature[..], &[0]].concat(),
            |sheet| sheet.seal = |signature| signature[..signature.len() - 1].to_vec(),
            |sheet| sheet.seal = |signature| Signature::from_der(&signature).unwrap().to_bytes().to_vec(),
            |sheet| sheet.seal = |signature| [&[0x30, 0x81], &signature[1..]].concat(),
            |sheet| sheet.seal = |_| hexed("3006020100020100"),
            |sheet| sheet.seal = |_| vec![],
        ],
    );
    each_at(
        "nitro.chain.issuer",
        ISSUED,
        &[
            |sheet| sheet.issuer = regional("0000000000000000.eu-west-1.aws.nitro-enclaves"),
            |sheet| sheet.issuer = sheet.subject.clone(),
            |sheet| sheet.issuer = replaced(&sheet.issuer, b"Amazon", b"AMAZON"),
            // The same name in another string type.
            |sheet| sheet.issuer = replaced(&sheet.issuer, b"\x0c\x03AWS", b"\x13\x03AWS"),
        ],
    );
    // The same attributes in another order.
    let order =
        |forge: &mut Forge| forge.chain[LEAF].issuer = zonal("i-0123456789abcdef0.eu-west-1.aws.nitro-enclaves");
    assert_eq!(placed(order), ("nitro.chain.issuer", Some(LEAF)));
}

#[test]
fn authorities_may_issue_and_stay_within_their_bounds() {
    each_at(
        "nitro.chain.constraints",
        AUTHORITIES,
        &[
            |sheet| drop(sheet.extensions.remove(0)),
            |sheet| drop(sheet.extensions.remove(1)),
            |sheet| sheet.extensions.clear(),
            |sheet| sheet.extensions[0] = constraints("3000"),
            |sheet| sheet.extensions[0] = constraints("3003020103"),
            |sheet| sheet.extensions[0] = extension("0603551d13", false, &hexed("30030101ff")),
            // All but keyCertSign, and no bit at all.
            |sheet| sheet.extensions[1] = usage("030201fa"),
            |sheet| sheet.extensions[1] = usage("030100"),
        ],
    );
    let mut silent = Forge::new();
    silent.chain[ZONE].extensions.remove(1);
    let problem = "may not sign certificates";
    let refusal = Refusal::NitroChainConstraints { position: ZONE, problem };
    assert_eq!(silent.judge(&silent.signed()).err(), Some(refusal));
    for (place, path) in [(ROOT, 2), (REGION, 1), (ZONE, 0)] {
        let bounded = |path: u8| {
            placed(|forge| forge.chain[place].extensions[0] = constraints(&format!("30060101ff0201{path:02x}")))
        };
        assert_eq!(bounded(path), ("nitro.chain.constraints", Some(place)));
        assert_eq!(bounded(path + 1), ("genuine", None));
    }
    let longer = |path: &str| {
        placed(|forge| {
            forge.chain[ROOT].extensions[0] = constraints(path);
            forge.lengthen();
        })
    };
    assert_eq!(longer("30060101ff020104"), ("genuine", None));
    assert_eq!(longer("30060101ff020103"), ("nitro.chain.constraints", Some(ROOT)));
}

#[test]
fn leaves_sign_documents_and_nothing_else() {
    each_at(
        "nitro.chain.constraints",
        &[LEAF],
        &[
            |sheet| sheet.extensions[0] = constraints("30030101ff"),
            |sheet| sheet.extensions[0] = constraints("30060101ff020100"),
            |sheet| sheet.extensions[0] = constraints("3003020100"),
            |sheet| sheet.extensions[1] = usage("03020284"),
            |sheet| sheet.extensions[1] = usage("03020204"),
            |sheet| sheet.extensions[1] = usage("03020640"),
            |sheet| sheet.extensions[1] = usage("03020102"),
            |sheet| sheet.extensions[1] = usage("030100"),
            |sheet| drop(sheet.extensions.remove(1)),
            |sheet| sheet.extensions.clear(),
        ],
    );
    // An enclave that issues a leaf to itself, under authorities that allow it, and under Amazon's.
    let issuing = |bounded: bool| {
        placed(|forge| {
            let mut below = forge.chain[LEAF].clone();
            (below.issuer, below.signer, below.info) = (below.subject.clone(), 5, p384_info(&key(6)));
            forge.chain.push(below);
            forge.signer = 6;
            if !bounded {
                AUTHORITIES.iter().for_each(|place| forge.chain[*place].extensions[0] = constraints("30030101ff"));
            }
        })
    };
    assert_eq!(issuing(false), ("nitro.chain.constraints", Some(LEAF)));
    assert_eq!(issuing(true), ("nitro.chain.constraints", Some(REGION)));
}

#[test]
fn chains_are_of_ecdsa_over_p384_with_sha384() {
    each_at(
        "nitro.chain.algorithm",
        ALL,
        &[
            |sheet| sheet.algorithm = ECDSA_SHA256,
            |sheet| sheet.algorithm = PKCS1,
            // With parameters; the algorithm has none.
            |sheet| sheet.algorithm = "300c06082a8648ce3d0403030500",
            |sheet| sheet.info = hexed(P256),
            |sheet| sheet.info = rsa_info(rsa_key()),
            // Another curve's name on a point of P-384, and no name.
            |sheet| sheet.info = replaced(&sheet.info, &hexed("06052b81040022"), &hexed("06052b81040023")),
            |sheet| sheet.info = der(0x30, &[&hexed("300906072a8648ce3d0201"), &sheet.info[20..]]),
        ],
    );
    each_at(
        "nitro.chain.certificate",
        ISSUED,
        &[
            |sheet| sheet.info = replaced(&sheet.info, &hexed("03620004"), &hexed("03620104")),
            |sheet| sheet.info = der(0x30, &[&sheet.info[2..], &[5, 0]]),
        ],
    );
    // The body names another algorithm than the one after it.
    let two = |ders: &mut Vec<Vec<u8>>| ders[LEAF] = replaced(&ders[LEAF], &hexed(ECDSA), &hexed(ECDSA_SHA256));
    assert_eq!(arranged(two), ("nitro.chain.certificate", Some(LEAF)));
}

#[test]
fn public_keys_are_points_of_the_curve_in_one_encoding() {
    let honest = honest_point();
    let (x, y) = honest[1..].split_at(48);
    let mut off = honest.clone();
    off[96] ^= 1;
    let points = [
        off,
        [&[4], y, x].concat(),
        [&[4][..], &hexed(PRIME), y].concat(),
        [&[4][..], x, &hexed(PRIME)].concat(),
        [&[4][..], &[0xff; 96]].concat(),
        [&[4][..], &[0; 96]].concat(),
        vec![0],
        vec![0; 97],
        vec![],
        [&[2 | y[47] & 1], x].concat(),
        [&[6 | y[47] & 1], x, y].concat(),
        honest[1..].to_vec(),
        [&honest[..], &[0]].concat(),
    ];
    for (index, bad) in points.iter().enumerate() {
        for place in [INSTANCE, LEAF] {
            let found = placed(|forge| forge.chain[place].info = point(bad));
            assert_eq!(found, ("nitro.chain.algorithm", Some(place)), "point {index}");
        }
    }
    assert_eq!(bent(|forge| forge.chain[LEAF].info = point(&honest)), "genuine");
}

#[test]
fn certificates_are_strict_der_of_version_3() {
    each_at(
        "nitro.chain.certificate",
        ALL,
        &[
            |sheet| {
                sheet.version = "";
                sheet.extensions.clear();
            },
            |sheet| sheet.version = "",
            |sheet| sheet.version = "a003020100",
            |sheet| sheet.version = "a003020101",
            |sheet| sheet.version = "a003020103",
            |sheet| sheet.serial = vec![],
            |sheet| sheet.serial = vec![0x80],
            |sheet| sheet.serial = vec![0, 1],
            |sheet| sheet.serial = vec![1; 21],
            |sheet| sheet.extensions.push(unknown(true, 9)),
            // Critical nameConstraints, policyConstraints and extKeyUsage.
            |sheet| sheet.extensions.push(extension("0603551d1e", true, &hexed("3000"))),
            |sheet| sheet.extensions.push(extension("0603551d24", true, &hexed("3000"))),
            |sheet| sheet.extensions.push(extension("0603551d25", true, &hexed("300a06082b06010505070301"))),
            |sheet| sheet.extensions.push(sheet.extensions[0].clone()),
            |sheet| sheet.extensions.push(sheet.extensions[1].clone()),
            |sheet| sheet.extensions.push(hexed("300a 0603551d21 010100 0400")),
            |sheet| sheet.extensions.push(hexed("300a 0603551d21 010101 0400")),
            |sheet| sheet.extensions[0] = constraints("3003010101"),
            |sheet| sheet.extensions[0] = constraints("3003010100"),
            |sheet| sheet.extensions[0] = constraints("30060101ff0201ff"),
            |sheet| sheet.extensions[0] = constraints("30070101ff02020100"),
            |sheet| sheet.extensions[0] = constraints("30070101ff02020003"),
            |sheet| sheet.extensions[0] = constraints("30030101ff00"),
            |sheet| sheet.extensions[1] = usage("0302018600"),
            |sheet| sheet.extensions[1] = usage("03020986"),
            |sheet| sheet.extensions[1] = usage("03020187"),
            |sheet| sheet.not_after = der(0x17, &[b"4901010000Z"]),
            |sheet| sheet.not_after = der(0x17, &[b"490101000000+0000"]),
            |sheet| sheet.not_after = der(0x17, &[b"490230000000Z"]),
            |sheet| sheet.not_after = der(0x18, &[b"20490101000000.5Z"]),
            |sheet| sheet.not_after = der(0x18, &[b"20490101000000"]),
            |sheet| sheet.subject = replaced(&sheet.subject, &[0x31], &[0x30]),
            |sheet| sheet.info.extend(hexed("810100")),
        ],
    );
    for place in ISSUED {
        let whole: [Edit; 6] = [
            |der| [der, &[0]].concat(),
            |der| der[..der.len() - 1].to_vec(),
            |der| [&[0x30, 0x80], &der[4..], &[0, 0]].concat(),
            |der| [&[0x30, 0x83, 0], &der[2..]].concat(),
            |der| [&[0x31], &der[1..]].concat(),
            |inner| der(0x30, &[&inner[4..], &[5, 0]]),
        ];
        for (index, change) in whole.iter().enumerate() {
            let found = arranged(|ders| ders[*place] = change(&ders[*place]));
            assert_eq!(found, ("nitro.chain.certificate", Some(*place)), "{index} at {place}");
        }
    }
}

#[test]
fn the_leaf_is_for_this_enclave() {
    let called = |leaf: &str, module: &str| {
        bent(|forge| {
            forge.chain[LEAF].subject = local(leaf);
            forge.set("module_id", &text(module));
        })
    };
    let honest = format!("{MODULE}.eu-west-1.aws");
    assert_eq!(called(&honest, MODULE), "genuine");
    for module in [
        "i-0fedcba9876543210-enc0123456789abcdef",
        "i-0123456789abcdef0-enc0123456789abcdee",
        "i-0123456789abcdef0",
        "I-0123456789ABCDEF0-ENC0123456789ABCDEF",
        &format!("{MODULE}0"),
        &format!("{MODULE}\0"),
        &format!(" {MODULE}"),
        &format!("{MODULE}.eu-west-1"),
        &honest,
    ] {
        assert_eq!(called(&honest, module), "nitro.chain.module", "{module}");
    }
    for rest in [
        "",
        ".aws",
        "..aws",
        ".eu-west-1",
        ".eu-west-1.",
        ".eu-west-1aws",
        ".eu-west-1.AWS",
        ".eu-west-1.aws.",
        ".eu-west-1.aws\0",
        ".zonal.eu-west-1.aws",
        ".eu-west-1.aws.aws",
        ".eu-west-1.aws.nitro-enclaves",
        ".eu-west-1.aws.example.com",
        ".eu west-1.aws",
        ".EU-WEST-1.aws",
        ".eu-west-1\0.aws",
        "0.eu-west-1.aws",
    ] {
        assert_eq!(called(&format!("{MODULE}{rest}"), MODULE), "nitro.chain.module", "{rest}");
    }
    assert_eq!(called(&honest, ""), "nitro.field.value");
    assert_eq!(called(".eu-west-1.aws", ""), "nitro.field.value");
    assert_eq!(called(&honest, &"i".repeat(257)), "nitro.field.value");
    let common = |tag: u8| attribute(3, tag, &honest);
    let named = |levels: &[&[u8]]| placed(|forge| forge.chain[LEAF].subject = der(0x30, levels));
    assert_eq!(named(&[&common(0x0c)]), ("genuine", None));
    assert_eq!(named(&[&common(0x13)]), ("genuine", None));
    for tag in [0x04, 0x14, 0x16, 0x1e] {
        assert_eq!(named(&[&common(tag)]).0, "nitro.chain.module", "{tag:#x}");
    }
    // Two common names, no common name, and two attributes at one level.
    assert_eq!(named(&[&common(0x0c), &common(0x0c)]).0, "nitro.chain.module");
    assert_eq!(named(&[&attribute(3, 0x0c, "another"), &common(0x0c)]).0, "nitro.chain.module");
    assert_eq!(named(&[&attribute(11, 0x0c, &honest)]).0, "nitro.chain.module");
    assert_eq!(named(&[]).0, "nitro.chain.module");
    let joined = der(0x31, &[&common(0x0c)[2..], &attribute(11, 0x0c, "AWS")[2..]]);
    assert_eq!(named(&[&joined]), ("nitro.chain.certificate", Some(LEAF)));
}

#[test]
fn headers_are_exactly_the_prescribed_ones() {
    let header = |bend: &dyn Fn(&mut Forge)| {
        let mut forge = Forge::new();
        bend(&mut forge);
        match forge.judge(&forge.signed()).err() {
            Some(Refusal::NitroCoseHeader { header, .. }) => header,
            other => panic!("{other:?}"),
        }
    };
    for protected in [
        // -7, -36, -8, 35, and the name of it.
        "a10126",
        "a1013823",
        "a10127",
        "a1011823",
        "a101654553333834",
        // Absent, and not a map.
        "",
        "a0",
        "a10438ff",
        "f6",
        // With `crit`, a content type, a key's identifier; twice; in longer forms.
        "a2013822028101",
        "a20138220300",
        "a201382204410a",
        "a201382201382201",
        "a2013822013822",
        "a101390022",
        "a118013822",
        "bf013822ff",
        "a101382200",
    ] {
        assert_eq!(header(&|forge| forge.protected = hexed(protected)), "protected", "{protected}");
    }
    for unprotected in
        ["a1013822", "a10126", "a104410a", "a1182180", "b800", "f6", "80", "40", "bf0000ff", "bfff", "a181a0a0"]
    {
        assert_eq!(header(&|forge| forge.unprotected = hexed(unprotected)), "unprotected", "{unprotected}");
    }
    // The algorithm in the unprotected header.
    let moved = |forge: &mut Forge| (forge.protected, forge.unprotected) = (vec![], hexed(PROTECTED));
    assert_eq!(header(&moved), "protected");
}

#[test]
fn the_envelope_is_a_cose_sign1() {
    for tag in ["d1", "d2d2", "d812", "d2d812", "d862", "d9d9f7", "d9d9f7d2", "c6", "d83d", "d83dd2"] {
        assert_eq!(tampered(|document| [&hexed(tag), document].concat()), "nitro.cose.tag", "{tag}");
    }
    let parts: [Edit; 20] = [
        |_| vec![],
        |_| vec![0xd2],
        |document| [document, &[0]].concat(),
        |document| [document, document].concat(),
        |document| document[..document.len() - 1].to_vec(),
        open,
        wide,
        bytes,
        |document| [&[0x83], &document[1..document.len() - 98]].concat(),
        |document| [&[0x85], &document[1..], NULL].concat(),
        // A length that does not match the content.
        |document| [&[0x83], &document[1..]].concat(),
        |document| [&[0x85], &document[1..]].concat(),
        |document| [&[0x84], &document[2..]].concat(),
        |document| [&[0x84], &wide(&document[1..])[..]].concat(),
        |document| [&[0x84], &open(&document[1..6])[..], &document[6..]].concat(),
        |document| [&document[..7], &wide(&document[7..])].concat(),
        |document| {
            [&document[..7], &open(&document[7..document.len() - 98]), &document[document.len() - 98..]].concat()
        },
        |document| [&document[..7], &[0x79], &document[8..]].concat(),
        |document| [&document[..7], NULL, &document[document.len() - 98..]].concat(),
        |document| [&document[..document.len() - 98], &wide(&document[document.len() - 98..])].concat(),
    ];
    for (index, part) in parts.into_iter().enumerate() {
        assert_eq!(tampered(part), "nitro.cbor", "part {index}");
    }
}

#[test]
fn signatures_are_96_bytes_in_range() {
    let seals: [fn(Signature) -> Vec<u8>; 12] = [
        |signature| signature.to_der().as_bytes().to_vec(),
        |signature| signature.to_bytes()[..95].to_vec(),
        |signature| signature.to_bytes()[1..].to_vec(),
        |signature| [&signature.to_bytes()[..], &[0]].concat(),
        |_| vec![],
        |_| vec![0; 96],
        |_| vec![0xff; 96],
        |signature| [&[0; 48], &signature.to_bytes()[48..]].concat(),
        |signature| [&signature.to_bytes()[..48], &[0; 48]].concat(),
        |signature| [&hexed(ORDER)[..], &signature.to_bytes()[48..]].concat(),
        |signature| [&signature.to_bytes()[..48], &hexed(ORDER)].concat(),
        |signature| [&signature.to_bytes()[..48], &[0xff; 48]].concat(),
    ];
    for (index, seal) in seals.into_iter().enumerate() {
        let mut forge = Forge::new();
        forge.seal = seal;
        let document = forge.signed();
        // Parsing refuses it, before any key is used.
        let read = Document::parse(&document).err().map(|refusal| refusal.code());
        assert_eq!(read, Some("nitro.cose.signature"), "seal {index}");
        assert_eq!(forge.code(&document), "nitro.cose.signature");
    }
}

#[test]
fn the_leaf_signs_the_payload_as_received() {
    each(
        "nitro.cose.signature",
        &[
            |forge| forge.signer = 4,
            |forge| forge.signer = 1,
            |forge| forge.signer += OTHERS,
            |forge| forge.chain[LEAF].info = p384_info(&key(6)),
            |forge| forge.context = ("Signature", b""),
            |forge| forge.context = ("CounterSignature", b""),
            |forge| forge.context = ("Signature1", b"external"),
            |forge| forge.seal = |signature| [&signature.to_bytes()[48..], &signature.to_bytes()[..48]].concat(),
        ],
    );
    let forge = Forge::new();
    let delivered = |deliver: &dyn Fn(&mut Forge) -> Vec<u8>| {
        let mut other = forge.clone();
        let delivered = deliver(&mut other);
        forge.code(&forge.envelope(&forge.payload(&forge.ders()), &delivered))
    };
    let payload = |forge: &Forge| forge.payload(&forge.ders());
    assert_eq!(delivered(&|forge| payload(forge)), "genuine");
    // The same content in another encoding, then other content.
    assert_eq!(delivered(&|forge| open(&payload(forge))), "nitro.cose.signature");
    let changes: [Bend; 8] = [
        |forge| forge.fields.reverse(),
        |forge| forge.set("pcrs", &open(&map(&registers()))),
        |forge| forge.set("nonce", &bytes(b"other")),
        |forge| forge.set("nonce", NULL),
        |forge| forge.remove("user_data"),
        |forge| forge.set("timestamp", &uint(NOW * 1000 + 1)),
        |forge| forge.set("pcrs", &with_register(uint(16), &bytes(&[0; 48]))),
        // Another leaf for the same key.
        |forge| forge.chain[LEAF].serial = vec![9; 16],
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let found = delivered(&|forge| {
            change(forge);
            payload(forge)
        });
        assert_eq!(found, "nitro.cose.signature", "change {index}");
    }
}

#[test]
fn fields_are_defined_and_occur_once() {
    let fields =
        ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce"];
    for (index, field) in fields.into_iter().enumerate() {
        let (missing, null) = if index < 6 { ("nitro.field.missing", "nitro.cbor") } else { ("genuine", "genuine") };
        assert_eq!(bent(|forge| forge.remove(field)), missing, "{field}");
        assert_eq!(bent(|forge| forge.set(field, NULL)), null, "{field}");
        // Values of other types, undefined, and under a tag.
        for other in [&b"\xf7"[..], b"\xf4", b"\xa0\xa0", b"\xd8\x18\x41\x00", b"\x38\x22"] {
            assert_eq!(bent(|forge| forge.set(field, other)), "nitro.cbor", "{field} {other:x?}");
        }
        let twice = |forge: &mut Forge| {
            let value = forge.value(field);
            forge.remove(if field == "nonce" { "user_data" } else { "nonce" });
            forge.add(text(field), &value);
        };
        assert_eq!(bent(twice), "nitro.field.duplicate", "{field}");
    }
    for unknown in ["extra", "Nonce", "nonce\0", "", "certificates"] {
        let add = |forge: &mut Forge| {
            forge.remove("nonce");
            forge.add(text(unknown), NULL);
        };
        assert_eq!(bent(add), "nitro.field.unknown", "{unknown}");
    }
    for key in [uint(1), bytes(b"nonce"), NULL.to_vec(), hexed("6180"), wide(&text("nonce")), open(&text("nonce"))] {
        let add = |forge: &mut Forge| {
            forge.remove("nonce");
            forge.add(key.clone(), NULL);
        };
        assert_eq!(bent(add), "nitro.cbor", "{key:x?}");
    }
    assert_eq!(bent(|forge| forge.add(text("extra"), NULL)), "nitro.cbor", "ten fields");
    each(
        "nitro.field.value",
        &[
            |forge| forge.set("digest", &text("SHA256")),
            |forge| forge.set("digest", &text("SHA512")),
            |forge| forge.set("digest", &text("sha384")),
            |forge| forge.set("digest", &text("")),
            |forge| forge.set("public_key", &bytes(&[1; 1025])),
            |forge| forge.set("user_data", &bytes(&[1; 1025])),
            |forge| forge.set("nonce", &bytes(&[1; 1025])),
        ],
    );
}

#[test]
fn registers_are_48_bytes_below_32_and_the_first_three_are_there() {
    each(
        "nitro.field.value",
        &[
            |forge| forge.set("pcrs", &with_register(uint(32), &bytes(&[1; 48]))),
            |forge| forge.set("pcrs", &with_register(uint(u64::MAX), &bytes(&[1; 48]))),
            |forge| forge.set("pcrs", &with_register(uint(16), &bytes(&[1; 32]))),
            |forge| forge.set("pcrs", &with_register(uint(16), &bytes(&[1; 47]))),
            |forge| forge.set("pcrs", &with_register(uint(16), &bytes(&[1; 49]))),
            |forge| forge.set("pcrs", &with_register(uint(16), &bytes(&[1; 64]))),
            |forge| forge.set("pcrs", &with_register(uint(16), &bytes(&[]))),
        ],
    );
    each(
        "nitro.cbor",
        &[
            |forge| forge.set("pcrs", &with_register(vec![0x20], &bytes(&[1; 48]))),
            |forge| forge.set("pcrs", &with_register(text("16"), &bytes(&[1; 48]))),
            |forge| forge.set("pcrs", &with_register(bytes(&[16]), &bytes(&[1; 48]))),
            |forge| forge.set("pcrs", &with_register(uint(16), NULL)),
            |forge| forge.set("pcrs", &with_register(uint(16), &text(&"1".repeat(48)))),
            |forge| forge.set("pcrs", &array(&[bytes(&[1; 48])])),
        ],
    );
    for index in 0..16 {
        let twice = |value: u8| bent(|forge| forge.set("pcrs", &with_register(uint(index), &bytes(&[value; 48]))));
        assert_eq!([twice(0), twice(1)], ["nitro.field.duplicate"; 2], "{index}");
        let without = bent(|forge| {
            let mut registers = registers();
            registers.remove(index as usize);
            forge.set("pcrs", &map(&registers));
        });
        assert_eq!(without, if index < 3 { "nitro.field.missing" } else { "genuine" }, "{index}");
    }
    assert_eq!(bent(|forge| forge.set("pcrs", &map(&[]))), "nitro.field.missing");
}

#[test]
fn payloads_are_cbor_in_its_shortest_form() {
    each(
        "nitro.cbor",
        &[
            |forge| forge.set("module_id", &wide(&text(MODULE))),
            |forge| forge.set("module_id", &open(&text(MODULE))),
            |forge| forge.set("digest", &wide(&text("SHA384"))),
            |forge| forge.set("digest", &open(&text("SHA384"))),
            |forge| forge.set("timestamp", &wide(&uint(1_800_000_000))),
            |forge| forge.set("pcrs", &wide(&map(&registers()))),
            |forge| forge.set("pcrs", &with_register(wide(&uint(16)), &bytes(&[1; 48]))),
            |forge| forge.set("pcrs", &with_register(uint(16), &wide(&bytes(&[1; 48])))),
            |forge| forge.set("pcrs", &with_register(uint(16), &open(&bytes(&[1; 48])))),
            |forge| forge.set("certificate", &wide(&forge.value("certificate"))),
            |forge| forge.set("certificate", &open(&forge.value("certificate"))),
            |forge| forge.set("cabundle", &wide(&forge.value("cabundle"))),
            |forge| forge.set("cabundle", &open(&bytes(b"certificates"))),
            |forge| forge.set("nonce", &wide(&bytes(b"nonce"))),
            |forge| forge.set("nonce", &open(&bytes(b"nonce"))),
            |forge| forge.set("nonce", &text("nonce")),
            |forge| forge.set("nonce", &hexed("f816")),
        ],
    );
    let edits: [Edit; 14] = [
        wide,
        |payload| wide(&wide(payload)),
        |payload| [payload, &[0]].concat(),
        |payload| [payload, payload].concat(),
        |payload| [&open(payload)[..], &[0xff]].concat(),
        |payload| [&[0xbf], &payload[1..]].concat(),
        |payload| [&[0xa8], &payload[1..]].concat(),
        |payload| [&[0xaa], &payload[1..]].concat(),
        |payload| [&[0xbc], &payload[1..]].concat(),
        |payload| [&[0xbe], &payload[1..]].concat(),
        |payload| [&[0x89], &payload[1..]].concat(),
        |payload| [&[0xd9, 0xd9, 0xf7], payload].concat(),
        bytes,
        |_| vec![],
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        assert_eq!(edited(edit), "nitro.cbor", "edit {index}");
    }
    let forge = Forge::new();
    let payload = forge.payload(&forge.ders());
    for end in (0..payload.len()).step_by(37) {
        assert_eq!(forge.code(&forge.envelope(&payload[..end], &payload[..end])), "nitro.cbor", "cut at {end}");
    }
}

#[test]
fn bombs_do_not_go_off() {
    let claims = ["5b", "7b", "9b", "bb"].map(|head| hexed(&format!("{head}ffffffffffffffff")));
    let most = ["5a", "7a", "9a", "ba"].map(|head| hexed(&format!("{head}7fffffff")));
    let deep = [0x81, 0x9f, 0xa1, 0xbf, 0x5f, 0x7f, 0xc1, 0xd2].map(|head| vec![head; 5000]);
    for bomb in claims.iter().chain(&most).chain(&deep) {
        let shown = &bomb[..bomb.len().min(9)];
        for field in ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "user_data"] {
            assert_eq!(bent(|forge| forge.set(field, bomb)), "nitro.cbor", "{field} {shown:x?}");
        }
        assert_eq!(bent(|forge| forge.fields.insert(0, (bomb.clone(), vec![0xf6]))), "nitro.cbor", "{shown:x?}");
        assert_eq!(bent(|forge| forge.set("pcrs", &with_register(bomb.clone(), NULL))), "nitro.cbor", "{shown:x?}");
        assert_eq!(bent(|forge| forge.set("pcrs", &with_register(uint(16), bomb))), "nitro.cbor", "{shown:x?}");
        assert_eq!(bent(|forge| forge.set("cabundle", &[&[0x81], &bomb[..]].concat())), "nitro.cbor", "{shown:x?}");
        assert_eq!(edited(|_| bomb.clone()), "nitro.cbor", "{shown:x?}");
        assert_eq!(bent(|forge| forge.unprotected = bomb.clone()), "nitro.cose.header", "{shown:x?}");
        let outer = if bomb[0] >> 5 == 6 { "nitro.cose.tag" } else { "nitro.cbor" };
        assert_eq!(tampered(|_| bomb.clone()), outer, "{shown:x?}");
    }
    assert_eq!(tampered(|_| vec![0x84; 5000]), "nitro.cbor");
}
