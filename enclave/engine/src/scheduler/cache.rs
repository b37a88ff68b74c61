//! Keeps the tokens of a scope's earlier exchanges in idle sequences, so that a conversation that goes on is not
//! computed from its start. Tokens of one scope never speed up another's requests. So the time of an answer tells a
//! caller only about its own prompts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Fewer shared tokens than this are computed again: reusing them costs about as much, and all prompts of a template
/// begin alike.
const WORTHWHILE: usize = 16;

/// Requests of one scope may share computed prompts, and scopes take turns. Clones are the same scope. When the last
/// clone is dropped, the kept tokens are forgotten.
#[derive(Clone)]
pub struct CacheScope(Arc<Turn>);

/// The number of the last generation that was begun for a scope; 0 if there was none.
#[derive(Default)]
struct Turn(AtomicU64);

impl CacheScope {
    /// A new scope.
    #[expect(clippy::new_without_default, reason = "no two scopes are alike")]
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Its turn was generation number `begun`.
    pub(super) fn served(&self, begun: u64) {
        self.0.0.store(begun, Ordering::Relaxed);
    }

    /// The generation that was its last turn.
    pub(super) fn last_served(&self) -> u64 {
        self.0.0.load(Ordering::Relaxed)
    }

    /// Whether both are the same scope.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for CacheScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheScope")
    }
}

/// What an idle sequence holds.
#[derive(Default)]
pub(super) struct Kept {
    scope: Weak<Turn>,
    tokens: Vec<u32>,
    /// When it was used last, in generations.
    used: u64,
}

impl Kept {
    pub(super) fn new(scope: Option<&CacheScope>, tokens: Vec<u32>, used: u64) -> Self {
        Self { scope: scope.map(|scope| Arc::downgrade(&scope.0)).unwrap_or_default(), tokens, used }
    }

    /// Whether the sequence holds tokens whose scope is gone.
    pub(super) fn is_stale(&self) -> bool {
        !self.tokens.is_empty() && self.scope.strong_count() == 0
    }

    fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// How many tokens of `prompt` need not be computed. The last one is always computed, because its logits are
    /// wanted.
    fn shared(&self, scope: &CacheScope, prompt: &[u32]) -> usize {
        if !std::ptr::eq(self.scope.as_ptr(), Arc::as_ptr(&scope.0)) {
            return 0;
        }
        let most = prompt.len().saturating_sub(1);
        let shared = self.tokens.iter().zip(prompt).take(most).take_while(|(kept, wanted)| kept == wanted).count();
        if shared < WORTHWHILE { 0 } else { shared }
    }
}

/// Chooses among the idle sequences, given with their numbers: the one that saves most, else an empty one, else the one
/// unused for longest. Returns its number and how many tokens of the prompt it holds already.
pub(super) fn choose<'a>(
    idle: impl Iterator<Item = (usize, &'a Kept)>,
    scope: Option<&CacheScope>,
    prompt: &[u32],
) -> Option<(usize, usize)> {
    let shared = |kept: &Kept| scope.map_or(0, |scope| kept.shared(scope, prompt));
    let best = idle.max_by_key(|(number, kept)| {
        (shared(kept), kept.is_empty(), std::cmp::Reverse(kept.used), std::cmp::Reverse(*number))
    });
    best.map(|(number, kept)| (number, shared(kept)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(scope: &CacheScope, tokens: std::ops::Range<u32>, used: u64) -> Kept {
        Kept::new(Some(scope), tokens.collect(), used)
    }

    fn chosen(all: &[Kept], scope: &CacheScope, prompt: std::ops::Range<u32>) -> Option<(usize, usize)> {
        choose(all.iter().enumerate(), Some(scope), &prompt.collect::<Vec<_>>())
    }

    #[test]
    fn the_longest_beginning_of_the_same_caller_is_taken() {
        let (a, b) = (CacheScope::new(), CacheScope::new());
        let all = [kept(&a, 0..40, 1), kept(&b, 0..90, 2), kept(&a, 0..60, 3), Kept::default()];
        assert_eq!(chosen(&all, &a, 0..80), Some((2, 60)));
        assert_eq!(chosen(&all, &b, 0..80), Some((1, 79)), "the last token is always computed");
        assert_eq!(chosen(&all, &CacheScope::new(), 0..80), Some((3, 0)), "a stranger shares nothing");
        assert_eq!(chosen(&all, &a, 5..80), Some((3, 0)), "a different beginning shares nothing");
        assert_eq!(choose(all.iter().enumerate(), None, &[0; 20]), Some((3, 0)));
        assert_eq!(chosen(&all[..3], &CacheScope::new(), 0..9), Some((0, 0)), "the one unused for longest gives way");
        assert_eq!(chosen(&[], &a, 0..80), None);
    }

    #[test]
    fn a_beginning_is_worth_it_from_sixteen_tokens_on() {
        let a = CacheScope::new();
        assert_eq!(chosen(&[kept(&a, 0..15, 1)], &a, 0..80), Some((0, 0)));
        assert_eq!(chosen(&[kept(&a, 0..16, 1)], &a, 0..80), Some((0, 16)));
    }

    #[test]
    fn what_was_kept_goes_with_its_caller() {
        let a = CacheScope::new();
        let (one, none) = (kept(&a, 0..40, 1), Kept::new(None, vec![1; 40], 1));
        assert!(!one.is_stale() && none.is_stale() && !Kept::default().is_stale());
        let clone = a.clone();
        drop(a);
        assert!(!one.is_stale() && clone.is(&clone.clone()) && !clone.is(&CacheScope::new()));
        drop(clone);
        assert!(one.is_stale());
    }
}
