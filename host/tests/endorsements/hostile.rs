//! Services that send wrong documents.

use std::slice::from_ref;

use crate::Cache;
use crate::server::{Asked, Kds, Reply, ok, status};
use crate::vectors::{self, Machine, machine_like, machine_of, pem};

const TURIN: &str = "3f44a09b";

/// Returns the result of one wrong answer. It must not be cached.
async fn outcome(
    machine: &Machine,
    wrong: Asked,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> (&'static str, [usize; 3]) {
    let kds = Kds::with(machine, move |asked, _| (asked == wrong).then(&reply)).await;
    let cache = Cache::of(&kds, machine);
    let code = cache.refused(machine).await;
    let kept = cache.names();
    match wrong {
        Asked::Crl => assert_eq!(kept.len(), 2, "{kept:?}"),
        _ => assert!(kept.is_empty(), "{kept:?}"),
    }
    (code, kds.counts())
}

#[tokio::test]
async fn an_unknown_chip_is_final() {
    let Some(machine) = machine_like(TURIN) else { return };
    let gone = || status("404 Not Found", "", b"");
    assert_eq!(outcome(&machine, Asked::Vcek, gone).await, ("endorsement.unknown_chip", [1, 1, 0]));
    // For the other two documents a 404 says nothing about the chip.
    assert_eq!(outcome(&machine, Asked::Chain, gone).await, ("endorsement.status", [0, 1, 0]));
    assert_eq!(outcome(&machine, Asked::Crl, gone).await, ("endorsement.status", [1, 1, 1]));
}

#[tokio::test]
async fn other_statuses_are_final_and_redirects_not_followed() {
    let Some(machine) = machine_like(TURIN) else { return };
    let elsewhere = Kds::good(&machine).await;
    let location = format!("location: {}{}\r\n", elsewhere.base, machine.target);
    for answer in ["301 Moved", "302 Found", "307 Moved", "204 No Content", "206 Part", "400 Bad", "403 No", "501 No"] {
        let (location, body) = (location.clone(), if answer.starts_with("204") { &b""[..] } else { b"x" });
        let found = outcome(&machine, Asked::Vcek, move || status(answer, &location, body)).await;
        assert_eq!(found, ("endorsement.status", [1, 1, 0]), "{answer}");
    }
    assert!(elsewhere.targets().is_empty());
}

#[tokio::test]
async fn garbage_is_refused() {
    let Some(machine) = machine_like(TURIN) else { return };
    let page = b"<html>Everything is fine</html>";
    for (wrong, counts) in [(Asked::Vcek, [1, 1, 0]), (Asked::Chain, [0, 1, 0]), (Asked::Crl, [1, 1, 1])] {
        for body in [&b""[..], page, &[0x30, 0x82, 1, 0], &[0xff; 300]] {
            let found = outcome(&machine, wrong, move || ok(body)).await;
            assert_eq!(found, ("endorsement.malformed", counts), "{wrong:?} {body:?}");
        }
    }
    // The form of a certificate without content.
    let hollow = [&[0x30, 0x82, 1, 0][..], &[0; 256]].concat();
    let found = outcome(&machine, Asked::Vcek, move || ok(&hollow)).await;
    assert_eq!(found, ("endorsement.refused", [1, 1, 0]));
    let packed = || status("200 OK", "content-encoding: gzip\r\n", &[0x1f, 0x8b]);
    assert_eq!(outcome(&machine, Asked::Vcek, packed).await, ("endorsement.malformed", [1, 1, 0]));
}

#[tokio::test]
async fn certificates_of_others_are_refused() {
    let Some(machine) = machine_of("8fd94192") else { return };
    let Some(same_family) = machine_of("227a641d") else { return };
    let Some(other_family) = machine_of(TURIN) else { return };
    for other in [&same_family, &other_family] {
        let vek = other.vek.clone();
        assert_eq!(outcome(&machine, Asked::Vcek, move || ok(&vek)).await, ("endorsement.refused", [1, 1, 0]));
    }
    let chains = [
        vectors::chain(other_family.family),
        pem(&[vectors::intermediate(machine.family), vectors::root(other_family.family)]),
        pem(&[vectors::intermediate(other_family.family), vectors::root(machine.family)]),
        pem(&[vectors::read("snp/ca/sev-vlek-genoa.der"), vectors::root(machine.family)]),
        pem(&[vectors::root(machine.family), vectors::root(machine.family)]),
    ];
    for chain in chains {
        assert_eq!(outcome(&machine, Asked::Chain, move || ok(&chain)).await, ("endorsement.refused", [1, 1, 0]));
    }
    let bent = {
        let mut vek = machine.vek.clone();
        *vek.last_mut().unwrap() ^= 1;
        vek
    };
    assert_eq!(outcome(&machine, Asked::Vcek, move || ok(&bent)).await, ("endorsement.refused", [1, 1, 0]));
    let crl = vectors::crl(other_family.family);
    assert_eq!(outcome(&machine, Asked::Crl, move || ok(&crl)).await, ("endorsement.refused", [1, 1, 1]));
    let bent = {
        let mut crl = vectors::crl(machine.family);
        *crl.last_mut().unwrap() ^= 1;
        crl
    };
    assert_eq!(outcome(&machine, Asked::Crl, move || ok(&bent)).await, ("endorsement.refused", [1, 1, 1]));
}

#[tokio::test]
async fn a_chain_has_two_certificates_in_either_order() {
    let Some(machine) = machine_of(TURIN) else { return };
    let (ask, ark) = (vectors::intermediate(machine.family), vectors::root(machine.family));
    let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for text in [
        pem(from_ref(&ask)),
        pem(&[ask.clone(), ark.clone(), ark.clone()]),
        [&pem(&[ask.clone(), ark.clone()])[..], key].concat(),
        [&pem(from_ref(&ask))[..], b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"].concat(),
    ] {
        let found = outcome(&machine, Asked::Chain, move || ok(&text)).await;
        assert_eq!(found, ("endorsement.malformed", [0, 1, 0]));
    }
    let swapped = pem(&[ark.clone(), ask.clone()]);
    let kds = Kds::with(&machine, move |asked, _| (asked == Asked::Chain).then(|| ok(&swapped))).await;
    let found = Cache::of(&kds, &machine).fetch(&machine).await.unwrap();
    assert!(found.intermediate == ask && found.root == ark);
}

#[tokio::test]
async fn an_answer_that_is_cut_is_asked_for_again() {
    let Some(machine) = machine_of(TURIN) else { return };
    let length = machine.vek.len();
    let answer = |length: &str, body: &[u8]| {
        Reply::Bytes([format!("HTTP/1.1 200 OK\r\n{length}\r\n").as_bytes(), body].concat())
    };
    let vek = machine.vek.clone();
    let cut = move || answer(&format!("content-length: {length}\r\n"), &vek[..length - 1]);
    assert_eq!(outcome(&machine, Asked::Vcek, cut).await, ("endorsement.http", [4, 1, 0]));
    let vek = machine.vek.clone();
    let cut = move || answer("transfer-encoding: chunked\r\n", &[b"509\r\n", &vek[..], b"\r\n"].concat());
    assert_eq!(outcome(&machine, Asked::Vcek, cut).await, ("endorsement.http", [4, 1, 0]));
    // A whole document is accepted with a length, in chunks, or until the end of the connection.
    type Whole = fn(&[u8]) -> (String, Vec<u8>);
    let whole: [Whole; 2] = [
        |vek| (String::new(), vek.to_vec()),
        |vek| ("transfer-encoding: chunked\r\n".into(), [b"509\r\n", vek, b"\r\n0\r\n\r\n"].concat()),
    ];
    for whole in whole {
        let vek = machine.vek.clone();
        let kds = Kds::with(&machine, move |asked, before| match (asked, before) {
            (Asked::Vcek, 0) => Some(answer("content-length: 9999\r\n", &vek)),
            (Asked::Vcek, _) => {
                let (fields, body) = whole(&vek);
                Some(answer(&fields, &body))
            }
            _ => None,
        })
        .await;
        assert_eq!(Cache::of(&kds, &machine).fetch(&machine).await.unwrap().vek, machine.vek);
        assert_eq!(kds.counts(), [2, 1, 1]);
    }
}

#[tokio::test]
async fn a_length_that_lies_does_no_harm() {
    let Some(machine) = machine_like(TURIN) else { return };
    let vek = machine.vek.clone();
    // The length is too small, so the content is not a certificate.
    let short = move || Reply::Bytes([&b"HTTP/1.1 200 OK\r\ncontent-length: 1288\r\n\r\n"[..], &vek].concat());
    assert_eq!(outcome(&machine, Asked::Vcek, short).await, ("endorsement.malformed", [1, 1, 0]));
    let vek = machine.vek.clone();
    let two = move || {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1289\r\ncontent-length: 5\r\n\r\n";
        Reply::Bytes([&head[..], &vek].concat())
    };
    assert_eq!(outcome(&machine, Asked::Vcek, two).await, ("endorsement.http", [4, 1, 0]));
}

#[tokio::test]
async fn answers_are_bounded() {
    let Some(machine) = machine_like(TURIN) else { return };
    for head in ["content-length: 9007199254740992\r\n\r\n", "\r\n", "transfer-encoding: chunked\r\n\r\nfffffff\r\n"] {
        let head = format!("HTTP/1.1 200 OK\r\n{head}").into_bytes();
        for (wrong, counts) in [(Asked::Vcek, [1, 1, 0]), (Asked::Chain, [0, 1, 0]), (Asked::Crl, [1, 1, 1])] {
            let head = head.clone();
            let found = outcome(&machine, wrong, move || Reply::Endless(head.clone())).await;
            assert_eq!(found, ("endorsement.too_long", counts), "{wrong:?}");
        }
    }
    // One byte more than the limit, and exactly the limit.
    let found = outcome(&machine, Asked::Vcek, || ok(&[0; 16 * 1024 + 1])).await;
    assert_eq!(found.0, "endorsement.too_long");
    assert_eq!(outcome(&machine, Asked::Vcek, || ok(&[0; 16 * 1024])).await.0, "endorsement.malformed");
}

#[tokio::test]
async fn heads_are_bounded_and_must_be_http() {
    let Some(machine) = machine_like(TURIN) else { return };
    let heads: [&(dyn Fn() -> Vec<u8> + Sync); 5] = [
        &|| b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec(),
        &|| Vec::new(),
        &|| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(100)).into_bytes(),
        &|| format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(64 * 1024)).into_bytes(),
        &|| b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(),
    ];
    for head in heads {
        let head = head();
        let shown = String::from_utf8_lossy(&head[..head.len().min(40)]).into_owned();
        let found = outcome(&machine, Asked::Vcek, move || Reply::Bytes(head.clone())).await;
        assert_eq!(found, ("endorsement.http", [4, 1, 0]), "{shown:?}");
    }
}

#[tokio::test]
async fn a_report_that_its_key_did_not_sign_is_refused() {
    let Some(mut machine) = machine_of(TURIN) else { return };
    let genuine = machine.clone();
    let kds = Kds::good(&genuine).await;
    let cache = Cache::of(&kds, &genuine);
    // REPORT_DATA.
    machine.report[0x50] ^= 1;
    let error = cache.fetch(&machine).await.unwrap_err();
    assert!(error.to_string().contains("snp.report.signature"), "{error}");
    assert!(error.is_verdict() && cache.names().is_empty());
    assert_eq!(kds.counts(), [1, 1, 0]);

    cache.fetch(&genuine).await.unwrap();
    assert_eq!(kds.counts(), [2, 2, 1]);
    assert_eq!(cache.refused(&machine).await, "endorsement.refused");
    assert_eq!(kds.counts(), [2, 2, 1], "the cache is not to blame, so no request is sent");
}
