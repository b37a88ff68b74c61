use alloc::vec::Vec;

use der::asn1::{BitStringRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader};
use hex_literal::hex;

use super::der::{Extension, Name, Problem, Signed, default_false, extensions, octets, serial, time};
use crate::crypto::{P384Key, RsaKey};

/// Version 3, behind its tag.
const VERSION_3: &[u8] = &[0xa0, 3, 2, 1, 2];
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
/// id-ecPublicKey with secp384r1 (RFC 5480 §2.1), AlgorithmIdentifier, DER.
const P384: &[u8] = &hex!("301006072a8648ce3d020106052b81040022");
/// rsaEncryption (RFC 3279 §2.3.1), AlgorithmIdentifier, DER.
const RSA: &[u8] = &hex!("300d06092a864886f70d0101010500");
/// AMD's keys, and nobody else's here.
const RSA_BITS: usize = 4096;

/// A certificate, read and **not verified**.
pub(crate) struct Certificate<'a> {
    pub(crate) signed: Signed<'a>,
    pub(crate) serial: &'a [u8],
    pub(crate) issuer: Name<'a>,
    pub(crate) subject: Name<'a>,
    /// First and last second, Unix.
    pub(crate) validity: (u64, u64),
    pub(crate) constraints: Option<BasicConstraints>,
    pub(crate) usage: Option<KeyUsage>,
    pub(crate) extensions: Vec<Extension<'a>>,
    key: Option<PublicKey<'a>>,
}

/// RFC 5280 §4.2.1.9.
#[derive(Clone, Copy)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<u8>,
    critical: bool,
}

/// RFC 5280 §4.2.1.3.
#[derive(Clone, Copy)]
pub(crate) struct KeyUsage {
    pub(crate) digital_signature: bool,
    pub(crate) key_cert_sign: bool,
}

/// A key of one of the kinds that are used.
enum PublicKey<'a> {
    P384(P384Key),
    Rsa(RsaKey<'a>),
}

impl<'a> Certificate<'a> {
    /// Reads exactly one certificate of version 3; says what is wrong otherwise.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let signed = Signed::parse(bytes).map_err(|Problem(problem)| problem)?;
        Self::read(signed).map_err(|Problem(problem)| problem)
    }

    fn read(signed: Signed<'a>) -> Result<Self, Problem> {
        let (serial, issuer, validity, subject, key, extensions) = signed.body(|reader| {
            if reader.tlv_bytes()? != VERSION_3 {
                return Err(Problem("not of version 3"));
            }
            let serial = serial(reader)?;
            signed.algorithm(reader)?;
            let issuer = Name::read(reader)?;
            let validity = reader.sequence(|reader| Ok::<_, Problem>((time(reader)?, time(reader)?)))?;
            let subject = Name::read(reader)?;
            let key = reader.sequence(PublicKey::read)?;
            Ok((serial, issuer, validity, subject, key, extensions(reader, 3)?))
        })?;
        let known = [BASIC_CONSTRAINTS, KEY_USAGE];
        if extensions.iter().any(|extension| extension.critical && !known.contains(&extension.id)) {
            return Err(Problem("an unknown critical extension"));
        }
        let find = |id| extensions.iter().find(|extension| extension.id == id);
        let constraints = find(BASIC_CONSTRAINTS).map(BasicConstraints::read).transpose()?;
        let usage = find(KEY_USAGE).map(KeyUsage::read).transpose()?;
        Ok(Self { signed, serial, issuer, subject, validity, constraints, usage, extensions, key })
    }

    /// May issue certificates, `below` authorities under it (RFC 5280 §4.2.1.3 and §4.2.1.9).
    pub(crate) fn check_authority(&self, below: usize) -> Result<(), &'static str> {
        match (self.constraints, self.usage) {
            (Some(BasicConstraints { critical: false, .. }), _) => Err("has constraints that are not critical"),
            (Some(BasicConstraints { ca: true, path_length: Some(length), .. }), _) if usize::from(length) < below => {
                Err("more authorities below it than it may have")
            }
            (Some(BasicConstraints { ca: true, .. }), Some(KeyUsage { key_cert_sign: true, .. })) => Ok(()),
            (Some(BasicConstraints { ca: true, .. }), _) => Err("may not sign certificates"),
            _ => Err("is no authority"),
        }
    }

    /// A P-384 key; none for every other.
    pub(crate) fn p384_key(&self) -> Option<&P384Key> {
        match &self.key {
            Some(PublicKey::P384(key)) => Some(key),
            _ => None,
        }
    }

    /// An RSA key of 4096 bits; none for every other.
    pub(crate) fn rsa_key(&self) -> Option<&RsaKey<'a>> {
        match &self.key {
            Some(PublicKey::Rsa(key)) => Some(key),
            _ => None,
        }
    }
}

impl<'a> PublicKey<'a> {
    fn read(reader: &mut SliceReader<'a>) -> Result<Option<Self>, Problem> {
        let algorithm = reader.tlv_bytes()?;
        let key = octets(BitStringRef::decode(reader)?)?;
        Ok(match algorithm {
            P384 => P384Key::read(key).map(Self::P384),
            RSA => RsaKey::read(key, RSA_BITS).map(Self::Rsa),
            _ => None,
        })
    }
}

impl BasicConstraints {
    fn read(extension: &Extension<'_>) -> Result<Self, Problem> {
        let mut reader = SliceReader::new(extension.value)?;
        let this = reader.sequence(|reader| {
            let ca = default_false(reader)?;
            let path_length = if reader.is_finished() { None } else { Some(u8::decode(reader)?) };
            Ok::<_, Problem>(Self { ca, path_length, critical: extension.critical })
        })?;
        reader.finish()?;
        Ok(this)
    }
}

impl KeyUsage {
    fn read(extension: &Extension<'_>) -> Result<Self, Problem> {
        let bits = BitStringRef::from_der(extension.value)?;
        let bit = |number| bits.get(number) == Some(true);
        Ok(Self { digital_signature: bit(0), key_cert_sign: bit(5) })
    }
}
