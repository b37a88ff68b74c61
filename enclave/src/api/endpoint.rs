//! The paths that answer with receipts.

use crate::config::Api;

/// Paths that answer with receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// OpenAI's chats.
    Chat,
    /// OpenAI's legacy completions.
    Completions,
    /// OpenAI's embeddings.
    Embeddings,
    /// OpenAI's responses; only providers answer them.
    Responses,
    /// Anthropic's messages; only providers answer them.
    Messages,
}

impl Endpoint {
    pub(super) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/v1/chat/completions" => Self::Chat,
            "/v1/completions" => Self::Completions,
            "/v1/embeddings" => Self::Embeddings,
            "/v1/responses" => Self::Responses,
            "/v1/messages" => Self::Messages,
            _ => return None,
        })
    }

    /// The API that it belongs to. Errors have that API's shape.
    pub(super) fn api(self) -> Api {
        match self {
            Self::Messages => Api::Anthropic,
            _ => Api::Openai,
        }
    }
}
