//! The model: its metadata and its weights.

use crate::vocabulary::{self, Vocabulary};
use crate::writer::{Gguf, Value};
use crate::{CHAT_TEMPLATE, Kind, Shape, VOCABULARY};

/// A model to write.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    kind: Kind,
    shape: Shape,
    template: Option<&'a str>,
    vocabulary: Vocabulary<'a>,
    claims: Option<(&'a str, u32)>,
    broken: Option<&'a str>,
}

impl<'a> Model<'a> {
    /// Creates a model with the usual template, small if `kind` allows it.
    pub fn new(kind: Kind) -> Self {
        let shape = if Shape::SMALL.fits(kind) { Shape::SMALL } else { Shape::WIDE };
        Self { kind, shape, template: Some(CHAT_TEMPLATE), vocabulary: Vocabulary::Whole, claims: None, broken: None }
    }

    /// Sets another shape.
    pub fn shape(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// Sets another chat template, or none.
    pub fn template(self, template: Option<&'a str>) -> Self {
        Self { template, ..self }
    }

    /// Sets another vocabulary.
    pub fn vocabulary(self, vocabulary: Vocabulary<'a>) -> Self {
        Self { vocabulary, ..self }
    }

    /// Sets a wrong number for a key of the architecture (`llama.…`), which differs from the weights.
    pub fn claims(self, key: &'a str, number: u32) -> Self {
        Self { claims: Some((key, number)), ..self }
    }

    /// Puts a NaN at the end of this tensor, or into the scale of its last block.
    pub fn broken(self, tensor: &'a str) -> Self {
        Self { broken: Some(tensor), ..self }
    }

    /// Returns the GGUF file.
    ///
    /// # Panics
    ///
    /// If the kind does not fit the shape.
    pub fn bytes(&self) -> Vec<u8> {
        assert!(self.shape.fits(self.kind), "rows of {:?} are no whole blocks of {:?}", self.shape, self.kind);
        let mut gguf = Gguf::new();
        self.describe(&mut gguf);
        self.weights(&mut gguf);
        gguf.finish()
    }

    fn describe(&self, gguf: &mut Gguf) {
        let shape = &self.shape;
        let claimed = |key: &str, own| self.claims.filter(|(other, _)| *other == key).map_or(own, |(_, number)| number);
        gguf.entry("general.architecture", Value::Text("llama"));
        gguf.entry("general.type", Value::Text("model"));
        gguf.entry("general.name", Value::Text("tiny"));
        gguf.entry("llama.block_count", Value::U32(claimed("llama.block_count", shape.layers)));
        gguf.entry("llama.context_length", Value::U32(claimed("llama.context_length", shape.context)));
        gguf.entry("llama.embedding_length", Value::U32(claimed("llama.embedding_length", shape.width)));
        gguf.entry("llama.feed_forward_length", Value::U32(claimed("llama.feed_forward_length", shape.inner)));
        gguf.entry("llama.attention.head_count", Value::U32(claimed("llama.attention.head_count", shape.heads)));
        gguf.entry(
            "llama.attention.head_count_kv",
            Value::U32(claimed("llama.attention.head_count_kv", shape.kv_heads)),
        );
        gguf.entry("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
        gguf.entry("llama.rope.freq_base", Value::F32(10_000.0));
        gguf.entry("llama.rope.dimension_count", Value::U32(claimed("llama.rope.dimension_count", shape.head_width())));
        gguf.entry("llama.vocab_size", Value::U32(claimed("llama.vocab_size", VOCABULARY)));
        gguf.entry("general.file_type", Value::U32(self.kind.file_type()));
        vocabulary::write(gguf, self.vocabulary);
        if let Some(template) = self.template {
            gguf.entry("tokenizer.chat_template", Value::Text(template));
        }
    }

    fn weights(&self, gguf: &mut Gguf) {
        let Shape { width, inner, layers, .. } = self.shape;
        let kv_width = self.shape.kv_width();
        let mut random = Random(0x51_75_6f_74_68);
        let mut matrix = |layer: Option<u32>, part: &str, columns: u32, rows: u32, spread: f32| {
            let values: Vec<f32> = (0..columns * rows).map(|_| random.next() * spread).collect();
            let format = self.kind.format(part, layer.is_some_and(|layer| layer >= layers / 2));
            let name = match layer {
                Some(layer) => format!("blk.{layer}.{part}.weight"),
                None => format!("{part}.weight"),
            };
            let mut bytes = format.encode(&values);
            if self.broken == Some(&name) {
                format.break_last(&mut bytes);
            }
            gguf.tensor(&name, &[columns.into(), rows.into()], format.tensor_type(), bytes);
        };
        let narrow = 1.0 / (width as f32).sqrt();
        matrix(None, "token_embd", width, VOCABULARY, 1.0);
        for layer in (0..layers).map(Some) {
            matrix(layer, "attn_q", width, width, 2.0 * narrow);
            matrix(layer, "attn_k", width, kv_width, 2.0 * narrow);
            matrix(layer, "attn_v", width, kv_width, 2.0 * narrow);
            matrix(layer, "attn_output", width, width, 2.0 * narrow);
            matrix(layer, "ffn_gate", width, inner, 2.0 * narrow);
            matrix(layer, "ffn_up", width, inner, 2.0 * narrow);
            matrix(layer, "ffn_down", inner, width, 2.0 * narrow);
        }
        matrix(None, "output", width, VOCABULARY, 6.0 * narrow);

        let ones: Vec<u8> = std::iter::repeat_n(1.0f32.to_le_bytes(), width as usize).flatten().collect();
        let mut norm = |name: &str| gguf.tensor(name, &[width.into()], 0, ones.clone());
        for layer in 0..layers {
            norm(&format!("blk.{layer}.attn_norm.weight"));
            norm(&format!("blk.{layer}.ffn_norm.weight"));
        }
        norm("output_norm.weight");
    }
}

/// A small generator (xorshift64*), uniform in -1 to 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        bits as f32 / (1u32 << 23) as f32 - 1.0
    }
}
