//! Processor families and their firmware versions.

use core::fmt;

use quoth_attestation::Digest;

/// A processor family, with its own layout of versions, root and certificates (AMD 56860 §2.2, 57230 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Family {
    /// EPYC 7003.
    Milan,
    /// EPYC 9004 and 8004: Genoa, Bergamo, Siena.
    Genoa,
    /// EPYC 9005.
    Turin,
}

/// Security patch levels of a platform's firmware, one for each component (AMD 56860, TCB_VERSION).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcb {
    /// Firmware of the management controller; Turin only, otherwise 0.
    pub fmc: u8,
    /// Boot loader.
    pub bootloader: u8,
    /// Trusted OS of the security processor.
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// Lowest microcode patch level of all cores.
    pub microcode: u8,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 3] = [Self::Milan, Self::Genoa, Self::Turin];

    /// The name in policies and verdicts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Milan => "milan",
            Self::Genoa => "genoa",
            Self::Turin => "turin",
        }
    }

    /// By family and model of CPUID function 1, with the extended parts added.
    pub(crate) fn of_cpuid(family: u8, model: u8) -> Option<Self> {
        match (family, model) {
            (0x19, 0x00..=0x0f) => Some(Self::Milan),
            (0x19, 0x10..=0x1f | 0xa0..=0xaf) => Some(Self::Genoa),
            (0x1a, 0x00..=0x1f) => Some(Self::Turin),
            _ => None,
        }
    }

    /// AMD's spelling in certificate names and URLs.
    pub fn title(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }

    /// True if a VEK certificate's product name is of this family: a member's name, optionally with a stepping.
    pub(crate) fn has_product(self, product: &str) -> bool {
        let members: &[&str] = match self {
            Self::Milan => &["Milan"],
            Self::Genoa => &["Genoa", "Bergamo", "Siena"],
            Self::Turin => &["Turin"],
        };
        let name = product.split_once('-').map_or(product, |(name, _)| name);
        members.contains(&name)
    }

    /// SHA-256 of the root's certificate (ARK, DER), from AMD's key distribution service.
    pub fn root(self) -> Digest {
        let mut root = [0; 32];
        let hex = match self {
            Self::Milan => "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
            Self::Genoa => "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
            Self::Turin => "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
        };
        // safe: each has 64 digits; with an error in one, its root would match nothing
        let _ = hex::decode_to_slice(hex, &mut root);
        Digest(root)
    }

    /// The components of a TCB_VERSION, and its reserved bytes.
    pub(crate) fn split(self, raw: [u8; 8]) -> (Tcb, [u8; 4]) {
        let [a, b, c, d, e, f, g, h] = raw;
        match self {
            Self::Milan | Self::Genoa => (Tcb { fmc: 0, bootloader: a, tee: b, snp: g, microcode: h }, [c, d, e, f]),
            Self::Turin => (Tcb { fmc: a, bootloader: b, tee: c, snp: d, microcode: h }, [0, e, f, g]),
        }
    }
}

impl Tcb {
    /// Returns true if no component is below that of `floor`.
    pub fn reaches(&self, floor: &Self) -> bool {
        self.fmc >= floor.fmc
            && self.bootloader >= floor.bootloader
            && self.tee >= floor.tee
            && self.snp >= floor.snp
            && self.microcode >= floor.microcode
    }
}

impl fmt::Display for Tcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fmc, bootloader, tee, snp, microcode } = self;
        write!(f, "fmc {fmc}, bootloader {bootloader}, tee {tee}, snp {snp}, microcode {microcode}")
    }
}
