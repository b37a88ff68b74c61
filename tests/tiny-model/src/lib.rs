//! Writes tiny, deterministic GGUF models for tests.
