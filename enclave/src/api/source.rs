//! Who makes an answer's pieces: a model of this node's own, or a provider.

use super::generate::LocalStream;
use super::upstream::UpstreamStream;
use crate::exchange::{Piece, Pieces};

/// What makes an event stream.
pub(super) enum Source {
    Local(LocalStream),
    Upstream(Box<UpstreamStream>),
}

impl Pieces for Source {
    async fn next(&mut self) -> Piece {
        match self {
            Self::Local(local) => local.next().await,
            Self::Upstream(upstream) => upstream.next().await,
        }
    }
}
