//! Renders chat templates: Jinja within limits, with contents that can never become control tokens.
//!
//! Every message content is replaced by a random placeholder before the template runs. The
//! result is cut at the placeholders: what lies between is the template's own text, whose
//! control tokens count; each content is put back as plain text. A template that loses, repeats
//! or alters a placeholder is an error, so nothing a caller said is dropped silently. It follows
//! that a template cannot look into contents: trimming leaves them as they are, and a test such
//! as `'x' in content` is false. Empty contents stay empty.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, Value, context};

use crate::error::EngineError;
use crate::limits::{MAX_RENDERED_BYTES, MAX_TEMPLATE_BYTES, TEMPLATE_FUEL, TEMPLATE_RECURSION};
use crate::request::{Code, Message, RequestError, Role};

/// A parsed chat template.
pub(crate) struct Template {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

/// A piece of a rendered prompt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The template's own text, in which control tokens count.
    Markup(String),
    /// A message's content, by index; always plain text.
    Content(usize),
}

const NAME: &str = "chat";

impl Template {
    /// Parses `source` and tries it.
    ///
    /// # Errors
    /// [`EngineError::Template`] when it is too long, does not parse, or shows neither one message of a user nor one after a
    /// system's.
    pub(crate) fn parse(source: &str, bos: String, eos: String) -> Result<Self, EngineError> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(EngineError::Template { line: 0, why: format!("longer than {MAX_TEMPLATE_BYTES} bytes") });
        }
        // Jinja's own filters, tests and functions; no loader, so no includes.
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_debug(false);
        environment.set_fuel(Some(TEMPLATE_FUEL));
        environment.set_recursion_limit(TEMPLATE_RECURSION);
        // As Hugging Face's templates are written.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| unusable(&error))?);
        environment.set_unknown_method_callback(|_, value, method, arguments| python_method(value, method, arguments));
        environment.add_function("raise_exception", |_: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, "refused by the template"))
        });
        environment.add_template_owned(NAME, without_generation(source)).map_err(|error| unusable(&error))?;
        let template = Self { environment, bos, eos };
        template.probe()?;
        Ok(template)
    }

    /// Renders the chats that every caller may begin with; one of them has to work.
    fn probe(&self) -> Result<(), EngineError> {
        let say = |role| Message { role, content: "Hello".into() };
        let try_out = |messages: &[Message]| {
            let key = random_key().ok_or(EngineError::System { call: "getrandom", errno: 0 })?;
            let text = self.write(&key, messages).map_err(|error| unusable(&error))?;
            let lost = |_| EngineError::Template { line: 0, why: "it does not show every message exactly once".into() };
            split(&text, &mark(&key), messages).map(drop).map_err(lost)
        };
        try_out(&[say(Role::User)]).or_else(|error| try_out(&[say(Role::System), say(Role::User)]).map_err(|_| error))
    }

    /// Renders `messages` and asks for an answer.
    ///
    /// # Errors
    /// [`Code::ChatTemplate`] when the template fails, runs too long, writes too much, or does
    /// not show every content exactly once.
    pub(crate) fn render(&self, messages: &[Message]) -> Result<Vec<Piece>, RequestError> {
        let key = random_key().ok_or_else(|| refused("no randomness for this request"))?;
        let text =
            self.write(&key, messages).map_err(|_| refused("the model's chat template refuses these messages"))?;
        split(&text, &mark(&key), messages)
    }

    /// Renders with placeholders for contents.
    fn write(&self, key: &str, messages: &[Message]) -> Result<String, minijinja::Error> {
        let placeholder = |index: usize| format!("{}{index}e", mark(key));
        let shown: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(index, message)| {
                let content = if message.content.is_empty() { String::new() } else { placeholder(index) };
                context! { role => message.role.as_str(), content => content }
            })
            .collect();
        let mut out = Bounded { text: Vec::new() };
        let context = context! {
            messages => shown,
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
        };
        self.environment.get_template(NAME)?.render_captured_to(context, &mut out)?;
        let broken = |_| minijinja::Error::new(ErrorKind::WriteFailure, "not UTF-8");
        String::from_utf8(out.text).map_err(broken)
    }
}

/// What placeholders begin with.
fn mark(key: &str) -> String {
    format!("quoth{key}n")
}

/// Writes `{% generation %}` blocks, with which training marks a model's own words, as blocks that are always shown.
fn without_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{%") {
        out.push_str(before);
        out.push_str("{%");
        let Some((inside, after)) = tag.split_once("%}") else {
            rest = tag;
            continue;
        };
        let signs: &[char] = &['-', '+'];
        match inside.trim_matches(signs).trim() {
            "generation" => out.push_str(&inside.replacen("generation", "if true", 1)),
            "endgeneration" => out.push_str(&inside.replacen("endgeneration", "endif", 1)),
            _ => out.push_str(inside),
        }
        out.push_str("%}");
        rest = after;
    }
    out + rest
}

