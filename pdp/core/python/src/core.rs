//! `Core`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pdp_core::clock::Clock;
use pdp_core::decide::Settings;
use pdp_core::decision::Decision;
use pdp_core::error::InvalidRequest;
use pdp_core::metrics::{Reading, families};
use pdp_core::records::{NEVER_NS, Position};
use pdp_core::request::Request;
use pdp_core::timestamp::now_ms;
use pdp_gateway::RoutesInForce;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::errors;
use crate::held::Held;
use crate::policy::Policy;
use crate::snapshot::{RawChange, RawWrite, Refused, Snapshot, checked, unpacked};

/// Name, type, help, label names, samples; as the stub says.
type Family = (&'static str, &'static str, &'static str, Vec<&'static str>, Vec<(Vec<String>, Py<PyAny>)>);

#[pyclass(frozen)]
pub struct Core {
    pub core: Arc<pdp_core::decide::Core>,
    /// Of the policy that decides now, for the doors of gateways.
    pub routes: RoutesInForce,
    /// The policy object that decides now, to give back to Python.
    policy: Mutex<Option<Py<Policy>>>,
}

fn position(sequence: u64, chain: &[u8]) -> PyResult<Position> {
    let chain = chain.try_into().map_err(|_| PyValueError::new_err("chain must have 20 bytes"))?;
    Ok(Position { sequence, chain })
}

fn text(decision: &Decision) -> Vec<u8> {
    decision.to_json().to_string().into_bytes()
}

impl Core {
    fn shard(&self, shard: usize) -> PyResult<usize> {
        let shards = self.core.records.shards();
        let known = (shard < shards).then_some(shard);
        known.ok_or_else(|| PyValueError::new_err(format!("there is no shard {shard}: shards has {shards}")))
    }

    fn read(&self, text: &[u8]) -> Result<Request, InvalidRequest> {
        let most = self.core.settings.max_request_bytes;
        if text.len() > most {
            return Err(InvalidRequest::too_long(text.len(), most));
        }
        Request::from_json(text)
    }

    fn decide(&self, text: &[u8], clock_ms: i64) -> Result<Decision, InvalidRequest> {
        self.counted(self.read(text).and_then(|request| self.core.decide(&request, clock_ms)))
    }

