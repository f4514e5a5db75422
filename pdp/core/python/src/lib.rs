//! `pdp._core`: the core for Python. Converts and nothing else; see `pdp/_core.pyi` for the contract.

mod core;
mod errors;
mod gateway;
mod held;
mod identity;
mod policy;
mod server;
mod snapshot;

use pyo3::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    errors::register(module)?;
    module.add_class::<policy::Policy>()?;
    module.add_class::<snapshot::Snapshot>()?;
    module.add_class::<core::Core>()?;
    module.add_class::<held::Held>()?;
    module.add_class::<identity::Identity>()?;
    module.add_class::<gateway::Gateway>()?;
    module.add_class::<server::Server>()
}
