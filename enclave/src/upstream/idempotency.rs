//! Separates callers' idempotency keys, so that callers who share a provider's account cannot name each other's
//! requests.

use aws_lc_rs::hmac;
use http::{HeaderMap, HeaderValue};
use quoth_attestation::headers::{IDEMPOTENCY_KEY, TOKEN};

use super::request::keys;
use crate::EnclaveError;
use crate::keys::random_of_many;

/// Maps idempotency keys. The mapping changes with each boot.
pub(super) struct Idempotency(hmac::Key);

impl Idempotency {
    pub(super) fn new() -> Result<Self, EnclaveError> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &*random_of_many::<32>()?)))
    }

    /// Replaces the idempotency keys in `passed`. `headers`: the request's header fields. The same key of the same
    /// caller is always replaced by the same value. A caller is a credential or, without one, a connection.
    pub(super) fn map(&self, headers: &HeaderMap, connection: u64, passed: &mut HeaderMap) {
        let values: Vec<_> =
            headers.get_all(IDEMPOTENCY_KEY).iter().map(|value| self.mapped(headers, connection, value)).collect();
        passed.remove(IDEMPOTENCY_KEY);
        for value in values.into_iter().flatten() {
            passed.append(IDEMPOTENCY_KEY, value);
        }
    }

    /// HMAC-SHA256 over the caller's credentials, each with its length, and the value, in hex.
    fn mapped(&self, headers: &HeaderMap, connection: u64, value: &HeaderValue) -> Option<HeaderValue> {
        let token = headers.get(TOKEN).and_then(|value| value.to_str().ok());
        let mut credentials = keys(headers).chain(token).peekable();
        let mut context = hmac::Context::with_key(&self.0);
        if credentials.peek().is_none() {
            context.update(&connection.to_be_bytes());
        }
        for credential in credentials {
            context.update(&(credential.len() as u64).to_be_bytes());
            context.update(credential.as_bytes());
        }
        context.update(&u64::MAX.to_be_bytes());
        context.update(value.as_bytes());
        HeaderValue::try_from(hex::encode(context.sign())).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::HeaderName;

    use super::*;
    use crate::upstream::request::passes;

    fn mapped(idempotency: &Idempotency, connection: u64, pairs: &[(&'static str, &'static str)]) -> Vec<HeaderValue> {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers: HeaderMap = pairs.iter().map(pair).collect();
        headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static("retry-1"));
        let mut passed = passes(&headers);
        idempotency.map(&headers, connection, &mut passed);
        passed.get_all(IDEMPOTENCY_KEY).iter().cloned().collect()
    }

    #[test]
    fn the_same_for_the_same_caller_and_for_nobody_else() {
        let idempotency = Idempotency::new().unwrap();
        let of = |connection, pairs: &[_]| {
            let mut values = mapped(&idempotency, connection, pairs);
            assert_eq!((values.len(), values[0].len()), (1, 64));
            values.pop().unwrap()
        };
        let callers = [
            of(1, &[]),
            of(2, &[]),
            of(1, &[("authorization", "Bearer quoth_a_x")]),
            of(1, &[("authorization", "Bearer quoth_b_x")]),
            of(1, &[("authorization", "Bearer sk-1")]),
            of(1, &[("authorization", "Bearer sk-1"), ("quoth-token", "quoth_a_x")]),
        ];
        for (at, one) in callers.iter().enumerate() {
            assert!(callers[..at].iter().all(|other| one != other));
        }
        assert_eq!(callers[0], of(1, &[]));
        // A caller may show its credential over another connection and in another header.
        assert_eq!(callers[2], of(7, &[("x-api-key", "quoth_a_x")]));
    }

    #[test]
    fn none_stays_none_and_two_stay_two() {
        let idempotency = Idempotency::new().unwrap();
        let mut passed = HeaderMap::new();
        idempotency.map(&HeaderMap::new(), 1, &mut passed);
        assert!(passed.is_empty());
        assert_eq!(mapped(&idempotency, 1, &[("idempotency-key", "retry-2")]).len(), 2);
    }

    #[test]
    fn another_boot_maps_otherwise() {
        let (one, other) = (Idempotency::new().unwrap(), Idempotency::new().unwrap());
        assert_ne!(mapped(&one, 1, &[]), mapped(&other, 1, &[]));
    }
}
