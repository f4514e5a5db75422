//! Searches: reading the query and its page token, writing the page.

use axum::body::Body;
use axum::http::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pdp_core::error::InvalidRequest;
use pdp_core::request::{RawRequest, take_object};
use pdp_core::search::{Page, Query, Sought};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::response;

/// Results of a page, where the request says nothing; and at most.
const USUAL_LIMIT: u16 = 100;
const MOST_RESULTS: u16 = 1_000;
/// Of the form of a token.
const TOKEN_VERSION: u8 = 1;
/// Of the seal in a token.
const SEAL_BYTES: usize = 16;

/// A page of a search as it was asked for.
pub struct Asked {
    pub query: Query,
    limit: u16,
    search: Search,
}

/// The digest of everything that stays the same from page to page but the limit.
#[derive(Clone, Copy)]
struct Search([u8; 32]);

impl Search {
    fn of(query: &Query) -> Result<Self, InvalidRequest> {
        let mut hash = Sha256::new();
        hash.update(query.sought.name());
        hash.update(query.text()?);
        Ok(Self(hash.finalize().into()))
    }

    /// Says of a token that it was made for this search and came back whole. It keeps nobody from making one: that
    /// would only begin a page elsewhere.
    fn seal(self, limit: u16, after: &str) -> [u8; SEAL_BYTES] {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(limit.to_be_bytes());
        hash.update(after);
        let mut seal = [0; SEAL_BYTES];
        seal.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        seal
    }
}

/// Where a page begins. Whoever has the token can read it: it names the last candidate that was looked at.
struct Token {
    limit: u16,
    seal: [u8; SEAL_BYTES],
    after: String,
}

impl Token {
    fn write(&self) -> String {
        let mut bytes = vec![TOKEN_VERSION];
        bytes.extend_from_slice(&self.limit.to_be_bytes());
        bytes.extend_from_slice(&self.seal);
        bytes.extend_from_slice(self.after.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// None: it is none of ours.
    fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (&version, rest) = bytes.split_first()?;
        let (limit, rest) = rest.split_first_chunk()?;
        let (seal, after) = rest.split_first_chunk()?;
        let after = String::from_utf8(after.to_vec()).ok()?;
        let limit = u16::from_be_bytes(*limit);
        (version == TOKEN_VERSION && limit <= MOST_RESULTS).then_some(Self { limit, seal: *seal, after })
    }
}

impl Asked {
    pub fn read(sought: Sought, mut members: Map<String, Value>) -> Result<Self, InvalidRequest> {
        let mut page = take_object(&mut members, "page")?.unwrap_or_default();
        let limit = page.remove("limit").map(|limit| read_limit(&limit)).transpose()?;
        let token = match page.remove("token") {
            None => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => return Err(InvalidRequest::new("page.token", "must be a text")),
        };
        let request = RawRequest::take(&mut members)?;
        let mut query = Query { sought, request, after: String::new(), limit: 0 };
        let search = Search::of(&query)?;
        let limit = match token {
            None => limit.unwrap_or(USUAL_LIMIT),
            Some(text) => {
                let refuse = |why: &str| InvalidRequest::new("page.token", why);
                let token = Token::read(&text).ok_or_else(|| refuse("is not a token of this service"))?;
                if token.seal != search.seal(token.limit, &token.after) {
                    return Err(refuse(
                        "is not of this search: subject, action, resource and context stay the same",
                    ));
                }
                if limit.is_some_and(|limit| limit != token.limit) {
                    return Err(InvalidRequest::new("page.limit", "must stay the same from page to page"));
                }
                query.after = token.after;
                token.limit
            }
        };
        query.limit = limit.into();
        Ok(Self { query, limit, search })
    }

