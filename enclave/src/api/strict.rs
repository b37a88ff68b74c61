//! Refuses requests that HTTP implementations read in different ways: by their host, or by where their body ends.

use http::header::{HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{StatusCode, Version};

use super::ApiError;
use crate::limits;

/// Checks what hyper does not: the only transfer-coding is `chunked`, written exactly so and once, and the request
/// names one host (RFC 9112 §3.2, §6.1; RFC 9113 §8.3.1).
pub(super) fn check(request: &Parts) -> Result<(), ApiError> {
    // Over HTTP/1.1 hyper has counted them already.
    if request.headers.len() > limits::HEADERS {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(ApiError::wrong(status, "too_many_fields", "the request has too many header fields"));
    }
    let mut codings = request.headers.get_all(TRANSFER_ENCODING).iter();
    if codings.next().is_some_and(|coding| coding != "chunked") || codings.next().is_some() {
        return Err(ApiError::bad("invalid_transfer_encoding", "the only transfer-coding is chunked"));
    }
    match names_one_host(request) {
        true => Ok(()),
        false => Err(ApiError::bad("invalid_host", "the host is missing, repeated, malformed or contradicted")),
    }
}

fn names_one_host(request: &Parts) -> bool {
    let mut hosts = request.headers.get_all(HOST).iter();
    let target = request.uri.authority();
    if target.is_some_and(names_a_user) {
        return false;
    }
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let host = Authority::try_from(host.as_bytes()).ok().filter(|host| !names_a_user(host));
            host.is_some_and(|host| target.is_none_or(|target| *target == host))
        }
        (None, _) => match request.version {
            Version::HTTP_2 => target.is_some(),
            Version::HTTP_11 => false,
            _ => true,
        },
        (Some(_), Some(_)) => false,
    }
}

/// Whether there is user information before the host, which requests must not have (RFC 9110 §4.2.4, RFC 9113 §8.3.1).
fn names_a_user(authority: &Authority) -> bool {
    authority.as_str().contains('@')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn checked(version: Version, target: &str, fields: &[(&str, &str)]) -> bool {
        let mut request = http::Request::builder().version(version).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap().into_parts().0).is_ok()
    }

    #[test]
    fn one_host() {
        let (one, two) = (Version::HTTP_11, Version::HTTP_2);
        for (version, target, hosts, passes) in [
            (one, "/", &["a.example"][..], true),
            (one, "/", &["a.example:8443"], true),
            (one, "/", &["[::1]:8443"], true),
            (one, "/", &[], false),
            (one, "/", &[""], false),
            (one, "/", &["a.example", "a.example"], false),
            (one, "/", &["a.example, b.example"], false),
            (one, "/", &["user@a.example"], false),
            (one, "/", &["a.example/"], false),
            (one, "https://a.example/", &["A.example"], true),
            (one, "https://a.example/", &["b.example"], false),
            (one, "https://a.example/", &[], false),
            (two, "https://a.example/", &[], true),
            (two, "https://a.example/", &["a.example"], true),
            (two, "https://a.example/", &["b.example"], false),
            (two, "https://a.example/", &["a.example", "a.example"], false),
            (two, "https://user@a.example/", &[], false),
            (two, "https://user@a.example/", &["a.example"], false),
            (one, "https://user@a.example/", &["a.example"], false),
            (two, "/", &["a.example"], true),
            (two, "/", &[], false),
            (Version::HTTP_10, "/", &[], true),
            (Version::HTTP_10, "/", &["a.example", "b.example"], false),
        ] {
            let fields: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            assert_eq!(checked(version, target, &fields), passes, "{version:?} {target} {hosts:?}");
        }
    }

    #[test]
    fn one_coding() {
        for (codings, passes) in [
            (&["chunked"][..], true),
            (&[], true),
            (&["gzip, chunked"], false),
            (&["chunked, chunked"], false),
            (&["chunked", "chunked"], false),
            (&["identity", "chunked"], false),
            (&["Chunked"], false),
            (&["chunked;a=b"], false),
            (&["identity"], false),
            (&[""], false),
        ] {
            let codings = codings.iter().map(|coding| ("transfer-encoding", *coding));
            let fields: Vec<_> = [("host", "a.example")].into_iter().chain(codings).collect();
            assert_eq!(checked(Version::HTTP_11, "/", &fields), passes, "{fields:?}");
        }
    }

    #[test]
    fn a_head_has_as_many_fields_as_are_allowed() {
        let fields = |count| vec![("accept", ""); count];
        // One of them is the host.
        let host = [("host", "a.example")];
        let at_limit = [&host[..], &fields(limits::HEADERS - 1)].concat();
        assert!(checked(Version::HTTP_2, "https://a.example/", &at_limit));
        let beyond = [&host[..], &fields(limits::HEADERS)].concat();
        assert!(!checked(Version::HTTP_2, "https://a.example/", &beyond));
    }
}
