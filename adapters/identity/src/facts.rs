//! What a login says, whatever dialect it said it in, and the authentication context that follows from it.

use serde_json::{Map, Value};

use crate::numbers::{is_branch, is_kvk, passes_elfproef};
use crate::problem::Problem;

/// The only source that makes a login here; any other is passed on by name alone, for the policy to deny.
pub const EHERKENNING: &str = "eherkenning";

/// The achieved levels of eHerkenning, lowest first.
pub const LEVELS: [&str; 5] = [
    "urn:etoegang:core:assurance-class:loa1",
    "urn:etoegang:core:assurance-class:loa2",
    "urn:etoegang:core:assurance-class:loa2plus",
    "urn:etoegang:core:assurance-class:loa3",
    "urn:etoegang:core:assurance-class:loa4",
];

const MAX_OPAQUE: usize = 256;
const MAX_SERVICES: usize = 64;

/// What kind of number names the organisation that is acted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    Kvk,
    Rsin,
    /// A sole trader's. Checked and never passed on: only its KvK number is.
    Bsn,
}

/// A restricting claim: absent means less restricted, so that an empty one is no absence but a contradiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restricting {
    Absent,
    Empty,
    Present(String),
}

/// What an assertion of eHerkenning says. The legal subject is the organisation that is acted for: the represented
/// employer where there is an intermediary (the opposite of `authorizee.legalSubject` of the context).
#[derive(Debug, Clone)]
pub struct Facts {
    pub level: Option<String>,
    pub acting_subject: Option<String>,
    pub legal_subject: Vec<(NumberKind, String)>,
    pub intermediary: Restricting,
    pub branch: Restricting,
    pub representation: Option<bool>,
    pub service_uuids: Vec<String>,
    pub service_ids: Vec<String>,
}

/// A login that holds together: the user's id and the authentication context of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Login {
    pub id: String,
    pub authentication: Value,
}

impl Facts {
    /// The login. Refused: whatever is missing, malformed or contradicts the rest.
    pub fn login(&self) -> Result<Login, Problem> {
        let level = self.level.as_deref().ok_or(Problem::LevelMissing)?;
        if !LEVELS.contains(&level) {
            return Err(Problem::LevelUnknown);
        }
        let id = self.acting_subject.as_deref().ok_or(Problem::ActingSubjectMissing)?;
        if !is_opaque(id) {
            return Err(Problem::ActingSubjectMalformed);
        }
        let (kind, number) = self.served()?;
        // Whoever logs in for an organisation represents it, directly or by a chain.
        if self.representation == Some(false) {
            return Err(Problem::RepresentationContradictory);
        }
        let mut context = Map::new();
        context.insert("source".to_owned(), EHERKENNING.into());
        context.insert("levelOfAssurance".to_owned(), level.into());
        let served = object([("identifierType", kind.into()), ("identifier", number.into())]);
        let legal_subject = match &self.intermediary {
            Restricting::Absent => self.with_branch(served)?,
            Restricting::Empty => return Err(Problem::IntermediaryMalformed),
            Restricting::Present(intermediary) => {
                let own = self.mediating(intermediary)?;
                context.insert("representee".to_owned(), served);
                context.insert("mandate".to_owned(), self.mandate()?);
                own
            }
        };
        let acting_subject = object([("identifierType", "opaque".into()), ("identifier", id.into())]);
        let authorizee = object([("legalSubject", legal_subject), ("actingSubject", acting_subject)]);
        context.insert("authorizee".to_owned(), authorizee);
        Ok(Login { id: id.to_owned(), authentication: Value::Object(context) })
    }

    /// The organisation that is acted for. Its KvK number where the login has one: an RSIN or a BSN beside it is
    /// another number of the same, checked and left out.
    fn served(&self) -> Result<(&'static str, &str), Problem> {
        let mut found: [Option<&str>; 3] = [None; 3];
        for (kind, number) in &self.legal_subject {
            let (fits, place) = match kind {
                NumberKind::Kvk => (is_kvk(number), 0),
                NumberKind::Rsin => (passes_elfproef(number), 1),
                NumberKind::Bsn => (passes_elfproef(number), 2),
            };
            if !fits {
                return Err(Problem::LegalSubjectMalformed);
            }
            match found.get_mut(place) {
                Some(slot) if slot.is_none_or(|known| known == number) => *slot = Some(number),
                _ => return Err(Problem::LegalSubjectContradictory),
            }
        }
        match found {
            [Some(kvk), ..] => Ok(("kvkNummer", kvk)),
            [None, Some(rsin), _] => Ok(("rsin", rsin)),
            [None, None, Some(_)] => Err(Problem::LegalSubjectBsn),
            [None, None, None] => Err(Problem::LegalSubjectMissing),
        }
    }

    fn with_branch(&self, mut legal_subject: Value) -> Result<Value, Problem> {
        match (&self.branch, legal_subject.as_object_mut()) {
            (Restricting::Absent, _) => {}
            (Restricting::Present(branch), Some(members)) if is_branch(branch) => {
                members.insert("branchNumber".to_owned(), branch.as_str().into());
            }
            _ => return Err(Problem::BranchMalformed),
        }
        Ok(legal_subject)
    }

    fn mediating(&self, intermediary: &str) -> Result<Value, Problem> {
        if !is_kvk(intermediary) {
            return Err(Problem::IntermediaryMalformed);
        }
        if self.legal_subject.iter().any(|(_, number)| number == intermediary) {
            return Err(Problem::IntermediaryContradictory);
        }
        if self.branch != Restricting::Absent {
            return Err(Problem::BranchWithMandate);
        }
        Ok(object([("identifierType", "kvkNummer".into()), ("identifier", intermediary.into())]))
    }

    /// The services of the mandate. Ids stand beside UUIDs only where it is certain which belongs to which.
    fn mandate(&self) -> Result<Value, Problem> {
        if self.service_uuids.is_empty() {
            return Err(Problem::MandateMissing);
        }
        let well_formed =
            |names: &[String]| names.len() <= MAX_SERVICES && names.iter().all(|name| is_opaque(name));
        if !well_formed(&self.service_uuids) || !well_formed(&self.service_ids) {
            return Err(Problem::MandateMalformed);
        }
        let services: Vec<Value> = match (self.service_uuids.as_slice(), self.service_ids.as_slice()) {
            ([uuid], [id]) => vec![object([("id", id.as_str().into()), ("uuid", uuid.as_str().into())])],
            (uuids, _) => uuids.iter().map(|uuid| object([("uuid", uuid.as_str().into())])).collect(),
        };
        Ok(object([("services", Value::Array(services))]))
    }
}

/// An object of values that are moved: `json!` copies each of them with all that is in it.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
}

/// A name that is only compared: printable ASCII without spaces, quotes or separators of lists.
fn is_opaque(text: &str) -> bool {
    let part_of_name = |byte: u8| byte.is_ascii_graphic() && !b"\"\\,;<>".contains(&byte);
    !text.is_empty() && text.len() <= MAX_OPAQUE && text.bytes().all(part_of_name)
}
