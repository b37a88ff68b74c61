//! Reads once what the engine needs of a vocabulary.

use std::collections::BTreeSet;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_sys_2::{LLAMA_VOCAB_TYPE_NONE, LLAMA_VOCAB_TYPE_TEST, LLAMA_VOCAB_TYPE_WPM};

use super::gguf::Header;
use crate::error::EngineError;
use crate::llama::model::{piece, vocab_kind};

/// Bytes and kind of every token.
pub(crate) struct Vocab {
    pieces: Vec<Box<[u8]>>,
    /// Ends a generation.
    eog: Vec<bool>,
    /// Has a meaning beyond its text, so no caller's text may contain it.
    control: Vec<bool>,
    /// Is text of whole characters.
    whole: Vec<bool>,
    longest: usize,
    /// Bytes that are no token by themselves.
    gaps: Vec<u8>,
    /// The token that begins a text, where the model wants one.
    pub(crate) bos: Option<u32>,
    pub(crate) bos_text: String,
    pub(crate) eos_text: String,
}

impl Vocab {
    /// Asks llama.cpp for every token.
    ///
    /// # Errors
    /// [`EngineError::Vocabulary`] when there is none, or one that llama.cpp cannot read.
    pub(crate) fn read(model: &LlamaModel) -> Result<Self, EngineError> {
        if matches!(vocab_kind(model), LLAMA_VOCAB_TYPE_NONE | LLAMA_VOCAB_TYPE_TEST) {
            return Err(EngineError::Vocabulary { what: "is missing" });
        }
        let vocab = model.vocab();
        let count = u32::try_from(vocab.n_tokens()).unwrap_or(0);
        let tokens = || (0..count).map(token);
        let pieces = |special| {
            let pieces = (0..count).map(|id| piece(model, id, special).map(Vec::into_boxed_slice)).collect();
            let pieces: Option<Vec<Box<[u8]>>> = pieces;
            pieces.ok_or(EngineError::Vocabulary { what: "has a token without bytes" })
        };
        let (pieces, named) = (pieces(false)?, pieces(true)?);
        let text = |special: LlamaToken| match usize::try_from(special.0).ok().and_then(|id| named.get(id)) {
            Some(name) => String::from_utf8_lossy(name).into_owned(),
            None => String::new(),
        };
        let control: Vec<bool> = tokens().map(|token| vocab.is_control(token)).collect();
        let plain = pieces.iter().zip(&control).filter(|(_, control)| !**control);
        let single = plain.filter_map(|(piece, _)| <[u8; 1]>::try_from(&piece[..]).ok()).map(|[byte]| byte);
        let single: BTreeSet<u8> = single.collect();
        let bos = u32::try_from(vocab.bos().0).ok().filter(|id| *id < count && vocab.should_add_bos());
        Ok(Self {
            longest: named.iter().map(|piece| piece.len()).max().unwrap_or(1).max(1),
            eog: tokens().map(|token| vocab.is_eog(token)).collect(),
            control,
            gaps: (0..=u8::MAX).filter(|byte| !single.contains(byte)).collect(),
            whole: pieces.iter().map(|piece| std::str::from_utf8(piece).is_ok()).collect(),
            bos,
            bos_text: text(vocab.bos()),
            eos_text: text(vocab.eos()),
            pieces,
        })
    }

    /// Checks that the vocabulary spells ordinary text. One that lacks other bytes, as SmolLM2's does, is served: texts that need
    /// them are refused one by one.
    ///
    /// # Errors
    /// [`EngineError::Spelling`] with the first byte that is missing.
    pub(crate) fn check_spelling(&self) -> Result<(), EngineError> {
        match self.gaps.iter().copied().find(|byte| is_ordinary(*byte)) {
            Some(byte) => Err(EngineError::Spelling { byte }),
            None => Ok(()),
        }
    }

    /// Whether these tokens are `text`, or `text` after the space that some vocabularies begin with. Always true if
    /// every byte is a token, because then nothing is lost.
    pub(crate) fn spells(&self, tokens: &[u32], text: &str) -> bool {
        if self.gaps.is_empty() {
            return true;
        }
        let spelled: Vec<u8> = tokens.iter().flat_map(|id| self.piece(*id)).copied().collect();
        spelled == text.as_bytes() || spelled.strip_prefix(b" ").is_some_and(|rest| rest == text.as_bytes())
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

/// Whether UTF-8 needs this byte for more than control characters and planes of Unicode without characters.
fn is_ordinary(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b' '..=b'~' | 0x80..=0xBF | 0xC2..=0xF0)
}

/// Refuses a vocabulary on which llama.cpp would loop for ever: at a byte that an RWKV vocabulary lacks, it goes back
/// to the beginning of the text.
pub(crate) fn check_header(header: &Header) -> Result<(), EngineError> {
    let missing = (0..=u8::MAX).find(|byte| !header.single_bytes.contains(byte));
    match missing.filter(|_| header.tokenizer == "rwkv") {
        Some(byte) => Err(EngineError::Spelling { byte }),
        None => Ok(()),
    }
}

/// Whether a model continues texts. Models whose attention looks ahead, and models with a WordPiece vocabulary, only
/// embed.
pub(crate) fn generates(header: &Header, model: &LlamaModel) -> bool {
    header.causal != Some(false) && vocab_kind(model) != LLAMA_VOCAB_TYPE_WPM
}

/// A token id in llama.cpp's type.
fn token(id: u32) -> LlamaToken {
    LlamaToken(i32::try_from(id).unwrap_or(-1))
}
