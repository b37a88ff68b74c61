//! The trusted program.
