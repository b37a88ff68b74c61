//! Every format, decoded by its definition, gives its input within the allowed error.
#![allow(clippy::unwrap_used)]

use super::Format;
use super::half::{float, half};

/// Blocks of several spreads, the last so small that super-blocks need subnormal scales.
fn values() -> Vec<f32> {
    let mut state = 1u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    [1.0f32, 6.0, 0.125, 0.05]
        .iter()
        .flat_map(|spread| (0..512).map(|_| random() * spread).collect::<Vec<_>>())
        .collect()
}

/// Encodes, checks the size, decodes, and compares value by value with what `decode` says it may differ.
fn check(format: Format, bytes: usize, decode: fn(&[u8]) -> Vec<Decoded>) {
    let values = values();
    let encoded = format.encode(&values);
    assert_eq!(encoded.len(), values.len() / format.block() * bytes);
    let decoded: Vec<Decoded> = encoded.chunks(bytes).flat_map(decode).collect();
    assert_eq!(decoded.len(), values.len());
    for (index, (value, decoded)) in values.iter().zip(&decoded).enumerate() {
        let error = (value - decoded.value).abs();
        assert!(error <= decoded.error, "{format:?}, value {index}: {value} became {decoded:?}, off by {error}");
    }
    // A bound alone would pass what is too coarse.
    let power = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|number| f64::from(number).powi(2)).sum::<f64>();
    for (values, decoded) in values.chunks(512).zip(decoded.chunks(512)) {
        let noise = power(&mut values.iter().zip(decoded).map(|(value, decoded)| value - decoded.value));
        let noise = (noise / power(&mut values.iter().copied())).sqrt();
        assert!(noise < 0.1, "{format:?}: {noise}");
    }
}

#[derive(Debug)]
struct Decoded {
    value: f32,
    error: f32,
}

fn f16(bytes: &[u8], at: usize) -> f32 {
    float(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// The nibble of weight `index` in a block of 32 whose packed bytes start at `from`.
fn nibble(block: &[u8], from: usize, index: usize) -> u8 {
    if index < 16 { block[from + index] & 0xF } else { block[from + index - 16] >> 4 }
}

/// Quants of a signed scale: what lies opposite to the extreme is cut by up to one step.
fn signed(step: f32, quant: i32) -> Decoded {
    let cut = if quant > 0 { 1.0 } else { 0.5 };
    Decoded { value: step * quant as f32, error: step.abs() * (cut + 0.05) }
}

#[test]
fn halves_are_the_nearest() {
    for bits in (0..0x7C00u16).chain(0x8000..0xFC00) {
        assert_eq!(half(float(bits)), bits);
    }
    for (value, bits) in
        [(1.0, 0x3C00), (-2.0, 0xC000), (65504.0, 0x7BFF), (6.103_515_6e-5, 0x0400), (5.960_464_5e-8, 1)]
    {
        assert_eq!((half(value), float(bits)), (bits, value));
    }
    assert_eq!(half(1.0 + 0.75 / 1024.0), 0x3C01);
    assert_eq!(half(0.999_999_9), 0x3C00);
    assert_eq!(half(6.103_5e-5), 0x0400);
}

#[test]
fn f32() {
    check(Format::F32, 4, |block| vec![Decoded { value: f32::from_le_bytes(block.try_into().unwrap()), error: 0.0 }]);
}

#[test]
fn f16_weights() {
    check(Format::F16, 2, |block| {
        let value = f16(block, 0);
        vec![Decoded { value, error: (value.abs() / 2048.0).max(1.0 / 16384.0) }]
    });
}

#[test]
fn q8_0() {
    check(Format::Q8_0, 34, |block| {
        let scale = f16(block, 0);
        // Rounding the scale shifts the largest quants by up to a sixteenth of a step.
        let decode = |quant: &u8| Decoded { value: scale * f32::from(*quant as i8), error: scale * 0.57 };
        block[2..].iter().map(decode).collect()
    });
}

#[test]
fn q4_0() {
    check(Format::Q4_0, 18, |block| {
        (0..32).map(|index| signed(f16(block, 0), i32::from(nibble(block, 2, index)) - 8)).collect()
    });
}

#[test]
fn q4_1() {
    check(Format::Q4_1, 20, |block| {
        let (scale, min) = (f16(block, 0), f16(block, 2));
        let decode = |index| scale * f32::from(nibble(block, 4, index)) + min;
        (0..32).map(|index| Decoded { value: decode(index), error: scale * 0.52 }).collect()
    });
}

#[test]
fn q5_0() {
    check(Format::Q5_0, 22, |block| {
        let fifth_bits = u32::from_le_bytes(block[2..6].try_into().unwrap());
        let quant = |index| i32::from(nibble(block, 6, index)) + ((fifth_bits >> index & 1) << 4) as i32 - 16;
        (0..32).map(|index| signed(f16(block, 0), quant(index))).collect()
    });
}

#[test]
fn q4_k() {
    check(Format::Q4K, 144, |block| {
        let (unit, min_unit) = (f16(block, 0), f16(block, 2));
        let packed = &block[4..16];
        // Six bits each, as `get_scale_min_k4` of ggml reads them.
        let scale_and_min = |part: usize| match part {
            0..4 => (packed[part] & 63, packed[part + 4] & 63),
            _ => {
                let (low, high, high_min) = (packed[part + 4], packed[part - 4] >> 6, packed[part] >> 6);
                (low & 0xF | high << 4, low >> 4 | high_min << 4)
            }
        };
        let decode = |index: usize| {
            let (scale, min) = scale_and_min(index / 32);
            let (scale, min) = (unit * f32::from(scale), min_unit * f32::from(min));
            let byte = block[16 + index / 64 * 32 + index % 32];
            let quant = if index % 64 < 32 { byte & 0xF } else { byte >> 4 };
            // Beyond half a step: what the six bits of scale and minimum miss, at the ends of the range.
            let ends = min_unit * 0.51 + unit * 0.51 * 15.0;
            Decoded { value: scale * f32::from(quant) - min, error: scale * 0.5 + ends }
        };
        (0..256).map(decode).collect()
    });
}

#[test]
fn q6_k() {
    check(Format::Q6K, 210, |block| {
        let unit = f16(block, 208);
        let decode = |index: usize| {
            let (half, quarter, at) = (index / 128, index % 128 / 32, index % 32);
            let low = block[half * 64 + quarter % 2 * 32 + at] >> (quarter / 2 * 4) & 0xF;
            let high = block[128 + half * 32 + at] >> (quarter * 2) & 3;
            let scale = block[192 + index / 16] as i8;
            let Decoded { value, error } = signed(unit * f32::from(scale), i32::from(low | high << 4) - 32);
            // Rounding a scale to its integer shifts the extreme.
            Decoded { value, error: error + unit * 0.51 * 32.0 }
        };
        (0..256).map(decode).collect()
    });
}
