//! The provider's answers: they repeat the user's words in pieces, as text, as JSON or as a tool call.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::prompt::Prompt;
use crate::schema;

/// Length of a piece of JSON, characters.
const JSON_PIECE: usize = 8;

/// What a request asks for, independent of the API.
pub(crate) struct Question {
    pub(crate) prompt: Prompt,
    /// A tool to call, and the schema of its arguments.
    pub(crate) tool: Option<(String, Value)>,
    /// A schema that the answer must follow.
    pub(crate) schema: Option<Value>,
    /// Maximum number of pieces.
    pub(crate) limit: Option<usize>,
}

#[derive(Clone)]
pub(crate) struct Answer {
    /// The tool to call. Its arguments are the pieces.
    pub(crate) tool: Option<String>,
    /// Number of words in the question. They count as its tokens.
    pub(crate) asked: usize,
    /// Number of pieces. They count as the answer's tokens.
    pub(crate) count: usize,
    /// Whether the limit cut it short.
    pub(crate) cut: bool,
    round: Arc<[String]>,
}

impl Question {
    /// Makes the answer. An answer in words has `deltas` pieces; the words repeat until there are enough.
    pub(crate) fn answer(self, deltas: Option<usize>) -> Answer {
        let said = said(&self.prompt);
        let (tool, round, wanted) = match (self.tool, self.schema) {
            (Some((name, schema)), _) => (Some(name), json_pieces(&schema::instance(&schema, &said)), None),
            (None, Some(schema)) => (None, json_pieces(&schema::instance(&schema, &said)), None),
            (None, None) => (None, said.split_inclusive(char::is_whitespace).map(ToOwned::to_owned).collect(), deltas),
        };
        let round: Arc<[String]> = round.into();
        let wanted = wanted.unwrap_or(round.len());
        let count = self.limit.map_or(wanted, |limit| limit.min(wanted));
        Answer { tool, asked: self.prompt.words, count, cut: count < wanted, round }
    }
}

impl Answer {
    /// Returns the pieces, made on demand.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = String> + Send + 'static {
        let (round, count) = (self.round.clone(), self.count);
        (0..count).map(move |number| {
            let piece = &round[number % round.len()];
            let last_of_round = (number + 1) % round.len() == 0;
            if last_of_round && number + 1 < count { format!("{piece} ") } else { piece.clone() }
        })
    }

    pub(crate) fn text(&self) -> String {
        self.pieces().collect()
    }
}

/// Returns the tool to call, if there are tools: the chosen one, or the first.
pub(crate) fn tool(prompt: &Prompt, body: &Value) -> Option<(String, Value)> {
    let choice = &body["tool_choice"];
    if !prompt.users_turn || choice == "none" || choice["type"] == "none" {
        return None;
    }
    let chosen = choice.pointer("/function/name").or(choice.get("name"));
    let functions = body["tools"].as_array()?.iter().map(|tool| tool.get("function").unwrap_or(tool));
    let function = functions.into_iter().find(|function| chosen.is_none_or(|name| function["name"] == *name))?;
    let schema = function.get("parameters").or(function.get("input_schema")).cloned();
    Some((function["name"].as_str()?.to_owned(), schema.unwrap_or_default()))
}

/// Returns the schema of an answer if JSON is requested.
pub(crate) fn json_schema(format: &Value) -> Option<Value> {
    match format["type"].as_str()? {
        "json_schema" => format.pointer("/json_schema/schema").or(format.get("schema")).cloned(),
        "json_object" => Some(json!({"type": "object", "properties": {"answer": {"type": "string"}}})),
        _ => None,
    }
}

/// Returns the first of these fields that is a number.
pub(crate) fn limit(body: &Value, names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| body[name].as_u64()).map(|limit| usize::try_from(limit).unwrap())
}

fn said(prompt: &Prompt) -> String {
    match prompt.images {
        0 => format!("You said: {}", prompt.said),
        images => format!("You said, with {images} images: {}", prompt.said),
    }
}

fn json_pieces(value: &Value) -> Vec<String> {
    let characters: Vec<char> = value.to_string().chars().collect();
    characters.chunks(JSON_PIECE).map(|piece| piece.iter().collect()).collect()
}
