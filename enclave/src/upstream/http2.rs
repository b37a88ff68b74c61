//! Speaks HTTP/2 to a provider with h2 itself. A request's head and body leave in one write; hyper would make two, and
//! hand each from task to task.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, Reason};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use super::UpstreamError;
use crate::limits;
use crate::metrics::{Counted, Gauge};

/// What HTTP/2 is spoken over.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection that carries many requests.
pub(super) struct Shared {
    requests: SendRequest<Bytes>,
    /// How many requests it carries now.
    carries: Gauge,
}

/// A place on a connection for one request and its answer.
pub(super) struct Place {
    requests: SendRequest<Bytes>,
    _counted: Counted,
}

impl Shared {
    /// Begins HTTP/2 over `stream`. A task serves it until it ends.
    pub(super) async fn new(stream: impl Io) -> Result<Self, UpstreamError> {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(limits::UPSTREAM_WINDOW)
            .initial_connection_window_size(limits::UPSTREAM_WINDOWS)
            .max_header_list_size(limits::UPSTREAM_HEAD_BYTES as u32);
        let (requests, connection) = builder.handshake(stream).await.map_err(|_| UpstreamError::Closed)?;
        let carries = Gauge::default();
        tokio::spawn(drive(connection, carries.clone()));
        Ok(Self { requests, carries })
    }

    /// Whether it takes further requests.
    pub(super) fn is_open(&mut self) -> bool {
        // This handle has no request of its own to wait for.
        !matches!(self.requests.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
    }

    /// Takes a place, if there is one.
    pub(super) fn place(&self) -> Option<Place> {
        let counted = self.carries.enter_below(limits::UPSTREAM_STREAMS)?;
        Some(Place { requests: self.requests.clone(), _counted: counted })
    }
}

impl Place {
    /// Sends a request. None if the connection takes no more requests; then nothing has left. Dropping the answer, or
    /// the wait for it, resets the stream.
    pub(super) fn send(&mut self, head: Request<()>, body: Bytes) -> Option<ResponseFuture> {
        let (answer, mut rest) = self.requests.send_request(head, false).ok()?;
        // This fails only if the stream has already ended. Then the answer says so.
        let _ = rest.send_data(body, true);
        Some(answer)
    }
}

/// Whether the provider says that it did nothing with a request (RFC 9113 §8.7): the stream was refused, or GOAWAY
/// names an earlier stream as the last.
pub(super) fn is_unprocessed(error: &h2::Error) -> bool {
    // h2 reports a GOAWAY only to requests whose stream is beyond the last one that it names. Others end as the
    // connection does.
    error.is_remote() && (error.is_go_away() || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
}

/// Drives the connection until it ends, or until a ping stays without an answer.
async fn drive(mut connection: Connection<impl Io, Bytes>, carries: Gauge) {
    let Some(pings) = connection.ping_pong() else { return };
    tokio::select! {
        biased;
        _ = connection => {}
        () = silence(pings, carries) => {}
    }
}

/// Returns when a ping stays without an answer. Pings are sent only while a request waits.
async fn silence(mut pings: PingPong, carries: Gauge) {
    loop {
        sleep(limits::UPSTREAM_PING).await;
        let answer = timeout(limits::UPSTREAM_PING, pings.ping(Ping::opaque()));
        if carries.value() > 0 && !matches!(answer.await, Ok(Ok(_))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use tokio::io::{DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    async fn connected() -> (Shared, h2::server::Connection<DuplexStream, Bytes>) {
        let (ours, theirs) = duplex(1 << 16);
        let (shared, server) = tokio::join!(Shared::new(ours), h2::server::handshake(theirs));
        (shared.unwrap(), server.unwrap())
    }

    fn head() -> Request<()> {
        Request::post("https://provider.example/v1").body(()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_no_sign_of_life_is_given_up() {
        let (mut shared, _server) = connected().await;
        let (mut place, begun) = (shared.place().unwrap(), Instant::now());
        assert!(place.send(head(), Bytes::from_static(b"{}")).unwrap().await.is_err() && !shared.is_open());
        assert_eq!(begun.elapsed().as_secs(), 2 * limits::UPSTREAM_PING.as_secs());
        assert!(place.send(head(), Bytes::new()).is_none(), "nothing leaves any more");
    }

    #[tokio::test(start_paused = true)]
    async fn who_thinks_for_long_is_waited_for() {
        let (mut shared, mut server) = connected().await;
        tokio::spawn(async move {
            let (request, mut respond) = server.accept().await.unwrap().unwrap();
            assert_eq!(request.into_body().data().await.unwrap().unwrap(), "{}");
            // This side answers pings.
            let _ = timeout(LONG, server.accept()).await;
            respond.send_response(http::Response::new(()), true).unwrap();
            while server.accept().await.is_some() {}
        });
        let begun = Instant::now();
        let mut place = shared.place().unwrap();
        assert_eq!(place.send(head(), Bytes::from_static(b"{}")).unwrap().await.unwrap().status(), 200);
        assert!(begun.elapsed() >= LONG && shared.is_open());
    }

    #[tokio::test]
    async fn places_are_few_and_come_back() {
        let (shared, _server) = connected().await;
        let places: Vec<_> = (0..limits::UPSTREAM_STREAMS).map(|_| shared.place().unwrap()).collect();
        assert!(shared.place().is_none());
        drop(places);
        assert!(shared.place().is_some());
    }
}
