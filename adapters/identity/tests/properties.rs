//! Laws: random input is nobody and never a panic, and a chain of authorisations that is tampered with never becomes
//! a direct login for the intermediary or for a third organisation.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod support;

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use pdp_identity::Identity;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{
    GATEWAY, ISSUER, NOW_MS, RSA, base64url, bearer, check_nobody, declaration, headers, identity, jwks,
};

const EMPLOYER: &str = "87654321";
const INTERMEDIARY: &str = "12345678";

static BOTH: LazyLock<Identity> = LazyLock::new(|| {
    let mut declared = declaration();
    declared["gateway"] = json!({"header": "x-login", "mapping": "eherkenning-camel", "source": "eherkenning"});
    let identity = identity(&declared);
    identity.set_keys(ISSUER, &jwks(&[(&RSA.jwk, json!({"kid": "one"}))]), NOW_MS).unwrap();
    identity
});

fn reader(mapping: &str) -> Identity {
    let mut declared = json!({"gateway": {"header": "x-login", "mapping": mapping}});
    if mapping != "authentication" {
        declared["gateway"]["source"] = json!("eherkenning");
    }
    identity(&declared)
}

/// The same chain in each dialect.
fn chains() -> Vec<(Identity, Value)> {
    let level = "urn:etoegang:core:assurance-class:loa3";
    let kvk = |kvk: &str| json!({"identifierType": "kvkNummer", "identifier": kvk});
    let name = |qualifier: &str, value: &str| json!([{"NameQualifier": format!("urn:etoegang:{qualifier}"), "value": value}]);
    let logins = [
        (
            "eherkenning-urn",
            json!({"acr": level, "urn:etoegang:core:ActingSubjectID": "P@O",
            "urn:etoegang:core:LegalSubjectID": EMPLOYER, "urn:etoegang:1.9:IntermediateEntityID:KvKnr": INTERMEDIARY,
            "urn:etoegang:core:Representation": true, "urn:etoegang:core:ServiceUUID": "uuid-1"}),
        ),
        (
            "eherkenning-camel",
            json!({"acr": level, "eherkenningPseudo": "P@O", "chamberOfCommerce": EMPLOYER,
            "eherkenningIntermediatekvkNr": INTERMEDIARY, "eherkenningServiceUUID": "uuid-1"}),
        ),
        (
            "eherkenning-snake",
            json!({"acr": level, "eherkenning_pseudo": "P@O", "chamber_of_commerce": EMPLOYER,
            "eherkenning_intermediate_kvknr": INTERMEDIARY, "eherkenning_service_uuid": "uuid-1"}),
        ),
        (
            "saml-json",
            json!({"AuthnContextClassRef": level, "Attributes": {
            "urn:etoegang:core:ActingSubjectID": name("1.13:EntityConcernedID:Pseudo", "P@O"),
            "urn:etoegang:core:LegalSubjectID": name("1.9:EntityConcernedID:KvKnr", EMPLOYER),
            "urn:etoegang:1.9:IntermediateEntityID:KvKnr": [INTERMEDIARY],
            "urn:etoegang:core:Representation": ["true"], "urn:etoegang:core:ServiceUUID": ["uuid-1"]}}),
        ),
        (
            "authentication",
            json!({"source": "eherkenning", "levelOfAssurance": level, "representee": kvk(EMPLOYER),
            "mandate": {"services": [{"uuid": "uuid-1"}]}, "authorizee": {"legalSubject": kvk(INTERMEDIARY),
                "actingSubject": {"identifierType": "opaque", "identifier": "P@O"}}}),
        ),
    ];
    logins.into_iter().map(|(mapping, login)| (reader(mapping), login)).collect()
}

static CHAINS: LazyLock<Vec<(Identity, Value)>> = LazyLock::new(chains);

