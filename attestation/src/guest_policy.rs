//! Bits of SEV-SNP's guest policy (AMD 56860 rev. 1.58, §4.3): what a guest demands of its platform at launch.

use alloc::string::ToString;
use core::fmt;

/// The host may run both threads of a core for different guests.
pub const SMT: u64 = 1 << 16;
/// A reserved bit that is always set.
pub const MUST_BE_ONE: u64 = 1 << 17;

const ABI_MAJOR: u32 = 8;

/// A protection that a guest policy can demand of the platform for the guest's lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protection {
    /// SINGLE_SOCKET: the guest runs on one socket.
    SingleSocket,
    /// MEM_AES_256_XTS: memory is encrypted with AES-256-XTS.
    MemAes256Xts,
    /// RAPL_DIS: power readings (RAPL) are off.
    RaplDisabled,
    /// CIPHERTEXT_HIDING_DRAM: the host cannot read the ciphertext of memory.
    CiphertextHiding,
    /// PAGE_SWAP_DISABLE: the host can neither move pages nor swap them out.
    PageSwapDisabled,
}

impl Protection {
    /// Every protection.
    pub const ALL: [Self; 5] =
        [Self::SingleSocket, Self::MemAes256Xts, Self::RaplDisabled, Self::CiphertextHiding, Self::PageSwapDisabled];

    /// The name in policy files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SingleSocket => "single-socket",
            Self::MemAes256Xts => "mem-aes-256-xts",
            Self::RaplDisabled => "rapl-disabled",
            Self::CiphertextHiding => "ciphertext-hiding",
            Self::PageSwapDisabled => "page-swap-disabled",
        }
    }

    /// The protection with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protection| protection.name() == name)
    }

    /// The bit in a guest policy.
    pub const fn bit(self) -> u64 {
        match self {
            Self::SingleSocket => 1 << 20,
            Self::MemAes256Xts => 1 << 22,
            Self::RaplDisabled => 1 << 23,
            Self::CiphertextHiding => 1 << 24,
            Self::PageSwapDisabled => 1 << 25,
        }
    }
}

/// A version of the firmware's ABI, ordered by major version first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Abi {
    /// ABI_MAJOR.
    pub major: u8,
    /// ABI_MINOR.
    pub minor: u8,
}

impl Abi {
    /// Reads `MAJOR.MINOR`, decimal, without leading zeros.
    pub fn from_text(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let number = |text: &str| text.parse().ok().filter(|number: &u8| number.to_string() == text);
        Some(Self { major: number(major)?, minor: number(minor)? })
    }

    /// The version that a guest policy demands.
    pub const fn of_policy(policy: u64) -> Self {
        let [minor, major, ..] = policy.to_le_bytes();
        Self { major, minor }
    }

    /// The bits of a guest policy that demand this version.
    pub const fn bits(self) -> u64 {
        (self.major as u64) << ABI_MAJOR | self.minor as u64
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protections_are_the_bits_of_the_specification() {
        let bits = Protection::ALL.map(|protection| protection.bit().trailing_zeros());
        assert_eq!(bits, [20, 22, 23, 24, 25]);
        for protection in Protection::ALL {
            assert_eq!(Protection::from_name(protection.name()), Some(protection));
        }
        assert_eq!(Protection::from_name("smt"), None);
    }

    #[test]
    fn interfaces_are_written_in_one_way() {
        assert_eq!(Abi::from_text("1.58"), Some(Abi { major: 1, minor: 58 }));
        assert_eq!(Abi::from_text("255.255").map(Abi::bits), Some(0xffff));
        for wrong in ["", "1", "1.", ".1", "1.058", "01.58", "1.256", "256.1", "+1.1", "1.58.0", "1,58"] {
            assert_eq!(Abi::from_text(wrong), None, "{wrong}");
        }
    }
}
