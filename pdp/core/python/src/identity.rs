//! `Identity`: who asks, for the host, which brings it the issuers' keys, and for tests.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use pdp_identity::{IdentityError, Peer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// `inner` is what the doors are given.
#[pyclass(frozen)]
pub struct Identity {
    pub inner: Arc<pdp_identity::Identity>,
}

#[pymethods]
impl Identity {
    #[staticmethod]
    fn from_json(declaration: &[u8]) -> PyResult<Self> {
        pdp_identity::Identity::from_json(declaration)
            .map(|inner| Self { inner: Arc::new(inner) })
            .map_err(refused)
    }

    fn keys_sources(&self) -> Vec<(String, String, u32)> {
        let sources = self.inner.keys_sources();
        sources.into_iter().map(|source| (source.issuer, source.keys, source.refresh_seconds)).collect()
    }

    fn set_keys(&self, issuer: &str, jwks: &[u8]) -> PyResult<usize> {
        self.inner.set_keys(issuer, jwks, now_ms()).map_err(refused)
    }

    fn take_refresh(&self) -> Vec<String> {
        self.inner.take_refresh(now_ms())
    }

    #[pyo3(signature = (headers, *, trusted, name = None, now_ms = None))]
    fn identify<'py>(
        &self,
        py: Python<'py>,
        headers: Vec<(String, Vec<u8>)>,
        trusted: bool,
        name: Option<&str>,
        now_ms: Option<i64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut map = http::HeaderMap::new();
        for (header, value) in headers {
            let header: http::HeaderName = header.parse().map_err(not_a_header)?;
            map.append(header, http::HeaderValue::from_bytes(&value).map_err(not_a_header)?);
        }
        let identified = self.inner.identify(&map, &Peer { trusted, name }, now_ms.unwrap_or_else(self::now_ms));
        let problem = identified
            .problem
            .map(|problem| serde_json::json!({"code": problem.code(), "message": problem.message()}));
        let shown = serde_json::json!({"subject": identified.subject, "problem": problem});
        Ok(PyBytes::new(py, shown.to_string().as_bytes()))
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn refused(error: IdentityError) -> PyErr {
    crate::errors::IdentityError::new_err(error.0)
}

fn not_a_header(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}
