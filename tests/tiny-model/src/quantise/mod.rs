//! Encodes weights in ggml's formats (`ggml-common.h`), rounded to the nearest value.

mod blocks;
mod half;
mod super_blocks;
#[cfg(test)]
mod tests;

use half::half;

/// The storage format of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    F32,
    F16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q4K,
    Q6K,
}

impl Format {
    /// Returns ggml's number of the tensor type.
    pub(crate) fn tensor_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q8_0 => 8,
            Self::Q4K => 12,
            Self::Q6K => 14,
        }
    }

    /// Returns the number of weights in one block.
    pub(crate) fn block(self) -> usize {
        match self {
            Self::F32 | Self::F16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 | Self::Q5_0 => blocks::SIZE,
            Self::Q4K | Self::Q6K => super_blocks::SIZE,
        }
    }

    /// Encodes `values`, which must be whole blocks.
    pub(crate) fn encode(self, values: &[f32]) -> Vec<u8> {
        assert!(values.len().is_multiple_of(self.block()), "{} values in blocks of {}", values.len(), self.block());
        let block: fn(&[f32]) -> Vec<u8> = match self {
            Self::F32 => |value| value[0].to_le_bytes().to_vec(),
            Self::F16 => |value| half(half::without_subnormal(value[0])).to_le_bytes().to_vec(),
            Self::Q8_0 => blocks::q8_0,
            Self::Q4_0 => blocks::q4_0,
            Self::Q4_1 => blocks::q4_1,
            Self::Q5_0 => blocks::q5_0,
            Self::Q4K => super_blocks::q4_k,
            Self::Q6K => super_blocks::q6_k,
        };
        values.chunks_exact(self.block()).flat_map(block).collect()
    }

    /// Makes the last value NaN, or the scale of the last block.
    pub(crate) fn break_last(self, bytes: &mut [u8]) {
        let block = self.encode(&vec![0.0; self.block()]).len();
        let last = bytes.len() - block;
        match self {
            Self::F32 => bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes()),
            Self::Q6K => bytes[last + block - 2..].copy_from_slice(&half::NAN.to_le_bytes()),
            _ => bytes[last..last + 2].copy_from_slice(&half::NAN.to_le_bytes()),
        }
    }
}
