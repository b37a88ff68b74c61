//! Writes tiny, deterministic GGUF models for tests.
//!
//! A llama of 4 layers, width 64, with random weights from a fixed seed: it loads in
//! milliseconds and answers gibberish, the same gibberish every time. Its vocabulary has all 256
//! byte tokens, the ChatML markers, printable ASCII and made-up syllables.

#![forbid(unsafe_code)]

mod quantise;
mod vocabulary;
mod writer;

pub use quantise::Kind;
use writer::{Gguf, Value};

/// Tokens of context the model claims to be trained for.
pub const CONTEXT: u32 = 1024;
/// Tokens in the vocabulary.
pub const VOCABULARY: u32 = 576;
/// Id of `<|im_start|>`.
pub const IM_START: u32 = 1;
/// Id of `<|im_end|>`, which ends a generation.
pub const IM_END: u32 = 2;
/// Id of `<|endoftext|>`, which ends one too.
pub const END_OF_TEXT: u32 = 3;

/// Width of the residual stream.
const WIDTH: u64 = 64;
const LAYERS: u32 = 4;
const HEADS: u32 = 4;
const KV_HEADS: u32 = 2;
/// Width of the feed-forward part.
const INNER: u64 = 192;
const KV_WIDTH: u64 = WIDTH / HEADS as u64 * KV_HEADS as u64;

/// ChatML with a default system message, as small instruction models have it.
pub const CHAT_TEMPLATE: &str = "{% for message in messages %}\
{% if loop.first and messages[0]['role'] != 'system' %}\
{{ '<|im_start|>system\\nYou are tiny.<|im_end|>\\n' }}{% endif %}\
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}\
{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// The model with its usual template.
pub fn gguf(kind: Kind) -> Vec<u8> {
    with_template(kind, Some(CHAT_TEMPLATE))
}

/// The model with another chat template, or none.
pub fn with_template(kind: Kind, template: Option<&str>) -> Vec<u8> {
    let mut gguf = Gguf::new();
    gguf.entry("general.architecture", Value::Text("llama"));
    gguf.entry("general.type", Value::Text("model"));
    gguf.entry("general.name", Value::Text("tiny"));
    gguf.entry("llama.block_count", Value::U32(LAYERS));
    gguf.entry("llama.context_length", Value::U32(CONTEXT));
    gguf.entry("llama.embedding_length", Value::U32(WIDTH as u32));
    gguf.entry("llama.feed_forward_length", Value::U32(INNER as u32));
    gguf.entry("llama.attention.head_count", Value::U32(HEADS));
    gguf.entry("llama.attention.head_count_kv", Value::U32(KV_HEADS));
    gguf.entry("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
    gguf.entry("llama.rope.freq_base", Value::F32(10_000.0));
    gguf.entry("llama.rope.dimension_count", Value::U32(WIDTH as u32 / HEADS));
    gguf.entry("llama.vocab_size", Value::U32(VOCABULARY));
    gguf.entry("general.file_type", Value::U32(kind.file_type()));
    vocabulary::write(&mut gguf);
    if let Some(template) = template {
        gguf.entry("tokenizer.chat_template", Value::Text(template));
    }

    let mut random = Random(0x51_75_6f_74_68);
    let mut matrix = |gguf: &mut Gguf, name: &str, columns: u64, rows: u64, spread: f32| {
        let values: Vec<f32> = (0..columns * rows).map(|_| random.next() * spread).collect();
        gguf.tensor(name, &[columns, rows], kind.tensor_type(), kind.encode(&values));
    };
    let narrow = 1.0 / (WIDTH as f32).sqrt();
    matrix(&mut gguf, "token_embd.weight", WIDTH, VOCABULARY.into(), 1.0);
    for layer in 0..LAYERS {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        matrix(&mut gguf, &name("attn_q"), WIDTH, WIDTH, 2.0 * narrow);
        matrix(&mut gguf, &name("attn_k"), WIDTH, KV_WIDTH, 2.0 * narrow);
        matrix(&mut gguf, &name("attn_v"), WIDTH, KV_WIDTH, 2.0 * narrow);
        matrix(&mut gguf, &name("attn_output"), WIDTH, WIDTH, 2.0 * narrow);
        matrix(&mut gguf, &name("ffn_gate"), WIDTH, INNER, 2.0 * narrow);
        matrix(&mut gguf, &name("ffn_up"), WIDTH, INNER, 2.0 * narrow);
        matrix(&mut gguf, &name("ffn_down"), INNER, WIDTH, 2.0 * narrow);
    }
    matrix(&mut gguf, "output.weight", WIDTH, VOCABULARY.into(), 6.0 * narrow);
    let ones: Vec<u8> = std::iter::repeat_n(1.0f32.to_le_bytes(), WIDTH as usize).flatten().collect();
    for layer in 0..LAYERS {
        gguf.tensor(&format!("blk.{layer}.attn_norm.weight"), &[WIDTH], 0, ones.clone());
        gguf.tensor(&format!("blk.{layer}.ffn_norm.weight"), &[WIDTH], 0, ones.clone());
    }
    gguf.tensor("output_norm.weight", &[WIDTH], 0, ones);
    gguf.finish()
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
