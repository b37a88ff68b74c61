//! Starts nodes.

use quoth_tests::{Node, Options};

/// Starts a node of real processes and waits until it answers.
pub(crate) fn start(options: Options) -> Node {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(Node::with(options))
}
