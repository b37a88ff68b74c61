//! The storage formats of models, by llama.cpp's names of file types.

use crate::quantise::Format;

/// How the weight matrices are stored; norms are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 8-bit blocks.
    Q8_0,
    /// 4-bit blocks.
    Q4_0,
    /// 4-bit blocks with a minimum.
    Q4_1,
    /// 5-bit blocks.
    Q5_0,
    /// 4-bit super-blocks; 6-bit ones for the output and, in half of the layers, `attn_v` and `ffn_down`.
    Q4KM,
    /// 6-bit super-blocks.
    Q6K,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] =
        [Self::F32, Self::F16, Self::Q8_0, Self::Q4_0, Self::Q4_1, Self::Q5_0, Self::Q4KM, Self::Q6K];

    /// Returns llama.cpp's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Q4_1 => "q4_1",
            Self::Q5_0 => "q5_0",
            Self::Q4KM => "q4_k_m",
            Self::Q6K => "q6_k",
        }
    }

    /// Returns the kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the number of weights in one block. Rows must be whole blocks.
    pub(crate) fn block(self) -> u32 {
        self.format("", false).block() as u32
    }

    /// Returns llama.cpp's number of the file type.
    pub(crate) fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q8_0 => 7,
            Self::Q5_0 => 8,
            Self::Q4KM => 15,
            Self::Q6K => 18,
        }
    }

    /// Returns the format of one tensor. `favoured` layers get more bits.
    pub(crate) fn format(self, tensor: &str, favoured: bool) -> Format {
        match self {
            Self::F32 => Format::F32,
            Self::F16 => Format::F16,
            Self::Q8_0 => Format::Q8_0,
            Self::Q4_0 => Format::Q4_0,
            Self::Q4_1 => Format::Q4_1,
            Self::Q5_0 => Format::Q5_0,
            Self::Q4KM if tensor == "output" => Format::Q6K,
            Self::Q4KM if favoured && matches!(tensor, "attn_v" | "ffn_down") => Format::Q6K,
            Self::Q4KM => Format::Q4K,
            Self::Q6K => Format::Q6K,
        }
    }
}
