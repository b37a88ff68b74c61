//! The prompt of a request, in any of the APIs.

use serde_json::Value;

/// The parts of a conversation that the answer depends on.
#[derive(Default)]
pub(crate) struct Prompt {
    /// The last message of the user.
    pub(crate) said: String,
    /// Number of images in that message.
    pub(crate) images: usize,
    /// Whether that message is the last one, rather than a tool's result.
    pub(crate) users_turn: bool,
    /// Number of words in all messages. They count as tokens.
    pub(crate) words: usize,
}

impl Prompt {
    /// Reads `messages` or `input`. A string is one message of the user.
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

    /// Adds words outside of the messages, such as a system prompt.
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
