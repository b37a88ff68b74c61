//! The tokens of one call of llama.cpp.

use llama_cpp_sys_2::{llama_batch, llama_pos, llama_seq_id, llama_token};

use crate::error::EngineError;

/// Tokens of several sequences, each with its position, in rows.
pub(crate) struct Batch {
    places: usize,
    tokens: Vec<llama_token>,
    positions: Vec<llama_pos>,
    sequences: Vec<llama_seq_id>,
    /// 1 where logits are wanted, else 0.
    outputs: Vec<i8>,
}

/// What a context accepts: every number of a batch is below its bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Most rows.
    pub(super) rows: u32,
    pub(super) tokens: u32,
    pub(super) positions: u32,
    pub(super) sequences: u32,
}

impl Batch {
    /// An empty batch with room for so many rows.
    pub(crate) fn new(places: usize) -> Self {
        let (tokens, positions, sequences, outputs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { places: places.min(i32::MAX as usize), tokens, positions, sequences, outputs }
    }

    pub(crate) fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.sequences.clear();
        self.outputs.clear();
    }

    /// Rows in it.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Adds a token and returns its row.
    ///
    /// # Errors
    /// [`EngineError::Decode`] when the batch is full, or a number too large for llama.cpp.
    pub(crate) fn add(
        &mut self,
        sequence: usize,
        position: usize,
        token: u32,
        output: bool,
    ) -> Result<usize, EngineError> {
        let row = self.len();
        let (Ok(sequence), Ok(position), Ok(token)) =
            (i32::try_from(sequence), i32::try_from(position), i32::try_from(token))
        else {
            return Err(super::FAILED);
        };
        if row >= self.places {
            return Err(super::FAILED);
        }
        self.tokens.push(token);
        self.positions.push(position);
        self.sequences.push(sequence);
        self.outputs.push(i8::from(output));
        Ok(row)
    }

    /// Which rows want logits, 1 or 0.
    pub(super) fn outputs(&self) -> &[i8] {
        &self.outputs
    }

    /// Whether a context accepts the batch. llama.cpp checks the same by assertions, some of them on threads where a
    /// failure ends the process.
    pub(super) fn is_within(&self, bounds: Bounds) -> bool {
        let below = |numbers: &[i32], bound: u32| {
            numbers.iter().all(|number| u32::try_from(*number).is_ok_and(|number| number < bound))
        };
        (1..=bounds.rows as usize).contains(&self.len())
            && below(&self.tokens, bounds.tokens)
            && below(&self.positions, bounds.positions)
            && below(&self.sequences, bounds.sequences)
    }

    /// Lends it to `call` in llama.cpp's form, whose pointers are good until `call` returns.
    pub(super) fn lend<T>(&mut self, call: impl FnOnce(llama_batch) -> T) -> T {
        let mut counts = vec![1; self.len()];
        let mut sequences: Vec<*mut llama_seq_id> = self.sequences.iter_mut().map(std::ptr::from_mut).collect();
        call(llama_batch {
            // `new` bounds it.
            n_tokens: self.tokens.len() as i32,
            token: self.tokens.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: self.positions.as_mut_ptr(),
            n_seq_id: counts.as_mut_ptr(),
            seq_id: sequences.as_mut_ptr(),
            logits: self.outputs.as_mut_ptr(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BOUNDS: Bounds = Bounds { rows: 2, tokens: 100, positions: 10, sequences: 3 };

    fn batch(rows: &[(usize, usize, u32)]) -> Batch {
        let mut batch = Batch::new(8);
        for (row, (sequence, position, token)) in rows.iter().enumerate() {
            assert_eq!(batch.add(*sequence, *position, *token, row == 1), Ok(row));
        }
        batch
    }

    #[test]
    fn every_number_has_its_bound() {
        assert!(batch(&[(2, 9, 99)]).is_within(BOUNDS));
        assert!(batch(&[(0, 0, 0), (0, 1, 0)]).is_within(BOUNDS));
        for wrong in [
            &[][..],
            &[(0, 0, 0), (0, 1, 0), (0, 2, 0)],
            &[(3, 0, 0)],
            &[(0, 10, 0)],
            &[(0, 0, 100)],
            &[(0, 0, 0), (0, 1, 100)],
        ] {
            assert!(!batch(wrong).is_within(BOUNDS), "{wrong:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut batch = Batch::new(1);
        let large = u32::MAX as usize;
        assert_eq!(batch.add(large, 0, 0, true), Err(EngineError::Decode { status: 0 }));
        assert_eq!(batch.add(0, large, 0, true), Err(EngineError::Decode { status: 0 }));
        assert_eq!(batch.add(0, 0, u32::MAX, true), Err(EngineError::Decode { status: 0 }));
        assert_eq!((batch.len(), batch.add(0, 0, 0, true)), (0, Ok(0)));
        assert_eq!(batch.add(0, 1, 0, true), Err(EngineError::Decode { status: 0 }));
        batch.clear();
        assert_eq!(batch.add(0, 1, 0, true), Ok(0));
    }

    #[test]
    fn every_column_is_as_long_as_the_batch() {
        let mut batch = batch(&[(0, 4, 7), (2, 5, 8)]);
        assert_eq!((batch.len(), batch.outputs()), (2, &[0, 1][..]));
        batch.lend(|lent| {
            assert_eq!(lent.n_tokens, 2);
            assert!(lent.embd.is_null() && !lent.token.is_null() && !lent.seq_id.is_null());
        });
    }
}
