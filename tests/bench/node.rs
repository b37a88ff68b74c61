//! Starts nodes.

use quoth_tests::{Node, Options};

/// A node of real processes, ready to answer.
pub(crate) fn start(options: Options) -> Node {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(Node::with(options))
}