    fn counted(&self, decided: Result<Decision, InvalidRequest>) -> Result<Decision, InvalidRequest> {
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
        max_request_bytes = 65_536, shards = 1, on_demand_bytes = 0, manual_clock = false))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        cache_bytes: u64,
        clock_skew_ms: u32,
        freshness_wait_ms: u64,
        max_request_bytes: usize,
        shards: usize,
        on_demand_bytes: u64,
        manual_clock: bool,
    ) -> PyResult<Self> {
        if shards == 0 {
            return Err(PyValueError::new_err("shards must be at least 1"));
        }
        let settings = Settings {
            cache_bytes,
            clock_skew_ms: clock_skew_ms.into(),
            freshness_wait: Duration::from_millis(freshness_wait_ms),
            max_request_bytes,
            shards,
            on_demand_bytes,
        };
        let clock = if manual_clock { Clock::manual() } else { Clock::Boottime };
        Ok(Self {
            core: Arc::new(pdp_core::decide::Core::new(settings, clock)),
            routes: RoutesInForce::default(),
            policy: Mutex::new(None),
        })
    }

    fn set_policy(&self, policy: Py<Policy>) {
        let loaded = policy.get();
        // A door that reads old routes and decides by the new policy notices: the revisions differ.
        *self.routes.write() = loaded.routes();
        self.core.set_bundle(Arc::clone(&loaded.bundle));
        *self.policy.lock() = Some(policy);
    }

    #[getter]
    fn policy(&self, py: Python<'_>) -> Option<Py<Policy>> {
        self.policy.lock().as_ref().map(|policy| policy.clone_ref(py))
    }

    fn take_policy_error(&self) -> Option<String> {
        self.core.records.bundle().and_then(|bundle| bundle.take_policy_error())
    }

    fn clock_ns(&self) -> i64 {
        self.core.records.clock.now_ns()
    }

    fn set_clock_ns(&self, now: i64) -> PyResult<()> {
        let set = self.core.records.clock.set_ns(now);
        set.then_some(()).ok_or_else(|| PyValueError::new_err("this core has the machine's clock"))
    }

    fn snapshot(&self) -> Snapshot {
        let records = &self.core.records;
        Snapshot::new(records.snapshot(), records.bundle())
    }

    #[pyo3(signature = (shard, snapshot, seq, chain, *, deadline_ns = None))]
    fn install(
        &self,
        py: Python<'_>,
        shard: usize,
        snapshot: &Bound<'_, Snapshot>,
        seq: u64,
        chain: &[u8],
        deadline_ns: Option<i64>,
    ) -> PyResult<()> {
        let (shard, position) = (self.shard(shard)?, position(seq, chain)?);
        let taken = snapshot.try_borrow_mut()?.take(self.core.records.bundle())?;
        py.detach(|| self.core.records.install(shard, taken, position, deadline_ns.unwrap_or(NEVER_NS)));
        Ok(())
    }

    fn apply(&self, py: Python<'_>, shard: usize, writes: Vec<RawWrite>, seq: u64, chain: &[u8]) -> PyResult<()> {
        let (shard, position) = (self.shard(shard)?, position(seq, chain)?);
        let applied = py.detach(|| {
            let changes = unpacked(self.core.records.bundle().as_deref(), &writes)?;
            self.core.records.apply(shard, &changes, position);
            Ok(())
        });
        applied.map_err(|refused: Refused| refused.raised(py))
    }

    fn prolong(&self, shard: usize, deadline_ns: i64) -> PyResult<()> {
        self.core.records.prolong(self.shard(shard)?, deadline_ns);
        Ok(())
    }

    fn drained(&self, shard: usize) -> PyResult<u64> {
        Ok(self.core.records.drained(self.shard(shard)?))
    }

    fn fresh_for_ns(&self) -> i64 {
        self.core.records.fresh_for_ns()
    }

    fn take_misses(&self, py: Python<'_>, wait_seconds: f64) -> PyResult<Vec<(String, String)>> {
        let wait = Duration::try_from_secs_f64(wait_seconds)
            .map_err(|error| PyValueError::new_err(format!("wait_seconds: {error}")))?;
        Ok(py.detach(|| self.core.records.take_misses(wait)))
    }

    fn supply(&self, py: Python<'_>, shard: usize, records: Vec<RawChange>, seq: u64) -> PyResult<bool> {
        let shard = self.shard(shard)?;
        let supplied = py.detach(|| {
            let records = checked(self.core.records.bundle().as_deref(), &records)?;
            Ok(self.core.records.supply(shard, &records, seq))
        });
        supplied.map_err(|refused: Refused| refused.raised(py))
    }

    fn count_event(&self, name: &str, label: &str) -> PyResult<()> {
        let counted = self.core.metrics.count_event(name, label);
        counted.ok_or_else(|| PyValueError::new_err(format!("there is no event {name:?} with {label:?}")))
    }

    fn state_token(&self) -> String {
        self.core.records.view().map(|view| view.token.to_string()).unwrap_or_default()
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

    #[pyo3(signature = (request, at_ms = None))]
    fn hold(&self, py: Python<'_>, request: &[u8], at_ms: Option<i64>) -> PyResult<Held> {
        let request = self.read(request).map_err(|error| errors::request(py, &error))?;
        let held = self.core.hold(&request, at_ms.unwrap_or_else(now_ms));
        let held = held.map_err(|error| errors::request(py, &error))?.ok();
        Ok(Held { core: Arc::clone(&self.core), held: Mutex::new(held) })
    }

    #[pyo3(signature = (requests, at_ms = None))]
    fn check_batch(&self, py: Python<'_>, requests: Vec<PyBackedBytes>, at_ms: Option<i64>) -> Vec<Py<PyAny>> {
        let decided: Vec<_> = py.detach(|| {
            let requests = requests.iter().map(|request| self.read(request)).collect();
            let decided = self.core.decide_all(requests, at_ms.unwrap_or_else(now_ms));
            decided.into_iter().map(|decided| self.counted(decided).map(|decision| text(&decision))).collect()
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
        let input =
            py.detach(|| self.read(request).and_then(|request| self.core.policy_input(&request, clock_ms)));
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
