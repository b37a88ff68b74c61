//! Keys for providers and hashes of callers' tokens. The operator that the measured configuration names seals them to
//! this boot; they live in memory and end with the boot.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use quoth_attestation::Digest;
use quoth_attestation::cose::{KeyId, Signed};
use quoth_attestation::secret::{self, Sealed, SecretOrder};
use quoth_attestation::token::TokenHash;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey};
use zeroize::Zeroizing;

use crate::EnclaveError;
use crate::config::Settings;

/// The operator's secrets.
pub struct Secrets {
    holder: Option<Holder>,
}

struct Holder {
    operator: [u8; 32],
    public: [u8; 32],
    private: HpkePrivateKey,
    /// Names of secrets that this node can use, and their kinds.
    names: BTreeMap<String, Kind>,
    held: Mutex<Held>,
}

/// What a secret is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A key for a provider.
    Key,
    /// The hash of a caller's token.
    TokenHash,
}

#[derive(Default)]
struct Held {
    /// Counter of the last accepted order.
    counter: u64,
    secrets: BTreeMap<String, Secret>,
}

/// A secret, and what may be shown of it.
struct Secret {
    text: Zeroizing<String>,
    fingerprint: [u8; 8],
    counter: u64,
}

/// What may be shown of a secret.
pub struct Described {
    /// Its name.
    pub name: String,
    /// Distinguishes keys, nothing more.
    pub fingerprint: [u8; 8],
    /// Counter of the order that set it.
    pub counter: u64,
}

/// Why an order was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The measured configuration names no operator.
    #[error("this node's configuration names no operator: it takes no secrets")]
    NoOperator,
    /// Not a signed order.
    #[error("the order is malformed")]
    Malformed,
    /// Not the operator's.
    #[error("the order is not signed by this node's operator")]
    Signature,
    /// For another boot.
    #[error("the order is for another node, or for an earlier boot of this one")]
    Node,
    /// The node has no use for that name.
    #[error("this node has no use for a secret of that name")]
    Name,
    /// Not newer than the last accepted order.
    #[error("the order is older than one that was taken")]
    Counter,
    /// Not sealed to this node.
    #[error("the secret cannot be opened here")]
    Sealed,
    /// Not a possible key, or not a token's hash.
    #[error("the secret is not printable ASCII, or a caller's is not the hash of a token")]
    Text,
}

impl SecretError {
    /// Stable code, for callers.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoOperator => "secret_no_operator",
            Self::Malformed => "secret_malformed",
            Self::Signature => "secret_signature",
            Self::Node => "secret_node",
            Self::Name => "secret_name",
            Self::Counter => "secret_counter",
            Self::Sealed => "secret_sealed",
            Self::Text => "secret_text",
        }
    }
}

impl Secrets {
    /// Creates an empty store with a seal key. A node without an operator takes no orders and has no such key.
    pub fn new(settings: &Settings) -> Result<Self, EnclaveError> {
        let Some(operator) = settings.operator else { return Ok(Self { holder: None }) };
        let pair = DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305.generate_key_pair();
        let (public, private) = pair.map_err(EnclaveError::make("seal key"))?;
        let public = public.0.try_into().map_err(EnclaveError::make("seal key"))?;
        let keys = settings.upstreams.iter().map(|upstream| (upstream.name.clone(), Kind::Key));
        let hashes = settings.callers.iter().map(|caller| (caller.name.clone(), Kind::TokenHash));
        let names = keys.chain(hashes).collect();
        let holder = Holder { operator: operator.0, public, private, names, held: Mutex::default() };
        Ok(Self { holder: Some(holder) })
    }

    /// The key that orders are sealed to.
    pub fn seal_key(&self) -> Option<[u8; 32]> {
        self.holder.as_ref().map(|holder| holder.public)
    }

    /// The operator's key.
    pub fn operator(&self) -> Option<[u8; 32]> {
        self.holder.as_ref().map(|holder| holder.operator)
    }

    /// Accepts an order for `node`, the digest of this boot's statement.
    pub fn take(&self, node: &Digest, order: &[u8]) -> Result<(), SecretError> {
        let holder = self.holder.as_ref().ok_or(SecretError::NoOperator)?;
        let signed = Signed::<SecretOrder>::decode(order).map_err(|_| SecretError::Malformed)?;
        if !holder.ordered(&signed) {
            return Err(SecretError::Signature);
        }
        let SecretOrder { node: meant, name, counter, sealed } = signed.claims();
        if meant != node {
            return Err(SecretError::Node);
        }
        let kind = *holder.names.get(&**name).ok_or(SecretError::Name)?;
        let mut held = holder.held();
        if *counter <= held.counter {
            return Err(SecretError::Counter);
        }
        let secret = sealed.as_ref().map(|sealed| holder.open(node, name, *counter, sealed)).transpose()?;
        let is_hash = |secret: &Secret| secret.text.parse::<TokenHash>().is_ok();
        if kind == Kind::TokenHash && !secret.as_ref().is_none_or(is_hash) {
            return Err(SecretError::Text);
        }
        held.counter = *counter;
        match secret {
            Some(secret) => held.secrets.insert(name.to_string(), secret),
            None => held.secrets.remove(&**name),
        };
        Ok(())
    }

