//! Resolves a name and connects to the first address that accepts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quoth_link::egress::{Answer, Destination};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Time limit for lookup and connection together. Shorter than the time that an enclave waits.
const REACH_TIMEOUT: Duration = Duration::from_secs(12);
/// Time limit for the lookup of a name.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for one address to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum number of addresses that are tried for a name.
const ADDRESSES: usize = 8;
/// Maximum number of lookups at the same time. Each holds a thread until the resolver gives up, which can take long.
const LOOKUPS: usize = 16;

/// Resolves names and opens connections.
pub(super) struct Reach {
    lookups: Arc<Semaphore>,
}

impl Default for Reach {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Reach {
    /// Connects to `destination`. The error is the answer to the enclave.
    pub(super) async fn connect(&self, destination: &Destination) -> Result<TcpStream, Answer> {
        let connect = async {
            let addresses = self.addresses(destination, LOOKUP_TIMEOUT).await.ok_or(Answer::Unresolved)?;
            first(addresses, CONNECT_TIMEOUT).await.ok_or(Answer::Unreachable)
        };
        timeout(REACH_TIMEOUT, connect).await.unwrap_or(Err(Answer::Unreachable))
    }

    /// Returns the addresses, or `None` if there are none or the lookup takes too long.
    async fn addresses(&self, destination: &Destination, patience: Duration) -> Option<Vec<SocketAddr>> {
        let lookup = async {
            let permit = Arc::clone(&self.lookups).acquire_owned().await.ok()?;
            let line = destination.to_line();
            // A separate task: after a timeout it holds the permit until the resolver's thread is free again.
            let lookup = tokio::spawn(async move {
                let _permit = permit;
                lookup_host(line).await.map(|found| alternating(found.collect()))
            });
            lookup.await.ok()?.ok()
        };
        let found = timeout(patience, lookup).await.ok().flatten();
        found.filter(|addresses| !addresses.is_empty())
    }
}

/// Connects to the first of `addresses` that accepts. Waits at most `patience` for each.
async fn first(addresses: Vec<SocketAddr>, patience: Duration) -> Option<TcpStream> {
    for address in addresses.into_iter().take(ADDRESSES) {
        if let Ok(Ok(provider)) = timeout(patience, TcpStream::connect(address)).await {
            // Requests and answers are many small writes, and Nagle's algorithm would delay them. Best effort.
            let _ = provider.set_nodelay(true);
            return Some(provider);
        }
    }
    None
}

/// Orders IPv6 and IPv4 addresses in turn and keeps the resolver's order in each family (RFC 8305 §4). If one family does
/// not work, the second attempt uses the other one.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let preferred = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut ones, mut others) = (0, 0);
    let mut ranked: Vec<_> = addresses
        .into_iter()
        .map(|address| {
            let rank = if address.is_ipv6() == preferred { &mut ones } else { &mut others };
            *rank += 1;
            (*rank, address)
        })
        .collect();
    ranked.sort_by_key(|(rank, address)| (*rank, address.is_ipv6() != preferred));
    ranked.into_iter().map(|(_, address)| address).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        for (found, tried) in [
            (&[][..], &[][..]),
            (&["[::1]:1", "[::2]:1", "1.1.1.1:1"], &["[::1]:1", "1.1.1.1:1", "[::2]:1"]),
            (&["1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1", "[::1]:1"], &["1.1.1.1:1", "[::1]:1", "2.2.2.2:1", "3.3.3.3:1"]),
            (&["[::2]:1", "[::1]:1"], &["[::2]:1", "[::1]:1"]),
        ] {
            assert_eq!(alternating(addresses(found)), addresses(tried));
        }
    }

    /// Returns an address of this machine where no server listens.
    async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn the_last_address_that_may_be_tried_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut tried = vec![nobody().await; ADDRESSES - 1];
        tried.push(listener.local_addr().unwrap());
        assert!(first(tried.clone(), CONNECT_TIMEOUT).await.unwrap().nodelay().unwrap());
        tried.insert(0, tried[0]);
        assert!(first(tried, CONNECT_TIMEOUT).await.is_none());
    }

    #[tokio::test]
    async fn an_address_that_says_nothing_costs_a_bounded_time() {
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = silent.listen(1).unwrap();
        let (address, patience) = (silent.local_addr().unwrap(), Duration::from_millis(200));
        // Nobody accepts: once the backlog is full, the kernel drops what comes.
        let mut backlog = Vec::new();
        while let Ok(stream) = timeout(patience, TcpStream::connect(address)).await {
            backlog.push(stream.unwrap());
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reached = first(vec![address, listener.local_addr().unwrap()], patience).await.unwrap();
        assert_eq!(reached.peer_addr().unwrap(), listener.local_addr().unwrap());
    }

    #[tokio::test]
    async fn names_past_those_being_resolved_wait_and_not_for_long() {
        let (reach, patience) = (Reach::default(), Duration::from_millis(100));
        let destination = Destination::new("localhost", 443).unwrap();
        let others = Arc::clone(&reach.lookups).acquire_many_owned(LOOKUPS as u32 - 1).await.unwrap();
        let found = reach.addresses(&destination, LOOKUP_TIMEOUT).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 443));
        let _last = Arc::clone(&reach.lookups).acquire_owned().await.unwrap();
        assert!(reach.addresses(&destination, patience).await.is_none());
        drop(others);
        assert!(reach.addresses(&destination, LOOKUP_TIMEOUT).await.is_some());
    }
}
