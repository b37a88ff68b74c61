//! Tokenises text, within limits of time and stack.

mod queue;
mod words;

pub(crate) use self::queue::{Queue, Ticket};
use self::words::Costly;
pub(crate) use self::words::Words;
use crate::error::EngineError;
use crate::limits::{MAX_RENDERED_BYTES, MAX_SPLIT_WORK, MAX_WORD, TOKENISE_STACK};
use crate::llama::model;
use crate::model::load::Loaded;
use crate::request::{Code, RequestError};

/// A prompt as text and as tokens.
pub(crate) struct Prompt {
    pub(crate) text: Vec<u8>,
    pub(crate) tokens: Vec<u32>,
}

/// The limits of a prompt.
#[derive(Clone, Copy)]
pub(crate) struct Room<'a> {
    /// Tokens of prompt and output together.
    pub(crate) context: u32,
    /// The request's field that an error names.
    pub(crate) param: &'a str,
    /// The request's ticket. An abandoned request is cancelled between two spans.
    pub(crate) ticket: Option<&'a Ticket>,
}

impl<'a> Room<'a> {
    /// Limits without a ticket: the prompt's caller waits.
    pub(crate) fn new(context: u32, param: &'a str) -> Self {
        Self { context, param, ticket: None }
    }
}

/// Below this length no splitter can come near the end of an ordinary stack.
const SHORT_TEXT: usize = 512;

/// Tokenises spans one by one; only a span marked `true` may become control tokens.
pub(crate) fn tokenise(loaded: &Loaded, room: Room<'_>, spans: &[(&str, bool)]) -> Result<Prompt, EngineError> {
    let Room { context, param, .. } = room;
    let length: usize = spans.iter().map(|(text, _)| text.len()).sum();
    // Long texts are refused before they cost time.
    check_length(loaded, room, length)?;
    loaded.words.check(spans.iter().map(|(text, _)| *text)).map_err(|costly| too_costly(param, costly))?;
    let work = || spans.iter().map(|(text, markup)| span(loaded, room, text, *markup)).collect::<Result<Vec<_>, _>>();
    let spanned = if length <= SHORT_TEXT { work() } else { with_stack(work)? }?;
    let mut tokens: Vec<u32> = Vec::new();
    for (ids, (_, markup)) in spanned.iter().zip(spans) {
        // A model that only embeds maps unknown text to a control token.
        if loaded.generates && !markup && ids.iter().any(|id| loaded.vocab.is_control(*id)) {
            return Err(RequestError::value(param, "the text would become a control token").into());
        }
        tokens.extend(ids);
    }
    if let Some(bos) = loaded.vocab.bos
        && tokens.first() != Some(&bos)
    {
        tokens.insert(0, bos);
    }
    if tokens.is_empty() {
        return Err(RequestError::value(param, "the prompt is empty").into());
    }
    // One token of output, at least.
    if tokens.len() >= context as usize {
        return Err(too_long(param, context).into());
    }
    let text = spans.iter().flat_map(|(text, _)| text.bytes()).collect();
    Ok(Prompt { text, tokens })
}

/// Refuses texts that have `length` bytes together and cannot fit the context, without reading them.
pub(crate) fn check_length(loaded: &Loaded, room: Room<'_>, length: usize) -> Result<(), EngineError> {
    match length > MAX_RENDERED_BYTES || length / loaded.vocab.longest() > room.context as usize {
        true => Err(too_long(room.param, room.context).into()),
        false => Ok(()),
    }
}

fn span(loaded: &Loaded, room: Room<'_>, text: &str, markup: bool) -> Result<Vec<u32>, EngineError> {
    if room.ticket.is_some_and(Ticket::is_given_up) {
        return Err(EngineError::GivenUp);
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let refused =
        || EngineError::from(RequestError::value(room.param, "the model's vocabulary cannot spell this text"));
    let tokens = model::tokens(&loaded.model, text, markup).ok_or_else(refused)?;
    // Control tokens, which only markup has, spell nothing; a model that only embeds need not spell.
    match markup || !loaded.generates || loaded.vocab.spells(&tokens, text) {
        true => Ok(tokens),
        false => Err(refused()),
    }
}

fn with_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, EngineError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("tokenise".into()).stack_size(TOKENISE_STACK);
        let thread = thread.spawn_scoped(scope, work).map_err(|error| EngineError::io("spawn", &error))?;
        thread.join().map_err(|_| EngineError::Load { what: "tokenise this text" })
    })
}

fn too_long(param: &str, context: u32) -> RequestError {
    let message = format!("the prompt does not fit this model's context of {context} tokens");
    RequestError::new(Code::ContextLengthExceeded, param, message)
}

