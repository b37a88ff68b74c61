//! Egress over real sockets.
#![allow(clippy::unwrap_used)]

mod passage;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use passage::{SOON, echoes, falls_to, hears, hears_last, is_stopped};
use quoth_host::egress::{self, Counters, Limits};
use quoth_link::egress::Destination;
use quoth_link::{Address, LinkError, Port, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A host with one provider on its list.
struct Egress {
    _folder: tempfile::TempDir,
    link: Address,
    provider: TcpListener,
    destination: Destination,
    counters: Arc<Counters>,
    task: JoinHandle<()>,
}

impl Egress {
    async fn start(limits: Limits) -> Self {
        Self::leading_to("127.0.0.1", &[], limits).await
    }

    async fn leading_to(host: &str, more: &[Destination], limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let link = Address::Unix(folder.path().to_owned());
        let provider = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let destination = Destination::new(host, provider.local_addr().unwrap().port()).unwrap();
        let allowed = [std::slice::from_ref(&destination), more].concat();
        let (listener, counters) = (link.listen(Port::EGRESS).unwrap(), Arc::new(Counters::default()));
        let task = tokio::spawn(egress::serve(listener, allowed, limits, Arc::clone(&counters)));
        Self { _folder: folder, link, provider, destination, counters, task }
    }

    async fn enclave(&self) -> Stream {
        self.link.connect(Port::EGRESS, SOON).await.unwrap()
    }

    async fn ask(&self, destination: &Destination) -> Result<Stream, LinkError> {
        let mut enclave = self.enclave().await;
        timeout(SOON, destination.ask(&mut enclave)).await.unwrap()?;
        Ok(enclave)
    }

    async fn pair(&self) -> (Stream, TcpStream) {
        let enclave = self.ask(&self.destination).await.unwrap();
        (enclave, timeout(SOON, self.provider.accept()).await.unwrap().unwrap().0)
    }

    /// Sends bytes to the host. Returns its answer until it closes.
    async fn said_to(&self, bytes: &[u8]) -> Vec<u8> {
        let (mut enclave, mut said) = (self.enclave().await, Vec::new());
        enclave.write_all(bytes).await.unwrap();
        // A socket that closes with unread bytes may report an error.
        let _ = timeout(SOON, enclave.read_to_end(&mut said)).await.unwrap();
        said
    }

    fn counted(&self) -> [u64; 5] {
        let Counters { led, refused, unresolved, unreachable, shed, .. } = &*self.counters;
        [led, refused, unresolved, unreachable, shed].map(|counter| counter.load(Ordering::Relaxed))
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns an address of this machine where no server listens.
fn nobody() -> SocketAddr {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_pass_unchanged_both_ways_at_once() {
    let egress = Egress::start(Limits::default()).await;
    let (mut enclave, provider) = egress.pair().await;
    echoes(&mut enclave, provider).await;
    falls_to(&egress.counters.open, 0).await;
    assert_eq!(egress.counted(), [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn what_follows_the_request_at_once_is_the_providers() {
    let egress = Egress::start(Limits::default()).await;
    let mut enclave = egress.enclave().await;
    enclave.write_all(format!("{}\nhello", egress.destination).as_bytes()).await.unwrap();
    let (mut provider, _) = timeout(SOON, egress.provider.accept()).await.unwrap().unwrap();
    provider.write_all(b"welcome").await.unwrap();
    let mut bytes = [0; 5];
    timeout(SOON, provider.read_exact(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(&bytes, b"hello");
    let mut said = [0; 10];
    timeout(SOON, enclave.read_exact(&mut said)).await.unwrap().unwrap();
    assert_eq!(&said, b"ok\nwelcome");
}

#[tokio::test]
async fn an_end_of_one_direction_leaves_the_other_open() {
    let egress = Egress::start(Limits::default()).await;
    let (mut enclave, mut provider) = egress.pair().await;
    hears(&mut enclave, &mut provider, b"question").await;
    assert_eq!(egress.counters.open.load(Ordering::Relaxed), 1);
    hears_last(provider, &mut enclave, b"answer").await;
    falls_to(&egress.counters.open, 0).await;
}

#[tokio::test]
async fn a_provider_that_hangs_up_is_seen_with_its_last_words() {
    let egress = Egress::start(Limits::default()).await;
    let (mut enclave, provider) = egress.pair().await;
    hears_last(provider, &mut enclave, b"no").await;
    drop(enclave);
    falls_to(&egress.counters.open, 0).await;
}

#[tokio::test]
async fn a_reader_that_stands_still_stops_the_writer() {
    let egress = Egress::start(Limits::default()).await;
    let (_enclave, provider) = egress.pair().await;
    is_stopped(provider).await;
}

#[tokio::test]
async fn only_the_list_is_led_to() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let egress = Egress::start(Limits::default()).await;
    let port = egress.destination.port();
    // Another port, another name of the same machine, and a name that contains the listed one.
    for (host, port) in [
        ("127.0.0.1", other.local_addr().unwrap().port()),
        ("127.0.0.1", 443),
        ("localhost", port),
        ("127.0.0.2", port),
        ("api.openai.com", 443),
    ] {
        let destination = Destination::new(host, port).unwrap();
        assert!(matches!(egress.ask(&destination).await, Err(LinkError::DestinationRefused)), "{destination}");
    }
    assert!(timeout(Duration::from_millis(200), other.accept()).await.is_err());
    egress.pair().await;
    assert_eq!(egress.counted(), [1, 5, 0, 0, 0]);
}

#[tokio::test]
async fn an_empty_list_leads_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let link = Address::Unix(folder.path().to_owned());
    let listener = link.listen(Port::EGRESS).unwrap();
    let task = tokio::spawn(egress::serve(listener, [], Limits::default(), Arc::default()));
    let mut enclave = link.connect(Port::EGRESS, SOON).await.unwrap();
    let destination = Destination::new("127.0.0.1", nobody().port()).unwrap();
    assert!(matches!(destination.ask(&mut enclave).await, Err(LinkError::DestinationRefused)));
    task.abort();
}

#[tokio::test]
async fn names_are_resolved_and_their_addresses_tried_in_turn() {
    // If `localhost` is also ::1, no server listens there.
    let egress = Egress::leading_to("localhost", &[], Limits::default()).await;
    let (mut enclave, mut provider) = egress.pair().await;
    provider.write_all(b"x").await.unwrap();
    timeout(SOON, enclave.read_exact(&mut [0])).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_name_without_an_address_is_unresolved() {
    // Never registered: RFC 6761 §6.4.
    let nowhere = Destination::new("provider.invalid", 443).unwrap();
    let egress = Egress::leading_to("127.0.0.1", std::slice::from_ref(&nowhere), Limits::default()).await;
    assert!(matches!(egress.ask(&nowhere).await, Err(LinkError::DestinationUnresolved)));
    assert_eq!(egress.counted(), [0, 0, 1, 0, 0]);
}

#[tokio::test]
async fn a_provider_that_does_not_listen_is_unreachable() {
    let closed = nobody();
    let four = Destination::new("127.0.0.1", closed.port()).unwrap();
    let six = Destination::new("[::1]", closed.port()).unwrap();
    let egress = Egress::leading_to("127.0.0.1", &[four.clone(), six.clone()], Limits::default()).await;
    for closed in [four, six] {
        assert!(matches!(egress.ask(&closed).await, Err(LinkError::DestinationUnreachable)), "{closed}");
    }
    assert_eq!(egress.counted(), [0, 0, 0, 2, 0]);
}

#[tokio::test]
async fn what_is_no_request_is_closed_without_an_answer() {
    let egress = Egress::start(Limits::default()).await;
    for garbage in [
        &b"\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\n",
        b"127.0.0.1\n",
        format!("{}\r\n", egress.destination).as_bytes(),
        format!(" {}\n", egress.destination).as_bytes(),
        &[b'a'; 260],
        &vec![b'a'; 1 << 16],
    ] {
        assert_eq!(egress.said_to(garbage).await, b"", "{garbage:?}");
    }
    // A client that leaves in the middle of a request.
    egress.enclave().await.write_all(b"127.0").await.unwrap();
    drop(egress.enclave().await);
    egress.pair().await;
    assert_eq!(egress.counted(), [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn whoever_asks_slowly_is_closed() {
    let ask_timeout = Duration::from_millis(300);
    let egress = Egress::start(Limits { ask_timeout, ..Limits::default() }).await;
    assert_eq!(egress.said_to(b"").await, b"");
    let (mut reader, mut writer) = split(egress.enclave().await);
    let drip = async {
        for byte in egress.destination.to_line().bytes().cycle() {
            tokio::time::sleep(ask_timeout / 4).await;
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    };
    let mut said = Vec::new();
    timeout(SOON, async { tokio::join!(drip, async { drop(reader.read_to_end(&mut said).await) }) }).await.unwrap();
    assert_eq!(said, b"");
}

#[tokio::test]
async fn connections_past_the_budget_are_unreachable_and_the_budget_comes_back() {
    let egress = Egress::start(Limits { connections: 2, ..Limits::default() }).await;
    let first = egress.pair().await;
    let _second = egress.pair().await;
    for _ in 0..3 {
        assert!(matches!(egress.ask(&egress.destination).await, Err(LinkError::DestinationUnreachable)));
    }
    assert_eq!(egress.counted(), [2, 0, 0, 0, 3]);
    drop(first);
    falls_to(&egress.counters.open, 1).await;
    // The permit is released shortly after the counter changes.
    let again = async {
        while egress.ask(&egress.destination).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, again).await.unwrap();
}

#[tokio::test]
async fn a_flood_past_the_budget_is_closed_as_it_comes() {
    let egress = Egress::start(Limits { connections: 1, ask_timeout: SOON, ..Limits::default() }).await;
    let _led = egress.pair().await;
    let mut silent = Vec::new();
    for _ in 0..egress::TURNED_AWAY {
        silent.push(egress.enclave().await);
    }
    let turned_away = async {
        while egress.counted()[4] < egress::TURNED_AWAY as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, turned_away).await.unwrap();
    let mut one_more = egress.enclave().await;
    assert!(matches!(timeout(Duration::from_secs(2), one_more.read(&mut [0])).await.unwrap(), Ok(0) | Err(_)));
    let destination = egress.destination.clone();
    assert!(matches!(destination.ask(&mut silent[0]).await, Err(LinkError::DestinationUnreachable)));
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_slow_one_is_not() {
    let idle_timeout = Duration::from_millis(600);
    let egress = Egress::start(Limits { idle_timeout, ..Limits::default() }).await;
    let (mut enclave, mut provider) = egress.pair().await;
    for _ in 0..5 {
        tokio::time::sleep(idle_timeout / 3).await;
        provider.write_all(b"x").await.unwrap();
        timeout(SOON, enclave.read_exact(&mut [0])).await.unwrap().unwrap();
    }
    assert!(matches!(timeout(SOON, enclave.read(&mut [0])).await.unwrap(), Ok(0) | Err(_)));
    assert!(matches!(timeout(SOON, provider.read(&mut [0])).await.unwrap(), Ok(0) | Err(_)));
}
