//! Laws: random input is nobody and never a panic, and a chain of authorisations that is tampered with never becomes
//! a direct login for the intermediary or for a third organisation.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod support;

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use pdp_identity::Identity;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
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
    identity(&json!({"gateway": {"header": "x-login", "mapping": mapping, "source": "eherkenning"}}))
}

/// A chain in each flat dialect.
fn chains() -> Vec<(Identity, Map<String, Value>)> {
    let level = "urn:etoegang:core:assurance-class:loa3";
    [
        (
            "eherkenning-urn",
            [
                "urn:etoegang:core:ActingSubjectID",
                "urn:etoegang:core:LegalSubjectID",
                "urn:etoegang:1.9:IntermediateEntityID:KvKnr",
                "urn:etoegang:core:ServiceUUID",
            ],
        ),
        (
            "eherkenning-camel",
            ["eherkenningPseudo", "chamberOfCommerce", "eherkenningIntermediatekvkNr", "eherkenningServiceUUID"],
        ),
        (
            "eherkenning-snake",
            [
                "eherkenning_pseudo",
                "chamber_of_commerce",
                "eherkenning_intermediate_kvknr",
                "eherkenning_service_uuid",
            ],
        ),
    ]
    .into_iter()
    .map(|(mapping, [user, employer, intermediary, service])| {
        let claims =
            json!({"acr": level, user: "P@O", employer: EMPLOYER, intermediary: INTERMEDIARY, service: "uuid-1"});
        (reader(mapping), claims.as_object().unwrap().clone())
    })
    .collect()
}

static CHAINS: LazyLock<Vec<(Identity, Map<String, Value>)>> = LazyLock::new(chains);

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
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

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
        dialect in 0..3usize, place in any::<prop::sample::Index>(), replacement in prop::option::of(any_json()),
    ) {
        let (reader, claims) = &CHAINS[dialect];
        let mut claims = claims.clone();
        let name = claims.keys().nth(place.index(claims.len())).unwrap().clone();
        match &replacement {
            Some(value) => claims.insert(name.clone(), value.clone()),
            None => claims.remove(&name),
        };
        let text = Value::Object(claims).to_string();
        let identified = reader.identify(&headers(&[("x-login", base64url(text.as_bytes()))]), &GATEWAY, NOW_MS);
        check_nobody(&identified);
        if identified.problem.is_none() {
            let context = &identified.subject["properties"]["authentication"];
            if context.get("representee").is_none() {
                // Only the intermediary's disappearance leaves a direct login, and that is the employer's own.
                prop_assert!(name.to_lowercase().contains("intermediate") && replacement.is_none());
                prop_assert_eq!(&context["authorizee"]["legalSubject"]["identifier"], EMPLOYER);
            }
        }
    }
}
