//! A provider process. The model's name chooses its behaviour, so one process can misbehave in every way at once.

mod answers;
mod process;

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use answers::{Answer, End};
pub(crate) use process::Provider;

const BACKLOG: u32 = 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// Maximum number of streams of one HTTP/2 connection.
const STREAMS: u32 = 1_000;
/// Buffer of hyper for one connection, bytes.
const BUFFER: usize = 64 * 1024;

/// Pause between the last piece and a cut, so that the piece leaves first.
const APART: Duration = Duration::from_millis(50);

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Serves on a port of 127.0.0.1 with the identity in a folder, until the process ends.
///
/// # Errors
/// If the identity cannot be read or the port is taken.
pub(crate) async fn serve(folder: &Path, port: u16) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(Arc::new(tls(folder)?));
    let listener = listen(port)?;
    println!("listening");
    loop {
        let Ok((tcp, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        tokio::spawn(connection(acceptor.clone(), tcp));
    }
}

fn tls(folder: &Path) -> io::Result<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(folder.join("cert.pem")).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"h2".into(), b"http/1.1".into()];
    Ok(config)
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A restarted provider can bind the port while the kernel still holds old connections.
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)
}

async fn connection(acceptor: TlsAcceptor, tcp: TcpStream) {
    // Errors end the connection, which the node notices.
    let _ = tcp.set_nodelay(true);
    let Ok(stream) = acceptor.accept(tcp).await else { return };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_send_buf_size(BUFFER);
    let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let Answer { media_type, pieces, end } = answers::to(&body).await;
    let body = match end {
        End::Whole => Full::new(pieces.into_iter().map(|(_, bytes)| bytes).next().unwrap_or_default())
            .map_err(|never| match never {})
            .boxed_unsync(),
        end => stream(pieces, end),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    Ok(response)
}

fn stream(pieces: answers::Pieces, end: End) -> Body {
    let frames = stream::unfold((pieces.into_iter(), end), |(mut pieces, end)| async move {
        let Some((pause, bytes)) = pieces.next() else {
            return match end {
                End::Whole | End::Clean => None,
                End::Cut => {
                    sleep(APART).await;
                    Some((Err(io::ErrorKind::ConnectionReset.into()), (pieces, End::Clean)))
                }
                End::Silence => std::future::pending().await,
            };
        };
        if !pause.is_zero() {
            sleep(pause).await;
        }
        Some((Ok(Frame::data(bytes)), (pieces, end)))
    });
    StreamBody::new(frames).boxed_unsync()
}
