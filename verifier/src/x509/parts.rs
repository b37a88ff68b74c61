//! Parses the parts that certificates and revocation lists share.

use alloc::vec::Vec;

use quoth_attestation::Digest;

use crate::der::{BOOLEAN, CONTEXT, Item, Items, OCTET_STRING, PRINTABLE_STRING, Problem, SET, UTF8_STRING};

/// The OID 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// Maximum length of a serial number, in octets (RFC 5280 §4.1.2.2).
const MAX_SERIAL: usize = 20;

/// Reads a serial number, which must not be negative.
pub(super) fn serial<'a>(item: &Item<'a>) -> Result<&'a [u8], Problem> {
    match item.uint()? {
        serial if serial.len() <= MAX_SERIAL => Ok(serial),
        _ => Err(Problem("a serial number of more than 20 octets")),
    }
}

/// SIGNED{} (X.509 §6.2.1), the outer structure of certificates and revocation lists.
pub(crate) struct Signed<'a> {
    /// SHA-256 of the whole structure.
    pub(crate) digest: Digest,
    /// The signed bytes, as received.
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

    /// Checks that the body names the same algorithm again.
    pub(super) fn check_algorithm(&self, body: &mut Items<'a>) -> Result<(), Problem> {
        match body.next()?.der == self.algorithm {
            true => Ok(()),
            false => Err(Problem("two signature algorithms")),
        }
    }
}

/// A distinguished name (RFC 5280 §4.1.2.4) with one attribute in each relative name. Names are equal if their DER is equal.
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
            let Ok(set) = relatives.next()?.tagged(SET) else {
                return Err(Problem("a name with an unsupported structure"));
            };
            let mut set = Items::within(set);
            let mut attribute = set.next()?.sequence()?;
            let (id, value) = (attribute.next()?.identifier()?, attribute.next()?);
            attribute.finish()?;
            set.finish().map_err(|_| Problem("a name with several attributes at one level"))?;
            if id == COMMON_NAME {
                common.push(value);
            }
        }
        let common = match common[..] {
            [Item { tag: UTF8_STRING | PRINTABLE_STRING, content, .. }] => core::str::from_utf8(content).ok(),
            _ => None,
        };
        Ok(Self { der: name.der, common })
    }

    /// The common name, if there is exactly one.
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
    /// Its OID, encoded.
    pub(crate) id: &'a [u8],
    pub(super) critical: bool,
    /// Its content, usually DER.
    pub(crate) value: &'a [u8],
}

/// Reads extensions, each at most once, with the explicit tag `number`. Without that tag there are none.
pub(super) fn extensions<'a>(items: &mut Items<'a>, number: u8) -> Result<Vec<Extension<'a>>, Problem> {
    let mut extensions: Vec<Extension<'a>> = Vec::new();
    if !items.begins_with(CONTEXT | number) {
        return Ok(extensions);
    }
    let mut list = Items::of(items.next()?.content)?;
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
    let value = items.next()?.tagged(OCTET_STRING)?;
    items.finish()?;
    Ok(Extension { id, critical, value })
}

/// BOOLEAN DEFAULT FALSE: an omitted value is false, and false must be omitted (X.690 §11.5).
pub(super) fn default_false(items: &mut Items<'_>) -> Result<bool, Problem> {
    if !items.begins_with(BOOLEAN) {
        return Ok(false);
    }
    match items.next()?.boolean()? {
        true => Ok(true),
        false => Err(Problem("a default value that is written out")),
    }
}
