//! What a request says, in any of the APIs.

use serde_json::Value;

/// The conversation, as far as the answer depends on it.
#[derive(Default)]
pub(crate) struct Prompt {
    /// The last message of the user.
    pub(crate) said: String,
    /// Images in it.
    pub(crate) images: usize,
    /// Whether it is the last message of all, rather than a tool's result.
    pub(crate) users_turn: bool,
    /// Words in all messages, which pass for tokens.
    pub(crate) words: usize,
}

impl Prompt {
    /// Reads `messages`, or `input`, where a string is one message of the user.
    pub(crate) fn new(messages: &Value) -> Self {
        let mut prompt = Self::default();
        match messages {
            Value::String(text) => prompt.hear("user", &Value::String(text.clone())),
            Value::Array(messages) => {
                for message in messages {
                    prompt.hear(message["role"].as_str().unwrap_or("tool"), &message["content"]);
                }
            }
            _ => {}
        }
        prompt
    }

    /// Words that are no message, such as a system prompt beside them.
    pub(crate) fn also(mut self, content: &Value) -> Self {
        self.words += words(&text(content));
        self
    }

    fn hear(&mut self, role: &str, content: &Value) {
        let text = text(content);
        self.words += words(&text);
        self.users_turn = role == "user" && count(content, &["tool_result"]) == 0;
        if self.users_turn {
            self.said = text;
            self.images = count(content, &["image_url", "input_image", "image"]);
        }
    }
}

fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

fn count(content: &Value, types: &[&str]) -> usize {
    let is_one = |part: &&Value| part["type"].as_str().is_some_and(|kind| types.contains(&kind));
    content.as_array().map_or(0, |parts| parts.iter().filter(is_one).count())
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}
