//! The guest policy of SEV-SNP: what the launch of an image requires of its platform.

use quoth_attestation::guest_policy::{Abi, MUST_BE_ONE, Protection, SMT};
use serde::Serialize;

use crate::args::Guest as Options;

/// What the launch requires, so policies may demand it of reports.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Guest {
    abi: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    require: Vec<&'static str>,
    /// `static` for a kernel that is known not to run its host's ACPI bytecode.
    #[serde(skip_serializing_if = "Option::is_none")]
    acpi: Option<&'static str>,
}

impl Guest {
    /// Reads the requirements from a guest policy, and takes the property of the kernel.
    pub(crate) fn new(policy: u64, has_static_acpi: bool) -> Self {
        let require = Protection::ALL.into_iter().filter(|protection| policy & protection.bit() != 0);
        Self {
            abi: Abi::of_policy(policy).to_string(),
            require: require.map(Protection::name).collect(),
            acpi: has_static_acpi.then_some("static"),
        }
    }
}

/// Returns the guest policy of a launch. It sets no permission; only the launch itself can allow SMT.
pub(crate) fn policy(options: &Options) -> u64 {
    options.require.iter().fold(MUST_BE_ONE | options.abi.bits(), |policy, required| policy | required.bit())
}

/// Formats the file that the launch script reads.
pub(crate) fn to_text(policy: u64) -> String {
    format!("{policy:#x}\n")
}

/// Reads that file strictly. Refuses permissions and unknown bits.
pub(crate) fn from_text(text: &str) -> Option<u64> {
    let policy = u64::from_str_radix(text.strip_prefix("0x")?.strip_suffix('\n')?, 16).ok()?;
    let known = Protection::ALL.into_iter().fold(MUST_BE_ONE | 0xffff, |known, protection| known | protection.bit());
    (policy & MUST_BE_ONE != 0 && policy & (!known | SMT) == 0 && to_text(policy) == text).then_some(policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::DEFAULT_ABI;

    #[test]
    fn a_policy_demands_what_was_asked_for_and_allows_nothing() {
        let abi = Abi { major: 1, minor: 58 };
        let options = Options { abi, require: vec![Protection::RaplDisabled, Protection::PageSwapDisabled] };
        assert_eq!(policy(&options), 0x282_013a);
        assert_eq!(from_text("0x282013a\n"), Some(0x282_013a));
        let told = Guest::new(0x282_013a, true);
        let require = vec!["rapl-disabled", "page-swap-disabled"];
        assert_eq!(told, Guest { abi: "1.58".into(), require, acpi: Some("static") });
        assert_eq!(Guest::new(0x2_0137, false), Guest { abi: "1.55".into(), require: vec![], acpi: None });
        assert_eq!(
            policy(&Options { abi: Abi::from_text(DEFAULT_ABI).unwrap_or_default(), require: vec![] }),
            0x2_0137
        );
    }

    #[test]
    fn files_that_no_build_wrote_are_refused() {
        for wrong in ["", "0x", "0x20137", "20137\n", "0x020137\n", "0x137\n", "0x20137 \n", "0X20137\n", "131072\n"] {
            assert_eq!(from_text(wrong), None, "{wrong:?}");
        }
        for permission in [16, 18, 19, 21, 26, 63] {
            assert_eq!(from_text(&to_text(MUST_BE_ONE | 1 << permission)), None, "bit {permission}");
        }
    }
}
