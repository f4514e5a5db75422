//! `Snapshot`, and the changes that Python hands over.

use std::sync::Arc;

use pdp_core::bundle::Bundle;
use pdp_core::error::InvalidRecord;
use pdp_core::records::{Change, Snapshot as CoreSnapshot};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};

use crate::errors;

/// Kind, key, canonical document (None deletes), version.
pub type RawChange = (PyBackedStr, PyBackedStr, Option<PyBackedBytes>, u64);

pub fn change((kind, key, document, version): &RawChange) -> Change<'_> {
    Change { kind, key, document: document.as_deref(), version: *version }
}

/// Whether each document is as the bundle would have stored it.
pub fn check(bundle: Option<&Bundle>, changes: &[RawChange]) -> Result<(), InvalidRecord> {
    let Some(bundle) = bundle else { return Ok(()) };
    changes.iter().try_for_each(|(kind, key, document, _)| match document {
        Some(document) => bundle.check_stored(kind, key, document),
        None => Ok(()),
    })
}

#[pyclass]
pub struct Snapshot {
    snapshot: Option<CoreSnapshot>,
    /// Whose schemas the documents meet.
    bundle: Option<Arc<Bundle>>,
}

impl Snapshot {
    pub fn new(snapshot: CoreSnapshot, bundle: Option<Arc<Bundle>>) -> Self {
        Self { snapshot: Some(snapshot), bundle }
    }

    /// What was gathered, once, for a core that decides by this bundle.
    pub fn take(&mut self, bundle: Option<Arc<Bundle>>) -> PyResult<CoreSnapshot> {
        if self.bundle.as_ref().map(|bundle| bundle.id) != bundle.map(|bundle| bundle.id) {
            return Err(PyValueError::new_err("the snapshot was begun under another policy"));
        }
        self.snapshot.take().ok_or_else(installed)
    }

    fn take_in(&mut self, py: Python<'_>, changes: &[RawChange]) -> PyResult<()> {
        let Self { snapshot, bundle } = self;
        let snapshot = snapshot.as_mut().ok_or_else(installed)?;
        let taken = py.detach(|| {
            check(bundle.as_deref(), changes)?;
            changes.iter().for_each(|raw| snapshot.apply(&change(raw)));
            Ok(())
        });
        taken.map_err(|error| errors::record(py, &error))
    }
}

fn installed() -> PyErr {
    PyValueError::new_err("the snapshot was installed before")
}

#[pymethods]
impl Snapshot {
    fn add(&mut self, py: Python<'_>, records: Vec<RawChange>) -> PyResult<()> {
        self.take_in(py, &records)
    }

    fn apply(&mut self, py: Python<'_>, changes: Vec<RawChange>) -> PyResult<()> {
        self.take_in(py, &changes)
    }
}