    /// What writes the page once the query has gone to the core.
    pub fn writer(&self) -> Writer {
        let of =
            |entity: &Option<Map<String, Value>>| entity.as_ref().and_then(|entity| entity.get("type").cloned());
        let of_type = match self.query.sought {
            Sought::Subject => of(&self.query.request.subject),
            Sought::Resource => of(&self.query.request.resource),
            Sought::Action => None,
        };
        Writer { limit: self.limit, search: self.search, of_type }
    }
}

/// A whole number, 0 or more; more than is given at once counts as that.
fn read_limit(limit: &Value) -> Result<u16, InvalidRequest> {
    let limit =
        limit.as_u64().ok_or_else(|| InvalidRequest::new("page.limit", "must be a whole number, 0 or more"))?;
    Ok(u16::try_from(limit).unwrap_or(MOST_RESULTS).min(MOST_RESULTS))
}

/// Writes pages of one search.
pub struct Writer {
    limit: u16,
    search: Search,
    /// Of the results; None: they are actions.
    of_type: Option<Value>,
}

impl Writer {
    pub fn write(&self, page: Page) -> Response<Body> {
        let next = page.next.map(|after| {
            let seal = self.search.seal(self.limit, &after);
            Token { limit: self.limit, seal, after }.write()
        });
        let paging = json!({"next_token": next.unwrap_or_default(), "count": page.found.len()});
        let context = json!({"policy_revision": &*page.policy_revision, "state_token": &*page.view.token});
        let results: Value = page.found.into_iter().map(|found| self.result(found)).collect();
        // The page comes first, as AuthZEN recommends.
        let body = format!("{{\"page\":{paging},\"context\":{context},\"results\":{results}}}");
        response::ok(body.into_bytes(), [page.view])
    }

    fn result(&self, found: String) -> Value {
        match &self.of_type {
            Some(of_type) => json!({"type": of_type, "id": found}),
            None => json!({"name": found}),
        }
    }
}

#[cfg(test)]
mod tests {
    use pdp_core::search::Sought;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Asked, Token};

    fn asked(page: Value, action: &str) -> Result<Asked, String> {
        let body = json!({"subject": {"type": "user"}, "action": {"name": action},
            "resource": {"type": "record", "id": "1"}, "page": page});
        let Value::Object(members) = body else { panic!("an object") };
        Asked::read(Sought::Subject, members).map_err(|error| error.field)
    }

    fn token(limit: u16, after: &str) -> String {
        let seal = asked(json!({}), "read").expect("a query").search.seal(limit, after);
        Token { limit, seal, after: after.to_owned() }.write()
    }

    #[test]
    fn a_token_belongs_to_its_search() {
        let next = asked(json!({"token": token(7, "bob")}), "read").expect("a page");
        assert_eq!((next.query.after.as_str(), next.query.limit), ("bob", 7));
        assert!(asked(json!({"token": token(7, "bob"), "limit": 7}), "read").is_ok());
        let field = |page, action| asked(page, action).err();
        assert_eq!(field(json!({"token": token(7, "bob"), "limit": 8}), "read").as_deref(), Some("page.limit"));
        assert_eq!(field(json!({"token": token(7, "bob")}), "write").as_deref(), Some("page.token"));
        for page in [
            json!({"token": "!"}),
            json!({"token": 1}),
            json!({"token": "AQ"}),
            json!({"token": token(7, "b")[1..]}),
            json!({"token": token(7, "bob")[..token(7, "bob").len() - 2]}),
        ] {
            assert_eq!(field(page.clone(), "read").as_deref(), Some("page.token"), "{page}");
        }
    }

    #[test]
    fn a_limit_is_a_whole_number() {
        let limit = |page| asked(page, "read").map(|asked| asked.query.limit);
        assert_eq!(limit(json!({})), Ok(100));
        assert_eq!(limit(json!({"limit": 0, "token": ""})), Ok(0));
        assert_eq!(limit(json!({"limit": 5_000_000_000_u64})), Ok(1_000));
        for wrong in [json!(-1), json!(1.5), json!("1"), json!(null)] {
            assert_eq!(limit(json!({"limit": wrong})), Err("page.limit".to_owned()));
        }
        assert_eq!(limit(json!([])), Err("page".to_owned()));
    }

    proptest! {
        #[test]
        fn any_token_is_read_back_or_refused(after in ".{0,20}", limit in 0_u16..=1_000, noise in "[-_A-Za-z0-9]{0,40}") {
            let written = Token { limit, seal: [9; 16], after: after.clone() }.write();
            let read = Token::read(&written).expect("our own");
            prop_assert_eq!((read.limit, read.seal, read.after), (limit, [9; 16], after));
            let _ = Token::read(&noise);
        }
    }
}
