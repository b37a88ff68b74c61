//! Decides how many prompt tokens a step computes, and of which prompts.

use std::time::Duration;

/// How long a step may take while answers are running.
const STEP: Duration = Duration::from_millis(150);
/// Prompt tokens that a step takes in any case: fewer would be slower for all.
const LEAST: usize = 16;
/// A new measurement has a weight of one part in this many.
const INERTIA: f64 = 8.0;

/// What a token costs on this machine, measured at each step.
#[derive(Default)]
pub(super) struct Pace {
    /// Seconds a token, in steps of many tokens; 0 until one was measured.
    token: f64,
}

impl Pace {
    /// Notes how long a step of `tokens` tokens took.
    pub(super) fn measured(&mut self, tokens: usize, took: Duration) {
        if tokens < LEAST {
            return;
        }
        let token = took.as_secs_f64() / tokens as f64;
        self.token += (token - self.token) / if self.token == 0.0 { 1.0 } else { INERTIA };
    }

    /// Prompt tokens of a step in which `decoding` sequences want their next token, of `places` places in all.
    pub(super) fn prompt_tokens(&self, decoding: usize, places: usize) -> usize {
        let room = places.saturating_sub(decoding);
        if decoding == 0 {
            return room;
        }
        let fit = match self.token {
            0.0 => LEAST,
            token => ((STEP.as_secs_f64() / token) as usize).saturating_sub(decoding),
        };
        fit.max(LEAST).min(room)
    }
}

/// Divides `room` among prompts. `wanted`: the tokens that each still needs. Short ones are finished first, and the
/// others share the rest equally, so that a long prompt does not keep a short one waiting. Returns the shares in the
/// order of `wanted`.
pub(super) fn divide(wanted: &[usize], mut room: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|index| wanted[*index]);
    let mut shares = vec![0; wanted.len()];
    for (served, index) in order.iter().enumerate() {
        let part = room.div_ceil(wanted.len() - served);
        shares[*index] = wanted[*index].min(part).min(room);
        room -= shares[*index];
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_prompts_are_finished_first() {
        assert_eq!(divide(&[1000, 10], 64), [54, 10]);
        assert_eq!(divide(&[1000, 1000], 65), [33, 32]);
        assert_eq!(divide(&[3, 1000, 2], 10), [3, 5, 2]);
        assert_eq!(divide(&[5], 0), [0]);
        assert_eq!(divide(&[], 9), [0; 0]);
    }

    #[test]
    fn a_step_beside_answers_keeps_to_its_time() {
        let mut pace = Pace::default();
        assert_eq!((pace.prompt_tokens(0, 512), pace.prompt_tokens(1, 512)), (512, LEAST));
        pace.measured(100, Duration::from_millis(100));
        assert_eq!((pace.prompt_tokens(4, 512), pace.prompt_tokens(4, 100)), (146, 96));
        pace.measured(LEAST - 1, Duration::from_secs(9));
        assert_eq!(pace.prompt_tokens(4, 512), 146, "few tokens say nothing of the price of many");
        (0..100).for_each(|_| pace.measured(100, Duration::from_secs(10)));
        assert_eq!(pace.prompt_tokens(4, 512), LEAST);
    }

    proptest! {
        #[test]
        fn all_room_is_used_and_nobody_gets_more_than_wanted(
            wanted in proptest::collection::vec(0usize..600, 0..20), room in 0usize..600,
        ) {
            let shares = divide(&wanted, room);
            prop_assert_eq!(shares.iter().sum::<usize>(), room.min(wanted.iter().sum()));
            prop_assert!(shares.iter().zip(&wanted).all(|(share, wanted)| share <= wanted));
            let short = wanted.iter().zip(&shares).filter(|(wanted, share)| share < wanted);
            let cut: Vec<usize> = short.map(|(_, share)| *share).collect();
            // Prompts that were cut short got as much as any other.
            let most = shares.iter().copied().max().unwrap_or(0);
            prop_assert!(cut.iter().all(|share| share + 1 >= most));
        }
    }
}
