//! A request as a provider gets it: headers by an allow-list, the key, the body byte for byte.

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::uri::{self, Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};
use http_body_util::Full;
use quoth_attestation::{headers, transcript};
use zeroize::Zeroizing;

use crate::config::{Api, KeyHeader, Upstream};

/// Headers that keys come in.
const KEYS: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];
const BEARER: &str = "Bearer";
/// Most characters of a key that providers show in their errors: its last ones.
const KEY_END: usize = 4;
/// Room for the fields of most heads.
const FIELDS: usize = 24;

/// A key for a provider. A caller's own key is passed on and never kept.
#[derive(Clone)]
pub struct Key(Zeroizing<String>);

impl Key {
    /// A key that a caller sent.
    pub fn new(key: &str) -> Self {
        Self(Zeroizing::new(key.into()))
    }

    /// A key that the node holds.
    pub fn held(key: Zeroizing<String>) -> Self {
        Self(key)
    }

    /// Whether `text` may show a part of the key: it contains the key's last characters or mentions an API key.
    pub fn may_show_in(&self, text: &[u8]) -> bool {
        let text = text.to_ascii_lowercase();
        let end = self.0.to_ascii_lowercase().into_bytes();
        let end = &end[end.len().saturating_sub(KEY_END)..];
        let shows = |part: &[u8]| !part.is_empty() && text.windows(part.len()).any(|window| window == part);
        shows(end) || shows(b"api key") || shows(b"api_key")
    }