    /// The secret of that name.
    pub fn get(&self, name: &str) -> Option<Zeroizing<String>> {
        self.holder.as_ref()?.held().secrets.get(name).map(|secret| secret.text.clone())
    }

    /// What may be shown of all of them.
    pub fn list(&self) -> Vec<Described> {
        let Some(holder) = &self.holder else { return Vec::new() };
        let described = |(name, secret): (&String, &Secret)| Described {
            name: name.clone(),
            fingerprint: secret.fingerprint,
            counter: secret.counter,
        };
        holder.held().secrets.iter().map(described).collect()
    }
}

impl Holder {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ordered(&self, signed: &Signed<SecretOrder>) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.operator);
        signed.key_id() == KeyId::of(&self.operator) && key.verify(signed.to_be_signed(), signed.signature()).is_ok()
    }

    fn open(&self, node: &Digest, name: &str, counter: u64, sealed: &Sealed) -> Result<Secret, SecretError> {
        let encapsulated = EncapsulatedSecret(sealed.encapsulated.to_vec());
        let aad = SecretOrder::aad(node, name, counter);
        let opened = DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305
            .open(&encapsulated, secret::INFO, &aad, &sealed.ciphertext, &self.private)
            .map(Zeroizing::new)
            .map_err(|_| SecretError::Sealed)?;
        let fingerprint = secret::fingerprint(name, &opened);
        let text = std::str::from_utf8(&opened).ok().filter(|_| secret::is_secret(&opened));
        let text = Zeroizing::new(text.ok_or(SecretError::Text)?.to_owned());
        Ok(Secret { text, fingerprint, counter })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use quoth_attestation::token;
    use rustls::crypto::hpke::HpkePublicKey;

    use super::*;
    use crate::config::Config;

    const NODE: Digest = Digest([7; 32]);

    fn operator(seed: u8) -> (Ed25519KeyPair, [u8; 32]) {
        let key = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = key.public_key().as_ref().try_into().unwrap();
        (key, public)
    }

    fn node() -> Secrets {
        let (_, public) = operator(1);
        let file = format!(
            "version = 1\nplatform = \"none\"\ntls_names = [\"localhost\"]\noperator = \"{}\"\n[[upstream]]\nname = \"p\"\n\
             host = \"p.example\"\napi = \"openai\"\nmodels = [\"*\"]\n[[caller]]\nname = \"c\"\n",
            hex::encode(public)
        );
        Secrets::new(&Config::parse(file.into_bytes()).unwrap().settings).unwrap()
    }

    fn sealed(to: &Secrets, order: (&Digest, &str, u64), secret: &[u8]) -> Sealed {
        let (node, name, counter) = order;
        let key = HpkePublicKey(to.seal_key().unwrap().to_vec());
        let aad = SecretOrder::aad(node, name, counter);
        let sealed = DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305.seal(secret::INFO, &aad, secret, &key).unwrap();
        Sealed { encapsulated: sealed.0.0.try_into().unwrap(), ciphertext: sealed.1.try_into().unwrap() }
    }

    fn signed(by: u8, order: SecretOrder) -> Vec<u8> {
        let (key, public) = operator(by);
        let sign = |bytes: &[u8]| key.sign(bytes).as_ref().try_into().unwrap();
        Signed::sign(order, KeyId::of(&public), sign).unwrap().bytes().to_vec()
    }

    fn order(to: &Secrets, name: &str, counter: u64, secret: &str) -> SecretOrder {
        let sealed = Some(sealed(to, (&NODE, name, counter), secret.as_bytes()));
        SecretOrder { node: NODE, name: name.try_into().unwrap(), counter, sealed }
    }

    #[test]
    fn secrets_are_set_changed_and_removed() {
        let secrets = node();
        assert_eq!(secrets.take(&NODE, &signed(1, order(&secrets, "p", 5, "sk-one"))), Ok(()));
        assert_eq!(secrets.get("p").unwrap().as_str(), "sk-one");
        assert_eq!(secrets.take(&NODE, &signed(1, order(&secrets, "p", 6, "sk-two"))), Ok(()));
        assert_eq!(secrets.get("p").unwrap().as_str(), "sk-two");
        let list = secrets.list();
        assert_eq!((list[0].name.as_str(), list[0].counter), ("p", 6));
        assert_eq!(list[0].fingerprint, secret::fingerprint("p", b"sk-two"));
        assert_eq!(secrets.operator(), Some(operator(1).1));
        let remove = SecretOrder { node: NODE, name: "p".try_into().unwrap(), counter: 7, sealed: None };
        assert_eq!(secrets.take(&NODE, &signed(1, remove)), Ok(()));
        assert!(secrets.get("p").is_none() && secrets.list().is_empty());
    }

    #[test]
    fn whatever_is_not_the_operators_newest_order_for_this_boot_is_refused() {
        let secrets = node();
        let taken = signed(1, order(&secrets, "p", 5, "sk-one"));
        secrets.take(&NODE, &taken).unwrap();
        let refused = |order: &[u8]| secrets.take(&NODE, order).unwrap_err();
        assert_eq!(refused(&taken), SecretError::Counter);
        assert_eq!(refused(&signed(1, order(&secrets, "p", 4, "sk"))), SecretError::Counter);
        assert_eq!(refused(&signed(2, order(&secrets, "p", 6, "sk"))), SecretError::Signature);
        assert_eq!(refused(&signed(1, order(&secrets, "q", 6, "sk"))), SecretError::Name);
        assert_eq!(refused(&signed(1, order(&secrets, "p", 6, "s k"))), SecretError::Text);
        assert_eq!(refused(&signed(1, order(&node(), "p", 6, "sk"))), SecretError::Sealed);
        assert_eq!(refused(b"x"), SecretError::Malformed);
        let other = SecretOrder { node: Digest([8; 32]), ..order(&secrets, "p", 6, "sk") };
        assert_eq!(refused(&signed(1, other)), SecretError::Node);
        // Sealed for another counter, name or boot, and signed with these.
        for (node, name, counter) in [(NODE, "p", 7), (NODE, "q", 6), (Digest([8; 32]), "p", 6)] {
            let sealed = sealed(&secrets, (&node, name, counter), b"sk");
            let order = SecretOrder { node: NODE, name: "p".try_into().unwrap(), counter: 6, sealed: Some(sealed) };
            assert_eq!(refused(&signed(1, order)), SecretError::Sealed);
        }
        let newer = signed(1, order(&secrets, "p", 6, "sk-two"));
        for at in 0..newer.len() {
            let mut bent = newer.clone();
            bent[at] ^= 1;
            assert!(secrets.take(&NODE, &bent).is_err(), "byte {at}");
        }
        assert_eq!(secrets.get("p").unwrap().as_str(), "sk-one", "nothing of that changed anything");
    }

    #[test]
    fn every_refusal_has_a_code_of_its_own() {
        let refusals = [
            (SecretError::NoOperator, "secret_no_operator"),
            (SecretError::Malformed, "secret_malformed"),
            (SecretError::Signature, "secret_signature"),
            (SecretError::Node, "secret_node"),
            (SecretError::Name, "secret_name"),
            (SecretError::Counter, "secret_counter"),
            (SecretError::Sealed, "secret_sealed"),
            (SecretError::Text, "secret_text"),
        ];
        for (refusal, code) in refusals {
            assert_eq!(refusal.code(), code);
        }
    }

    #[test]
    fn of_a_token_the_hash_alone_is_held() {
        let secrets = node();
        let token = token::token("c", &[9; 32]);
        assert_eq!(secrets.take(&NODE, &signed(1, order(&secrets, "c", 5, &token))), Err(SecretError::Text));
        let hash = TokenHash::of(&token, [1; 16]).to_string();
        assert_eq!(secrets.take(&NODE, &signed(1, order(&secrets, "c", 5, &hash))), Ok(()));
        assert_eq!(secrets.get("c").unwrap().as_str(), hash);
    }

    #[test]
    fn a_node_without_an_operator_takes_nothing() {
        let file = "version = 1\nplatform = \"none\"\ntls_names = [\"localhost\"]\n[[upstream]]\nname = \"p\"\n\
                    host = \"p.example\"\napi = \"openai\"\nmodels = [\"*\"]\n";
        let secrets = Secrets::new(&Config::parse(file.as_bytes().to_vec()).unwrap().settings).unwrap();
        assert_eq!((secrets.seal_key(), secrets.operator()), (None, None));
        assert_eq!(secrets.take(&NODE, b"x"), Err(SecretError::NoOperator));
    }
}