fn unusable(error: &minijinja::Error) -> EngineError {
    let text = error.to_string();
    let why = text.chars().take(256).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
    EngineError::Template { line: error.line().unwrap_or(0), why }
}

/// Cuts `text` at the placeholders, each of which must appear exactly once.
fn split(text: &str, mark: &str, messages: &[Message]) -> Result<Vec<Piece>, RequestError> {
    let lost = || refused("the model's chat template does not show every message exactly once");
    let mut seen = vec![false; messages.len()];
    let mut pieces = Vec::new();
    let mut parts = text.split(mark);
    if let Some(first) = parts.next().filter(|first| !first.is_empty()) {
        pieces.push(Piece::Markup(first.to_owned()));
    }
    for part in parts {
        let (index, rest) = part.split_once('e').ok_or_else(lost)?;
        let index: usize = index.parse().map_err(|_| lost())?;
        match seen.get_mut(index) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(lost()),
        }
        pieces.push(Piece::Content(index));
        if !rest.is_empty() {
            pieces.push(Piece::Markup(rest.to_owned()));
        }
    }
    let all = seen.iter().zip(messages).all(|(seen, message)| *seen || message.content.is_empty());
    if all { Ok(pieces) } else { Err(lost()) }
}

/// The string and mapping methods of Python that chat templates use.
fn python_method(value: &Value, method: &str, arguments: &[Value]) -> Result<Value, minijinja::Error> {
    let unknown = || minijinja::Error::from(ErrorKind::UnknownMethod);
    let argument = |index: usize| arguments.get(index).and_then(Value::as_str);
    if let Some(text) = value.as_str() {
        let strip: &[char] = &argument(0).map(|set| set.chars().collect::<Vec<_>>()).unwrap_or_default();
        let cut = |c: char| if arguments.is_empty() { c.is_whitespace() } else { strip.contains(&c) };
        return Ok(match (method, argument(0), argument(1)) {
            ("strip", _, _) => text.trim_matches(cut).into(),
            ("lstrip", _, _) => text.trim_start_matches(cut).into(),
            ("rstrip", _, _) => text.trim_end_matches(cut).into(),
            ("upper", _, _) => text.to_uppercase().into(),
            ("lower", _, _) => text.to_lowercase().into(),
            ("title" | "capitalize", _, _) => {
                let mut chars = text.chars();
                let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
                (first + &chars.as_str().to_lowercase()).into()
            }
            ("startswith", Some(start), _) => text.starts_with(start).into(),
            ("endswith", Some(end), _) => text.ends_with(end).into(),
            ("replace", Some(from), Some(to)) if !from.is_empty() => {
                let growth = text.matches(from).count().saturating_mul(to.len());
                if text.len().saturating_add(growth) > MAX_RENDERED_BYTES {
                    return Err(minijinja::Error::from(ErrorKind::OutOfFuel));
                }
                text.replace(from, to).into()
            }
            ("split", Some(separator), _) if !separator.is_empty() => {
                text.split(separator).map(Value::from).collect::<Vec<_>>().into()
            }
            ("split", None, _) if arguments.is_empty() => {
                text.split_whitespace().map(Value::from).collect::<Vec<_>>().into()
            }
            _ => return Err(unknown()),
        });
    }
    match (method, arguments) {
        ("get", [key]) => value.get_item(key).map(|found| if found.is_undefined() { Value::from(()) } else { found }),
        ("get", [key, default]) => {
            value.get_item(key).map(|found| if found.is_undefined() { default.clone() } else { found })
        }
        ("keys", []) => Ok(value.try_iter()?.collect::<Vec<_>>().into()),
        ("items", []) => {
            let pairs = value.try_iter()?.map(|key| {
                let item = value.get_item(&key).unwrap_or_default();
                Value::from(vec![key, item])
            });
            Ok(pairs.collect::<Vec<_>>().into())
        }
        _ => Err(unknown()),
    }
}

/// 128 random bits in letters that no template method alters by trimming.
fn random_key() -> Option<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| char::from(b'p' - nibble)).collect())
}

fn refused(message: &str) -> RequestError {
    RequestError::new(Code::ChatTemplate, "messages", message)
}

struct Bounded {
    text: Vec<u8>,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > MAX_RENDERED_BYTES - self.text.len() {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
