//! The size of a model.

use crate::Kind;

/// The dimensions of a llama.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Width of the residual stream.
    pub width: u32,
    /// Number of attention heads.
    pub heads: u32,
    /// Number of heads of keys and values.
    pub kv_heads: u32,
    /// Width of the feed-forward part.
    pub inner: u32,
    /// Number of layers.
    pub layers: u32,
    /// Context length in the header, tokens.
    pub context: u32,
}

impl Shape {
    /// The usual shape, for blocks of up to 32 weights.
    pub const SMALL: Self = Self { width: 64, heads: 4, kv_heads: 2, inner: 192, layers: 4, context: 1024 };
    /// A shape for super-blocks of 256 weights, with a context for prompts of 4,096 tokens and their answers.
    pub const WIDE: Self = Self { width: 256, heads: 4, kv_heads: 2, inner: 768, layers: 2, context: 4096 + 256 };

    /// Returns the shape `small` or `wide`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "small" => Some(Self::SMALL),
            "wide" => Some(Self::WIDE),
            _ => None,
        }
    }

    /// Returns whether its rows are whole blocks of `kind`.
    pub fn fits(&self, kind: Kind) -> bool {
        [self.width, self.inner].iter().all(|row| row.is_multiple_of(kind.block()))
    }

    /// Returns the width of the keys, which is also that of the values.
    pub(crate) fn kv_width(&self) -> u32 {
        self.head_width() * self.kv_heads
    }

    pub(crate) fn head_width(&self) -> u32 {
        self.width / self.heads
    }
}
