//! One draw from a softmax. Its bits are the same on every machine and in every language, because every operation and
//! its order are fixed (`SPEC.md`, sampling). Plain loops over lanes let the compiler use the vector unit.

/// Weights that are added before they join the sum.
const BLOCK: usize = 64;
const LANES: usize = 8;
/// 2^f for -0.5 ≤ f ≤ 0.5, Taylor: ln(2)^k / k!.
const EXP2: [f32; 7] =
    [1.0, std::f32::consts::LN_2, 0.240_226_5, 0.055_504_11, 0.009_618_129, 0.001_333_355_8, 0.000_154_035_3];
/// Adding this to a small number leaves its nearest integer in the low bits (1.5 · 2^23).
const ROUND: f32 = 12_582_912.0;
/// A weight of less than two to this power is zero.
const LEAST: f32 = -126.0;

/// The draws of one generation.
pub(super) struct Draw {
    /// SplitMix64.
    state: u64,
    /// log2(e) / temperature.
    scale: f32,
}

impl Draw {
    pub(super) fn new(seed: u32, temperature: f32) -> Self {
        Self { state: u64::from(seed), scale: std::f32::consts::LOG2_E / temperature }
    }

    /// Draws an index with a probability that is proportional to exp(logit / temperature); none when every logit is
    /// minus infinity. No logit may be NaN or plus infinity. `weights` is scratch space.
    pub(super) fn index(&mut self, logits: &[f32], weights: &mut Vec<f32>) -> Option<usize> {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has it.
            #[allow(unsafe_code)]
            return unsafe { self.index_avx2(logits, weights) };
        }
        self.index_anywhere(logits, weights)
    }

    /// The same with twice the lanes: no operation of Rust is fused or reordered for it, so the bits are the same.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn index_avx2(&mut self, logits: &[f32], weights: &mut Vec<f32>) -> Option<usize> {
        self.index_anywhere(logits, weights)
    }

    #[inline(always)]
    fn index_anywhere(&mut self, logits: &[f32], weights: &mut Vec<f32>) -> Option<usize> {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if max == f32::NEG_INFINITY {
            return None;
        }
        weights.clear();
        weights.extend(logits.iter().map(|logit| exp2((logit - max) * self.scale)));
        let total = weights.chunks(BLOCK).fold(0.0, |total, block| total + sum(block));
        let target = self.uniform() * total;
        let mut below = 0.0;
        let mut last = None;
        for (start, block) in (0..).step_by(BLOCK).zip(weights.chunks(BLOCK)) {
            let end = below + sum(block);
            if target >= end {
                below = end;
                continue;
            }
            for (index, weight) in (start..).zip(block).filter(|(_, weight)| **weight > 0.0) {
                last = Some(index);
                below += f64::from(*weight);
                if target < below {
                    return last;
                }
            }
            return last;
        }
        // Rounding took the target to the very end.
        weights.iter().rposition(|weight| *weight > 0.0)
    }

    /// At least 0, below 1.
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// 2^x for x ≤ 0.
#[inline(always)]
fn exp2(x: f32) -> f32 {
    let rounded = x.max(LEAST) + ROUND;
    let f = x.max(LEAST) - (rounded - ROUND);
    let power = EXP2.iter().rev().fold(0.0, |sum, factor| sum * f + factor);
    let scaled = f32::from_bits(power.to_bits().wrapping_add(rounded.to_bits() << 23));
    if x < LEAST { 0.0 } else { scaled }
}

/// The sum of a block, lane by lane.
#[inline(always)]
fn sum(block: &[f32]) -> f64 {
    let mut lanes = [0.0f32; LANES];
    let (whole, rest) = block.as_chunks::<LANES>();
    for chunk in whole {
        for (lane, weight) in lanes.iter_mut().zip(chunk) {
            *lane += weight;
        }
    }
    lanes.iter().chain(rest).map(|lane| f64::from(*lane)).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn exp2_is_exact_to_a_few_units_in_the_last_place() {
        for step in 0..=126_000 {
            let x = -(step as f32) / 1000.0;
            let (found, wanted) = (f64::from(exp2(x)), f64::from(x).exp2());
            assert!((found / wanted - 1.0).abs() < 4e-7, "2^{x}: {found} for {wanted}");
        }
        assert_eq!(exp2(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp2(-126.1), 0.0);
        assert_eq!(exp2(0.0), 1.0);
    }

    #[test]
    fn draws_follow_the_softmax_at_their_temperature() {
        let logits = [1.0, f32::NEG_INFINITY, 0.0, 2.0];
        for temperature in [0.5f32, 1.0, 2.0] {
            let (mut draw, mut weights, mut counts) = (Draw::new(7, temperature), Vec::new(), [0u32; 4]);
            for _ in 0..40_000 {
                counts[draw.index(&logits, &mut weights).unwrap()] += 1;
            }
            let weight = |logit: f32| (f64::from(logit) / f64::from(temperature)).exp();
            let total: f64 = logits.iter().map(|logit| weight(*logit)).sum();
            for (count, logit) in counts.iter().zip(logits) {
                assert!((f64::from(*count) / 40_000.0 - weight(logit) / total).abs() < 0.01, "{counts:?}");
            }
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_whatever_the_scratch_space_held() {
        let logits: Vec<f32> = (0..1000).map(|id: u16| f32::from(id * 37 % 101) / 10.0).collect();
        let drawn = |mut weights: Vec<f32>| {
            let mut draw = Draw::new(3, 0.8);
            (0..5).map(|_| draw.index(&logits, &mut weights).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(Vec::new()), drawn(vec![9.0; 2000]));
        assert_eq!(drawn(Vec::new()), SPEC_EXAMPLE);
    }

    #[test]
    fn the_processor_changes_nothing() {
        for seed in 0..50 {
            let logits: Vec<f32> = (0..1003).map(|id: u32| (id * (seed + 7919) % 2003) as f32 / 97.0).collect();
            let [mut draw, mut plain] = [(); 2].map(|()| Draw::new(seed, 0.7));
            let [mut weights, mut others] = [Vec::new(), Vec::new()];
            assert_eq!(draw.index(&logits, &mut weights), plain.index_anywhere(&logits, &mut others));
            assert!(weights.iter().zip(&others).all(|(one, other)| one.to_bits() == other.to_bits()));
        }
    }

    /// The example of `SPEC.md`.
    const SPEC_EXAMPLE: [usize; 5] = [120, 704, 622, 68, 221];

    #[test]
    fn nothing_is_drawn_from_nothing() {
        assert_eq!(Draw::new(1, 1.0).index(&[], &mut Vec::new()), None);
        assert_eq!(Draw::new(1, 1.0).index(&[f32::NEG_INFINITY; 3], &mut Vec::new()), None);
        assert_eq!(Draw::new(1, 1.0).index(&[f32::NEG_INFINITY, -1e30], &mut Vec::new()), Some(1));
    }
}
