//! One request on its own connection. Every part of the answer is bounded in size and time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::document::Document;
use super::error::EndorsementError;
use super::limits::Limits;

/// Maximum number of header fields in an answer.
const HEADERS: usize = 64;
/// Maximum length of an answer's head, bytes.
const HEAD: usize = 16 * 1024;

/// Why a request failed.
pub(super) enum Failure {
    /// A retry would fail, too.
    Final(EndorsementError),
    /// A retry may succeed.
    Passing(EndorsementError),
    /// The service asks for a pause before a retry.
    Busy { url: String, status: u16, retry_after: Option<Duration> },
}

/// Asks for a document once.
pub(super) async fn get(
    address: &Address,
    tls: &Arc<ClientConfig>,
    limits: &Limits,
    target: &str,
    document: Document,
) -> Result<Vec<u8>, Failure> {
    let asking = Asking { address, limits, target, document };
    let connect = async {
        let stream = TcpStream::connect((&*address.host, address.port)).await?;
        stream.set_nodelay(true)?;
        Ok::<_, io::Error>(stream)
    };
    if !address.tls {
        let stream = asking.connected(connect).await?;
        return asking.exchange(TokioIo::new(stream)).await;
    }
    let stream = asking.connected(async {
        let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(tls)).connect(name, connect.await?).await
    });
    asking.exchange(TokioIo::new(stream.await?)).await
}

struct Asking<'a> {
    address: &'a Address,
    limits: &'a Limits,
    target: &'a str,
    document: Document,
}

impl Asking<'_> {
    fn url(&self) -> String {
        self.address.url(self.target)
    }

    fn late(&self, what: &'static str, limit: Duration) -> EndorsementError {
        EndorsementError::Timeout { url: self.url(), what, limit }
    }

    async fn connected<T>(&self, connect: impl Future<Output = io::Result<T>>) -> Result<T, Failure> {
        match timeout(self.limits.connect, connect).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(source)) => Err(Failure::Final(EndorsementError::Connect { url: self.url(), source })),
            Err(_) => Err(Failure::Final(self.late("connection", self.limits.connect))),
        }
    }

    async fn exchange<T: Read + Write + Unpin>(&self, io: T) -> Result<Vec<u8>, Failure> {
        let broken = |source| Failure::Passing(EndorsementError::Http { url: self.url(), source });
        let mut builder = http1::Builder::new();
        builder.max_headers(HEADERS).max_header_size(HEAD);
        let (mut sender, connection) = builder.handshake::<_, Empty<Bytes>>(io).await.map_err(broken)?;
        let answer = async {
            match timeout(self.limits.idle, sender.send_request(self.request()?)).await {
                Ok(response) => self.body(response.map_err(broken)?).await,
                Err(_) => Err(Failure::Passing(self.late("answer", self.limits.idle))),
            }
        };
        // Bytes that arrived before the end of the connection must still be read.
        let driven = async {
            let _ = connection.await;
            std::future::pending().await
        };
        tokio::select! {
            answer = answer => answer,
            never = driven => never,
        }
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, Failure> {
        let problem = "cannot be written into a request";
        Request::get(self.address.path(self.target))
            .header(header::HOST, &self.address.authority)
            .header(header::USER_AGENT, concat!("quoth/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::CONNECTION, "close")
            .body(Empty::new())
            .map_err(|_| Failure::Final(EndorsementError::Address { address: self.url(), problem }))
    }

    async fn body(&self, response: Response<Incoming>) -> Result<Vec<u8>, Failure> {
        let status = response.status();
        match status {
            StatusCode::OK if plain(response.headers()) => {}
            StatusCode::OK => {
                let problem = "in an encoding that was not asked for";
                return Err(Failure::Final(EndorsementError::Malformed { document: self.document, problem }));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let retry_after = retry_after(response.headers());
                return Err(Failure::Busy { url: self.url(), status: status.into(), retry_after });
            }
            _ => {
                let error = EndorsementError::Status { url: self.url(), status: status.into() };
                return Err(match status {
                    StatusCode::REQUEST_TIMEOUT
                    | StatusCode::INTERNAL_SERVER_ERROR
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::GATEWAY_TIMEOUT => Failure::Passing(error),
                    _ => Failure::Final(error),
                });
            }
        }
        let limit = self.document.limit();
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        loop {
            let frame = match timeout(self.limits.idle, body.frame()).await {
                Ok(None) => return Ok(bytes),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(source))) => {
                    return Err(Failure::Passing(EndorsementError::Http { url: self.url(), source }));
                }
                Err(_) => return Err(Failure::Passing(self.late("more of the answer", self.limits.idle))),
            };
            let data = frame.into_data().unwrap_or_default();
            if data.len() > limit - bytes.len() {
                return Err(Failure::Final(EndorsementError::TooLong { url: self.url(), limit }));
            }
            bytes.extend_from_slice(&data);
        }
    }
}

/// Returns whether the body has no content encoding.
fn plain(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().all(|coding| coding == "identity")
}

/// Reads `retry-after` in seconds. Ignores a date, because the service's clock is not trusted.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
