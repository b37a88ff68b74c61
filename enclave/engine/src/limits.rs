//! Every limit of the engine. Each is tested at the limit and one past it.

use quoth_attestation::sampling;

/// Deepest nesting of arrays and objects in a JSON body.
pub const MAX_JSON_DEPTH: usize = 64;

/// Messages in one chat.
pub const MAX_MESSAGES: usize = 1024;
/// Text parts in one message.
pub const MAX_PARTS: usize = 256;
/// Bytes of text in one request: all messages, or the prompt, together.
pub const MAX_TEXT_BYTES: usize = 4 << 20;
/// Bytes of a model name in a request.
pub const MAX_MODEL_NAME: usize = 256;
/// Bytes of the `user` field.
pub const MAX_USER_BYTES: usize = 512;
/// Stop strings of one request.
pub const MAX_STOPS: usize = sampling::MAX_STOPS;
/// Bytes of one stop string.
pub const MAX_STOP_BYTES: usize = sampling::MAX_STOP;
/// Entries of `logit_bias`.
pub const MAX_LOGIT_BIAS: usize = sampling::MAX_LOGIT_BIAS;
/// Largest magnitude of one `logit_bias` value.
pub const MAX_BIAS: f64 = sampling::MAX_BIAS as f64;
/// Largest `top_logprobs` of a chat.
pub const MAX_TOP_LOGPROBS: u8 = 20;
/// Largest `logprobs` of a legacy completion.
pub const MAX_COMPLETION_LOGPROBS: u8 = 5;
/// Largest `temperature`.
pub const MAX_TEMPERATURE: f64 = sampling::MAX_TEMPERATURE as f64;
/// Largest magnitude of `presence_penalty` and `frequency_penalty`.
pub const MAX_PENALTY: f64 = sampling::MAX_PENALTY as f64;
/// Smallest `repeat_penalty`. As a binary32 it is the least that a record may have, which is a little less.
pub const MIN_REPEAT_PENALTY: f64 = 0.01;
/// Largest `repeat_penalty`.
pub const MAX_REPEAT_PENALTY: f64 = sampling::MAX_REPEAT_PENALTY as f64;
/// Largest `top_k`.
pub const MAX_TOP_K: u64 = 1 << 20;
/// Largest `max_tokens` that is parsed; the context bounds it further.
pub const MAX_MAX_TOKENS: u64 = 1 << 20;
/// Inputs of one embeddings request.
pub const MAX_EMBEDDING_INPUTS: usize = 256;

/// Tokens of one text to embed: it is computed in one piece.
pub const MAX_EMBEDDING_TOKENS: u32 = 512;
/// Texts that wait to be embedded; one more is refused with `Busy`.
pub const EMBEDDING_QUEUE: usize = 64;

/// Bytes of logits that a replay holds at a time.
pub const REPLAY_LOGITS: usize = 64 << 20;
/// Outputs that a replay computes together.
pub const REPLAY_PARALLEL: u32 = 8;

/// Bytes of a JSON schema, written compactly.
pub const MAX_SCHEMA_BYTES: usize = 64 << 10;
/// Deepest nesting of a JSON schema, in schemas.
pub const MAX_SCHEMA_DEPTH: usize = 32;
/// Properties of one object schema.
pub const MAX_SCHEMA_PROPERTIES: usize = 256;
/// Values of one `enum`, and alternatives of one `anyOf`.
pub const MAX_SCHEMA_ALTERNATIVES: usize = 256;
/// Largest `minItems`, `maxItems`, `minLength` and `maxLength`.
pub const MAX_SCHEMA_REPEAT: u64 = 512;
/// Rules of a grammar made from a schema.
pub const MAX_GRAMMAR_RULES: usize = 8192;
/// Bytes of a grammar made from a schema.
pub const MAX_GRAMMAR_BYTES: usize = 256 << 10;
/// Ways in which a schema lets one point of the output be read. More would let one request slow down all others.
pub const MAX_GRAMMAR_AMBIGUITY: u64 = 32;

/// Bytes of a rendered prompt.
pub const MAX_RENDERED_BYTES: usize = 8 << 20;
/// Instructions a chat template may run.
pub const TEMPLATE_FUEL: u64 = 2_000_000;
/// Nested calls of a chat template.
pub const TEMPLATE_RECURSION: usize = 64;
/// Bytes of a chat template.
pub const MAX_TEMPLATE_BYTES: usize = 256 << 10;

/// Smallest and largest GGUF file, bytes.
pub const MIN_MODEL_BYTES: u64 = 64;
/// Largest GGUF file, bytes.
pub const MAX_MODEL_BYTES: u64 = 1 << 40;
/// Metadata entries of a GGUF file.
pub const MAX_GGUF_ENTRIES: u64 = 4096;
/// Tensors of a GGUF file.
pub const MAX_GGUF_TENSORS: u64 = 65_536;
/// Bytes of a GGUF key or tensor name.
pub const MAX_GGUF_NAME: u64 = 1024;
/// Bytes of one GGUF string value.
pub const MAX_GGUF_STRING: u64 = 16 << 20;
/// Elements of one GGUF array value.
pub const MAX_GGUF_ARRAY: u64 = 16 << 20;
/// Bytes of a GGUF header: everything before the tensor data.
pub const MAX_GGUF_HEADER: u64 = 512 << 20;

/// Sequences that run at once.
pub const MAX_PARALLEL: u32 = 256;
/// Fewest tokens of one sequence's context.
pub const MIN_CONTEXT: u32 = 16;
/// Tokens of one sequence's context.
pub const MAX_CONTEXT: u32 = 1 << 20;
/// Tokens of one decode step.
pub const MAX_BATCH: u32 = 8192;
/// Threads of one decode step.
pub const MAX_THREADS: u32 = 512;
/// Requests that wait for a free sequence; one more is refused with `Busy`.
pub const QUEUE: usize = 256;
/// Tokens of the prompts that wait, together; one more is refused with `Busy`.
pub const QUEUE_TOKENS: usize = 4 << 20;
/// Events that wait for a slow reader; its sequence pauses when they fill up.
pub const EVENTS: usize = 64;
/// Layers of a model; llama.cpp has room for no more (`llama-hparams.h`, `LLAMA_MAX_LAYERS`).
pub const MAX_LAYERS: u64 = 512;
/// Width of a model's embeddings.
pub const MAX_WIDTH: u64 = 1 << 20;
/// Heads of attention.
pub const MAX_HEADS: u64 = 1 << 16;
/// Tokens of context that a model claims to be trained for.
pub const MAX_CONTEXT_TRAINED: u64 = 1 << 30;

/// Characters of one word, or of one run of white space, where llama.cpp recurses for every character.
pub const MAX_WORD: usize = 1 << 16;
/// Stack of a thread that tokenises, bytes: three times what llama.cpp needs for the longest word.
pub const TOKENISE_STACK: usize = (4 << 20) + MAX_WORD * 1024;
/// Sum of the squares of a prompt's runs, where llama.cpp takes that many steps: about a second's worth.
pub const MAX_SPLIT_WORK: u64 = 1 << 24;
/// Prompts that are prepared, that is rendered and tokenised, at once.
pub const PREPARING: usize = 2;
/// Prompts that wait to be prepared; one more is refused with `Busy`.
pub const PREPARE_QUEUE: usize = 256;
/// The part of that queue for one scope.
pub const PREPARE_QUEUE_CALLER: usize = 64;
