//! llama.cpp behind a boundary that nothing crosses but values: no exception, no failed assertion.

mod guard;
pub(crate) mod model;
pub(crate) mod process;
