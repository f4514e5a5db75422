//! `Core` and `Snapshot`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pdp_core::decide::Settings;
use pdp_core::decision::Decision;
use pdp_core::error::InvalidRequest;
use pdp_core::metrics::{Reading, families};
use pdp_core::records::{Change, Position, Snapshot as CoreSnapshot};
use pdp_core::request::Request;
use pdp_core::timestamp::now_ms;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::PyBytes;

use crate::errors;
use crate::policy::Policy;

/// Name, type, help, label names, samples; as the stub says.
type Family = (&'static str, &'static str, &'static str, Vec<&'static str>, Vec<(Vec<String>, Py<PyAny>)>);

#[pyclass]
pub struct Snapshot(Option<CoreSnapshot>);

#[pymethods]
impl Snapshot {
    fn add(&mut self, records: Vec<(PyBackedStr, PyBackedStr, PyBackedBytes, u64)>) -> PyResult<()> {
        let snapshot =
            self.0.as_mut().ok_or_else(|| PyValueError::new_err("the snapshot was installed before"))?;
        for (kind, key, document, version) in &records {
            snapshot.add(kind, key, document, *version);
        }
        Ok(())
    }
}

#[pyclass(frozen)]
pub struct Core {
    pub core: Arc<pdp_core::decide::Core>,
    /// The policy object that decides now, to give back to Python.
    policy: Mutex<Option<Py<Policy>>>,
}

fn position(epoch: String, sequence: u64, chain: &[u8]) -> PyResult<Position> {
    let chain = chain.try_into().map_err(|_| PyValueError::new_err("chain must have 20 bytes"))?;
    Ok(Position { epoch, sequence, chain })
}

fn text(decision: &Decision) -> Vec<u8> {
    decision.to_json().to_string().into_bytes()
}

impl Core {
    fn read(&self, text: &[u8]) -> Result<Request, InvalidRequest> {
        let most = self.core.settings.max_request_bytes;
        if text.len() > most {
            return Err(InvalidRequest::new("", format!("has {} bytes; at most {most} are read", text.len())));
        }
        Request::from_json(text)
    }

    fn decide(&self, text: &[u8], clock_ms: i64) -> Result<Decision, InvalidRequest> {
        let decided = self.read(text).and_then(|request| self.core.decide(&request, clock_ms));
        if decided.is_err() {
            self.core.metrics.count_invalid();
        }
        decided
    }
}

