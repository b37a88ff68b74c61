//! A request exactly as it arrived.

use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Version};
use rustls::ProtocolVersion;

use crate::session::Session;

/// One request as the provider received it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Number of its connection, from 0.
    pub connection: u64,
    /// The version of TLS.
    pub tls: ProtocolVersion,
    /// The protocol that TLS negotiated (ALPN).
    pub alpn: Option<String>,
    /// The host that TLS asked for (SNI).
    pub server_name: Option<String>,
    /// The version of HTTP.
    pub version: Version,
    /// The method.
    pub method: Method,
    /// `:authority` of HTTP/2, or the host of a target in absolute form.
    pub authority: Option<String>,
    /// Path and query.
    pub target: String,
    /// The header fields, with names in lower case. In order of arrival, but fields with the same name stand together.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Bytes,
    /// False if the client left before the end of the body. `body` is then the part that arrived.
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

    /// Returns the first field with this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        str::from_utf8(value).ok()
    }
}
