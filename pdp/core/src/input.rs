//! The policy's input: ready pieces put one after the other, members in canonical order.

use crate::records::Captured;
use crate::request::Request;

/// `{"action", "context", "records", "resource", "subject", "time"}` as canonical JSON.
pub fn assemble(request: &Request, captured: &Captured, time_ms: i64) -> Vec<u8> {
    let bundle = &captured.bundle;
    let (before, after) = request.around_records();
    let records: usize =
        captured.found.iter().map(|found| found.document.as_ref().map_or(4, |document| document.len())).sum();
    let names: usize = bundle.lookups.iter().map(|lookup| lookup.name.len().saturating_add(4)).sum();
    let mut input = Vec::with_capacity(
        before.len().saturating_add(after.len()).saturating_add(records).saturating_add(names).saturating_add(64),
    );
    input.extend_from_slice(before);
    input.extend_from_slice(b",\"records\":{");
    for (place, (lookup, found)) in bundle.lookups.iter().zip(&captured.found).enumerate() {
        if place > 0 {
            input.push(b',');
        }
        input.push(b'"');
        // INVARIANT: a bundle whose lookup names need escaping is refused when it is loaded.
        input.extend_from_slice(lookup.name.as_bytes());
        input.extend_from_slice(b"\":");
        input.extend_from_slice(found.document.as_deref().unwrap_or(b"null"));
    }
    input.push(b'}');
    input.extend_from_slice(after);
    input.extend_from_slice(format!(",\"time\":{time_ms}}}").as_bytes());
    input
}
