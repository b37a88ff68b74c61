//! Parses the URLs of nodes.

use http::Uri;
use rustls::pki_types::ServerName;

use crate::ClientError;

/// Maximum bytes in a URL.
const MAX_URL: usize = 2048;

/// The address of a node: `https://host[:port]`, with or without the `/v1` of API base URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// Parses a URL.
    ///
    /// # Errors
    /// [`ClientError::Url`] for schemes other than https, user names, queries, and paths other than `/` and `/v1`.
    pub fn parse(url: &str) -> Result<Self, ClientError> {
        let refuse = |reason| ClientError::Url { reason };
        if url.len() > MAX_URL {
            return Err(refuse("too long"));
        }
        let uri: Uri = url.parse().map_err(|_| refuse("malformed"))?;
        match uri.path().trim_end_matches('/') {
            "" | "/v1" if uri.query().is_none() => Self::from_uri(&uri),
            _ => Err(refuse("give https://host:port, without a path")),
        }
    }

    /// Takes scheme, host and port of a URI, and ignores its path.
    pub(crate) fn from_uri(uri: &Uri) -> Result<Self, ClientError> {
        let refuse = |reason| ClientError::Url { reason };
        if uri.scheme_str() != Some("https") {
            return Err(refuse("it must begin with https://"));
        }
        let authority = uri.authority().ok_or(refuse("no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("no user name may stand in it"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().len() > authority.host().len() => return Err(refuse("no valid port")),
            None => 443,
        };
        match ServerName::try_from(host.as_str()) {
            Ok(_) => Ok(Self { host, port }),
            Err(_) => Err(refuse("no valid host name")),
        }
    }

    /// DNS name or IP address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of the Host header field (RFC 9110 §7.2).
    pub(crate) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    pub(crate) fn server_name(&self) -> Result<ServerName<'static>, ClientError> {
        ServerName::try_from(self.host.clone()).map_err(|_| ClientError::Url { reason: "no valid host name" })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn urls_of_nodes_are_read() {
        for (url, shown) in [
            ("https://localhost:8443", "https://localhost:8443"),
            ("https://node.example/", "https://node.example:443"),
            ("https://127.0.0.1:8443/v1", "https://127.0.0.1:8443"),
            ("https://[::1]:8443/v1/", "https://[::1]:8443"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn other_urls_are_refused() {
        let at_limit = format!("https://a/{}", "/".repeat(MAX_URL - 10));
        assert_eq!(at_limit.len(), MAX_URL);
        assert!(Endpoint::parse(&at_limit).is_ok());
        let past = format!("{at_limit}/");
        for url in [
            "http://localhost",
            "localhost:8443",
            "https://",
            "https://user@host",
            "https://host/other",
            "https://host?x=1",
            "https://host:",
            "https://host:99999",
            "https://ho st",
            "",
            past.as_str(),
        ] {
            assert!(matches!(Endpoint::parse(url), Err(ClientError::Url { .. })), "{url}");
        }
    }
}
