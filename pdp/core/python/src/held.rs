//! `Held`: a decision between its evaluation and its last check, for simulations.

use std::sync::Arc;

use parking_lot::Mutex;
use pdp_core::decide;
use pyo3::prelude::*;

#[pyclass(frozen)]
pub struct Held {
    pub core: Arc<decide::Core>,
    /// None: released, or there was no state to decide on.
    pub held: Mutex<Option<decide::Held>>,
}

#[pymethods]
impl Held {
    #[getter]
    fn allow(&self) -> bool {
        self.held.lock().as_ref().is_some_and(decide::Held::allow)
    }

    fn in_time(&self) -> bool {
        self.held.lock().as_ref().is_some_and(|held| self.core.in_time(held))
    }

    fn release(&self) {
        self.held.lock().take();
    }
}
