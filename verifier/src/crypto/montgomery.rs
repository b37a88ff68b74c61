//! Montgomery multiplication for public values: its running time depends on them. Plain loops over limbs make less code for
//! browsers to load than a library for secrets of any length.

/// An odd modulus of `N` limbs of 32 bits, least significant first.
pub(super) struct Modulus<const N: usize> {
    limbs: [u32; N],
    /// -1 / modulus modulo 2^32.
    inverse: u32,
}

impl<const N: usize> Modulus<N> {
    /// Returns `None` for an even number.
    pub(super) fn new(limbs: [u32; N]) -> Option<Self> {
        let least = *limbs.first()?;
        if least & 1 == 0 {
            return None;
        }
        // Newton's iteration doubles the number of correct bits; an odd number is its own inverse in the first three.
        let inverse = (0..4).fold(least, |found, _| found.wrapping_mul(2_u32.wrapping_sub(least.wrapping_mul(found))));
        Some(Self { limbs, inverse: inverse.wrapping_neg() })
    }

    /// True if `number` is less than the modulus.
    pub(super) fn exceeds(&self, number: &[u32; N]) -> bool {
        number.iter().rev().lt(self.limbs.iter().rev())
    }

    /// Returns the Montgomery form `number` · 2^(32 N). `number` must be less than the modulus.
    pub(super) fn enter(&self, number: [u32; N]) -> [u32; N] {
        (0..32 * N).fold(number, |mut number, _| {
            let mut carry = 0;
            for limb in &mut number {
                (*limb, carry) = (*limb << 1 | carry, *limb >> 31);
            }
            self.reduced(number, carry)
        })
    }

    /// Returns `a` · `b` / 2^(32 N), the product of two numbers in Montgomery form. Both must be less than the modulus. Finely
    /// integrated operand scanning (Koç, Acar, Kaliski: Analyzing and Comparing Montgomery Multiplication Algorithms, §6).
    pub(super) fn multiply(&self, a: &[u32; N], b: &[u32; N]) -> [u32; N] {
        let (mut sum, mut top) = ([0_u32; N], 0);
        for a in a {
            // The factor that makes the lowest limb of the sum zero.
            let factor = sum[0].wrapping_add(a.wrapping_mul(b[0])).wrapping_mul(self.inverse);
            let (mut carry, mut reduction) = (0, 0);
            for index in 0..N {
                let product = wide(*a, b[index], sum[index], carry);
                let reduced = wide(factor, self.limbs[index], product as u32, reduction);
                (carry, reduction) = ((product >> 32) as u32, (reduced >> 32) as u32);
                sum[index.saturating_sub(1)] = reduced as u32;
            }
            let last = u64::from(carry) + u64::from(reduction) + u64::from(top);
            (sum[N - 1], top) = (last as u32, (last >> 32) as u32);
        }
        self.reduced(sum, top)
    }

    /// Subtracts the modulus from `number` and its overflow, unless the modulus is greater.
    fn reduced(&self, mut number: [u32; N], overflow: u32) -> [u32; N] {
        if overflow != 0 || !self.exceeds(&number) {
            let mut borrow = false;
            for (limb, modulus) in number.iter_mut().zip(&self.limbs) {
                let (once, first) = limb.overflowing_sub(*modulus);
                let (twice, second) = once.overflowing_sub(borrow.into());
                (*limb, borrow) = (twice, first | second);
            }
        }
        number
    }
}

/// `a` · `b` + `c` + `d`, which always fits into 64 bits.
fn wide(a: u32, b: u32, c: u32, d: u32) -> u64 {
    u64::from(a) * u64::from(b) + u64::from(c) + u64::from(d)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use p384::elliptic_curve::bigint::{NonZero, U256};
    use proptest::prelude::*;

    use super::*;

    const N: usize = 8;

    fn known(limbs: [u32; N]) -> U256 {
        let bytes: [u8; 4 * N] = core::array::from_fn(|index| limbs[index / 4].to_le_bytes()[index % 4]);
        U256::from_le_slice(&bytes)
    }

    fn own(number: U256) -> [u32; N] {
        let bytes = number.to_le_bytes();
        core::array::from_fn(|index| u32::from_le_bytes(core::array::from_fn(|octet| bytes[4 * index + octet])))
    }

    /// Limbs that produce no carry, every carry, and others.
    fn limbs() -> impl Strategy<Value = [u32; N]> {
        prop::array::uniform8(prop_oneof![Just(0), Just(u32::MAX), Just(1), any::<u32>()])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        #[test]
        fn products_are_those_of_crypto_bigint(mut modulus in limbs(), a in limbs(), b in limbs()) {
            modulus[0] |= 1;
            let divisor = NonZero::new(known(modulus)).unwrap();
            let (short, modulus) = ([1, 0, 0, 0, 0, 0, 0, 0], Modulus::new(modulus).unwrap());
            for number in [a, b] {
                prop_assert_eq!(modulus.exceeds(&number), known(number) < *divisor);
            }
            let [a, b] = [a, b].map(|number| own(known(number).rem_vartime(&divisor)));
            // The plain factor takes the product out of Montgomery form.
            prop_assert_eq!(known(modulus.multiply(&modulus.enter(a), &b)), known(a).mul_mod_vartime(&known(b), &divisor));
            if modulus.exceeds(&short) {
                prop_assert_eq!(modulus.multiply(&modulus.enter(a), &short), a);
            }
        }
    }

    #[test]
    fn an_even_number_is_no_modulus() {
        assert!(Modulus::new([2]).is_none() && Modulus::new([0, 1]).is_none());
        assert!(Modulus::new([3]).is_some());
    }
}
