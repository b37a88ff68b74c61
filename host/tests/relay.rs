//! The relay over real sockets.
#![allow(clippy::unwrap_used)]

mod passage;

use std::sync::atomic::Ordering;
use std::time::Duration;

use passage::{SOON, echoes, falls_to, hears, hears_last, is_stopped};
use quoth_host::relay::{Limits, Relay};
use quoth_link::{Address, Listener, Port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

struct Relayed {
    _folder: tempfile::TempDir,
    enclave: Option<Listener>,
    relay: Relay,
    port: u16,
}

impl Relayed {
    async fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().to_owned());
        let enclave = Some(address.listen(Port::CLIENTS).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { relay: Relay::start(listener, address, limits), _folder: folder, enclave, port }
    }

    async fn client(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    async fn pair(&self) -> (TcpStream, quoth_link::Stream) {
        let client = self.client().await;
        (client, timeout(SOON, self.enclave.as_ref().unwrap().accept()).await.unwrap().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_pass_unchanged_both_ways_at_once() {
    let relayed = Relayed::start(Limits::default()).await;
    let (client, enclave) = relayed.pair().await;
    echoes(client, enclave).await;
}

#[tokio::test]
async fn an_end_of_one_direction_leaves_the_other_open() {
    let relayed = Relayed::start(Limits::default()).await;
    let (mut client, mut enclave) = relayed.pair().await;
    hears(&mut client, &mut enclave, b"question").await;
    hears_last(enclave, &mut client, b"answer").await;
    falls_to(&relayed.relay.counters().open, 0).await;
}

#[tokio::test]
async fn a_reader_that_stands_still_stops_the_writer() {
    let relayed = Relayed::start(Limits::default()).await;
    let (_client, enclave) = relayed.pair().await;
    is_stopped(enclave).await;
}

#[tokio::test]
async fn connections_past_the_budget_are_closed_and_the_budget_comes_back() {
    let relayed = Relayed::start(Limits { connections: 2, ..Limits::default() }).await;
    let first = relayed.pair().await;
    let _second = relayed.pair().await;
    let mut third = relayed.client().await;
    assert!(matches!(timeout(SOON, third.read(&mut [0])).await.unwrap(), Ok(0) | Err(_)));
    assert_eq!(relayed.relay.counters().shed.load(Ordering::Relaxed), 1);
    drop(first);
    falls_to(&relayed.relay.counters().open, 1).await;
    relayed.pair().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_slow_one_is_not() {
    let idle_timeout = Duration::from_millis(600);
    let relayed = Relayed::start(Limits { idle_timeout, ..Limits::default() }).await;
    let (mut client, mut enclave) = relayed.pair().await;
    for _ in 0..5 {
        tokio::time::sleep(idle_timeout / 3).await;
        enclave.write_all(b"x").await.unwrap();
        timeout(SOON, client.read_exact(&mut [0])).await.unwrap().unwrap();
    }
    assert!(matches!(timeout(SOON, client.read(&mut [0])).await.unwrap(), Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_client_is_closed_when_the_enclave_is_not_there() {
    let mut relayed = Relayed::start(Limits::default()).await;
    relayed.enclave = None;
    let mut client = relayed.client().await;
    assert!(matches!(timeout(SOON, client.read(&mut [0])).await.unwrap(), Ok(0) | Err(_)));
    assert_eq!(relayed.relay.counters().unreachable.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_open_comes_to_its_end_after_the_door_is_closed() {
    let mut relayed = Relayed::start(Limits::default()).await;
    let (mut client, mut enclave) = relayed.pair().await;
    relayed.relay.stop_accepting();
    timeout(SOON, async {
        while TcpStream::connect(("127.0.0.1", relayed.port)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    enclave.write_all(b"late").await.unwrap();
    let mut bytes = [0; 4];
    timeout(SOON, client.read_exact(&mut bytes)).await.unwrap().unwrap();
    drop((client, enclave));
    timeout(SOON, relayed.relay.finished()).await.unwrap();
}
