//! Services that are busy, slow, or gone.

use std::time::{Duration, Instant};

use quoth_host::endorsements::{EndorsementError, Endorsements, Limits, Service};
use tokio::net::TcpListener;

use crate::Cache;
use crate::server::{Asked, Kds, Reply, hasty, limits, status};
use crate::vectors::{NOW, machine_like, machine_of};

const TURIN: &str = "3f44a09b";

fn busy(fields: &str) -> Reply {
    status("429 Too Many Requests", fields, b"slow down")
}

#[tokio::test]
async fn a_busy_service_is_asked_again() {
    let Some(machine) = machine_of(TURIN) else { return };
    for answer in ["429 Too Many Requests", "503 Service Unavailable", "500 No", "502 No", "504 No", "408 No"] {
        let kds = Kds::with(&machine, move |_, before| (before < 2).then(|| status(answer, "", b"later"))).await;
        let cache = Cache::of(&kds, &machine);
        assert_eq!(cache.fetch(&machine).await.unwrap().vek, machine.vek);
        assert_eq!(kds.counts(), [3, 3, 3], "{answer}");
    }
}

#[tokio::test]
async fn the_service_says_when_to_come_again() {
    let Some(machine) = machine_of(TURIN) else { return };
    let kds = Kds::with(&machine, |asked, before| match (asked, before) {
        (Asked::Vcek, 0) => Some(busy("retry-after: 1\r\n")),
        (Asked::Vcek, 1) => Some(busy("retry-after: 0\r\n")),
        // A date is ignored.
        (Asked::Vcek, 2) => Some(busy("Retry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\n")),
        _ => None,
    })
    .await;
    let begun = Instant::now();
    Cache::of(&kds, &machine).fetch(&machine).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(kds.counts(), [4, 1, 1]);
}

#[tokio::test]
async fn a_service_that_stays_busy_is_left_alone() {
    let Some(machine) = machine_like(TURIN) else { return };
    let kds = Kds::with(&machine, |asked, _| (asked == Asked::Vcek).then(|| busy(""))).await;
    let cache = Cache::of(&kds, &machine);
    let error = cache.fetch(&machine).await.unwrap_err();
    assert!(matches!(error, EndorsementError::Busy { attempts: 4, status: 429, retry_after: None, .. }), "{error}");
    assert_eq!((error.code(), error.is_verdict()), ("endorsement.busy", false));
    assert_eq!(kds.counts(), [4, 1, 0]);
    assert!(cache.names().is_empty(), "a chain that was never seen to hold is not kept");
}

#[tokio::test]
async fn a_pause_that_is_too_long_is_not_begun() {
    let Some(machine) = machine_like(TURIN) else { return };
    for (seconds, expected) in
        [("3600", Some(3600)), ("18446744073709551615", Some(u64::MAX)), ("99999999999999999999", None)]
    {
        let fields = format!("retry-after: {seconds}\r\n");
        let kds = Kds::with(&machine, move |asked, _| (asked == Asked::Vcek).then(|| busy(&fields))).await;
        let error = Cache::of(&kds, &machine).fetch(&machine).await.unwrap_err();
        let EndorsementError::Busy { retry_after, .. } = error else { panic!("{error}") };
        assert_eq!(retry_after, expected.map(Duration::from_secs));
        assert_eq!(kds.counts()[0], if expected.is_some() { 1 } else { 4 });
    }
}

#[tokio::test]
async fn all_attempts_together_are_bounded() {
    let Some(machine) = machine_of(TURIN) else { return };
    let kds = Kds::with(&machine, |_, _| Some(busy(""))).await;
    let limits = Limits { attempts: u32::MAX, total: Duration::from_millis(200), ..limits() };
    let folder = tempfile::tempdir().unwrap();
    let endorsements = Endorsements::new(folder.path(), kds.service().with_limits(limits));
    let begun = Instant::now();
    let error = endorsements.fetch_at(&machine.report, NOW).await.unwrap_err();
    // The time may run out in a pause or in a request.
    assert!(["endorsement.busy", "endorsement.timeout"].contains(&error.code()), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!((1..20).contains(&kds.counts()[1]), "pauses grow: {:?}", kds.counts());
}

#[tokio::test]
async fn a_slow_answer_is_given_up() {
    let Some(machine) = machine_of(TURIN) else { return };
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1289\r\n\r\n";
    type Make = fn(&[u8]) -> Reply;
    let slow: [(&str, Make); 4] = [
        ("no answer at all", |_| Reply::Silent(Vec::new())),
        ("a head and no body", |head| Reply::Silent(head.to_vec())),
        ("a head in pieces", |head| Reply::Drip(head.to_vec(), Duration::from_millis(50))),
        ("a body in pieces", |head| Reply::Drip([head, &[0x30; 1289]].concat(), Duration::from_millis(20))),
    ];
    for (what, reply) in slow {
        let kds = Kds::with(&machine, move |asked, _| (asked == Asked::Vcek).then(|| reply(head))).await;
        let folder = tempfile::tempdir().unwrap();
        let endorsements = Endorsements::new(folder.path(), kds.service().with_limits(hasty()));
        let begun = Instant::now();
        let error = endorsements.fetch_at(&machine.report, NOW).await.unwrap_err();
        assert_eq!(error.code(), "endorsement.timeout", "{what}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{what}");
        assert_eq!(kds.counts()[0], 2, "{what}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_asked_once() {
    let Some(machine) = machine_of(TURIN) else { return };
    // The port stays bound without listening, so it refuses and no other process gets it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let service = Service::new(&format!("http://127.0.0.1:{port}")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let error = Endorsements::new(folder.path(), service).fetch_at(&machine.report, NOW).await.unwrap_err();
    assert_eq!(error.code(), "endorsement.connect", "{error}");
    assert!(begun.elapsed() < Duration::from_secs(1), "although the pauses are AMD's");
}
