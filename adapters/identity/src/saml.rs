//! An assertion of eHerkenning 1.13 (interface DV-HM) as JSON, as a SAML service provider hands it on:
//!
//! ```json
//! {"AuthnContextClassRef": "urn:etoegang:core:assurance-class:loa3",
//!  "Attributes": {"urn:etoegang:core:LegalSubjectID":
//!    [{"NameQualifier": "urn:etoegang:1.9:EntityConcernedID:KvKnr", "value": "12345678"}],
//!    "urn:etoegang:core:Representation": ["true"], "...": "..."}}
//! ```
//!
//! `Subject` and its NameID are transient and not read. `LegalSubjectID` is the represented employer when there is
//! an intermediary. The level is `AuthnContextClassRef`, the one achieved.

use serde_json::Value;

use crate::claims::{Claims, boolean, many, one, restricting};
use crate::facts::{Facts, NumberKind, Restricting};
use crate::problem::Problem;

pub const ACTING_SUBJECT: &str = "urn:etoegang:core:ActingSubjectID";
pub const LEGAL_SUBJECT: &str = "urn:etoegang:core:LegalSubjectID";
pub const INTERMEDIARY: &str = "urn:etoegang:1.9:IntermediateEntityID:KvKnr";
pub const BRANCH: &str = "urn:etoegang:1.9:ServiceRestriction:Vestigingsnr";
pub const REPRESENTATION: &str = "urn:etoegang:core:Representation";
pub const SERVICE_UUID: &str = "urn:etoegang:core:ServiceUUID";
pub const SERVICE_ID: &str = "urn:etoegang:core:ServiceID";
pub const KVK: &str = "urn:etoegang:1.9:EntityConcernedID:KvKnr";
pub const RSIN: &str = "urn:etoegang:1.9:EntityConcernedID:RSIN";
pub const BSN: &str = "urn:etoegang:1.12:EntityConcernedID:BSN";
const PSEUDONYM: &str = "urn:etoegang:1.13:EntityConcernedID:Pseudo";

/// Which kind of number a qualifier names, as a URN or as the authentication context calls it.
pub fn number_kind(qualifier: &str) -> Option<NumberKind> {
    match qualifier {
        KVK | "kvkNummer" => Some(NumberKind::Kvk),
        RSIN | "rsin" => Some(NumberKind::Rsin),
        BSN | "bsn" => Some(NumberKind::Bsn),
        _ => None,
    }
}

/// What the assertion says.
pub fn facts(assertion: &Claims) -> Result<Facts, Problem> {
    let Some(Value::Object(attributes)) = assertion.get("Attributes") else {
        return Err(Problem::ClaimMalformed);
    };
    Ok(Facts {
        level: one(assertion, "AuthnContextClassRef")?,
        acting_subject: acting_subject(attributes)?,
        legal_subject: legal_subject(attributes)?,
        intermediary: intermediary(attributes)?,
        branch: restricting(attributes, BRANCH)?,
        // Without it nothing says whether the assertion came with all that it had.
        representation: Some(boolean(attributes, REPRESENTATION)?.unwrap_or(false)),
        service_uuids: many(attributes, SERVICE_UUID)?,
        service_ids: many(attributes, SERVICE_ID)?,
    })
}

fn acting_subject(attributes: &Claims) -> Result<Option<String>, Problem> {
    match names(attributes, ACTING_SUBJECT)?.as_slice() {
        [] => Ok(None),
        [(PSEUDONYM, value)] => Ok(Some((*value).to_owned())),
        _ => Err(Problem::ActingSubjectMalformed),
    }
}

fn legal_subject(attributes: &Claims) -> Result<Vec<(NumberKind, String)>, Problem> {
    names(attributes, LEGAL_SUBJECT)?
        .into_iter()
        .map(|(qualifier, value)| number_kind(qualifier).map(|kind| (kind, value.to_owned())))
        .collect::<Option<_>>()
        .ok_or(Problem::LegalSubjectMalformed)
}

/// The intermediary stands in an attribute that names its kind; a qualifier on top must not say otherwise.
fn intermediary(attributes: &Claims) -> Result<Restricting, Problem> {
    let qualified = match attributes.get(INTERMEDIARY) {
        Some(Value::Array(items)) => items.iter().any(Value::is_object),
        value => value.is_some_and(Value::is_object),
    };
    if !qualified {
        return restricting(attributes, INTERMEDIARY).map_err(|_| Problem::IntermediaryMalformed);
    }
    match names(attributes, INTERMEDIARY)?.as_slice() {
        [(INTERMEDIARY | KVK, value)] => Ok(Restricting::Present((*value).to_owned())),
        _ => Err(Problem::IntermediaryMalformed),
    }
}

/// NameIDs of an attribute as (qualifier, value). One without a qualifier names nobody.
fn names<'a>(attributes: &'a Claims, name: &str) -> Result<Vec<(&'a str, &'a str)>, Problem> {
    let items: &[Value] = match attributes.get(name) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(single) => std::slice::from_ref(single),
    };
    let named = |item: &'a Value| {
        let text = |member: &str| item.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
        Some((text("NameQualifier")?, text("value")?))
    };
    items.iter().map(named).collect::<Option<_>>().ok_or(Problem::ClaimMalformed)
}
