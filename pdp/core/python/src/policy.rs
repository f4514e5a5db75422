//! `Policy`: a loaded bundle.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pdp_core::bundle::{Bundle, Parts};
use pdp_core::policy::PolicyEngine;
use pdp_core::policy::wasm::{Limits, WasmEngine};
use pyo3::prelude::*;

use crate::errors;

/// Kind, key, canonical document (None deletes).
type Line = (String, String, Option<Cow<'static, [u8]>>);

#[pyclass(frozen)]
pub struct Policy(pub Arc<Bundle>);

#[pymethods]
impl Policy {
    #[new]
    #[pyo3(signature = (*, wasm, data, declaration, schemas, revision, evaluation_limit_ms = 100,
        evaluation_memory_bytes = 67_108_864))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        wasm: &[u8],
        data: &[u8],
        declaration: &[u8],
        schemas: BTreeMap<String, Vec<u8>>,
        revision: &str,
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
        Ok(Self(Arc::new(bundle)))
    }

    #[getter]
    fn revision(&self) -> &str {
        &self.0.revision
    }

    #[getter]
    fn kinds(&self) -> Vec<&str> {
        self.0.kinds.keys().map(String::as_str).collect()
    }

    #[getter]
    fn replicated_kinds(&self) -> Vec<&str> {
        self.0.kinds_that(|kind| kind.replicated).collect()
    }

    #[getter]
    fn barrier_kinds(&self) -> Vec<&str> {
        self.0.kinds_that(|kind| kind.barrier).collect()
    }

    #[getter]
    fn entrypoint(&self) -> &str {
        &self.0.entrypoint
    }

    fn canonical(&self, py: Python<'_>, kind: &str, key: &str, value: &[u8]) -> PyResult<Cow<'static, [u8]>> {
        self.0.canonical(kind, key, value).map(Cow::Owned).map_err(|error| errors::record(py, &error))
    }

    fn readable(&self, py: Python<'_>, kind: &str, value: &[u8]) -> PyResult<Cow<'static, [u8]>> {
        self.0.readable(kind, value).map(Cow::Owned).map_err(|error| errors::record(py, &error))
    }

    #[pyo3(signature = (lines, first_line = 1))]
    fn canonical_lines(&self, py: Python<'_>, lines: &[u8], first_line: usize) -> PyResult<Vec<Line>> {
        let imported =
            py.detach(|| self.0.canonical_lines(lines, first_line)).map_err(|error| errors::line(py, &error))?;
        Ok(imported.into_iter().map(|line| (line.kind, line.key, line.document.map(Cow::Owned))).collect())
    }
}
