//! Opens connections, and appraises the node on each before it sends a request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection as ConnectionInfo};
use hyper_util::rt::TokioIo;
use quoth_attestation::binding::Nonce;
use quoth_attestation::evidence;
use quoth_verifier::{Policy, Refusal, Time, VerifiedNode, Verifier};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::limits;
use crate::tls::{config_unappraised, spki_digest};
use crate::{ClientError, Endpoint, Step};

const NODE_PATH: &str = "/.well-known/quoth/node";

/// Opens connections to nodes, and returns them only after appraisal. It fetches evidence over a fresh nonce on the connection
/// itself, judges it under the policy, and requires that it attests the key of the TLS handshake.
///
/// A [`tower::Service`] over [`Uri`], so hyper-util's client accepts it directly. Each connection that its pool opens is
/// appraised again, and answers carry the [`VerifiedNode`] in their extensions.
#[derive(Clone)]
pub struct Connector {
    verifier: Arc<Verifier>,
    tls: Arc<ClientConfig>,
}

impl Connector {
    /// Creates a connector under `policy`.
    pub fn new(policy: Policy) -> Self {
        Self { verifier: Arc::new(Verifier::new(policy)), tls: config_unappraised() }
    }

    /// Opens and appraises one connection.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the evidence does not satisfy the policy, or attests another TLS key
    /// (`tls.key_mismatch`); other variants if there was no evidence to judge.
    pub async fn open(&self, endpoint: &Endpoint) -> Result<AttestedStream, ClientError> {
        let stream = self.handshake(endpoint).await?;
        let presented = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(spki_digest);
        let Some(Ok(presented)) = presented else {
            return Err(ClientError::Protocol { step: Step::Handshake });
        };
        let nonce = fresh_nonce()?;
        let fetch = fetch_evidence(TokioIo::new(stream), endpoint, &nonce);
        let (evidence, stream) = within(limits::FETCH, Step::Evidence, fetch).await?;
        let node = self.verifier.verify_node(&evidence, Some(&nonce), Time::Live { now: now() })?;
        if node.tls_key() != presented {
            return Err(Refusal::TlsKeyMismatch { expected: node.tls_key().into(), actual: presented.into() }.into());
        }
        Ok(AttestedStream { stream, node, evidence: evidence.into() })
    }

    async fn handshake(&self, endpoint: &Endpoint) -> Result<TlsStream<TcpStream>, ClientError> {
        let io = |step| move |source| ClientError::Io { step, source };
        let connect = async { TcpStream::connect((endpoint.host(), endpoint.port())).await.map_err(io(Step::Connect)) };
        let tcp = within(limits::CONNECT, Step::Connect, connect).await?;
        tcp.set_nodelay(true).map_err(io(Step::Connect))?;
        let name = endpoint.server_name()?;
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        let handshake = async { tls.connect(name, tcp).await.map_err(io(Step::Handshake)) };
        within(limits::HANDSHAKE, Step::Handshake, handshake).await
    }
}

impl tower::Service<Uri> for Connector {
    type Response = AttestedStream;
    type Error = ClientError;
    type Future = Pin<Box<dyn Future<Output = Result<AttestedStream, ClientError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.open(&Endpoint::from_uri(&uri)?).await })
    }
}

/// A TLS stream to a node that satisfied the policy. It has carried only the request for evidence and its answer.
pub struct AttestedStream {
    stream: TokioIo<TlsStream<TcpStream>>,
    node: VerifiedNode,
    evidence: Arc<[u8]>,
}

impl AttestedStream {
    /// The node at the other end.
    pub fn node(&self) -> &VerifiedNode {
        &self.node
    }

    /// The evidence by which it was appraised, for transcripts.
    pub fn evidence(&self) -> &[u8] {
        &self.evidence
    }
}

impl ConnectionInfo for AttestedStream {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.node.clone())
    }
}

impl Read for AttestedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for AttestedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Requests evidence over `nonce`, and returns the stream for the next request.
async fn fetch_evidence<T>(io: T, endpoint: &Endpoint, nonce: &Nonce) -> Result<(Vec<u8>, T), ClientError>
where
    T: Read + Write + Unpin,
{
    let step = Step::Evidence;
    let failed = |source| ClientError::Http { step, source };
    let (mut sender, connection) = http1_builder().handshake::<_, Empty<Bytes>>(io).await.map_err(failed)?;
    let request = get(endpoint, &format!("{NODE_PATH}?nonce={}", nonce), step)?;
    let exchange = async move {
        let response = sender.send_request(request).await.map_err(failed)?;
        refuse_status(&response, 200)?;
        read_body(response.into_body(), evidence::MAX_BYTES, step).await
    };
    let (evidence, parts) = tokio::try_join!(exchange, async { connection.without_shutdown().await.map_err(failed) })?;
    match parts.read_buf.is_empty() {
        true => Ok((evidence, parts.io)),
        // Extra bytes could pass for the start of the next answer.
        false => Err(ClientError::Protocol { step }),
    }
}

pub(crate) fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_headers(limits::HEADERS).max_header_size(limits::HEAD_BYTES);
    builder
}

pub(crate) fn get(endpoint: &Endpoint, target: &str, step: Step) -> Result<Request<Empty<Bytes>>, ClientError> {
    Request::get(target)
        .header(header::HOST, endpoint.authority())
        .body(Empty::new())
        .map_err(|_| ClientError::Protocol { step })
}

pub(crate) fn refuse_status<B>(response: &http::Response<B>, wanted: u16) -> Result<(), ClientError> {
    match response.status().as_u16() {
        status if status == wanted => Ok(()),
        status => Err(ClientError::Status { status, code: None, retry_after: retry_after(response.headers()) }),
    }
}

pub(crate) fn retry_after(headers: &http::HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

pub(crate) async fn read_body<B>(body: B, limit: usize, step: Step) -> Result<Vec<u8>, ClientError>
where
    B: Body<Data = Bytes, Error = hyper::Error>,
{
    let body = Limited::new(body, limit).collect().await;
    let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(source) => ClientError::Http { step, source: *source },
        Err(_) => ClientError::TooLong { step, limit },
    })?;
    Ok(body.to_bytes().into())
}

pub(crate) async fn within<T>(
    limit: Duration,
    step: Step,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(ClientError::Timeout { step, limit }))
}

/// A nonce of [`NONCE_BYTES`](limits::NONCE_BYTES) random bytes.
///
/// # Errors
/// [`ClientError::Random`] if the system gives no random bytes.
pub fn fresh_nonce() -> Result<Nonce, ClientError> {
    let mut bytes = [0; limits::NONCE_BYTES];
    getrandom::fill(&mut bytes).map_err(ClientError::Random)?;
    // safe: NONCE_BYTES is a valid length of a nonce
    Ok(Nonce::new(bytes).expect("a nonce of a named length"))
}

/// Unix seconds by this machine's clock, which is the relying party's own.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
