//! The verifier for people.
