//! Formats with blocks of 32 weights and one scale, or a scale and a minimum, in f16.
//!
//! If two weights share a byte, the first one is from the first half of the block.

use super::half::half;

pub(super) const SIZE: usize = 32;

pub(super) fn q8_0(block: &[f32]) -> Vec<u8> {
    let scale = block.iter().fold(0.0f32, |max, value| max.max(value.abs())) / 127.0;
    let mut out = half(scale).to_le_bytes().to_vec();
    out.extend(block.iter().map(|value| (value / scale).round() as i8 as u8));
    out
}

pub(super) fn q4_0(block: &[f32]) -> Vec<u8> {
    let scale = extreme(block) / -8.0;
    let quants: Vec<u8> = block.iter().map(|value| ((value / scale + 8.5) as u8).min(15)).collect();
    let mut out = half(scale).to_le_bytes().to_vec();
    out.extend(nibbles(&quants));
    out
}

pub(super) fn q4_1(block: &[f32]) -> Vec<u8> {
    let min = block.iter().copied().fold(f32::INFINITY, f32::min);
    let max = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scale = (max - min) / 15.0;
    let quants: Vec<u8> = block.iter().map(|value| (((value - min) / scale).round() as u8).min(15)).collect();
    let mut out = [half(scale).to_le_bytes(), half(min).to_le_bytes()].concat();
    out.extend(nibbles(&quants));
    out
}

pub(super) fn q5_0(block: &[f32]) -> Vec<u8> {
    let scale = extreme(block) / -16.0;
    let quants: Vec<u8> = block.iter().map(|value| ((value / scale + 16.5) as u8).min(31)).collect();
    let fifth_bits = quants.iter().rev().fold(0u32, |bits, quant| bits << 1 | u32::from(quant >> 4));
    let mut out = half(scale).to_le_bytes().to_vec();
    out.extend(fifth_bits.to_le_bytes());
    out.extend(nibbles(&quants));
    out
}

/// The value farthest from zero, with its sign.
pub(super) fn extreme(values: &[f32]) -> f32 {
    values.iter().fold(0.0f32, |max, value| if value.abs() > max.abs() { *value } else { max })
}

/// The low four bits, those of the second half of `quants` above those of the first.
pub(super) fn nibbles(quants: &[u8]) -> impl Iterator<Item = u8> {
    let (low, high) = quants.split_at(quants.len() / 2);
    low.iter().zip(high).map(|(low, high)| low & 0xF | high << 4)
}
