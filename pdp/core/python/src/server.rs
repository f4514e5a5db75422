//! `Server`: the sockets that gateways call.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pdp_core::server::doors::Doors;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::core::Core;

#[pyclass(frozen)]
pub struct Server(Mutex<pdp_core::server::Server>);

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (core, *, grpc, http, threads = 0))]
    fn new(core: &Core, grpc: &str, http: &str, threads: usize) -> PyResult<Self> {
        pdp_core::server::Server::bind(Arc::clone(&core.core), grpc, http, Doors::default(), threads)
            .map(|server| Self(Mutex::new(server)))
            .map_err(|error| PyOSError::new_err(error.to_string()))
    }

    #[getter]
    fn grpc_address(&self) -> String {
        self.0.lock().grpc_address().to_string()
    }

    #[getter]
    fn http_address(&self) -> String {
        self.0.lock().http_address().to_string()
    }

    /// (Setting, address as bound) of each door over HTTP.
    #[getter]
    fn door_addresses(&self) -> Vec<(&'static str, String)> {
        self.0.lock().door_addresses().map(|(setting, address)| (setting, address.to_string())).collect()
    }

    fn start(&self) -> PyResult<()> {
        self.0.lock().start().map_err(|error| PyOSError::new_err(error.to_string()))
    }

    fn stop(&self, py: Python<'_>, grace_seconds: f64) -> PyResult<bool> {
        let grace = Duration::try_from_secs_f64(grace_seconds)
            .map_err(|error| PyValueError::new_err(format!("grace_seconds: {error}")))?;
        Ok(py.detach(|| self.0.lock().stop(grace)))
    }
}
