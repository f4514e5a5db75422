//! `Snapshot`, and the changes that Python hands over.

use std::sync::Arc;

use pdp_core::bundle::Bundle;
use pdp_core::error::InvalidRecord;
use pdp_core::records::{Change, Snapshot as CoreSnapshot, Unreadable, unpack};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};

use crate::errors;

/// Kind, key, canonical document (None deletes), version.
pub type RawChange = (PyBackedStr, PyBackedStr, Option<PyBackedBytes>, u64);

fn change((kind, key, document, version): &RawChange) -> Change<'_> {
    Change { kind, key, document: document.as_deref(), version: *version }
}

/// The number of a write, and its changes as they stand in a store's history.
pub type RawWrite = (u64, PyBackedBytes);

/// Why changes are not taken in.
pub enum Refused {
    Record(InvalidRecord),
    Write(Unreadable),
}

impl Refused {
    pub fn raised(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Record(error) => errors::record(py, error),
            Self::Write(error) => PyValueError::new_err(error.to_string()),
        }
    }
}

/// These changes, each document as the bundle would have stored it.
pub fn checked<'a>(bundle: Option<&Bundle>, changes: &'a [RawChange]) -> Result<Vec<Change<'a>>, Refused> {
    fitting(bundle, changes.iter().map(change).collect())
}

/// As `checked`, the last change of each record in writes.
pub fn unpacked<'a>(bundle: Option<&Bundle>, writes: &'a [RawWrite]) -> Result<Vec<Change<'a>>, Refused> {
    let writes = writes.iter().map(|(version, packed)| (*version, &**packed));
    fitting(bundle, unpack(writes).map_err(Refused::Write)?)
}

fn fitting<'a>(bundle: Option<&Bundle>, changes: Vec<Change<'a>>) -> Result<Vec<Change<'a>>, Refused> {
    let Some(bundle) = bundle else { return Ok(changes) };
    for change in &changes {
        if let Some(document) = change.document {
            bundle.check_stored(change.kind, change.key, document).map_err(Refused::Record)?;
        }
    }
    Ok(changes)
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

    fn take_in<'a>(
        &mut self,
        py: Python<'_>,
        changes: impl FnOnce(Option<&Bundle>) -> Result<Vec<Change<'a>>, Refused> + Send,
    ) -> PyResult<()> {
        let Self { snapshot, bundle } = self;
        let snapshot = snapshot.as_mut().ok_or_else(installed)?;
        let taken = py.detach(|| {
            changes(bundle.as_deref())?.iter().for_each(|change| snapshot.apply(change));
            Ok(())
        });
        taken.map_err(|refused: Refused| refused.raised(py))
    }
}

fn installed() -> PyErr {
    PyValueError::new_err("the snapshot was installed before")
}

#[pymethods]
impl Snapshot {
    fn add(&mut self, py: Python<'_>, records: Vec<RawChange>) -> PyResult<()> {
        self.take_in(py, |bundle| checked(bundle, &records))
    }

    fn apply(&mut self, py: Python<'_>, writes: Vec<RawWrite>) -> PyResult<()> {
        self.take_in(py, |bundle| unpacked(bundle, &writes))
    }
}
