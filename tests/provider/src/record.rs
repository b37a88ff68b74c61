//! What arrived, exactly.

use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Version};
use rustls::ProtocolVersion;

use crate::session::Session;

/// One request as the provider received it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which connection it came on, counted from 0.
    pub connection: u64,
    /// The version of TLS.
    pub tls: ProtocolVersion,
    /// The protocol agreed on in TLS (ALPN).
    pub alpn: Option<String>,
    /// The host asked for in TLS (SNI).
    pub server_name: Option<String>,
    /// The version of HTTP.
    pub version: Version,
    /// The method.
    pub method: Method,
    /// `:authority` of HTTP/2, or the host of a target in absolute form.
    pub authority: Option<String>,
    /// Path and query.
    pub target: String,
    /// Names in lower case, in order of arrival but with fields of one name together.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Bytes,
    /// False if the client left before the body's end; `body` is what came.
    pub complete: bool,
}

impl Request {
    pub(crate) fn new(session: &Session, parts: &Parts, body: Bytes, complete: bool) -> Self {
        let target = parts.uri.path_and_query().map_or_else(|| parts.uri.to_string(), ToString::to_string);
        Self {
            connection: session.number,
            tls: session.tls,
            alpn: session.alpn.clone(),
            server_name: session.server_name.clone(),
            version: parts.version,
            method: parts.method.clone(),
            authority: parts.uri.authority().map(ToString::to_string),
            target,
            headers: parts.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(),
            body,
            complete,
        }
    }

    /// The first field of this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        str::from_utf8(value).ok()
    }
}