/// Where each value of a document stands, but for the document itself.
fn places(value: &Value, here: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(place, value)| (place.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let below = |(name, child): (String, &Value)| {
        let place = format!("{here}/{name}");
        let mut all = places(child, &place);
        all.push(place);
        all
    };
    children.into_iter().flat_map(below).collect()
}

/// The document with one value replaced, or taken out.
fn tampered(mut document: Value, place: &str, replacement: Option<Value>) -> Value {
    let (parent, name) = place.rsplit_once('/').unwrap();
    match (document.pointer_mut(parent).unwrap(), replacement) {
        (Value::Object(members), Some(value)) => drop(members.insert(name.to_owned(), value)),
        (Value::Object(members), None) => drop(members.remove(name)),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value,
        (Value::Array(items), None) => drop(items.remove(name.parse().unwrap())),
        _ => panic!("{place} has no parent"),
    }
    document
}

fn any_json() -> impl Strategy<Value = Value> {
    let number = "[0-9]{8}".prop_map(Value::from);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        number,
        ".{0,20}".prop_map(Value::from),
        Just(json!("")),
        Just(json!(EMPLOYER)),
        Just(json!(INTERMEDIARY)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{1,12}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_tokens_are_nobodys(token in prop_oneof!["[ -~]{0,200}", r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,40}"]) {
        let identified = BOTH.identify(&bearer(&token), &GATEWAY, NOW_MS);
        check_nobody(&identified);
        prop_assert!(identified.problem.is_some());
    }

    #[test]
    fn a_token_with_any_byte_changed_is_nobodys(place in any::<prop::sample::Index>(), byte in b'!'..=b'~') {
        static GOOD: LazyLock<String> = LazyLock::new(|| {
            support::signed(&support::claims(), &RSA.signing, jsonwebtoken::Algorithm::RS256, "one")
        });
        let mut token = GOOD.clone().into_bytes();
        let place = place.index(token.len());
        prop_assume!(token[place] != byte);
        token[place] = byte;
        let identified = BOTH.identify(&bearer(std::str::from_utf8(&token).unwrap()), &GATEWAY, NOW_MS);
        check_nobody(&identified);
        prop_assert!(identified.problem.is_some());
    }

    #[test]
    fn random_headers_are_nobodys(
        pairs in prop::collection::vec((prop_oneof![
            Just("x-login".to_owned()), Just("authorization".to_owned()), Just("x_login".to_owned()), "[a-z._-]{1,12}",
        ], prop::collection::vec(any::<u8>(), 0..200)), 0..6),
        trusted in any::<bool>(),
    ) {
        let mut sent = HeaderMap::new();
        for (name, value) in pairs {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(&value)) {
                sent.append(name, value);
            }
        }
        let identified = BOTH.identify(&sent, &pdp_identity::Peer { trusted, name: None }, NOW_MS);
        check_nobody(&identified);
        prop_assert!(identified.problem.is_some());
    }

    #[test]
    fn random_claims_and_keys_never_panic(value in any_json()) {
        for mapping in ["saml-json", "eherkenning-urn"] {
            check_nobody(&reader(mapping).identify(&headers(&[("x-login", base64url(json!({"Attributes": value}).to_string().as_bytes()))]), &GATEWAY, NOW_MS));
        }
        let _ = BOTH.set_keys(ISSUER, json!({"keys": [value]}).to_string().as_bytes(), NOW_MS);
        let _ = Identity::from_json(value.to_string().as_bytes());
    }

    #[test]
    fn a_chain_never_becomes_a_direct_login_of_another(
        dialect in 0..5usize, place in any::<prop::sample::Index>(), replacement in prop::option::of(any_json()),
    ) {
        let (reader, whole) = &CHAINS[dialect];
        let places = places(whole, "");
        let place = &places[place.index(places.len())];
        let login = tampered(whole.clone(), place, replacement.clone()).to_string();
        let identified = reader.identify(&headers(&[("x-login", base64url(login.as_bytes()))]), &GATEWAY, NOW_MS);
        check_nobody(&identified);
        if identified.problem.is_none() {
            let context = &identified.subject["properties"]["authentication"];
            if context.get("representee").is_none() {
                // Only the intermediary's disappearance leaves a direct login, and that is the employer's own.
                prop_assert!(place.contains("ntermediate"));
                prop_assert!(replacement.is_none());
                prop_assert_eq!(&context["authorizee"]["legalSubject"]["identifier"], EMPLOYER);
            } else {
                let intermediary = &context["authorizee"]["legalSubject"]["identifier"];
                prop_assert!(intermediary == INTERMEDIARY || place.contains("ntermediate") || place.contains("legalSubject"));
            }
        }
    }
}

#[test]
fn each_dialect_tells_the_same_chain() {
    for (reader, whole) in CHAINS.iter() {
        let identified = reader.identify(&headers(&[("x-login", whole.to_string())]), &GATEWAY, NOW_MS);
        assert_eq!(identified.problem, None, "{whole}");
        let context = &identified.subject["properties"]["authentication"];
        assert_eq!(context["representee"]["identifier"], EMPLOYER);
        assert_eq!(context["authorizee"]["legalSubject"]["identifier"], INTERMEDIARY);
    }
}