#[pymethods]
impl Core {
    #[new]
    #[pyo3(signature = (*, cache_bytes = 67_108_864, clock_skew_ms = 10_000, freshness_wait_ms = 500,
        max_request_bytes = 65_536))]
    fn new(cache_bytes: u64, clock_skew_ms: u32, freshness_wait_ms: u64, max_request_bytes: usize) -> Self {
        let settings = Settings {
            cache_bytes,
            clock_skew_ms: clock_skew_ms.into(),
            freshness_wait: Duration::from_millis(freshness_wait_ms),
            max_request_bytes,
        };
        Self { core: Arc::new(pdp_core::decide::Core::new(settings)), policy: Mutex::new(None) }
    }

    fn set_policy(&self, policy: Py<Policy>) {
        self.core.set_bundle(Arc::clone(&policy.get().0));
        *self.policy.lock() = Some(policy);
    }

    #[getter]
    fn policy(&self, py: Python<'_>) -> Option<Py<Policy>> {
        self.policy.lock().as_ref().map(|policy| policy.clone_ref(py))
    }

    fn take_policy_error(&self) -> Option<String> {
        self.core.bundle().and_then(|bundle| bundle.take_policy_error())
    }

    #[staticmethod]
    fn snapshot() -> Snapshot {
        Snapshot(Some(CoreSnapshot::default()))
    }

    fn install(
        &self,
        py: Python<'_>,
        snapshot: &Bound<'_, Snapshot>,
        epoch: String,
        seq: u64,
        chain: &[u8],
    ) -> PyResult<()> {
        let position = position(epoch, seq, chain)?;
        let taken = snapshot.try_borrow_mut()?.0.take();
        let taken = taken.ok_or_else(|| PyValueError::new_err("the snapshot was installed before"))?;
        py.detach(|| self.core.records.install(taken, position));
        Ok(())
    }

    fn apply(
        &self,
        py: Python<'_>,
        changes: Vec<(PyBackedStr, PyBackedStr, Option<PyBackedBytes>, u64)>,
        epoch: String,
        seq: u64,
        chain: &[u8],
    ) -> PyResult<()> {
        let position = position(epoch, seq, chain)?;
        py.detach(|| {
            let changes: Vec<Change<'_>> = changes
                .iter()
                .map(|(kind, key, document, version)| Change {
                    kind,
                    key,
                    document: document.as_deref(),
                    version: *version,
                })
                .collect();
            self.core.records.apply(&changes, position);
        });
        Ok(())
    }

    fn confirm_fresh(&self) {
        self.core.records.confirm_fresh();
    }

    fn state_token(&self) -> String {
        self.core.records.token().map(|token| token.to_string()).unwrap_or_default()
    }

    fn ready(&self) -> bool {
        self.core.ready()
    }

    #[pyo3(signature = (request, at_ms = None))]
    fn check(&self, py: Python<'_>, request: &[u8], at_ms: Option<i64>) -> PyResult<Cow<'static, [u8]>> {
        let decided =
            py.detach(|| self.decide(request, at_ms.unwrap_or_else(now_ms)).map(|decision| text(&decision)));
        decided.map(Cow::Owned).map_err(|error| errors::request(py, &error))
    }

    #[pyo3(signature = (requests, at_ms = None))]
    fn check_batch(&self, py: Python<'_>, requests: Vec<PyBackedBytes>, at_ms: Option<i64>) -> Vec<Py<PyAny>> {
        let decided: Vec<_> = py.detach(|| {
            let clock_ms = at_ms.unwrap_or_else(now_ms);
            requests.iter().map(|request| self.decide(request, clock_ms).map(|decision| text(&decision))).collect()
        });
        let answers = decided.into_iter().map(|answer| match answer {
            Ok(text) => PyBytes::new(py, &text).into_any().unbind(),
            Err(error) => errors::request(py, &error).into_value(py).into_any(),
        });
        answers.collect()
    }

    #[pyo3(signature = (request, at_ms = None))]
    fn policy_input(&self, py: Python<'_>, request: &[u8], at_ms: Option<i64>) -> PyResult<Cow<'static, [u8]>> {
        let clock_ms = at_ms.unwrap_or_else(now_ms);
        let input = self.read(request).and_then(|request| self.core.policy_input(&request, clock_ms));
        match input.map_err(|error| errors::request(py, &error))? {
            Some(input) => Ok(Cow::Owned(input)),
            None => Err(PyValueError::new_err("no policy or no state is loaded")),
        }
    }

    #[pyo3(signature = (request, result, at_ms = None))]
    fn finish(
        &self,
        py: Python<'_>,
        request: &[u8],
        result: Option<&[u8]>,
        at_ms: Option<i64>,
    ) -> PyResult<Cow<'static, [u8]>> {
        let clock_ms = at_ms.unwrap_or_else(now_ms);
        let decided = self.read(request).and_then(|request| self.core.finish(&request, result, clock_ms));
        decided.map(|decision| Cow::Owned(text(&decision))).map_err(|error| errors::request(py, &error))
    }

    fn metrics(&self, py: Python<'_>) -> PyResult<Vec<Family>> {
        families(&self.core)
            .into_iter()
            .map(|family| {
                let samples = family
                    .samples
                    .into_iter()
                    .map(|(labels, reading)| {
                        let reading = match reading {
                            Reading::Value(value) => value.into_pyobject(py)?.into_any().unbind(),
                            Reading::Histogram { buckets, sum } => {
                                (buckets, sum).into_pyobject(py)?.into_any().unbind()
                            }
                        };
                        Ok((labels, reading))
                    })
                    .collect::<PyResult<Vec<_>>>()?;
                Ok((family.name, family.kind, family.help, family.labels.to_vec(), samples))
            })
            .collect()
    }
}
