//! Deadlines, resends and framing, over connections within the process and a clock that stands still.
#![allow(clippy::unwrap_used)]

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::future::join_all;
use h2::Reason;
use quoth_attestation::Digest;
use quoth_attestation::receipt::TlsPeer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::sleep;

use super::*;
use crate::config::Config;
use crate::upstream::Key;
use crate::upstream::request::Named;

const SILENCE: Duration = Duration::from_secs(600);

/// The answer of a provider that has nothing to say.
const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// An empty SETTINGS frame, which begins HTTP/2 on a server's side.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

fn provider() -> (Pool, UpstreamRequest) {
    let file = "version = 1\nplatform = \"none\"\ntls_names = [\"localhost\"]\n[[upstream]]\nname = \"p\"\n\
                host = \"p.example\"\napi = \"openai\"\nmodels = [\"*\"]\n";
    let settings = Config::parse(file.into()).unwrap().settings;
    let upstream = &settings.upstreams[0];
    let pool = Pool::new(upstream, &Address::Unix("/nowhere".into())).unwrap();
    let named = Named::new(upstream).unwrap();
    let request = UpstreamRequest::new(upstream, &named, "/v1/x", &HeaderMap::new(), &Key::new("sk"), "{}".into());
    (pool, request.unwrap())
}

fn connection(h2: bool) -> (Connection<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(1 << 16);
    let tls = TlsPeer { version: 0x0304, suite: 0x1301, leaf_spki: Digest([0; 32]), chain: Digest([0; 32]) };
    (Connection { stream: ours, peer: Arc::new(Peer { tls, certificates: Vec::new() }), h2 }, theirs)
}

/// Sends a request to a provider that treats its connections as `serve` does, each with its number; returns how often it was
/// connected to, too.
async fn asked<F>(h2: bool, serve: impl Fn(usize, DuplexStream) -> F) -> (Result<u16, UpstreamError>, usize)
where
    F: Future<Output = ()> + Send + 'static,
{
    let ((pool, request), made) = (provider(), AtomicUsize::new(0));
    let connect = async || {
        let (connection, theirs) = connection(h2);
        tokio::spawn(serve(made.fetch_add(1, Relaxed), theirs));
        Ok(connection)
    };
    let sent = pool.send_over(&request, SILENCE, connect).await;
    (sent.map(|answered| answered.response.status().as_u16()).map_err(|failed| failed.error), made.into_inner())
}

