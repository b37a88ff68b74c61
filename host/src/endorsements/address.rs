//! The base URL of a service.

use http::Uri;
use http::uri::Scheme;

/// The parts of a base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as in the `host` header field.
    pub(super) authority: String,
    /// The path before every target, without a slash at the end.
    prefix: String,
}

impl Address {
    pub(super) fn parse(base: &str) -> Result<Self, &'static str> {
        let uri: Uri = base.parse().map_err(|_| "not a URL")?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err("begins with neither https:// nor http://"),
        };
        if base.contains('#') || uri.query().is_some() {
            return Err("has more than a path behind the host");
        }
        let authority = uri.authority().ok_or("names no host")?;
        if authority.as_str().contains('@') {
            return Err("has a user's name in it");
        }
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err("names no host");
        }
        let default = if tls { 443 } else { 80 };
        // An invalid or empty port after the colon must not become the default port.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => default,
            _ => authority.port_u16().filter(|port| *port != 0).ok_or("has no valid port")?,
        };
        Ok(Self {
            tls,
            host: host.into(),
            port,
            authority: authority.as_str().into(),
            prefix: uri.path().trim_end_matches('/').into(),
        })
    }

    /// Returns the path for a request's first line.
    pub(super) fn path(&self, target: &str) -> String {
        format!("{}{target}", self.prefix)
    }

    /// Returns the whole URL, for messages.
    pub(super) fn url(&self, target: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.path(target))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (base, host, port, url) in [
            ("https://kdsintf.amd.com", "kdsintf.amd.com", 443, "https://kdsintf.amd.com/x?y=1"),
            ("http://kds.example/", "kds.example", 80, "http://kds.example/x?y=1"),
            ("http://[::1]:8080/amd/kds//", "::1", 8080, "http://[::1]:8080/amd/kds/x?y=1"),
        ] {
            let address = Address::parse(base).unwrap();
            assert_eq!((&*address.host, address.port, &*address.url("/x?y=1")), (host, port, url));
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for base in [
            "",
            "kdsintf.amd.com",
            "/vcek",
            "ftp://a",
            "https://",
            "https://a?b",
            "https://a/#b",
            "https://me@a",
            "https://a:0",
            "https://a:",
            "https://a:65536",
            "https://a b",
        ] {
            assert!(Address::parse(base).is_err(), "{base}");
        }
    }
}
