//! Conversion to and from IEEE 754 binary16.

/// A quiet NaN.
pub(super) const NAN: u16 = 0x7E00;
const SMALLEST_NORMAL: f32 = 1.0 / 16384.0;
const SMALLEST: f32 = SMALLEST_NORMAL / 1024.0;

/// Rounded to the nearest, ties away from zero; weights and scales are far from its largest.
pub(super) fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    if value.abs() < SMALLEST_NORMAL {
        return sign | (value.abs() / SMALLEST).round() as u16;
    }
    let exponent = (bits >> 23 & 0xFF) + 15 - 127;
    let mantissa = bits & 0x7F_FFFF;
    sign | ((exponent << 10 | mantissa >> 13) + (mantissa >> 12 & 1)) as u16
}

/// Returns zero for subnormal values. Files have always been written so, and tests depend on their answers.
pub(super) fn without_subnormal(value: f32) -> f32 {
    if value.abs() < SMALLEST_NORMAL { 0.0f32.copysign(value) } else { value }
}

/// Returns the value of `bits`.
pub(super) fn float(bits: u16) -> f32 {
    let exponent = i32::from(bits >> 10 & 0x1F);
    let mantissa = f32::from(bits & 0x3FF);
    let magnitude = if exponent == 0 { mantissa * SMALLEST } else { (1024.0 + mantissa) * 2.0f32.powi(exponent - 25) };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}
