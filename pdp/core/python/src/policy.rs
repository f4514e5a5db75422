//! `Policy`: a loaded bundle.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pdp_core::bundle::{Bundle, Parts};
use pdp_core::error::LoadError;
use pdp_core::policy::PolicyEngine;
use pdp_core::policy::wasm::{Limits, WasmEngine};
use pdp_gateway::InForce;
use pdp_routes::{Found, Routes};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::json;

use crate::errors;

/// Kind, key, canonical document (None deletes).
type Line = (String, String, Option<Cow<'static, [u8]>>);

#[pyclass(frozen)]
pub struct Policy {
    pub bundle: Arc<Bundle>,
    routes: Option<Arc<Routes>>,
}

impl Policy {
    /// For the doors of gateways.
    pub fn routes(&self) -> Option<InForce> {
        let routes = Arc::clone(self.routes.as_ref()?);
        Some(InForce { routes, revision: Arc::clone(&self.bundle.revision) })
    }
}

#[pymethods]
impl Policy {
    #[new]
    #[pyo3(signature = (*, wasm, data, declaration, schemas, revision, routes = None, evaluation_limit_ms = 100,
        evaluation_memory_bytes = 67_108_864))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        wasm: &[u8],
        data: &[u8],
        declaration: &[u8],
        schemas: BTreeMap<String, Vec<u8>>,
        revision: &str,
        routes: Option<&[u8]>,
        evaluation_limit_ms: u64,
        evaluation_memory_bytes: usize,
    ) -> PyResult<Self> {
        let limits =
            Limits { time: Duration::from_millis(evaluation_limit_ms), memory_bytes: evaluation_memory_bytes };
        let engine = |entrypoint: &str| {
            WasmEngine::load(wasm, data, entrypoint, limits)
                .map(|engine| Box::new(engine) as Box<dyn PolicyEngine>)
        };
        let parts = Parts { declaration, schemas: &schemas, revision };
        let bundle = py.detach(|| Bundle::load(&parts, engine)).map_err(|error| errors::load(&error))?;
        let routes = routes.map(Routes::from_json).transpose();
        let routes = routes.map_err(|error| errors::load(&LoadError(format!("routes.yaml: {error}"))))?;
        Ok(Self { bundle: Arc::new(bundle), routes: routes.map(Arc::new) })
    }

    /// The names of all routes; None: the bundle has no routes.yaml.
    #[getter(routes)]
    fn route_names(&self) -> Option<Vec<&str>> {
        Some(self.routes.as_ref()?.names().collect())
    }

    fn find_route(&self, method: &str, target: &str, headers: Vec<(String, Vec<u8>)>) -> PyResult<String> {
        let refuse = |what: &str| PyValueError::new_err(format!("is no HTTP request: its {what} is none"));
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| refuse("method"))?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse("header name"))?;
            map.append(name, HeaderValue::from_bytes(&value).map_err(|_| refuse("header value"))?);
        }
        let found = self.routes.as_ref().map_or(Found::Unknown, |routes| routes.find(&method, target, &map));
        let document = match found {
            Found::Public { route } => json!({ "public": route }),
            Found::Unknown => json!("unknown"),
            Found::Refused(why) => json!({ "refused": why.text() }),
            Found::Protected(mapped) => json!({
                "route": mapped.route,
                "action": mapped.action,
                "resource": mapped.resource,
                "context": mapped.context,
            }),
        };
        Ok(document.to_string())
    }

    #[getter]
    fn revision(&self) -> &str {
        &self.bundle.revision
    }

    #[getter]
    fn kinds(&self) -> Vec<&str> {
        self.bundle.kinds.keys().map(String::as_str).collect()
    }

    #[getter]
    fn replicated_kinds(&self) -> Vec<&str> {
        self.bundle.kinds_that(|kind| kind.replicated).collect()
    }

    #[getter]
    fn barrier_kinds(&self) -> Vec<&str> {
        self.bundle.kinds_that(|kind| kind.barrier).collect()
    }

    #[getter]
    fn entrypoint(&self) -> &str {
        &self.bundle.entrypoint
    }

    fn canonical(&self, py: Python<'_>, kind: &str, key: &str, value: &[u8]) -> PyResult<Cow<'static, [u8]>> {
        self.bundle.canonical(kind, key, value).map(Cow::Owned).map_err(|error| errors::record(py, &error))
    }

    fn readable(&self, py: Python<'_>, kind: &str, value: &[u8]) -> PyResult<Cow<'static, [u8]>> {
        self.bundle.readable(kind, value).map(Cow::Owned).map_err(|error| errors::record(py, &error))
    }

    #[pyo3(signature = (lines, first_line = 1))]
    fn canonical_lines(&self, py: Python<'_>, lines: &[u8], first_line: usize) -> PyResult<Vec<Line>> {
        let imported = py
            .detach(|| self.bundle.canonical_lines(lines, first_line))
            .map_err(|error| errors::line(py, &error))?;
        Ok(imported.into_iter().map(|line| (line.kind, line.key, line.document.map(Cow::Owned))).collect())
    }
}
