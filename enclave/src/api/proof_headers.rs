//! The `quoth-` headers: what a caller asks of the proofs.

use http::HeaderMap;
use quoth_attestation::Digest;
use quoth_attestation::binding::Nonce;
use quoth_attestation::headers;
use quoth_attestation::receipt::MAX_RETRIES;

use super::ApiError;
use crate::exchange::ProofOptions;

/// Reads the `quoth-` headers. Unknown ones are refused, because they cannot be honoured. So are other unknown headers
/// that may mean something to a provider.
pub(super) fn read(headers: &HeaderMap) -> Result<ProofOptions, ApiError> {
    if let Some(name) = headers.keys().find(|name| headers::is_unknown_scope(name.as_str())) {
        return Err(ApiError::scope(name.as_str()));
    }
    let mut proof = ProofOptions::default();
    for name in headers.keys().filter(|name| name.as_str().starts_with("quoth-")) {
        let mut values = headers.get_all(name).iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        };
        let read = match (name.as_str(), value) {
            ("quoth-nonce", Some(value)) => Nonce::from_hex(value).ok().map(|nonce| proof.nonce = Some(nonce)),
            ("quoth-parent", Some(value)) => digest(value).map(|digest| proof.parent = Some(digest)),
            ("quoth-details", Some("1")) => {
                proof.details = true;
                Some(())
            }
            ("quoth-head", Some("1")) => {
                proof.head = true;
                Some(())
            }
            ("quoth-retries", Some(value)) => {
                let retries = value.parse().ok().filter(|retries| (1..=MAX_RETRIES).contains(retries));
                retries.map(|retries| proof.retries = retries)
            }
            // `Credentials` reads it.
            (headers::TOKEN, Some(_)) => Some(()),
            _ => None,
        };
        read.ok_or_else(|| ApiError::bad("invalid_header", "a quoth- header is unknown, repeated or malformed"))?;
    }
    Ok(proof)
}

fn digest(text: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(Digest(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::HeaderValue;

    use super::*;
    use crate::config::Api;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn known_headers_are_read() {
        let pairs = [
            ("quoth-nonce", "0011223344556677"),
            ("quoth-details", "1"),
            ("quoth-head", "1"),
            ("quoth-retries", "3"),
            ("cookie", "x"),
        ];
        let proof = read(&headers(&pairs)).unwrap();
        assert_eq!(proof.nonce.unwrap().as_bytes(), [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77]);
        assert!(proof.details && proof.head && proof.parent.is_none() && proof.retries == 3);
    }

    #[test]
    fn a_refusal_names_the_header() {
        let error = read(&headers(&[("openai-project", "a"), ("helicone-auth", "b")])).err().unwrap();
        let body = String::from_utf8(error.body(Api::Openai).to_vec()).unwrap();
        assert!(body.contains("\"param\":\"helicone-auth\"") && body.contains("unknown_scope"), "{body}");
    }

    #[test]
    fn others_are_refused() {
        for pairs in [
            &[("quoth-attest", "quote")][..],
            &[("quoth-nonce", "00112233445566")],
            &[("quoth-nonce", "0011223344556677"), ("quoth-nonce", "0011223344556677")],
            &[("quoth-details", "true")],
            &[("quoth-head", "true")],
            &[("quoth-head", "1"), ("quoth-head", "1")],
            &[("quoth-parent", "00")],
            &[("quoth-retries", "0")],
            &[("quoth-retries", "4")],
            &[("openai-region", "eu")],
            &[("x-organization", "org-1")],
        ] {
            assert!(read(&headers(pairs)).is_err(), "{pairs:?}");
        }
    }
}