async fn error_of(sent: impl Future<Output = Result<Answered, Failed>>) -> (UpstreamError, bool, Duration) {
    let begun = Instant::now();
    let Failed { error, peer } = sent.await.err().unwrap();
    (error, peer.is_some(), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_silent_provider_fails_every_request_after_one_deadline() {
    let (pool, request) = provider();
    let silent = || pending::<Result<Connection<DuplexStream>, _>>();
    let wave = || join_all((0..50).map(|_| error_of(pool.send_over(&request, SILENCE, silent))));
    let late = (UpstreamError::Silent, false, limits::UPSTREAM_CONNECT);
    for _ in 0..limits::UPSTREAM_FAILURES as usize / limits::CONNECTING {
        assert_eq!(wave().await, [late; 50]);
    }
    // From then on they fail at once; after a pause one of them finds out whether the provider is back.
    let at_once = (UpstreamError::Silent, false, Duration::ZERO);
    assert_eq!(wave().await, [at_once; 50]);
    sleep(limits::UPSTREAM_PAUSE).await;
    let ended = wave().await;
    assert_eq!((ended.iter().filter(|end| **end == at_once).count(), ended[0]), (49, late));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_back_is_asked_again() {
    let (pool, request) = provider();
    let away = async || Err::<Connection<DuplexStream>, _>(UpstreamError::Unreachable);
    for _ in 0..2 * limits::UPSTREAM_FAILURES {
        assert_eq!(error_of(pool.send_over(&request, SILENCE, away)).await.0, UpstreamError::Unreachable);
    }
    sleep(limits::UPSTREAM_PAUSE).await;
    let back = async || {
        let (connection, mut theirs) = connection(false);
        tokio::spawn(async move {
            read_request(&mut theirs).await;
            theirs.write_all(EMPTY).await
        });
        Ok(connection)
    };
    assert!(pool.send_over(&request, SILENCE, back).await.is_ok());
    assert!(pool.send_over(&request, SILENCE, back).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn silence_counts_from_the_connection_on() {
    for h2 in [false, true] {
        let (pool, request) = provider();
        let late = limits::UPSTREAM_CONNECT - Duration::from_secs(1);
        let connect = async || {
            sleep(late).await;
            let (connection, theirs) = connection(h2);
            // Answers what keeps a connection alive, and no request.
            tokio::spawn(async move {
                match h2 {
                    true => {
                        let mut server = h2::server::handshake(theirs).await.unwrap();
                        let _asked = server.accept().await;
                        while server.accept().await.is_some() {}
                    }
                    false => pending().await,
                }
            });
            Ok(connection)
        };
        let ended = error_of(pool.send_over(&request, SILENCE, connect)).await;
        assert_eq!(ended, (UpstreamError::Silent, true, late + SILENCE), "h2 {h2}");
    }
}

/// Reads to the end of a request.
async fn read_request(stream: &mut DuplexStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"{}") {
        stream.read_buf(&mut read).await.unwrap();
    }
}

/// Answers every request.
async fn answers(stream: DuplexStream) {
    let mut server = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut respond))) = server.accept().await {
        respond.send_response(Response::new(()), true).unwrap();
    }
}

/// Reads a request, then says by GOAWAY which stream was the last that it processed, and closes.
async fn goes_away(mut stream: DuplexStream, last: u8) {
    stream.write_all(&SETTINGS).await.unwrap();
    read_request(&mut stream).await;
    stream.write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last, 0, 0, 0, 0]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_goaway_leaves_out_is_sent_again() {
    let (sent, made) = asked(true, async |number, stream| match number {
        0 | 1 => goes_away(stream, 0).await,
        _ => answers(stream).await,
    })
    .await;
    assert_eq!((sent, made), (Ok(200), 3));
}

#[tokio::test(start_paused = true)]
async fn what_goaway_names_may_have_been_processed_and_is_not() {
    let (sent, made) = asked(true, async |_, stream| goes_away(stream, 1).await).await;
    assert_eq!((sent, made), (Err(UpstreamError::Closed), 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_stream_is_sent_again() {
    for (reason, expected) in [(Reason::REFUSED_STREAM, Ok(200)), (Reason::INTERNAL_ERROR, Err(UpstreamError::Closed))]
    {
        let (sent, made) = asked(true, move |_, stream| async move {
            let mut server = h2::server::handshake(stream).await.unwrap();
            let (_request, mut respond) = server.accept().await.unwrap().unwrap();
            respond.send_reset(reason);
            while let Some(Ok((_, mut respond))) = server.accept().await {
                respond.send_response(Response::new(()), true).unwrap();
            }
        })
        .await;
        assert_eq!((sent, made), (expected, 1), "{reason:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn so_often_and_no_more() {
    let (sent, made) = asked(true, async |_, stream| goes_away(stream, 0).await).await;
    assert_eq!((sent, made), (Err(UpstreamError::Closed), 1 + limits::RESENDS));
    let (sent, made) = asked(true, async |number, stream| match number {
        limits::RESENDS => answers(stream).await,
        _ => goes_away(stream, 0).await,
    })
    .await;
    assert_eq!((sent, made), (Ok(200), 1 + limits::RESENDS));
}

#[tokio::test(start_paused = true)]
async fn what_may_have_left_over_http1_is_not_sent_again() {
    let (sent, made) = asked(false, async |_, mut stream| {
        stream.read_u8().await.unwrap();
    })
    .await;
    assert_eq!((sent, made), (Err(UpstreamError::Closed), 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_chunked_plainly_or_not_at_all() {
    for (head, expected) in [
        ("transfer-encoding: chunked", Ok(200)),
        ("content-length: 5", Ok(200)),
        ("transfer-encoding: gzip, chunked", Err(UpstreamError::Encoded)),
        ("transfer-encoding: chunked, chunked", Err(UpstreamError::Encoded)),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked", Err(UpstreamError::Encoded)),
        ("transfer-encoding: gzip", Err(UpstreamError::Encoded)),
        ("transfer-encoding: xchunked", Err(UpstreamError::Encoded)),
        ("transfer-encoding: identity", Err(UpstreamError::Encoded)),
        ("transfer-encoding:", Err(UpstreamError::Encoded)),
        ("transfer-encoding: chunked\r\ncontent-length: 5", Err(UpstreamError::Encoded)),
        ("content-length: 5\r\ncontent-length: 6", Err(UpstreamError::Head)),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n0\r\n\r\n");
        let (sent, _) = asked(false, move |_, mut stream| {
            let answer = answer.clone();
            async move {
                read_request(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
                pending().await
            }
        })
        .await;
        assert_eq!(sent, expected, "{head}");
    }
}
