//! Formats with super-blocks of 256 weights: smaller blocks whose scales are integer multiples of one f16.

use super::blocks::{extreme, nibbles};
use super::half::{float, half};

pub(super) const SIZE: usize = 256;

/// Eight blocks of 32, each with a scale and a minimum of six bits, which are packed into twelve bytes.
pub(super) fn q4_k(block: &[f32]) -> Vec<u8> {
    let mins: Vec<f32> = block.chunks(32).map(|part| -part.iter().copied().fold(0.0f32, f32::min)).collect();
    let maxs = block.chunks(32).map(|part| part.iter().copied().fold(0.0f32, f32::max));
    let scales: Vec<f32> = maxs.zip(&mins).map(|(max, min)| (max + min) / 15.0).collect();
    let (scale, scales) = integers(&scales, 63.0);
    let (min, mins) = integers(&mins, 63.0);

    let mut out = [scale.to_le_bytes(), min.to_le_bytes()].concat();
    let pairs = |part: std::ops::Range<usize>| part.map(|index| (scales[index] as u8, mins[index] as u8));
    // Low six bits: the first four scales and minima whole; above them what the last four lack.
    out.extend(pairs(0..4).zip(pairs(4..8)).map(|((scale, _), (last, _))| scale | last >> 4 << 6));
    out.extend(pairs(0..4).zip(pairs(4..8)).map(|((_, min), (_, last))| min | last >> 4 << 6));
    out.extend(pairs(4..8).map(|(scale, min)| scale & 0xF | min << 4));

    let steps = scales.iter().zip(&mins).map(|(step, offset)| (float(scale) * step, float(min) * offset));
    let parts = block.chunks(32).zip(steps);
    let quants: Vec<u8> = parts
        .flat_map(|(part, (step, offset))| {
            part.iter().map(move |value| (((value + offset) / step).round() as u8).min(15))
        })
        .collect();
    out.extend(quants.chunks(64).flat_map(nibbles));
    out
}

/// Sixteen blocks of 16, each with a scale of eight bits and a sign. In each half of the super-block, low bits of its
/// quarters 0 and 2 share bytes, as those of 1 and 3 do; high bits of all four do.
pub(super) fn q6_k(block: &[f32]) -> Vec<u8> {
    let scales: Vec<f32> = block.chunks(16).map(|part| extreme(part) / -32.0).collect();
    let (scale, scales) = integers(&scales, 127.0);
    let parts = block.chunks(16).zip(&scales);
    let quants: Vec<u8> = parts
        .flat_map(|(part, step)| {
            let step = float(scale) * step;
            part.iter().map(move |value| ((value / step).round().clamp(-32.0, 31.0) + 32.0) as u8)
        })
        .collect();

    let mut out: Vec<u8> = quants.chunks(SIZE / 2).flat_map(nibbles).collect();
    for quants in quants.chunks(SIZE / 2) {
        out.extend((0..32).map(|i| (0..4).map(|quarter| quants[quarter * 32 + i] >> 4 << (2 * quarter)).sum::<u8>()));
    }
    out.extend(scales.iter().map(|scale| *scale as i8 as u8));
    out.extend(scale.to_le_bytes());
    out
}

/// Returns an f16 and integers up to `most` whose products approximate `scales`.
fn integers(scales: &[f32], most: f32) -> (u16, Vec<f32>) {
    let unit = half(extreme(scales).abs() / most);
    (unit, scales.iter().map(|scale| (scale / float(unit)).round().clamp(-most, most)).collect())
}
