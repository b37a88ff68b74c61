//! Parses certificates.

use alloc::vec::Vec;

use hex_literal::hex;

use super::parts::{Extension, Name, Signed, default_false, extensions, serial};
use crate::crypto::{P384Key, RsaKey};
use crate::der::{Item, Items, Problem};

/// Version 3, with its tag.
const VERSION_3: &[u8] = &[0xa0, 3, 2, 1, 2];
/// The OID 2.5.29.19.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 29, 19];
/// The OID 2.5.29.15.
const KEY_USAGE: &[u8] = &[0x55, 29, 15];
/// id-ecPublicKey with secp384r1 (RFC 5480 §2.1), AlgorithmIdentifier, DER.
const P384: &[u8] = &hex!("301006072a8648ce3d020106052b81040022");
/// rsaEncryption (RFC 3279 §2.3.1), AlgorithmIdentifier, DER.
const RSA: &[u8] = &hex!("300d06092a864886f70d0101010500");

/// A certificate, parsed and **not verified**.
pub(crate) struct Certificate<'a> {
    pub(crate) signed: Signed<'a>,
    pub(crate) serial: &'a [u8],
    pub(crate) issuer: Name<'a>,
    pub(crate) subject: Name<'a>,
    /// First and last second of validity, Unix seconds.
    pub(crate) validity: (u64, u64),
    pub(crate) constraints: Option<BasicConstraints>,
    pub(crate) usage: Option<KeyUsage>,
    pub(crate) extensions: Vec<Extension<'a>>,
    key: Option<PublicKey<'a>>,
}

/// The extension basicConstraints (RFC 5280 §4.2.1.9).
#[derive(Clone, Copy)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<u8>,
    critical: bool,
}

/// The extension keyUsage (RFC 5280 §4.2.1.3).
#[derive(Clone, Copy)]
pub(crate) struct KeyUsage {
    pub(crate) digital_signature: bool,
    pub(crate) key_cert_sign: bool,
}

/// A key of one of the supported kinds.
enum PublicKey<'a> {
    P384(P384Key),
    Rsa(RsaKey<'a>),
}

impl<'a> Certificate<'a> {
    /// Parses exactly one certificate of version 3. The error says what is wrong.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let signed = Signed::parse(bytes).map_err(|Problem(problem)| problem)?;
        Self::read(signed).map_err(|Problem(problem)| problem)
    }

    fn read(signed: Signed<'a>) -> Result<Self, Problem> {
        let mut body = Items::of(signed.body)?;
        if body.next()?.der != VERSION_3 {
            return Err(Problem("not of version 3"));
        }
        let serial = serial(&body.next()?)?;
        signed.check_algorithm(&mut body)?;
        let issuer = Name::read(&body.next()?)?;
        let mut times = body.next()?.sequence()?;
        let validity = (times.next()?.time()?, times.next()?.time()?);
        times.finish()?;
        let subject = Name::read(&body.next()?)?;
        let key = PublicKey::read(body.next()?.sequence()?)?;
        let extensions = extensions(&mut body, 3)?;
        body.finish()?;
        let known = [BASIC_CONSTRAINTS, KEY_USAGE];
        if extensions.iter().any(|extension| extension.critical && !known.contains(&extension.id)) {
            return Err(Problem("an unknown critical extension"));
        }
        let find = |id: &[u8]| extensions.iter().find(|extension| extension.id == id);
        let constraints = find(BASIC_CONSTRAINTS).map(BasicConstraints::read).transpose()?;
        let usage = find(KEY_USAGE).map(KeyUsage::read).transpose()?;
        Ok(Self { signed, serial, issuer, subject, validity, constraints, usage, extensions, key })
    }

    /// Checks that it may issue certificates, with `below` authorities under it (RFC 5280 §4.2.1.3 and §4.2.1.9).
    pub(crate) fn check_authority(&self, below: usize) -> Result<(), &'static str> {
        match (self.constraints, self.usage) {
            (Some(BasicConstraints { critical: false, .. }), _) => Err("has constraints that are not critical"),
            (Some(BasicConstraints { ca: true, path_length: Some(length), .. }), _) if usize::from(length) < below => {
                Err("has more authorities below it than allowed")
            }
            (Some(BasicConstraints { ca: true, .. }), Some(KeyUsage { key_cert_sign: true, .. })) => Ok(()),
            (Some(BasicConstraints { ca: true, .. }), _) => Err("may not sign certificates"),
            _ => Err("is not an authority"),
        }
    }

    /// Its P-384 key; `None` for other kinds.
    pub(crate) fn p384_key(&self) -> Option<&P384Key> {
        match &self.key {
            Some(PublicKey::P384(key)) => Some(key),
            _ => None,
        }
    }

    /// Its RSA key of 4096 bits; `None` for other kinds.
    pub(crate) fn rsa_key(&self) -> Option<&RsaKey<'a>> {
        match &self.key {
            Some(PublicKey::Rsa(key)) => Some(key),
            _ => None,
        }
    }
}

impl<'a> PublicKey<'a> {
    fn read(mut items: Items<'a>) -> Result<Option<Self>, Problem> {
        let (algorithm, key) = (items.next()?.der, items.next()?.octets()?);
        items.finish()?;
        Ok(match algorithm {
            P384 => P384Key::read(key).map(Self::P384),
            RSA => RsaKey::read(key).map(Self::Rsa),
            _ => None,
        })
    }
}

impl BasicConstraints {
    fn read(extension: &Extension<'_>) -> Result<Self, Problem> {
        let mut items = Items::of(extension.value)?;
        let ca = default_false(&mut items)?;
        let path_length = if items.is_finished() { None } else { Some(path_length(&items.next()?)?) };
        items.finish()?;
        Ok(Self { ca, path_length, critical: extension.critical })
    }
}

/// Reads one octet; no chain has more authorities than that.
fn path_length(item: &Item<'_>) -> Result<u8, Problem> {
    match item.uint()? {
        [length] => Ok(*length),
        _ => Err(Problem("a path length of more than one octet")),
    }
}

impl KeyUsage {
    fn read(extension: &Extension<'_>) -> Result<Self, Problem> {
        let (_, octets) = Item::of(extension.value)?.bits()?;
        let first = octets.first().copied().unwrap_or_default();
        let is_set = |number: u32| first >> (7 - number) & 1 == 1;
        Ok(Self { digital_signature: is_set(0), key_cert_sign: is_set(5) })
    }
}
