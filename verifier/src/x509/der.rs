//! The pieces that certificates and revocation lists are made of. Each item is read by the library, in one place; what it means
//! is told where it is used.

use alloc::vec::Vec;

use der::asn1::{BitStringRef, GeneralizedTime, ObjectIdentifier, UintRef, UtcTime};
use der::{AnyRef, Decode, Reader, SliceReader, Tag};
use quoth_attestation::Digest;

/// 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// Octets of a serial number, at most (RFC 5280 §4.1.2.2).
const MAX_SERIAL: usize = 20;

/// Why something cannot be read, in words.
pub(crate) struct Problem(pub(crate) &'static str);

impl From<der::Error> for Problem {
    fn from(_: der::Error) -> Self {
        NOT_DER
    }
}

const NOT_DER: Problem = Problem("not in DER, or of another structure");

/// Items one after the other.
pub(crate) struct Items<'a>(&'a [u8]);

/// One item.
pub(crate) struct Item<'a> {
    /// All of it.
    pub(crate) der: &'a [u8],
    /// Its tag and what that is of.
    pub(crate) content: AnyRef<'a>,
}

impl<'a> Items<'a> {
    /// The items of the one SEQUENCE that `bytes` are.
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, Problem> {
        Item::of(bytes)?.sequence()
    }

    pub(super) fn next(&mut self) -> Result<Item<'a>, Problem> {
        let mut reader = SliceReader::new(self.0)?;
        let content = AnyRef::decode(&mut reader)?;
        let (der, rest) = self.0.split_at_checked(usize::try_from(reader.position())?).ok_or(NOT_DER)?;
        self.0 = rest;
        Ok(Item { der, content })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing may follow.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.is_finished() {
            true => Ok(()),
            false => Err(NOT_DER),
        }
    }

    /// Whether the next item's tag is this octet.
    pub(super) fn begins_with(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }
}

impl<'a> Item<'a> {
    /// The one item that `bytes` are.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, Problem> {
        let mut items = Items(bytes);
        let item = items.next()?;
        items.finish().map(|()| item)
    }

    fn tagged(&self, tag: Tag) -> Result<&'a [u8], Problem> {
        match self.content.header().tag() == tag {
            true => Ok(self.content.value()),
            false => Err(NOT_DER),
        }
    }

    pub(super) fn sequence(&self) -> Result<Items<'a>, Problem> {
        self.tagged(Tag::Sequence).map(Items)
    }

    /// An unsigned INTEGER, without its sign's octet.
    pub(crate) fn uint(&self) -> Result<&'a [u8], Problem> {
        Ok(self.content.decode_as::<UintRef<'a>>()?.as_bytes())
    }

    /// An OBJECT IDENTIFIER, encoded.
    fn identifier(&self) -> Result<&'a [u8], Problem> {
        let id = self.tagged(Tag::ObjectIdentifier)?;
        match ObjectIdentifier::from_bytes(id) {
            Ok(_) => Ok(id),
            Err(_) => Err(NOT_DER),
        }
    }

    pub(super) fn bits(&self) -> Result<BitStringRef<'a>, Problem> {
        Ok(self.content.decode_as()?)
    }

    /// A bit string of whole octets.
    pub(super) fn octets(&self) -> Result<&'a [u8], Problem> {
        self.bits()?.as_bytes().ok_or(Problem("a bit string that ends within an octet"))
    }

    /// A serial number: no negative one.
    pub(super) fn serial(&self) -> Result<&'a [u8], Problem> {
        match self.uint()? {
            serial if serial.len() <= MAX_SERIAL => Ok(serial),
            _ => Err(Problem("a serial number of more than 20 octets")),
        }
    }

    /// Time (RFC 5280 §4.1.2.5), Unix seconds.
    pub(super) fn time(&self) -> Result<u64, Problem> {
        let time = match self.content.header().tag() {
            Tag::UtcTime => self.content.decode_as::<UtcTime>()?.to_unix_duration(),
            _ => self.content.decode_as::<GeneralizedTime>()?.to_unix_duration(),
        };
        Ok(time.as_secs())
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
        let mut items = Items::of(bytes)?;
        let (body, algorithm) = (items.next()?.der, items.next()?.der);
        let signature = items.next()?.octets()?;
        items.finish()?;
        Ok(Self { digest: Digest::of(bytes), body, algorithm, signature })
    }

    /// The algorithm is named again in the body, and must be the same.
    pub(super) fn check_algorithm(&self, body: &mut Items<'a>) -> Result<(), Problem> {
        match body.next()?.der == self.algorithm {
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
    pub(super) fn read(name: &Item<'a>) -> Result<Self, Problem> {
        let mut common = Vec::new();
        let mut relatives = name.sequence()?;
        while !relatives.is_finished() {
            let Ok(set) = relatives.next()?.tagged(Tag::Set) else {
                return Err(Problem("a name of another structure"));
            };
            let mut set = Items(set);
            let mut attribute = set.next()?.sequence()?;
            let (id, value) = (attribute.next()?.identifier()?, attribute.next()?.content);
            attribute.finish()?;
            set.finish().map_err(|_| Problem("a name with several attributes at one level"))?;
            if id == COMMON_NAME {
                common.push(value);
            }
        }
        let common = match common[..] {
            [one] if matches!(one.header().tag(), Tag::Utf8String | Tag::PrintableString) => {
                core::str::from_utf8(one.value()).ok()
            }
            _ => None,
        };
        Ok(Self { der: name.der, common })
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
    /// Its identifier, encoded.
    pub(crate) id: &'a [u8],
    pub(super) critical: bool,
    /// What it says, DER by most.
    pub(crate) value: &'a [u8],
}

/// Extensions, each at most once, behind the explicit tag `number`; none when the tag is not there.
pub(super) fn extensions<'a>(items: &mut Items<'a>, number: u8) -> Result<Vec<Extension<'a>>, Problem> {
    let mut extensions: Vec<Extension<'a>> = Vec::new();
    if !items.begins_with(0xa0 | number) {
        return Ok(extensions);
    }
    let mut list = Items::of(items.next()?.content.value())?;
    while !list.is_finished() {
        let extension = extension(list.next()?.sequence()?)?;
        if extensions.iter().any(|earlier| earlier.id == extension.id) {
            return Err(Problem("an extension occurs twice"));
        }
        extensions.push(extension);
    }
    Ok(extensions)
}

fn extension(mut items: Items<'_>) -> Result<Extension<'_>, Problem> {
    let id = items.next()?.identifier()?;
    let critical = default_false(&mut items)?;
    let value = items.next()?.tagged(Tag::OctetString)?;
    items.finish()?;
    Ok(Extension { id, critical, value })
}

/// BOOLEAN DEFAULT FALSE: what is left out is false, and what is false is left out (X.690 §11.5).
pub(super) fn default_false(items: &mut Items<'_>) -> Result<bool, Problem> {
    const BOOLEAN: u8 = 1;
    if !items.begins_with(BOOLEAN) {
        return Ok(false);
    }
    match items.next()?.content.decode_as()? {
        true => Ok(true),
        false => Err(Problem("a default value that is written out")),
    }
}
