//! When a revocation list is renewed, and what happens if that fails.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use quoth_host::endorsements::{CRL_AGE, Document, Endorsement, EndorsementError};
use quoth_verifier::Family;

use crate::Cache;
use crate::server::{Asked, Kds, Reply, ok, status};
use crate::vectors::{self, Machine, NOW, machine_of};

const GENOA: &str = "8fd94192";
/// The end of the validity of the vectors' list: 2026-10-04.
const NEXT_UPDATE: u64 = 1_791_072_000;

/// Returns a cache filled at [`NOW`], and a service that answers the second request for a list with `reply`.
async fn filled(machine: &Machine, reply: impl Fn() -> Option<Reply> + Send + Sync + 'static) -> (Kds, Cache) {
    let script = move |asked, before| if asked == Asked::Crl && before > 0 { reply() } else { None };
    let kds = Kds::with(machine, script).await;
    let cache = Cache::of(&kds, machine);
    cache.fetch(machine).await.unwrap();
    (kds, cache)
}

async fn at(cache: &Cache, machine: &Machine, now: u64) -> Result<Endorsement, EndorsementError> {
    cache.endorsements.fetch_at(&machine.report, now).await
}

#[tokio::test]
async fn a_list_is_renewed_once_it_is_a_day_old() {
    let Some(machine) = machine_of(GENOA) else { return };
    let (kds, cache) = filled(&machine, || None).await;
    assert!(at(&cache, &machine, NOW + CRL_AGE - 1).await.unwrap().downloaded.is_empty());
    assert_eq!(kds.counts(), [1, 1, 1]);
    let found = at(&cache, &machine, NOW + CRL_AGE).await.unwrap();
    assert!(found.downloaded == [Document::Crl] && found.crl_not_renewed.is_none());
    assert_eq!(kds.counts(), [1, 1, 2]);
    assert!(at(&cache, &machine, NOW + CRL_AGE + 3600).await.unwrap().downloaded.is_empty());
    assert_eq!(kds.counts(), [1, 1, 2]);
}

#[tokio::test]
async fn a_list_from_the_future_is_renewed() {
    let Some(machine) = machine_of(GENOA) else { return };
    let (kds, cache) = filled(&machine, || None).await;
    let file = fs::File::options().write(true).open(cache.file("crl-")).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(NOW + 301)).unwrap();
    at(&cache, &machine, NOW).await.unwrap();
    assert_eq!(kds.counts(), [1, 1, 2]);
}

#[tokio::test]
async fn a_list_that_holds_outlives_a_service_that_fails() {
    let Some(machine) = machine_of(GENOA) else { return };
    let turin = vectors::crl(Family::Turin);
    type Script = Box<dyn Fn() -> Reply + Send + Sync>;
    let replies: [(&str, Script); 5] = [
        ("endorsement.busy", Box::new(|| status("429 Busy", "retry-after: 0\r\n", b""))),
        ("endorsement.status", Box::new(|| status("403 No", "", b""))),
        ("endorsement.malformed", Box::new(|| ok(b"<html>"))),
        ("endorsement.refused", Box::new(move || ok(&turin))),
        ("endorsement.http", Box::new(|| Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec()))),
    ];
    for (code, reply) in replies {
        let (kds, cache) = filled(&machine, move || Some(reply())).await;
        let found = at(&cache, &machine, NEXT_UPDATE).await.unwrap();
        assert_eq!(found.crl, Some(vectors::crl(machine.family)));
        assert_eq!(found.crl_not_renewed.unwrap().code(), code);
        assert_eq!(kds.counts(), [1, 1, 2], "asked once, without waiting");

        // A second later the list is no longer valid, which is an error.
        let error = at(&cache, &machine, NEXT_UPDATE + 1).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(fs::read(cache.file("crl-")).unwrap(), vectors::crl(machine.family));
    }
}

#[tokio::test]
async fn a_list_that_no_longer_holds_is_refused_from_the_service_too() {
    let Some(machine) = machine_of(GENOA) else { return };
    let kds = Kds::good(&machine).await;
    let cache = Cache::of(&kds, &machine);
    assert_eq!(at(&cache, &machine, NEXT_UPDATE + 1).await.unwrap_err().code(), "endorsement.crl.stale");
    assert_eq!(cache.names().len(), 2, "the certificates are good");
    assert!(at(&cache, &machine, NEXT_UPDATE).await.is_ok());
    // Long before it was made.
    let error = at(&cache, &machine, NOW - 100 * CRL_AGE).await.unwrap_err();
    assert_eq!(error.code(), "endorsement.crl.stale");
}

#[tokio::test]
async fn a_list_of_another_family_in_the_cache_is_replaced() {
    let Some(machine) = machine_of(GENOA) else { return };
    let (kds, cache) = filled(&machine, || None).await;
    fs::write(cache.file("crl-"), vectors::crl(Family::Turin)).unwrap();
    assert_eq!(at(&cache, &machine, NOW).await.unwrap().crl, Some(vectors::crl(machine.family)));
    assert_eq!(kds.counts(), [1, 1, 2]);
}
