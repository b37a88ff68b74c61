//! Reads `[snp]` of a policy.

use alloc::vec::Vec;

use super::error::PolicyError;
use super::reader::Value;
use super::values::MAX_ENTRIES;
use crate::snp::{Abi, Family, GuestRules, Protection, SigningKey, SnpRules, Tcb};

/// VMPLs are 0 to 3.
const GREATEST_VMPL: u32 = 3;
/// Mitigations are bits of a 64-bit vector.
const GREATEST_MITIGATION: u64 = 63;

pub(super) fn rules(value: Value<'_>) -> SnpRules {
    let default = SnpRules::default();
    value.table(|table| {
        let floors = table.required("floor").table(|named| {
            let mut floors = Vec::new();
            for (name, value) in named.named() {
                floors.extend(floor(&name, value));
            }
            floors
        });
        let signers = table.optional("signers").map(|names| {
            let mut signers = Vec::new();
            for name in names.texts() {
                signers.extend(signer(names, &name));
            }
            signers
        });
        let required = table.optional("require").map(|names| {
            let mut required = Vec::new();
            for name in names.texts() {
                required.extend(protection(names, &name));
            }
            required
        });
        let abi = table.optional("abi").map(abi);
        let mitigations = table.optional("mitigations").map(mitigations);
        let mut number =
            |key, default| table.optional(key).map_or(default, |value: Value<'_>| value.number(u32::MAX.into()) as u32);
        let (max_vmpl, guest_svn) = (number("vmpl", default.max_vmpl), number("guest_svn", default.guest_svn));
        SnpRules {
            floors,
            signers: signers.unwrap_or(default.signers),
            max_vmpl,
            guest: GuestRules {
                smt: table.flag("smt", default.guest.smt),
                debug: table.flag("debug", default.guest.debug),
                migration: table.flag("migration", default.guest.migration),
                cxl: table.flag("cxl", default.guest.cxl),
                required: required.unwrap_or(default.guest.required),
                abi: abi.unwrap_or(default.guest.abi),
            },
            mitigations: mitigations.unwrap_or(default.mitigations),
            unpinned_milan: table.flag("unpinned_milan", default.unpinned_milan),
            alias_check: table.flag("alias_check", default.alias_check),
            ciphertext_hiding: table.flag("ciphertext_hiding", default.ciphertext_hiding),
            crl: table.flag("crl", default.crl),
            guest_svn,
            chips: table.pins("chip_ids", "snp.chip_ids"),
            host_data: table.pins("host_data", "snp.host_data"),
            id_keys: table.pins("id_keys", "snp.id_keys"),
            author_keys: table.pins("author_keys", "snp.author_keys"),
        }
    })
}

fn floor(name: &str, value: Value<'_>) -> Option<(Family, Tcb)> {
    let field = "snp.floor";
    value.table(|table| {
        let Some(family) = Family::ALL.into_iter().find(|family| family.name() == name) else {
            let reason = "families are milan, genoa and turin";
            value.refuse(PolicyError::Contradiction { field, reason });
            return None;
        };
        let fmc = table.optional("fmc");
        match (family, fmc) {
            (Family::Turin, None) => {
                value.refuse(PolicyError::Missing { field: "snp.floor.turin.fmc", reason: "turin has one" });
            }
            (Family::Milan | Family::Genoa, Some(_)) => {
                value.refuse(PolicyError::Contradiction { field, reason: "only turin has an fmc" });
            }
            _ => {}
        }
        let level = |value: Value<'_>| value.number(u8::MAX.into()) as u8;
        let tcb = Tcb {
            fmc: fmc.map_or(0, level),
            bootloader: level(table.required("bootloader")),
            tee: level(table.required("tee")),
            snp: level(table.required("snp")),
            microcode: level(table.required("microcode")),
        };
        Some((family, tcb))
    })
}

fn signer(value: Value<'_>, name: &str) -> Option<SigningKey> {
    match name {
        "vcek" => Some(SigningKey::Vcek),
        "vlek" => Some(SigningKey::Vlek),
        _ => {
            let reason = "signers are vcek and vlek";
            value.refuse(PolicyError::Contradiction { field: "snp.signers", reason });
            None
        }
    }
}

fn protection(value: Value<'_>, name: &str) -> Option<Protection> {
    let found = Protection::from_name(name);
    if found.is_none() {
        let reason =
            "protections are single-socket, mem-aes-256-xts, rapl-disabled, ciphertext-hiding and page-swap-disabled";
        value.refuse(PolicyError::Contradiction { field: "snp.require", reason });
    }
    found
}

fn abi(value: Value<'_>) -> Abi {
    Abi::from_text(&value.text()).unwrap_or_else(|| {
        value.refuse(PolicyError::Contradiction { field: "snp.abi", reason: "not a version like \"1.55\"" });
        Abi::default()
    })
}

/// A vector with these bits set.
fn mitigations(value: Value<'_>) -> u64 {
    value.numbers(GREATEST_MITIGATION).fold(0, |vector, bit| vector | 1 << bit)
}

/// Checks that the rules can accept something and are consistent.
pub(super) fn checked(rules: &SnpRules) -> Result<(), PolicyError> {
    let contradiction = |field, reason| Err(PolicyError::Contradiction { field, reason });
    if rules.floors.is_empty() {
        return Err(PolicyError::Missing { field: "snp.floor", reason: "name a floor for each accepted family" });
    }
    let families = || rules.floors.iter().map(|(family, _)| family);
    if families().enumerate().any(|(index, family)| families().take(index).any(|earlier| earlier == family)) {
        return contradiction("snp.floor", "one family has two floors");
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
    Ok(())
}
