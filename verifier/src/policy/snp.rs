//! `[snp]` of a policy file.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;

use super::{MAX_ENTRIES, PolicyError, file};
use crate::snp::{Family, SigningKey, SnpRules, Tcb};

/// VMPLs that there are.
const GREATEST_VMPL: u32 = 3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Snp {
    /// By family.
    floor: BTreeMap<String, Floor>,
    signers: Option<Vec<String>>,
    vmpl: Option<u32>,
    smt: Option<bool>,
    debug: Option<bool>,
    migration: Option<bool>,
    alias_check: Option<bool>,
    ciphertext_hiding: Option<bool>,
    crl: Option<bool>,
    guest_svn: Option<u32>,
    chip_ids: Option<Vec<String>>,
    host_data: Option<Vec<String>>,
    id_keys: Option<Vec<String>>,
    author_keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Floor {
    fmc: Option<u8>,
    bootloader: u8,
    tee: u8,
    snp: u8,
    microcode: u8,
}

impl Snp {
    pub(super) fn rules(self) -> Result<SnpRules, PolicyError> {
        let default = SnpRules::default();
        let floors = self.floor.into_iter().map(|(name, floor)| floor.of(&name)).collect::<Result<_, _>>()?;
        Ok(SnpRules {
            floors,
            signers: match self.signers {
                Some(names) => names.iter().map(|name| signer(name)).collect::<Result<_, _>>()?,
                None => default.signers,
            },
            max_vmpl: self.vmpl.unwrap_or(default.max_vmpl),
            smt: self.smt.unwrap_or(default.smt),
            debug: self.debug.unwrap_or(default.debug),
            migration: self.migration.unwrap_or(default.migration),
            alias_check: self.alias_check.unwrap_or(default.alias_check),
            ciphertext_hiding: self.ciphertext_hiding.unwrap_or(default.ciphertext_hiding),
            crl: self.crl.unwrap_or(default.crl),
            guest_svn: self.guest_svn.unwrap_or(default.guest_svn),
            chips: self.chip_ids.map(|list| file::set("snp.chip_ids", &list)).transpose()?,
            host_data: self.host_data.map(|list| file::set("snp.host_data", &list)).transpose()?,
            id_keys: self.id_keys.map(|list| file::set("snp.id_keys", &list)).transpose()?,
            author_keys: self.author_keys.map(|list| file::set("snp.author_keys", &list)).transpose()?,
        })
    }
}

impl Floor {
    fn of(self, name: &str) -> Result<(Family, Tcb), PolicyError> {
        let field = "snp.floor";
        let Some(family) = Family::ALL.into_iter().find(|family| family.name() == name) else {
            return Err(PolicyError::Contradiction { field, reason: "families are milan, genoa and turin" });
        };
        let fmc = match (family, self.fmc) {
            (Family::Turin, Some(fmc)) => fmc,
            (Family::Turin, None) => {
                return Err(PolicyError::Missing { field: "snp.floor.turin.fmc", reason: "turin has one" });
            }
            (_, Some(_)) => return Err(PolicyError::Contradiction { field, reason: "only turin has an fmc" }),
            (_, None) => 0,
        };
        let Self { bootloader, tee, snp, microcode, .. } = self;
        Ok((family, Tcb { fmc, bootloader, tee, snp, microcode }))
    }
}

fn signer(name: &str) -> Result<SigningKey, PolicyError> {
    match name {
        "vcek" => Ok(SigningKey::Vcek),
        "vlek" => Ok(SigningKey::Vlek),
        _ => Err(PolicyError::Contradiction { field: "snp.signers", reason: "signers are vcek and vlek" }),
    }
}

/// Rules that can accept something, and contradict nothing.
pub(super) fn checked(rules: &SnpRules) -> Result<SnpRules, PolicyError> {
    let contradiction = |field, reason| Err(PolicyError::Contradiction { field, reason });
    if rules.floors.is_empty() {
        return Err(PolicyError::Missing { field: "snp.floor", reason: "name a floor for each accepted family" });
    }
    if rules.signers.is_empty() {
        return Err(PolicyError::Missing { field: "snp.signers", reason: "an empty list accepts nothing" });
    }
    if rules.max_vmpl > GREATEST_VMPL {
        return contradiction("snp.vmpl", "levels are 0 to 3");
    }
    if rules.chips.is_some() && rules.signers.contains(&SigningKey::Vlek) {
        return contradiction("snp.chip_ids", "a report under a VLEK names no chip");
    }
    let lists = [
        ("snp.chip_ids", rules.chips.as_ref().map(|list| list.len())),
        ("snp.host_data", rules.host_data.as_ref().map(|list| list.len())),
        ("snp.id_keys", rules.id_keys.as_ref().map(|list| list.len())),
        ("snp.author_keys", rules.author_keys.as_ref().map(|list| list.len())),
    ];
    for (field, length) in lists {
        match length {
            Some(0) => return Err(PolicyError::Missing { field, reason: "an empty list accepts nothing" }),
            Some(length) if length > MAX_ENTRIES => {
                return contradiction(field, "more entries than a policy may have");
            }
            _ => {}
        }
    }
    Ok(rules.clone())
}