fn too_costly(param: &str, costly: Costly) -> RequestError {
    let message = match costly {
        Costly::Word => format!("a word or a run of white space has more than {MAX_WORD} characters"),
        Costly::Runs => format!(
            "this model cannot take runs of spaces or digits this long: one may have {} characters",
            MAX_SPLIT_WORK.isqrt()
        ),
    };
    RequestError::value(param, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use quoth_tiny_model::{Kind, Model as Tiny, Vocabulary};
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::arithmetic::Arithmetic;
    use crate::limits::MAX_CONTEXT;
    use crate::model::load::Model;
    use crate::model::sealed::ModelWriter;

    /// One splitter of every family that llama.cpp hands to regular expressions.
    const SPLITTERS: [&str; 14] = [
        "bailingmoe",
        "bloom",
        "chameleon",
        "deepseek-coder",
        "deepseek-llm",
        "deepseek-v3",
        "default",
        "exaone-moe",
        "falcon",
        "gpt-4o",
        "jais-2",
        "superbpe",
        "tekken",
        "youtu",
    ];

    fn load(splitter: &str) -> Model {
        load_with(Vocabulary::Pairs(splitter))
    }

    fn load_with(vocabulary: Vocabulary<'_>) -> Model {
        let bytes = Tiny::new(Kind::Q4_0).vocabulary(vocabulary).bytes();
        let mut writer = ModelWriter::new(bytes.len() as u64).unwrap();
        writer.write(&bytes).unwrap();
        Model::load(writer.finish(&Sha256::digest(&bytes).into()).unwrap(), Arithmetic::Plain).unwrap()
    }

    fn tokenised(model: &Model, text: &str) -> Result<Prompt, EngineError> {
        tokenise(&model.loaded, Room::new(MAX_CONTEXT, "prompt"), &[(text, false)])
    }

    #[test]
    fn the_longest_words_stay_within_the_stack() {
        const NAME: &str = "tokenise::tests::the_longest_words_stay_within_the_stack";
        // In a process of its own: what overflows a stack ends its process.
        if std::env::var("QUOTH_TEST_CHILD").as_deref() != Ok(NAME) {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            let output = child.args([NAME, "--exact"]).env("QUOTH_TEST_CHILD", NAME).output().unwrap();
            assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
            return;
        }
        for splitter in SPLITTERS {
            let model = load(splitter);
            for pattern in ["a", "A", "1", " ", "!", "\n", "日", "\u{300}", "'s", "a ", "!\n"] {
                let text = pattern.repeat(MAX_WORD / pattern.chars().count());
                match tokenised(&model, &text) {
                    Ok(prompt) => assert_eq!(prompt.text, text.as_bytes()),
                    // Runs that would take minutes.
                    Err(EngineError::Request(error)) => {
                        assert!(matches!(splitter, "deepseek-llm" | "superbpe"), "{error:?}")
                    }
                    Err(error) => panic!("{splitter}: {error:?}"),
                }
            }
        }
    }

    #[test]
    fn texts_keep_their_bytes() {
        let model = load("gpt-2");
        let every: String = (0..0x800).chain(0xFFF0..0x10010).filter_map(char::from_u32).collect();
        let tokens = tokenised(&model, &every).unwrap().tokens;
        let spelled: Vec<u8> = tokens.iter().flat_map(|id| model.loaded.vocab.piece(*id).to_vec()).collect();
        assert_eq!(spelled, every.as_bytes());
    }

    #[test]
    fn texts_that_a_vocabulary_cannot_spell_are_refused_one_by_one() {
        // The first would be dropped silently; for the second llama.cpp throws.
        for vocabulary in [Vocabulary::PairsWithout("gpt-2", 4), Vocabulary::Without(4)] {
            let model = load_with(vocabulary);
            match tokenised(&model, "a\u{4}b") {
                Err(EngineError::Request(error)) => assert_eq!(error.code, Code::InvalidValue),
                other => panic!("{vocabulary:?}: {:?}", other.map(|prompt| prompt.tokens)),
            }
            assert!(tokenised(&model, "a\u{5}b é日").is_ok());
        }
    }

    #[test]
    fn what_nobody_waits_for_is_given_up() {
        let (model, ticket) = (load("gpt-2"), Ticket::default());
        let room = Room { ticket: Some(&ticket), ..Room::new(MAX_CONTEXT, "prompt") };
        assert!(tokenise(&model.loaded, room, &[("a", false)]).is_ok());
        ticket.give_up();
        assert_eq!(tokenise(&model.loaded, room, &[("a", false)]).map(drop), Err(EngineError::GivenUp));
    }
}
