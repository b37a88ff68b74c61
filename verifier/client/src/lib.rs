//! A connector that verifies a node before the first prompt byte.
