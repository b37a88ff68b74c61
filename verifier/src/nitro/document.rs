//! Reads attestation documents of AWS Nitro Enclaves.

use alloc::string::String;
use alloc::vec::Vec;

use quoth_attestation::measurement::Pcr;

use super::cbor::Reader;
use super::chain::{Anchor, Chain, MAX_BUNDLE};
use super::cose::Sign1;
use crate::Refusal;
use crate::signatures::Signatures;
use crate::x509::Validity;

/// Maximum number of fields in a document.
const MAX_FIELDS: usize = 9;
/// Maximum number of registers; indices are below it.
const MAX_PCRS: usize = 32;
/// Maximum bytes in `module_id`.
const MAX_MODULE: usize = 256;
/// Maximum bytes in one certificate.
const MAX_CERTIFICATE: usize = 1024;
/// Maximum bytes in `public_key`, `user_data` or `nonce`.
const MAX_USER: usize = 1024;

/// A document, parsed and **not yet verified**.
pub(crate) struct Document<'a> {
    sign1: Sign1<'a>,
    module_id: String,
    timestamp: u64,
    pcrs: Registers,
    certificate: &'a [u8],
    cabundle: Vec<&'a [u8]>,
    public_key: Option<&'a [u8]>,
    user_data: Option<&'a [u8]>,
    nonce: Option<&'a [u8]>,
}

/// The content of a verified document.
pub(crate) struct Attested<'a> {
    /// When it was signed, Unix milliseconds.
    pub(crate) timestamp: u64,
    /// The enclave's own name.
    pub(crate) module_id: String,
    /// Registers 0 to 2.
    pub(crate) registers: [Pcr; 3],
    /// All registers, by index.
    pub(crate) pcrs: Registers,
    /// The enclave's public key.
    pub(crate) public_key: Option<&'a [u8]>,
    /// The data that the enclave asked to have signed.
    pub(crate) user_data: Option<&'a [u8]>,
    /// The nonce in the request for the document.
    pub(crate) nonce: Option<&'a [u8]>,
}

impl<'a> Document<'a> {
    /// Parses a document strictly. Does not verify signatures.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let sign1 = Sign1::parse(bytes)?;
        let mut fields = Fields::default();
        let mut reader = Reader::new(sign1.payload);
        reader.map(MAX_FIELDS, |reader| fields.read(reader))?;
        reader.finish()?;
        fields.finish(sign1)
    }

    /// The document's own signing time, Unix seconds.
    pub(crate) fn signed_at(&self) -> u64 {
        self.timestamp / 1000
    }

    pub(crate) fn verify(
        self,
        anchor: Anchor<'_>,
        validity: Validity,
        signatures: &Signatures,
    ) -> Result<Attested<'a>, Refusal> {
        let chain = Chain::read(&self.cabundle, self.certificate, anchor)?;
        let message = self.sign1.message();
        let own = || chain.key().map(|key| self.sign1.signature_check(key, &message));
        let prechecked = signatures.precheck(|cache| own().into_iter().chain(chain.signature_checks(cache)).collect());
        chain.verify(&self.module_id, anchor.naming, validity, &prechecked)?;
        if !own().is_some_and(|own| prechecked.holds(&own)) {
            return Err(Refusal::NitroCoseSignature);
        }
        let register = |index, field| self.pcrs.get(index).copied().ok_or(Refusal::NitroFieldMissing { field });
        Ok(Attested {
            registers: [register(0, "pcr0")?, register(1, "pcr1")?, register(2, "pcr2")?],
            pcrs: self.pcrs,
            module_id: self.module_id,
            timestamp: self.timestamp,
            public_key: self.public_key,
            user_data: self.user_data,
            nonce: self.nonce,
        })
    }
}

/// The payload's fields while they are read.
#[derive(Default)]
struct Fields<'a> {
    module_id: Option<String>,
    digest: Option<()>,
    timestamp: Option<u64>,
    pcrs: Option<Registers>,
    certificate: Option<&'a [u8]>,
    cabundle: Option<Vec<&'a [u8]>>,
    public_key: Option<Option<&'a [u8]>>,
    user_data: Option<Option<&'a [u8]>>,
    nonce: Option<Option<&'a [u8]>>,
}

