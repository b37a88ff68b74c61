//! `[snp]` of a policy file.

use super::table::{Table, Value};
use super::{MAX_ENTRIES, PolicyError, file};
use crate::snp::{Family, SigningKey, SnpRules, Tcb};

/// VMPLs that there are.
const GREATEST_VMPL: u32 = 3;

pub(super) fn rules(mut table: Table<'_>) -> Result<SnpRules, PolicyError> {
    let default = SnpRules::default();
    let floors = table.required("floor")?.table()?;
    let signers = table.optional("signers").map(Value::texts).transpose()?;
    let mut number = |key, default| table.optional(key).map_or(Ok(default), Value::number);
    let (max_vmpl, guest_svn) = (number("vmpl", default.max_vmpl)?, number("guest_svn", default.guest_svn)?);
    let mut boolean = |key, default| table.optional(key).map_or(Ok(default), Value::boolean);
    let rules = SnpRules {
        floors: floors.named().map(|(name, table)| floor(name, table?)).collect::<Result<_, _>>()?,
        signers: match signers {
            Some(names) => names.into_iter().map(signer).collect::<Result<_, _>>()?,
            None => default.signers,
        },
        max_vmpl,
        smt: boolean("smt", default.smt)?,
        debug: boolean("debug", default.debug)?,
        migration: boolean("migration", default.migration)?,
        alias_check: boolean("alias_check", default.alias_check)?,
        ciphertext_hiding: boolean("ciphertext_hiding", default.ciphertext_hiding)?,
        crl: boolean("crl", default.crl)?,
        guest_svn,
        chips: file::pinned(&mut table, "chip_ids", "snp.chip_ids")?,
        host_data: file::pinned(&mut table, "host_data", "snp.host_data")?,
        id_keys: file::pinned(&mut table, "id_keys", "snp.id_keys")?,
        author_keys: file::pinned(&mut table, "author_keys", "snp.author_keys")?,
    };
    table.finish().map(|()| rules)
}

fn floor(name: &str, mut table: Table<'_>) -> Result<(Family, Tcb), PolicyError> {
    let field = "snp.floor";
    let Some(family) = Family::ALL.into_iter().find(|family| family.name() == name) else {
        return Err(PolicyError::Contradiction { field, reason: "families are milan, genoa and turin" });
    };
    let fmc = match (family, table.optional("fmc")) {
        (Family::Turin, Some(fmc)) => fmc.number()?,
        (Family::Turin, None) => {
            return Err(PolicyError::Missing { field: "snp.floor.turin.fmc", reason: "turin has one" });
        }
        (_, Some(_)) => return Err(PolicyError::Contradiction { field, reason: "only turin has an fmc" }),
        (_, None) => 0,
    };
    let mut level = |key| table.required(key)?.number();
    let (bootloader, tee, snp, microcode) = (level("bootloader")?, level("tee")?, level("snp")?, level("microcode")?);
    table.finish().map(|()| (family, Tcb { fmc, bootloader, tee, snp, microcode }))
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
