//! The guest policy (AMD 56860 rev. 1.58, §4.3): refuses permissions that are not allowed, demands protections that are required.
//!
//! The host chooses the guest policy at launch, and no launch digest covers it. Only the report names it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::guest_policy::{Abi, MUST_BE_ONE, Protection, SMT};

use super::SnpRefusal;
use crate::checks::Checks;
use crate::text::joined;

const SOURCE: &str = "AMD 56860 §4.3, guest policy";

const MIGRATION: u64 = 1 << 18;
const DEBUG: u64 = 1 << 19;
const CXL: u64 = 1 << 21;
/// The first bit without a meaning; it and all higher bits must be zero.
const RESERVED_FROM: u32 = 26;

/// True if the guest policy allows a core to run two guests on its two threads.
pub(super) fn allows_smt(policy: u64) -> bool {
    policy & SMT != 0
}

/// What a guest policy may allow and must demand. The default allows nothing and demands nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestRules {
    /// Whether the two threads of a core may run different guests (SMT).
    pub smt: bool,
    /// Whether a migration agent may move the guest to another machine (MIGRATE_MA).
    pub migration: bool,
    /// Whether the guest may be debugged (DEBUG). Nothing in such a guest is confidential.
    pub debug: bool,
    /// Whether CXL devices and memory may be present (CXL_ALLOW).
    pub cxl: bool,
    /// Protections that the guest policy must demand.
    pub required: Vec<Protection>,
    /// The oldest firmware ABI that the guest policy may accept (ABI_MAJOR, ABI_MINOR).
    pub abi: Abi,
}

impl GuestRules {
    pub(super) fn check(&self, actual: u64, checks: &mut Checks) -> Result<(), SnpRefusal> {
        if actual & DEBUG != 0 && !self.debug {
            return Err(SnpRefusal::Debug { actual });
        }
        if actual & MUST_BE_ONE == 0 || actual >> RESERVED_FROM != 0 {
            return refuse("has reserved bits with a wrong value", actual);
        }
        for (permission, is_allowed, problem) in [
            (MIGRATION, self.migration, "allows migration"),
            (SMT, self.smt, "allows SMT"),
            (CXL, self.cxl, "allows CXL devices and memory"),
        ] {
            if actual & permission != 0 && !is_allowed {
                return refuse(problem, actual);
            }
        }
        let shown = format!("{actual:#x}");
        let what = "the guest cannot be debugged, unless allowed";
        let expected = if self.debug { "the policy allows debugging" } else { "no debugging" };
        checks.held("snp.policy.debug", what, SOURCE, expected, &*shown);
        let what = "the guest policy allows nothing else";
        checks.held("snp.policy.guest", what, SOURCE, "no more than allowed", &*shown);
        self.demands(actual, shown, checks)
    }

    fn demands(&self, actual: u64, shown: String, checks: &mut Checks) -> Result<(), SnpRefusal> {
        if let Some(missing) = self.required.iter().find(|required| actual & required.bit() == 0) {
            return Err(SnpRefusal::Unprotected { missing: *missing, actual });
        }
        if !self.required.is_empty() {
            let expected = joined(&mut self.required.iter().map(|required| required.name().into()), ", ");
            let what = "the guest policy demands protections";
            checks.held("snp.policy.required", what, SOURCE, expected, shown);
        }
        let (expected, actual) = (self.abi, Abi::of_policy(actual));
        if actual < expected {
            return Err(SnpRefusal::Abi { expected, actual });
        }
        let what = "the guest policy demands firmware with this ABI";
        checks.held("snp.policy.abi", what, SOURCE, expected.to_string(), actual.to_string());
        Ok(())
    }
}

fn refuse(problem: &'static str, actual: u64) -> Result<(), SnpRefusal> {
    Err(SnpRefusal::GuestPolicy { problem, actual })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// `accepted` or the code of the refusal.
    fn ruled(rules: &GuestRules, policy: u64) -> &'static str {
        rules.check(policy, &mut Checks::default()).map_or_else(|refusal| refusal.code(), |()| "accepted")
    }

    #[test]
    fn each_permission_is_refused_unless_it_is_allowed_by_name() {
        let default = GuestRules::default;
        assert_eq!(ruled(&default(), MUST_BE_ONE), "accepted");
        for (bit, code, allowed) in [
            (16, "snp.policy.guest", GuestRules { smt: true, ..default() }),
            (18, "snp.policy.guest", GuestRules { migration: true, ..default() }),
            (19, "snp.policy.debug", GuestRules { debug: true, ..default() }),
            (21, "snp.policy.guest", GuestRules { cxl: true, ..default() }),
        ] {
            let policy = MUST_BE_ONE | 1 << bit;
            assert_eq!(ruled(&default(), policy), code, "bit {bit}");
            assert_eq!(ruled(&allowed, policy), "accepted", "bit {bit}");
            // One permission is not another.
            for other in [16, 18, 19, 21].into_iter().filter(|other| *other != bit) {
                assert_ne!(ruled(&allowed, policy | 1 << other), "accepted", "bit {other} under {bit}");
            }
        }
    }

    #[test]
    fn reserved_bits_are_refused_whatever_is_allowed() {
        let lax = GuestRules { smt: true, migration: true, debug: true, cxl: true, ..GuestRules::default() };
        assert_eq!(ruled(&lax, 0x3ff_0000), "accepted");
        assert_eq!(ruled(&lax, 0x3fd_0000), "snp.policy.guest", "bit 17 must be one");
        for bit in 26..64 {
            assert_eq!(ruled(&lax, MUST_BE_ONE | 1 << bit), "snp.policy.guest", "bit {bit}");
        }
    }

    #[test]
    fn each_protection_is_welcome_and_can_be_required() {
        for protection in Protection::ALL {
            let with = MUST_BE_ONE | protection.bit();
            assert_eq!(ruled(&GuestRules::default(), with), "accepted", "{protection:?}");
            let rules = GuestRules { required: [protection].into(), ..GuestRules::default() };
            assert_eq!(ruled(&rules, with), "accepted", "{protection:?}");
            let all: u64 = Protection::ALL.into_iter().map(Protection::bit).sum();
            let without = MUST_BE_ONE | all & !protection.bit();
            assert_eq!(ruled(&rules, without), "snp.policy.required", "{protection:?}");
            let refused = rules.check(without, &mut Checks::default()).unwrap_err();
            assert_eq!(refused, SnpRefusal::Unprotected { missing: protection, actual: without });
        }
    }

    #[test]
    fn the_interface_is_no_older_than_required() {
        let rules = |major, minor| GuestRules { abi: Abi { major, minor }, ..GuestRules::default() };
        let judged = |major: u8, minor: u8, rules: &GuestRules| ruled(rules, MUST_BE_ONE | Abi { major, minor }.bits());
        assert_eq!(judged(1, 55, &rules(1, 55)), "accepted");
        assert_eq!(judged(1, 54, &rules(1, 55)), "snp.policy.abi");
        assert_eq!(judged(2, 0, &rules(1, 55)), "accepted");
        assert_eq!(judged(0, 255, &rules(1, 0)), "snp.policy.abi");
        assert_eq!(judged(0, 0, &rules(0, 0)), "accepted");
    }
}
