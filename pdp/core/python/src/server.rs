//! `Server`: the sockets that gateways call.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pdp_authzen::{BaseUrl, Options};
use pdp_core::server::doors::{Doors, HttpDoor};
use pdp_core::server::message_bytes;
use pdp_core::server::tls::{self, ServerConfig};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::core::Core;
use crate::gateway::Gateway;

fn authzen_door(
    core: &Arc<pdp_core::decide::Core>,
    address: &str,
    options: Options,
    tls: Option<Arc<ServerConfig>>,
) -> HttpDoor {
    let core = Arc::clone(core);
    HttpDoor {
        setting: "authzen",
        address: address.to_owned(),
        tls,
        router: Box::new(move || pdp_authzen::router(Arc::clone(&core), options.clone())),
    }
}

#[pyclass(frozen)]
pub struct Server(Mutex<pdp_core::server::Server>);

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (core, *, grpc, http, threads = 0, gateway = None, forward_auth = "",
        authzen = "", authzen_url = "", authzen_ignores_time = false, tls = None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        core: &Core,
        grpc: &str,
        http: &str,
        threads: usize,
        gateway: Option<&Gateway>,
        forward_auth: &str,
        authzen: &str,
        authzen_url: &str,
        authzen_ignores_time: bool,
        tls: Option<(String, String, String)>,
    ) -> PyResult<Self> {
        let refuse = |error: &dyn std::fmt::Display| PyOSError::new_err(error.to_string());
        let tls = tls.map(|(certificate, key, client_ca)| {
            let client_ca = Some(client_ca).filter(|path| !path.is_empty());
            tls::server_config(certificate.as_ref(), key.as_ref(), client_ca.as_ref().map(AsRef::as_ref))
        });
        let tls = tls.transpose().map_err(|error| refuse(&error))?;
        let mut doors = Doors::default();
        if let Some(Gateway(gateway)) = gateway {
            let envoy = Arc::clone(gateway);
            doors.grpc.push(Box::new(move |services| pdp_ext_authz::add_to(services, Arc::clone(&envoy))));
            if !forward_auth.is_empty() {
                let gateway = Arc::clone(gateway);
                doors.http.push(HttpDoor {
                    setting: "forward_auth",
                    address: forward_auth.to_owned(),
                    tls: tls.clone(),
                    router: Box::new(move || pdp_forward_auth::router(Arc::clone(&gateway))),
                });
            }
        }
        if !authzen.is_empty() {
            let base_url = Some(authzen_url).filter(|url| !url.is_empty()).map(BaseUrl::parse).transpose();
            let options = Options {
                base_url: base_url.map_err(|error| refuse(&error))?,
                ignores_time: authzen_ignores_time,
                max_body_bytes: message_bytes(&core.core.settings),
            };
            doors.http.push(authzen_door(&core.core, authzen, options, tls));
        }
        pdp_core::server::Server::bind(Arc::clone(&core.core), grpc, http, doors, threads)
            .map(|server| Self(Mutex::new(server)))
            .map_err(|error| refuse(&error))
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
