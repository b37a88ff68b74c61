//! Reads the certificate of the key that signs reports: VCEK or VLEK (AMD 57230 §3.1; 56860 for the endorsed values).

use alloc::vec::Vec;

use hex_literal::hex;

use super::report::Report;
use super::{Family, SigningKey, SnpRefusal, Tcb};
use crate::crypto::P384Key;
use crate::der::Item;
use crate::signatures::Prechecked;
use crate::x509::{Certificate, Extension};

/// The arc of AMD's extensions, 1.3.6.1.4.1.3704.1.
const ARC: &[u8] = &hex!("2b060104019c7801");
/// An OID below that arc, in words and encoded. Each number is below 128, so it takes one octet.
type Oid = (&'static str, &'static [u8]);
const STRUCT_VERSION: Oid = ("1", &[1]);
const PRODUCT: Oid = ("2", &[2]);
const BOOTLOADER: Oid = ("3.1", &[3, 1]);
const TEE: Oid = ("3.2", &[3, 2]);
const SNP: Oid = ("3.3", &[3, 3]);
const SPL_4: Oid = ("3.4", &[3, 4]);
const SPL_5: Oid = ("3.5", &[3, 5]);
const SPL_6: Oid = ("3.6", &[3, 6]);
const SPL_7: Oid = ("3.7", &[3, 7]);
const MICROCODE: Oid = ("3.8", &[3, 8]);
const FMC: Oid = ("3.9", &[3, 9]);
const CHIP: Oid = ("4", &[4]);
const CLOUD: Oid = ("5", &[5]);

/// The values that a VEK certificate endorses.
pub(crate) struct Vek {
    key: P384Key,
    tcb: Tcb,
    reserved: [u8; 4],
    chip: Option<Vec<u8>>,
}

impl Vek {
    /// Reads the values endorsed for `family`. The caller has verified the chain.
    pub(super) fn read(certificate: &Certificate<'_>, kind: SigningKey, family: Family) -> Result<Self, SnpRefusal> {
        let key = certificate
            .p384_key()
            .cloned()
            .ok_or(SnpRefusal::ChainAlgorithm { certificate: "VEK", problem: "its key is not of P-384" })?;
        let mut extensions = Extensions::of(certificate);
        let version = extensions.number(STRUCT_VERSION)?;
        if version != u8::from(family == Family::Turin) {
            return wrong(STRUCT_VERSION, "is of another version than the family's");
        }
        let product = extensions.product()?;
        if !family.has_product(product) {
            return wrong(PRODUCT, "names another family");
        }
        let bootloader = extensions.number(BOOTLOADER)?;
        let (tee, snp) = (extensions.number(TEE)?, extensions.number(SNP)?);
        let (fmc, spl_4) = match family {
            Family::Turin => (extensions.number(FMC)?, 0),
            _ => (0, extensions.number(SPL_4)?),
        };
        let reserved = [spl_4, extensions.number(SPL_5)?, extensions.number(SPL_6)?, extensions.number(SPL_7)?];
        let microcode = extensions.number(MICROCODE)?;
        let chip = match kind {
            SigningKey::Vcek => Some(extensions.take(CHIP)?.to_vec()),
            SigningKey::Vlek => extensions.take(CLOUD).map(|_| None)?,
        };
        extensions.finish()?;
        let length = if family == Family::Turin { 8 } else { 64 };
        match &chip {
            Some(chip) if chip.len() != length => wrong(CHIP, "does not have the family's length"),
            _ => Ok(Self { key, tcb: Tcb { fmc, bootloader, tee, snp, microcode }, reserved, chip }),
        }
    }

    /// Checks that the report names the key's chip and firmware, and that the key signed it.
    pub(super) fn check(
        &self,
        report: &Report,
        family: Family,
        prechecked: &Prechecked<'_>,
    ) -> Result<Tcb, SnpRefusal> {
        let (actual, reserved) = family.split(report.reported_tcb);
        if actual != self.tcb || reserved != self.reserved {
            return Err(SnpRefusal::VekTcb { expected: self.tcb, actual });
        }
        // On Turin the rest of the field is zero. Under a VLEK, which belongs to no chip, all of it is zero.
        let chip = self.chip.as_deref().unwrap_or_default();
        let (own, rest) = report.chip_id.split_at(chip.len());
        if own != chip || rest.iter().any(|byte| *byte != 0) {
            let (expected, actual) = (hex::encode(chip), hex::encode(report.chip_id));
            return Err(SnpRefusal::VekChip { expected, actual });
        }
        match prechecked.holds(&report.signature_check(&self.key)) {
            true => Ok(actual),
            false => Err(SnpRefusal::Signature),
        }
    }
}

/// AMD's extensions; each is taken once, and none may be left.
struct Extensions<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Extensions<'a> {
    fn of(certificate: &'a Certificate<'_>) -> Self {
        let own = |extension: &'a Extension<'_>| Some((extension.id.strip_prefix(ARC)?, extension.value));
        Self(certificate.extensions.iter().filter_map(own).collect())
    }

    fn take(&mut self, oid: Oid) -> Result<&'a [u8], SnpRefusal> {
        match self.0.iter().position(|(found, _)| *found == oid.1) {
            Some(index) => Ok(self.0.swap_remove(index).1),
            None => wrong(oid, "is missing"),
        }
    }

    /// Takes an INTEGER from 0 to 255.
    fn number(&mut self, oid: Oid) -> Result<u8, SnpRefusal> {
        let number = Item::of(self.take(oid)?).and_then(|item| item.uint());
        match number {
            Ok([number]) => Ok(*number),
            _ => wrong(oid, "is no number from 0 to 255"),
        }
    }

    fn product(&mut self) -> Result<&'a str, SnpRefusal> {
        let name = Item::of(self.take(PRODUCT)?).ok().and_then(|item| item.ia5());
        name.map_or_else(|| wrong(PRODUCT, "is not a name"), Ok)
    }

    fn finish(self) -> Result<(), SnpRefusal> {
        match self.0.is_empty() {
            true => Ok(()),
            false => wrong(("", &[]), "of AMD's that this family does not have"),
        }
    }
}

fn wrong<T>((oid, _): Oid, problem: &'static str) -> Result<T, SnpRefusal> {
    Err(SnpRefusal::VekExtension { oid, problem })
}
