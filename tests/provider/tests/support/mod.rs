//! A client that reports everything that happened.

#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quoth_fake_provider::{Behaviour, Options, Provider};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub const BOTH: [&str; 2] = ["h2", "http/1.1"];

pub fn good() -> Provider {
    Provider::start(Options::default())
}

pub fn which(behaviour: Behaviour) -> Provider {
    Provider::start(Options { behaviour, ..Options::default() })
}

pub async fn tls(provider: &Provider, alpn: &str) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(provider.ca_pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.into()];
    let tcp = TcpStream::connect(("127.0.0.1", provider.port())).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

/// Sends on connections of one protocol.
pub enum Client {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// The result of a request.
pub struct Answer {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub trailers: Option<HeaderMap>,
    /// The received part of the body.
    pub body: Vec<u8>,
    /// Whether the body ended correctly for HTTP.
    pub whole: bool,
}

impl Client {
    pub async fn new(provider: &Provider, alpn: &str) -> io::Result<Self> {
        let io = TokioIo::new(tls(provider, alpn).await?);
        Ok(if alpn == "h2" {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.map_err(io::Error::other)?;
            tokio::spawn(connection);
            Self::Http2(sender)
        } else {
            let (sender, connection) = http1::handshake(io).await.map_err(io::Error::other)?;
            tokio::spawn(connection);
            Self::Http1(sender)
        })
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        }
    }

    pub async fn answer(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
        let (parts, mut body) = self.send(request).await?.into_parts();
        let (status, version, headers) = (parts.status, parts.version, parts.headers);
        let mut answer = Answer { status, version, headers, trailers: None, body: Vec::new(), whole: true };
        while let Some(frame) = body.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => answer.body.extend(data),
                Ok(Err(frame)) => answer.trailers = frame.into_trailers().ok(),
                Err(_) => {
                    answer.whole = false;
                    break;
                }
            }
        }
        Ok(answer)
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    /// The data of each event.
    pub fn data(&self) -> Vec<&str> {
        self.text().lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    }

    /// The same as JSON, without `[DONE]`.
    pub fn events(&self) -> Vec<Value> {
        self.data()
            .into_iter()
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

/// Sends one request on a new connection.
pub async fn ask(provider: &Provider, alpn: &str, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
    Client::new(provider, alpn).await.unwrap().answer(request).await
}

pub fn openai(provider: &Provider, method: Method, path: &str, body: &Value) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("https://localhost:{}{path}", provider.port()))
        .header("host", "localhost")
        .header("authorization", format!("Bearer {}", provider.key()))
        .header("content-type", "application/json")
        .body(body.to_string().into())
        .unwrap()
}

pub fn anthropic(provider: &Provider, body: &Value) -> Request<Full<Bytes>> {
    Request::builder()
        .method("POST")
        .uri(format!("https://localhost:{}/v1/messages", provider.port()))
        .header("x-api-key", provider.key())
        .header("anthropic-version", "2023-06-01")
        .body(body.to_string().into())
        .unwrap()
}

pub fn chat(stream: bool) -> Value {
    json!({"model": "gpt-fake", "stream": stream, "messages": [{"role": "user", "content": "one two three"}]})
}

pub fn ask_chat(provider: &Provider, stream: bool) -> Request<Full<Bytes>> {
    openai(provider, Method::POST, "/v1/chat/completions", &chat(stream))
}

/// Returns the bytes of the answer to a chat over HTTP/1.1, up to a maximum, and how the connection ended. An error means an
/// end without `close_notify`.
pub async fn raw(provider: &Provider, stream: bool, most: usize) -> (Vec<u8>, io::Result<()>) {
    let mut tls = tls(provider, "http/1.1").await.unwrap();
    let body = chat(stream).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        provider.key(),
        body.len()
    );
    tls.write_all((head + &body).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let end = loop {
        match tls.read_buf(&mut bytes).await {
            Ok(0) => break Ok(()),
            Ok(_) if bytes.len() >= most => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    (bytes, end)
}
