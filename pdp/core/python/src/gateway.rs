//! `Gateway`: what the doors for gateways share.

use std::sync::Arc;

use pdp_gateway::TrustedPeers;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::core::Core;
use crate::identity::Identity;

#[pyclass(frozen)]
pub struct Gateway(pub Arc<pdp_gateway::Gateway>);

#[pymethods]
impl Gateway {
    #[new]
    #[pyo3(signature = (core, *, identity = None, trusted_peers = "127.0.0.0/8, ::1"))]
    fn new(core: &Core, identity: Option<&Identity>, trusted_peers: &str) -> PyResult<Self> {
        let trusted = TrustedPeers::parse(trusted_peers)
            .map_err(|error| PyValueError::new_err(format!("trusted_peers: {error}")))?;
        let gateway = pdp_gateway::Gateway {
            core: Arc::clone(&core.core),
            routes: Arc::clone(&core.routes),
            identity: identity.map(|identity| Arc::clone(&identity.inner)),
            trusted,
        };
        Ok(Self(Arc::new(gateway)))
    }
}
