//! An authentication context that a gateway or an issuer already made. It is read as strictly as an assertion, and
//! written anew: members that the contract does not have are left out.

use serde_json::Value;

use crate::claims::{Claims, one};
use crate::facts::{Facts, NumberKind, Restricting};
use crate::problem::Problem;
use crate::saml::number_kind;

/// What the context says; its source is looked at elsewhere. `authorizee.legalSubject` is the intermediary where
/// there is a representee, so that the two change places here.
pub fn facts(context: &Claims) -> Result<Facts, Problem> {
    let authorizee = member(context, "authorizee")?.ok_or(Problem::LegalSubjectMissing)?;
    let legal_subject = member(authorizee, "legalSubject")?.ok_or(Problem::LegalSubjectMissing)?;
    let own = number(legal_subject)?;
    let acting_subject = member(authorizee, "actingSubject")?.ok_or(Problem::ActingSubjectMissing)?;
    if one(acting_subject, "identifierType")?.as_deref() != Some("opaque") {
        return Err(Problem::ActingSubjectMalformed);
    }
    let (served, intermediary) = match (member(context, "representee")?, member(context, "mandate")?) {
        (None, None) => (own, Restricting::Absent),
        (Some(representee), Some(_)) => match own {
            (NumberKind::Kvk, own) => (number(representee)?, Restricting::Present(own)),
            _ => return Err(Problem::IntermediaryMalformed),
        },
        _ => return Err(Problem::ContextMalformed),
    };
    Ok(Facts {
        level: one(context, "levelOfAssurance")?,
        acting_subject: one(acting_subject, "identifier")?,
        legal_subject: vec![served],
        intermediary,
        branch: branch(context, legal_subject)?,
        representation: None,
        service_uuids: services(context, "uuid")?,
        service_ids: services(context, "id")?,
    })
}

fn branch(context: &Claims, legal_subject: &Claims) -> Result<Restricting, Problem> {
    if member(context, "representee")?.is_some_and(|representee| representee.contains_key("branchNumber")) {
        return Err(Problem::BranchWithMandate);
    }
    match legal_subject.get("branchNumber") {
        None => Ok(Restricting::Absent),
        Some(Value::String(branch)) => Ok(Restricting::Present(branch.clone())),
        Some(_) => Err(Problem::BranchMalformed),
    }
}

fn number(party: &Claims) -> Result<(NumberKind, String), Problem> {
    let kind = one(party, "identifierType")?.ok_or(Problem::LegalSubjectMissing)?;
    let identifier = one(party, "identifier")?.ok_or(Problem::LegalSubjectMissing)?;
    // By the names of the context alone: a URN here is another contract.
    let kind = number_kind(&kind).filter(|_| !kind.starts_with("urn:")).ok_or(Problem::LegalSubjectMalformed)?;
    Ok((kind, identifier))
}

fn services(context: &Claims, name: &str) -> Result<Vec<String>, Problem> {
    let Some(mandate) = member(context, "mandate")? else { return Ok(Vec::new()) };
    let Some(Value::Array(services)) = mandate.get("services") else { return Err(Problem::MandateMalformed) };
    let mut out = Vec::with_capacity(services.len());
    for service in services {
        match service.as_object().map(|service| service.get(name)) {
            Some(Some(Value::String(text))) => out.push(text.clone()),
            Some(None) if name == "id" => {}
            _ => return Err(Problem::MandateMalformed),
        }
    }
    Ok(out)
}

/// A member that is an object; null or another type is no absence.
fn member<'a>(parent: &'a Claims, name: &str) -> Result<Option<&'a Claims>, Problem> {
    match parent.get(name) {
        None => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members)),
        Some(_) => Err(Problem::ContextMalformed),
    }
}
