//! GGUF in, tokens out.
//!
//! The engine owns the *meaning* of a request: how an OpenAI-style body becomes messages and a
//! sampler, how messages become a prompt, and how tokens are chosen, so that a replay later maps
//! it the same way. It knows nothing of HTTP, receipts or hardware.
//!
//! ```text
//! bytes -> json::parse -> request::Chat::from_json -> Engine::chat -> Generation { events }
//! model bytes -> ModelWriter::write.. -> finish -> SealedModel -> Model::load -> Engine::start
//! what a receipt commits to -> Recorded -> Replayer::replay -> Replay { verdict }
//! ```
//!
//! Everything that a caller, a host or a file gives is hostile: it is bounded by [`limits`] and refused with a typed
//! error, never a panic. Exceptions of llama.cpp become such errors, too.

#![deny(unsafe_code)]

pub mod arithmetic;
mod embed;
mod engine;
mod error;
mod generation;
mod identity;
pub mod json;
pub mod limits;
mod llama;
mod model;
mod options;
mod prepare;
mod replay;
pub mod request;
mod run;
mod sampling;
mod scheduler;
mod schema;
mod template;
mod tokenise;

pub use arithmetic::Arithmetic;
pub use engine::{Embeddings, Engine, ModelInfo};
pub use error::{EngineError, JsonError};
pub use generation::{Event, Finish, Generation, TokenInfo};
pub use identity::ENVIRONMENT;
pub use model::gguf;
pub use model::load::Model;
pub use model::sealed::{ModelWriter, SealedModel};
pub use options::EngineOptions;
pub use replay::{Recorded, Replay, ReplayOptions, Replayer, Verdict};
pub use request::RequestError;
pub use scheduler::CacheScope;
pub use schema::Format;
