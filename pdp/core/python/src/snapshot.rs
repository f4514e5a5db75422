//! `Snapshot`, and the changes that Python hands over.

use pdp_core::records::{Change, Snapshot as CoreSnapshot};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};

/// Kind, key, canonical document (None deletes), version.
pub type RawChange = (PyBackedStr, PyBackedStr, Option<PyBackedBytes>, u64);

pub fn change((kind, key, document, version): &RawChange) -> Change<'_> {
    Change { kind, key, document: document.as_deref(), version: *version }
}

#[pyclass]
pub struct Snapshot(Option<CoreSnapshot>);

impl Snapshot {
    pub fn new(snapshot: CoreSnapshot) -> Self {
        Self(Some(snapshot))
    }

    /// What was gathered, once.
    pub fn take(&mut self) -> PyResult<CoreSnapshot> {
        self.0.take().ok_or_else(installed)
    }

    fn open(&mut self) -> PyResult<&mut CoreSnapshot> {
        self.0.as_mut().ok_or_else(installed)
    }
}

fn installed() -> PyErr {
    PyValueError::new_err("the snapshot was installed before")
}

#[pymethods]
impl Snapshot {
    fn add(&mut self, records: Vec<(PyBackedStr, PyBackedStr, PyBackedBytes, u64)>) -> PyResult<()> {
        let snapshot = self.open()?;
        for (kind, key, document, version) in &records {
            snapshot.add(kind, key, document, *version);
        }
        Ok(())
    }

    fn apply(&mut self, changes: Vec<RawChange>) -> PyResult<()> {
        let snapshot = self.open()?;
        changes.iter().for_each(|raw| snapshot.apply(&change(raw)));
        Ok(())
    }
}
