//! What the engine needs of a vocabulary, read once.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

/// Bytes and nature of every token.
pub(crate) struct Vocab {
    pieces: Vec<Box<[u8]>>,
    /// Ends a generation.
    eog: Vec<bool>,
    /// Has a meaning beyond its text, so no caller's text may contain it.
    control: Vec<bool>,
    /// Is text of whole characters.
    whole: Vec<bool>,
    longest: usize,
    /// The token that begins a text, where the model wants one.
    pub(crate) bos: Option<u32>,
    pub(crate) bos_text: String,
    pub(crate) eos_text: String,
}

impl Vocab {
    pub(crate) fn read(model: &LlamaModel) -> Self {
        let vocab = model.vocab();
        let count = u32::try_from(vocab.n_tokens()).unwrap_or(0);
        let tokens = || (0..count).map(token);
        let pieces: Vec<Box<[u8]>> =
            tokens().map(|token| vocab.token_to_piece(token, false, None).into_boxed_slice()).collect();
        let text = |special: LlamaToken| match u32::try_from(special.0) {
            Ok(id) if id < count => String::from_utf8_lossy(&vocab.token_to_piece(special, true, None)).into_owned(),
            _ => String::new(),
        };
        let bos = u32::try_from(vocab.bos().0).ok().filter(|id| *id < count && vocab.should_add_bos());
        Self {
            longest: tokens().map(|token| vocab.token_to_piece(token, true, None).len()).max().unwrap_or(1).max(1),
            eog: tokens().map(|token| vocab.is_eog(token)).collect(),
            control: tokens().map(|token| vocab.is_control(token)).collect(),
            whole: pieces.iter().map(|piece| std::str::from_utf8(piece).is_ok()).collect(),
            pieces,
            bos,
            bos_text: text(vocab.bos()),
            eos_text: text(vocab.eos()),
        }
    }

    /// Tokens in the vocabulary.
    pub(crate) fn len(&self) -> u32 {
        self.pieces.len() as u32
    }

    /// The text of a token, empty for control tokens; may be part of a character.
    pub(crate) fn piece(&self, id: u32) -> &[u8] {
        self.pieces.get(id as usize).map_or(&[], |piece| piece)
    }

    pub(crate) fn ends(&self, id: u32) -> bool {
        self.eog.get(id as usize).copied().unwrap_or(true)
    }

    pub(crate) fn is_control(&self, id: u32) -> bool {
        self.control.get(id as usize).copied().unwrap_or(true)
    }

    /// Whether the token, after the bytes `partial` of an incomplete character, is or can become
    /// UTF-8.
    pub(crate) fn continues(&self, partial: &[u8], id: u32) -> bool {
        if partial.is_empty() && self.whole.get(id as usize).copied().unwrap_or(false) {
            return true;
        }
        let bytes = [partial, self.piece(id)].concat();
        // Nothing may end, or stand still, inside a character.
        bytes.len() > partial.len() && std::str::from_utf8(&bytes).map_or_else(|e| e.error_len().is_none(), |_| true)
    }

    /// Bytes of the longest token: `n` bytes of text make at least `n / longest` tokens.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }
}

/// A token id in llama.cpp's type.
pub(crate) fn token(id: u32) -> LlamaToken {
    LlamaToken(i32::try_from(id).unwrap_or(-1))
}
