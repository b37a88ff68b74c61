//! Weights in ggml's formats (`ggml-common.h`): blocks of 32 with one f16 scale.

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
}

const BLOCK: usize = 32;

impl Kind {
    /// Reads `f32`, `f16`, `q8_0` or `q4_0`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "f32" => Self::F32,
            "f16" => Self::F16,
            "q8_0" => Self::Q8_0,
            "q4_0" => Self::Q4_0,
            _ => return None,
        })
    }

    /// ggml's tensor type number.
    pub(crate) fn tensor_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 8,
        }
    }

    /// llama.cpp's file type number.
    pub(crate) fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
        }
    }

    /// `values`, whose rows are whole blocks.
    pub(crate) fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::F16 => values.iter().flat_map(|value| half(*value).to_le_bytes()).collect(),
            Self::Q8_0 => values.chunks(BLOCK).flat_map(q8_0).collect(),
            Self::Q4_0 => values.chunks(BLOCK).flat_map(q4_0).collect(),
        }
    }
}

fn q8_0(block: &[f32]) -> Vec<u8> {
    let scale = block.iter().fold(0.0f32, |max, value| max.max(value.abs())) / 127.0;
    let mut out = half(scale).to_le_bytes().to_vec();
    out.extend(block.iter().map(|value| (value / scale).round() as i8 as u8));
    out
}

fn q4_0(block: &[f32]) -> Vec<u8> {
    let extreme = block.iter().fold(0.0f32, |max, value| if value.abs() > max.abs() { *value } else { max });
    let scale = extreme / -8.0;
    let nibble = |value: f32| ((value / scale + 8.5) as u8).min(15);
    let mut out = half(scale).to_le_bytes().to_vec();
    let (low, high) = block.split_at(BLOCK / 2);
    out.extend(low.iter().zip(high).map(|(low, high)| nibble(*low) | nibble(*high) << 4));
    out
}

/// IEEE 754 binary16, rounded to nearest; weights are far from its limits.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let exponent = (bits >> 23 & 0xFF) as i32 - 127 + 15;
    if exponent <= 0 {
        return sign;
    }
    let mantissa = bits & 0x7F_FFFF;
    let rounded = (exponent as u32) << 10 | mantissa >> 13;
    sign | (rounded + (mantissa >> 12 & 1)) as u16
}
