//! The operator's side of secrets: seals them to the key that a node's evidence attests.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use quoth_attestation::cose::{KeyId, Payload as _, Signed};
use quoth_attestation::secret::{self, Sealed, SecretOrder};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305;
use rustls::crypto::hpke::{Hpke as _, HpkePublicKey};

use crate::connector::{read_body, within};
use crate::exchange::unproven_error;
use crate::{ClientError, Connection, OrderError, Step, limits};

/// The path for orders.
const PATH: &str = "/.well-known/quoth/secrets";

/// An operator's Ed25519 key, which a node's measured configuration names.
pub struct OperatorKey {
    key: Ed25519KeyPair,
    public: [u8; 32],
}

impl OperatorKey {
    /// Generates a key.
    ///
    /// # Errors
    /// [`OrderError::Random`] if the system gives no random bytes.
    pub fn generate() -> Result<Self, OrderError> {
        Ed25519KeyPair::generate().map_err(|_| OrderError::Random).and_then(Self::of)
    }

    /// Reads PKCS #8 (RFC 8410) in DER.
    ///
    /// # Errors
    /// [`OrderError::Key`] if the bytes are not such a key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, OrderError> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| OrderError::Key).and_then(Self::of)
    }

    /// Writes PKCS #8 in DER.
    ///
    /// # Errors
    /// [`OrderError::Key`] if the key cannot be encoded.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, OrderError> {
        self.key.to_pkcs8v1().map(|der| der.as_ref().to_vec()).map_err(|_| OrderError::Key)
    }

    /// The raw public key, for a node's configuration.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    fn of(key: Ed25519KeyPair) -> Result<Self, OrderError> {
        let public = key.public_key().as_ref().try_into().map_err(|_| OrderError::Key)?;
        Ok(Self { key, public })
    }

    fn sign(&self, order: SecretOrder) -> Result<Vec<u8>, OrderError> {
        let signed = Signed::sign(order, KeyId::of(&self.public), |bytes| {
            // safe: an Ed25519 signature has 64 bytes (RFC 8032 §5.1.6)
            self.key.sign(bytes).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
        });
        // The limits of an order's fields keep it below the length limit.
        signed.map(|signed| signed.bytes().to_vec()).map_err(|_| OrderError::Secret)
    }
}

impl Connection {
    /// Gives the node a secret, sealed so that only this boot can open it. It replaces an earlier secret of that name; `None`
    /// removes it. `counter` must be greater than that of every order before: use milliseconds since 1970. Returns what the
    /// node now holds, as the JSON of SPEC §11.
    ///
    /// # Errors
    /// [`ClientError::Order`] before anything is sent; [`ClientError::Status`] with the node's code if the node refuses.
    pub async fn provision(
        &mut self,
        operator: &OperatorKey,
        name: &str,
        secret: Option<&str>,
        counter: u64,
    ) -> Result<Vec<u8>, ClientError> {
        let order = self.order(operator, name, secret, counter)?;
        self.send_order(operator.sign(order)?).await
    }

    fn order(
        &self,
        operator: &OperatorKey,
        name: &str,
        secret: Option<&str>,
        counter: u64,
    ) -> Result<SecretOrder, OrderError> {
        let statement = self.node().statement();
        let seal = statement.keys.seal.ok_or(OrderError::NoSealKey)?;
        if statement.operator != Some(operator.public) {
            return Err(OrderError::OtherOperator);
        }
        let name = secret::Name::new(name).map_err(|_| OrderError::Name)?;
        let node = self.node().digest();
        let sealed = match secret {
            None => None,
            Some(secret) => {
                if !secret::is_secret(secret.as_bytes()) {
                    return Err(OrderError::Secret);
                }
                let (key, aad) = (HpkePublicKey(seal.to_vec()), SecretOrder::aad(&node, &name, counter));
                let (encapsulated, ciphertext) = DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305
                    .seal(secret::INFO, &aad, secret.as_bytes(), &key)
                    .map_err(|_| OrderError::NoSealKey)?;
                let encapsulated = encapsulated.0.try_into().map_err(|_| OrderError::NoSealKey)?;
                let ciphertext = ciphertext.try_into().map_err(|_| OrderError::Secret)?;
                Some(Sealed { encapsulated, ciphertext })
            }
        };
        Ok(SecretOrder { node, name, counter, sealed })
    }

    async fn send_order(&mut self, order: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(PATH)
            .header(header::HOST, self.endpoint().authority())
            .header(header::CONTENT_TYPE, SecretOrder::TYP)
            .body(Full::new(order.into()).boxed())
            .map_err(|_| ClientError::Protocol { step: Step::Request })?;
        let (head, body) = self.send(request).await?.into_parts();
        if head.status != StatusCode::OK {
            return Err(unproven_error(head.status.as_u16(), &head.headers, body).await);
        }
        within(limits::FETCH, Step::Response, read_body(body, limits::LOOKUP_BYTES, Step::Response)).await
    }
}
