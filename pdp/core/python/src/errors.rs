//! The core's errors as Python exceptions with their parts as attributes.

use pdp_core::bundle::InvalidLine;
use pdp_core::error::{InvalidRecord, InvalidRequest, LoadError};
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

create_exception!(pdp._core, RequestError, PyValueError, "An invalid request: field, message.");
create_exception!(pdp._core, RecordError, PyValueError, "A refused record: kind, key, field, message.");
create_exception!(pdp._core, LineError, PyValueError, "A refused line: line, field, message.");
create_exception!(pdp._core, PolicyLoadError, PyValueError, "A bundle that cannot be loaded.");
create_exception!(pdp._core, IdentityError, PyValueError, "A refused declaration of logins or set of keys.");

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("RequestError", py.get_type::<RequestError>())?;
    module.add("RecordError", py.get_type::<RecordError>())?;
    module.add("LineError", py.get_type::<LineError>())?;
    module.add("PolicyLoadError", py.get_type::<PolicyLoadError>())?;
    module.add("IdentityError", py.get_type::<IdentityError>())
}

fn with_attributes(py: Python<'_>, error: PyErr, attributes: &[(&str, &str)]) -> PyErr {
    for (name, value) in attributes {
        if let Err(failure) = error.value(py).setattr(*name, *value) {
            return failure;
        }
    }
    error
}

pub fn request(py: Python<'_>, error: &InvalidRequest) -> PyErr {
    let text = if error.field.is_empty() { error.message.clone() } else { error.to_string() };
    with_attributes(py, RequestError::new_err(text), &[("field", &error.field), ("message", &error.message)])
}

pub fn record(py: Python<'_>, error: &InvalidRecord) -> PyErr {
    let attributes =
        [("kind", error.kind.as_str()), ("key", &error.key), ("field", &error.field), ("message", &error.message)];
    with_attributes(py, RecordError::new_err(error.to_string()), &attributes)
}

pub fn line(py: Python<'_>, error: &InvalidLine) -> PyErr {
    let place = if error.field.is_empty() { String::new() } else { format!("{}: ", error.field) };
    let raised = LineError::new_err(format!("line {}: {place}{}", error.line, error.message));
    let raised = with_attributes(py, raised, &[("field", &error.field), ("message", &error.message)]);
    match raised.value(py).setattr("line", error.line) {
        Ok(()) => raised,
        Err(failure) => failure,
    }
}

pub fn load(error: &LoadError) -> PyErr {
    PolicyLoadError::new_err(error.to_string())
}
