//! The profiles, by name, and what they allow.

use crate::model::gguf::Header;

/// The instruction set that the engine is built for.
pub const ISA: &str = env!("QUOTH_ENGINE_ISA");
/// The only type of weights whose repacked kernels compute one row as they compute many (`ggml.h`, `enum ggml_type`:
/// Q4_0).
const REPACKED_EXACTLY: u32 = 2;

/// A promise about logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Logits depend on the tokens before them and on nothing else. Checked when the engine starts.
    Exact,
    /// No promise: faster for weights in K-quants, which are repacked.
    Plain,
}

impl Arithmetic {
    /// The name in configurations, without the instruction set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact-1",
            Self::Plain => "cpu-1",
        }
    }

    /// The name in receipts.
    pub fn profile(self) -> String {
        format!("{}/{ISA}", self.name())
    }

    /// Whether weights may be repacked for speed.
    pub(crate) fn repacks(self, header: &Header) -> bool {
        match self {
            Self::Exact => header.repackable.iter().all(|kind| *kind == REPACKED_EXACTLY),
            Self::Plain => true,
        }
    }
}
