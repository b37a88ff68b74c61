//! Arithmetic profiles: what a model's logits depend on, by name (`SPEC.md` §7.2).
//!
//! Under `exact-1` they depend on the tokens before them and on nothing else: not on the number of threads, the other
//! sequences of a step, how a prompt is cut, what was cached, or whether tokens come one by one or together. So a
//! transcript can be replayed. A build for another instruction set rounds differently, so the instruction set's name is
//! part of the profile's.

mod aside;
mod context;
mod processor;
mod profile;
mod self_test;

pub(crate) use self::aside::aside;
pub(crate) use self::context::{Shape, context, parameters};
pub(crate) use self::processor::{check as check_processor, features as processor_features};
pub use self::profile::{Arithmetic, ISA};
pub(crate) use self::self_test::{print, self_test};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use quoth_tiny_model::{Kind, Model as Tiny, Shape};
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::error::EngineError;
    use crate::model::gguf::Header;
    use crate::model::load::Model;
    use crate::model::sealed::ModelWriter;
    use crate::{Engine, EngineOptions};

    fn load(kind: Kind, arithmetic: Arithmetic) -> Model {
        let bytes = Tiny::new(kind).shape(Shape::WIDE).bytes();
        let mut writer = ModelWriter::new(bytes.len() as u64).unwrap();
        writer.write(&bytes).unwrap();
        Model::load(writer.finish(&Sha256::digest(&bytes).into()).unwrap(), arithmetic).unwrap()
    }

    #[test]
    fn the_self_test_tells_exact_from_inexact() {
        for kind in Kind::ALL {
            assert_eq!(self_test(&load(kind, Arithmetic::Exact).loaded, 1), Ok(()), "{kind:?}");
        }
        // Repacked K-quants compute several rows differently from one.
        let repacked = load(Kind::Q4KM, Arithmetic::Plain);
        assert!(matches!(self_test(&repacked.loaded, 1), Err(EngineError::NotExact { .. })));
        // An engine without the promise serves it.
        let options = EngineOptions { context: 64, arithmetic: Arithmetic::Plain, ..EngineOptions::new("plain") };
        assert!(Engine::start(repacked, options).is_ok());
    }

    #[test]
    fn only_the_layouts_that_are_exact_are_used() {
        let repacks = |kinds: &[u32], arithmetic: Arithmetic| {
            arithmetic.repacks(&Header { repackable: kinds.iter().copied().collect(), ..Header::default() })
        };
        assert!(repacks(&[], Arithmetic::Exact) && repacks(&[2], Arithmetic::Exact));
        assert!(!repacks(&[12], Arithmetic::Exact) && !repacks(&[2, 20], Arithmetic::Exact));
        assert!(repacks(&[2, 12, 20], Arithmetic::Plain));
    }
}
