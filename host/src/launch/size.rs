//! The size of a machine: memory and processors.

use crate::configuration::{Configuration, MEMORY_BYTES};

/// Memory that an enclave needs besides image and models, with the default memory budget, MiB.
const OWN: u64 = 512;
/// Memory per byte of image. It is unpacked in memory, and the packed image stays there, too (AWS, nitro-cli run-enclave).
const IMAGE: u64 = 4;
/// Memory per byte of model: its weights, a copy laid out for computing, and its chats.
const MODEL: u64 = 2;
const MIB: u64 = 1 << 20;

/// The size of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Amount of memory, MiB.
    pub(super) memory: u64,
    /// Number of processors.
    pub(super) processors: u32,
}

impl Size {
    /// Returns the given size. Values that are not given follow from the image's bytes, its models and their threads.
    pub(super) fn of(image: u64, configuration: &Configuration, memory: Option<u64>, processors: Option<u32>) -> Self {
        let models: u64 = configuration.models.iter().map(|model| model.size).fold(0, u64::saturating_add);
        let budget = configuration.memory_bytes.saturating_sub(MEMORY_BYTES).div_ceil(MIB);
        let enough = OWN + budget + image.div_ceil(MIB) * IMAGE + (models / MIB + 1).saturating_mul(MODEL);
        // Nitro assigns whole cores, which have two threads (nitro-cli run-enclave, --cpu-count).
        let threads = configuration.threads.max(2).next_multiple_of(2);
        Self { memory: memory.unwrap_or(enough), processors: processors.unwrap_or(threads) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::ModelState;

    #[test]
    fn a_machine_is_as_large_as_what_it_runs() {
        let model = |size| ModelState { name: "m".into(), sha256: String::new(), size, path: "m".into() };
        let mut configuration = Configuration {
            bytes: vec![],
            platform: "nitro".into(),
            host: 3,
            threads: 1,
            models: vec![],
            upstreams: vec![],
            memory_bytes: MEMORY_BYTES,
        };
        let of = |configuration: &Configuration| Size::of(20 * MIB, configuration, None, None);
        assert_eq!(of(&configuration), Size { memory: 512 + 80 + 2, processors: 2 });
        configuration.memory_bytes = MEMORY_BYTES + 100 * MIB + 1;
        assert_eq!(of(&configuration), Size { memory: 512 + 101 + 80 + 2, processors: 2 });
        configuration.memory_bytes = 1;
        (configuration.models, configuration.threads) = (vec![model(1 << 30), model(1 << 20)], 7);
        assert_eq!(of(&configuration), Size { memory: 512 + 80 + 2 * 1026, processors: 8 });
        assert_eq!(Size::of(20 * MIB, &configuration, Some(9), Some(4)), Size { memory: 9, processors: 4 });
    }
}