impl<'a> Fields<'a> {
    /// Reads one key and its value.
    fn read(&mut self, reader: &mut Reader<'a>) -> Result<(), Refusal> {
        match reader.text()? {
            "module_id" => once(&mut self.module_id, "module_id", module_id(reader)?),
            "digest" => once(&mut self.digest, "digest", digest(reader)?),
            "timestamp" => once(&mut self.timestamp, "timestamp", timestamp(reader)?),
            "pcrs" => once(&mut self.pcrs, "pcrs", pcrs(reader)?),
            "certificate" => once(&mut self.certificate, "certificate", certificate(reader)?),
            "cabundle" => once(&mut self.cabundle, "cabundle", cabundle(reader)?),
            "public_key" => once(&mut self.public_key, "public_key", user(reader, "public_key")?),
            "user_data" => once(&mut self.user_data, "user_data", user(reader, "user_data")?),
            "nonce" => once(&mut self.nonce, "nonce", user(reader, "nonce")?),
            _ => Err(Refusal::NitroFieldUnknown),
        }
    }

    fn finish(self, sign1: Sign1<'a>) -> Result<Document<'a>, Refusal> {
        mandatory(self.digest, "digest")?;
        Ok(Document {
            sign1,
            module_id: mandatory(self.module_id, "module_id")?,
            timestamp: mandatory(self.timestamp, "timestamp")?,
            pcrs: mandatory(self.pcrs, "pcrs")?,
            certificate: mandatory(self.certificate, "certificate")?,
            cabundle: mandatory(self.cabundle, "cabundle")?,
            public_key: self.public_key.flatten(),
            user_data: self.user_data.flatten(),
            nonce: self.nonce.flatten(),
        })
    }
}

fn module_id(reader: &mut Reader<'_>) -> Result<String, Refusal> {
    match reader.text()? {
        text if (1..=MAX_MODULE).contains(&text.len()) => Ok(text.into()),
        _ => wrong("module_id", "1 to 256 bytes long"),
    }
}

fn digest(reader: &mut Reader<'_>) -> Result<(), Refusal> {
    match reader.text()? {
        "SHA384" => Ok(()),
        _ => wrong("digest", "SHA384"),
    }
}

fn timestamp(reader: &mut Reader<'_>) -> Result<u64, Refusal> {
    match reader.uint()? {
        0 => wrong("timestamp", "above zero"),
        milliseconds => Ok(milliseconds),
    }
}

/// The registers of a document, by index.
#[derive(Default)]
pub(crate) struct Registers(Vec<(u64, Pcr)>);

impl Registers {
    pub(crate) fn get(&self, index: u64) -> Option<&Pcr> {
        self.0.iter().find(|(known, _)| *known == index).map(|(_, value)| value)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn pcrs(reader: &mut Reader<'_>) -> Result<Registers, Refusal> {
    let mut pcrs = Registers::default();
    reader.map(MAX_PCRS, |reader| {
        let index = reader.uint()?;
        if index >= MAX_PCRS as u64 {
            return wrong("pcrs", "indexed from 0 to 31");
        }
        let Ok(value) = Pcr::try_from(reader.bytes()?) else {
            return wrong("pcrs", "of 48 bytes each");
        };
        if pcrs.get(index).is_some() {
            return Err(Refusal::NitroFieldDuplicate { field: "pcrs" });
        }
        pcrs.0.push((index, value));
        Ok(())
    })?;
    Ok(pcrs)
}

fn cabundle<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, Refusal> {
    let mut bundle = Vec::new();
    reader.array(MAX_BUNDLE, |reader| certificate(reader).map(|der| bundle.push(der)))?;
    Ok(bundle)
}

fn certificate<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Refusal> {
    match reader.bytes()? {
        der if (1..=MAX_CERTIFICATE).contains(&der.len()) => Ok(der),
        _ => wrong("certificate", "1 to 1024 bytes long"),
    }
}

fn user<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<Option<&'a [u8]>, Refusal> {
    match reader.optional_bytes()? {
        Some(bytes) if bytes.len() > MAX_USER => wrong(field, "at most 1024 bytes long"),
        value => Ok(value),
    }
}

fn once<T>(slot: &mut Option<T>, field: &'static str, value: T) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::NitroFieldDuplicate { field }),
    }
}

fn mandatory<T>(slot: Option<T>, field: &'static str) -> Result<T, Refusal> {
    slot.ok_or(Refusal::NitroFieldMissing { field })
}

fn wrong<T>(field: &'static str, expected: &'static str) -> Result<T, Refusal> {
    Err(Refusal::NitroFieldValue { field, expected })
}
