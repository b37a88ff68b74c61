//! The pieces that certificates and revocation lists are made of.

use alloc::vec::Vec;

use der::asn1::{BitStringRef, GeneralizedTime, ObjectIdentifier, OctetStringRef, UintRef, UtcTime};
use der::{AnyRef, Decode, Reader, SliceReader, Tag};
use quoth_attestation::Digest;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// Octets of a serial number, at most (RFC 5280 §4.1.2.2).
const MAX_SERIAL: usize = 20;

/// Why something cannot be read, in words.
pub(crate) struct Problem(pub(crate) &'static str);

impl From<der::Error> for Problem {
    fn from(_: der::Error) -> Self {
        Self("not in DER, or of another structure")
    }
}

/// SIGNED{} (X.509 §6.2.1): what certificates and revocation lists have in common.
pub(crate) struct Signed<'a> {
    /// SHA-256 of all of it.
    pub(crate) digest: Digest,
    /// What was signed, as received.
    pub(crate) body: &'a [u8],
    /// AlgorithmIdentifier, DER.
    pub(crate) algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Problem> {
        let mut reader = SliceReader::new(bytes)?;
        let (body, algorithm, signature) = reader.sequence(|reader| {
            Ok::<_, Problem>((reader.tlv_bytes()?, reader.tlv_bytes()?, octets(BitStringRef::decode(reader)?)?))
        })?;
        reader.finish()?;
        Ok(Self { digest: Digest::of(bytes), body, algorithm, signature })
    }

    /// Reads the body with `read`, all of it.
    pub(super) fn body<T>(&self, read: impl FnOnce(&mut SliceReader<'a>) -> Result<T, Problem>) -> Result<T, Problem> {
        let mut reader = SliceReader::new(self.body)?;
        let body = reader.sequence(read)?;
        reader.finish()?;
        Ok(body)
    }

    /// The algorithm is named again in the body, and must be the same.
    pub(super) fn algorithm(&self, reader: &mut SliceReader<'a>) -> Result<(), Problem> {
        match reader.tlv_bytes()? == self.algorithm {
            true => Ok(()),
            false => Err(Problem("two signature algorithms")),
        }
    }
}

/// A distinguished name (RFC 5280 §4.1.2.4), of relative names with one attribute each. Two are the same when their DER is.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a> {
    der: &'a [u8],
    common: Option<&'a str>,
}

impl<'a> Name<'a> {
    pub(super) fn read(reader: &mut SliceReader<'a>) -> Result<Self, Problem> {
        let der = reader.tlv_bytes()?;
        let mut common = Vec::new();
        each(der, |relative| {
            let set = AnyRef::decode(relative)?;
            if set.header().tag() != Tag::Set {
                return Err(Problem("a name of another structure"));
            }
            let mut attribute = SliceReader::new(set.value())?;
            let (id, value) = attribute
                .sequence(|reader| Ok::<_, Problem>((ObjectIdentifier::decode(reader)?, AnyRef::decode(reader)?)))?;
            attribute.finish().map_err(|_| Problem("a name with several attributes at one level"))?;
            if id == COMMON_NAME {
                common.push(value);
            }
            Ok(())
        })?;
        let common = match common[..] {
            [one] if matches!(one.header().tag(), Tag::Utf8String | Tag::PrintableString) => {
                core::str::from_utf8(one.value()).ok()
            }
            _ => None,
        };
        Ok(Self { der, common })
    }

    /// The common name, when there is exactly one.
    pub(crate) fn common(&self) -> Option<&'a str> {
        self.common
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

/// An extension (RFC 5280 §4.1.2.9).
pub(crate) struct Extension<'a> {
    pub(crate) id: ObjectIdentifier,
    pub(super) critical: bool,
    /// What it says, DER by most.
    pub(crate) value: &'a [u8],
}

/// Extensions, each at most once, behind the explicit tag `number`; none when the tag is not there.
pub(super) fn extensions<'a>(reader: &mut SliceReader<'a>, number: u8) -> Result<Vec<Extension<'a>>, Problem> {
    let mut extensions: Vec<Extension<'a>> = Vec::new();
    if reader.peek_byte() != Some(0xa0 | number) {
        return Ok(extensions);
    }
    let list = AnyRef::decode(reader)?.value();
    each(list, |reader| {
        let extension = reader.sequence(extension)?;
        if extensions.iter().any(|earlier| earlier.id == extension.id) {
            return Err(Problem("an extension occurs twice"));
        }
        extensions.push(extension);
        Ok(())
    })?;
    Ok(extensions)
}

fn extension<'a>(reader: &mut SliceReader<'a>) -> Result<Extension<'a>, Problem> {
    let id = ObjectIdentifier::decode(reader)?;
    let critical = default_false(reader)?;
    Ok(Extension { id, critical, value: <&OctetStringRef>::decode(reader)?.as_bytes() })
}

/// BOOLEAN DEFAULT FALSE: what is left out is false, and what is false is left out (X.690 §11.5).
pub(super) fn default_false(reader: &mut SliceReader<'_>) -> Result<bool, Problem> {
    match !reader.is_finished() && Tag::peek(reader)? == Tag::Boolean {
        false => Ok(false),
        true if bool::decode(reader)? => Ok(true),
        true => Err(Problem("a default value that is written out")),
    }
}

/// Calls `item` for each item of the one SEQUENCE that `bytes` are.
pub(super) fn each<'a>(
    bytes: &'a [u8],
    mut item: impl FnMut(&mut SliceReader<'a>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut reader = SliceReader::new(bytes)?;
    reader.sequence(|reader| {
        while !reader.is_finished() {
            item(reader)?;
        }
        Ok::<_, Problem>(())
    })?;
    Ok(reader.finish()?)
}

/// A serial number: no negative one, without its sign's octet.
pub(super) fn serial<'a>(reader: &mut SliceReader<'a>) -> Result<&'a [u8], Problem> {
    match UintRef::decode(reader)?.as_bytes() {
        serial if serial.len() <= MAX_SERIAL => Ok(serial),
        _ => Err(Problem("a serial number of more than 20 octets")),
    }
}

/// Time (RFC 5280 §4.1.2.5), Unix seconds.
pub(super) fn time(reader: &mut SliceReader<'_>) -> Result<u64, Problem> {
    let time = match Tag::peek(reader)? {
        Tag::UtcTime => UtcTime::decode(reader)?.to_unix_duration(),
        _ => GeneralizedTime::decode(reader)?.to_unix_duration(),
    };
    Ok(time.as_secs())
}

/// A bit string of whole octets.
pub(super) fn octets(bits: BitStringRef<'_>) -> Result<&[u8], Problem> {
    bits.as_bytes().ok_or(Problem("a bit string that ends within an octet"))
}