    fn header(&self, header: KeyHeader) -> Option<(HeaderName, HeaderValue)> {
        let text = match header {
            KeyHeader::Authorization => Zeroizing::new([BEARER, " ", &self.0].concat()),
            _ => self.0.clone(),
        };
        let [authorization, x_api_key, api_key, goog] = KEYS;
        let name = match header {
            KeyHeader::Authorization => authorization,
            KeyHeader::XApiKey => x_api_key,
            KeyHeader::ApiKey => api_key,
            KeyHeader::XGoogApiKey => goog,
        };
        let mut value = HeaderValue::try_from(text.as_str()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

/// Values of the headers that keys come in. Clients without a key send the scheme alone, or `none` if their library
/// insists on a key.
pub fn keys(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = KEYS.into_iter().flat_map(|name| headers.get_all(name)).filter_map(|value| value.to_str().ok());
    values.map(|value| bare(value).trim()).filter(|key| !matches!(*key, "" | "none"))
}

/// Removes the scheme, whose letters may have any case (RFC 9110 §11.1).
fn bare(value: &str) -> &str {
    match value.split_at_checked(BEARER.len()) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(BEARER) && (key.is_empty() || key.starts_with(' ')) => key,
        _ => value,
    }
}

/// Returns the caller's headers that may pass.
pub(super) fn passes(headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(FIELDS);
    let place = |name: &&HeaderName| headers::PASSED.iter().position(|known| *known == name.as_str());
    let mut names: Vec<_> = headers.keys().filter_map(|name| Some((place(&name)?, name))).collect();
    names.sort_unstable_by_key(|(place, _)| *place);
    for (_, name) in names {
        headers.get_all(name).iter().for_each(|value| _ = passed.append(name, value.clone()));
    }
    passed
}

/// Returns the provider's headers that its answer keeps.
pub fn returns(headers: &HeaderMap) -> HeaderMap {
    let returned = |name: &HeaderName| headers::RETURNED.iter().any(|known| name.as_str().starts_with(known));
    let mut kept = HeaderMap::with_capacity(FIELDS);
    for (name, value) in headers.iter().filter(|(name, _)| *name == CONTENT_TYPE || returned(name)) {
        kept.append(name, value.clone());
    }
    kept
}

/// A provider's name in requests.
#[derive(Clone)]
pub struct Named {
    authority: Authority,
    host: HeaderValue,
}

impl Named {
    /// Host and port, without the usual port; none if the host is not a name.
    pub fn new(upstream: &Upstream) -> Option<Self> {
        let authority = match upstream.port {
            443 => upstream.host.clone(),
            port => format!("{}:{port}", upstream.host),
        };
        let authority = Authority::from_maybe_shared(Bytes::from(authority)).ok()?;
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        Some(Self { authority, host })
    }
}

/// A request to a provider.
pub struct UpstreamRequest {
    method: Method,
    authority: Authority,
    target: PathAndQuery,
    host: HeaderValue,
    /// In the order in which they are sent, without the host.
    fields: HeaderMap,
    body: Bytes,
}

impl UpstreamRequest {
    /// The caller's request to `target`, which begins with `/v1`, for the provider of that name. None if a value cannot
    /// stand in a header.
    pub fn new(
        upstream: &Upstream,
        name: &Named,
        target: &str,
        passed: &HeaderMap,
        key: &Key,
        body: Bytes,
    ) -> Option<Self> {
        let target = [&upstream.base_path, target.strip_prefix("/v1")?].concat();
        let Named { authority, host } = name.clone();
        let mut fields = passed.clone();
        let (name, value) = key.header(upstream.key_header())?;
        fields.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        fields.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        fields.insert(name, value);
        let target = PathAndQuery::from_maybe_shared(Bytes::from(target)).ok()?;
        Some(Self { method: Method::POST, authority, target, host, fields, body })
    }

    /// The node's own question for the provider's models.
    pub(super) fn models(upstream: &Upstream, name: &Named, key: &Key) -> Option<Self> {
        let (target, mut fields) = match upstream.api {
            Api::Openai => ("/v1/models", HeaderMap::new()),
            Api::Anthropic => {
                let version = (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));
                ("/v1/models?limit=1000", HeaderMap::from_iter([version]))
            }
        };
        fields.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut question = Self::new(upstream, name, target, &fields, key, Bytes::new())?;
        question.fields.remove(CONTENT_LENGTH);
        Some(Self { method: Method::GET, ..question })
    }

    /// Request line and fields as receipts commit to them, without the key.
    pub fn head(&self) -> Vec<u8> {
        let fields = [(&HOST, &self.host)].into_iter().chain(&self.fields);
        let fields = fields.map(|(name, value)| (name.as_str(), shown(value)));
        transcript::head(self.method.as_str(), self.target.as_str(), fields)
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn http1(&self) -> Request<Full<Bytes>> {
        let mut headers = HeaderMap::with_capacity(self.fields.len() + 1);
        headers.insert(HOST, self.host.clone());
        self.fields.iter().for_each(|(name, value)| _ = headers.append(name, value.clone()));
        let head = self.request(Uri::from(self.target.clone()), Version::HTTP_11, headers);
        head.map(|()| Full::new(self.body.clone()))
    }

    /// The head, without the body.
    pub(super) fn http2(&self) -> Request<()> {
        let mut parts = uri::Parts::default();
        parts.scheme = Some(Scheme::HTTPS);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(self.target.clone());
        // A URI with all of its parts is valid.
        self.request(Uri::from_parts(parts).unwrap_or_default(), Version::HTTP_2, self.fields.clone())
    }

    fn request(&self, uri: Uri, version: Version, headers: HeaderMap) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.version_mut() = version;
        *request.headers_mut() = headers;
        request
    }
}

/// Returns a field's value, or a mark in place of a key.
fn shown(value: &HeaderValue) -> &[u8] {
    if value.is_sensitive() { transcript::REDACTED } else { value.as_bytes() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn parts_of_a_key_are_noticed() {
        let key = Key::new("xai-0123456789YZab");
        for shown in ["Incorrect key: xa***yzab", "{\"error\":\"Incorrect API key provided\"}", "bad api_key"] {
            assert!(key.may_show_in(shown.as_bytes()), "{shown}");
        }
        assert!(!key.may_show_in(b"{\"error\":\"max_tokens is too large\"}") && !key.may_show_in(b""));
    }

    #[test]
    fn a_key_comes_in_any_of_the_headers() {
        for (name, value, key) in [
            ("authorization", "Bearer sk-1", Some("sk-1")),
            ("authorization", "sk-1", Some("sk-1")),
            ("authorization", "Bearers", Some("Bearers")),
            ("authorization", "Bearer ", None),
            ("authorization", "Bearer", None),
            ("authorization", "Bearer none", None),
            ("x-api-key", "sk-1", Some("sk-1")),
            ("x-api-key", "", None),
            ("cookie", "sk-1", None),
        ] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            assert_eq!(keys(&headers).next(), key, "{name}: {value}");
        }
    }
}
