//! Declarations that are refused, each with a sentence that names the place; and mappings of one's own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod support;

use pdp_identity::{Identity, Problem};
use serde_json::{Value, json};
use support::{GATEWAY, NOW_MS, declaration, headers, identity};

fn refused(declaration: &Value) -> String {
    Identity::from_json(declaration.to_string().as_bytes())
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

fn token(name: &str, value: Value) -> Value {
    let mut declared = declaration();
    declared["tokens"][0][name] = value;
    declared
}

fn check_refused(cases: impl IntoIterator<Item = (Value, &'static str)>) {
    for (declared, place) in cases {
        let sentence = refused(&declared);
        assert!(
            !sentence.is_empty() && sentence.contains(place) && sentence.ends_with('.'),
            "{declared}: {sentence}"
        );
        assert_eq!(sentence.lines().count(), 1);
    }
}

#[test]
fn a_refusal_names_the_place() {
    let mut twice = declaration();
    let again = twice["tokens"][0].clone();
    twice["tokens"].as_array_mut().unwrap().push(again);
    check_refused([
        (json!({}), "tokens"),
        (json!([]), "not one object"),
        (json!([1, 2]), "not one object"),
        (json!({"token": []}), "token"),
        (token("issuer", json!("")), "tokens[0].issuer"),
        (token("audience", json!([])), "tokens[0].audience"),
        (token("audience", json!("one")), "tokens[0].audience"),
        (token("algorithms", json!([])), "tokens[0].algorithms"),
        (token("algorithms", json!(["none"])), "tokens[0].algorithms"),
        (token("algorithms", json!(["RS256", "HS256"])), "tokens[0].algorithms"),
        (token("keys", json!("http://login.example.nl/certs")), "tokens[0].keys"),
        (token("keys", json!("ftp://localhost/certs")), "tokens[0].keys"),
        (token("keys", json!("https://user:secret@login.example.nl/certs")), "tokens[0].keys"),
        (token("keys", json!("http://localhost.example.nl/certs")), "tokens[0].keys"),
        (token("keys", json!("")), "tokens[0].keys"),
        (token("keys_refresh_seconds", json!(1)), "tokens[0].keys_refresh_seconds"),
        (token("keys_max_age_seconds", json!(20)), "tokens[0].keys_max_age_seconds"),
        (token("mapping", json!("unknown")), "tokens[0].mapping"),
        (token("source", Value::Null), "tokens[0].source"),
        (token("source", json!("digid")), "tokens[0].source"),
        (token("source", json!({"claim": "idp", "values": {"d": "digid"}})), "tokens[0].source"),
        (token("source", json!({"claim": "idp"})), "tokens[0].source"),
        (token("mapping", json!("authentication")), "tokens[0].source"),
        (token("secret", json!("x")), "tokens[0].secret"),
        (twice, "tokens[1].issuer"),
    ]);
}

#[test]
fn a_refusal_of_a_gateway_names_the_place() {
    check_refused([
        (json!({"clock_skew_seconds": 301, "gateway": {}}), "gateway"),
        (json!({"gateway": {"mapping": "authentication"}}), "gateway"),
        (json!({"gateway": {"mapping": "authentication", "header": "X-Login"}}), "gateway"),
        (json!({"gateway": {"mapping": "authentication", "header": "authorization"}}), "gateway"),
        (json!({"gateway": {"mapping": "authentication", "headers": {"x-a": "a"}}}), "gateway.mapping"),
        (json!({"gateway": {"mapping": "authentication", "header": "x-a", "headers": {"x-b": "b"}}}), "gateway"),
        (
            json!({"gateway": {"mapping": "eherkenning-camel", "source": "eherkenning", "headers": {"x-a": "a", "x_a": "b"}}}),
            "gateway",
        ),
        (
            json!({"gateway": {"mapping": "eherkenning-camel", "source": "eherkenning", "headers": {"x-a": "a", "x-b": "a"}}}),
            "gateway.headers",
        ),
    ]);
}

#[test]
fn headers_for_each_claim_must_bring_all_that_a_login_needs() {
    let whole = json!({"x-user": "eherkenningPseudo", "x-kvk": "chamberOfCommerce", "x-loa": "acr", "x-idp": "idp",
        "x-via": "eherkenningIntermediatekvkNr", "x-branch": "eherkenningVestigingsNr", "x-service": "eherkenningServiceUUID"});
    let with = |headers: Value| {
        refused(&json!({"gateway": {"mapping": "eherkenning-camel", "headers": headers,
            "source": {"claim": "idp", "values": {"eh": "eherkenning"}}}}))
    };
    assert_eq!(with(whole.clone()), "");
    for (name, claim) in whole.as_object().unwrap().iter().filter(|(name, _)| *name != "x-kvk") {
        let sentence = with(support::changed(whole.clone(), &json!({name: null})));
        assert!(sentence.contains("gateway.headers") && sentence.contains(claim.as_str().unwrap()), "{sentence}");
    }
}

fn mapped(mapping: Value) -> Value {
    json!({"mappings": {"own": mapping}, "gateway": {"header": "x-login", "mapping": "own", "source": "eherkenning"}})
}

#[test]
fn a_mapping_of_ones_own_must_say_all_that_a_login_needs() {
    let whole = json!({"acting_subject": "who", "level": "loa", "legal_subject_kvk": "kvk", "intermediary_kvk": "via",
        "branch": "branch", "service_uuid": "service"});
    assert_eq!(refused(&mapped(json!({"claims": whole}))), "");
    for name in whole.as_object().unwrap().keys() {
        let lacking = support::changed(whole.clone(), &json!({name: null}));
        let sentence = refused(&mapped(json!({"claims": lacking})));
        assert!(sentence.contains("mappings.own.claims") && sentence.contains(name), "{sentence}");
    }
    for (mapping, place) in [
        (json!({"base": "unknown", "claims": whole}), "mappings.own.base"),
        (json!({"base": "eherkenning-camel", "claims": {"level": "chamberOfCommerce"}}), "mappings.own.claims"),
        (json!({"base": "eherkenning-camel", "claims": {"level": ""}}), "mappings.own.claims"),
        (json!({"base": "eherkenning-camel", "claims": {"employer": "x"}}), "mappings.own.claims"),
        (json!({"base": "eherkenning-camel", "claims": {"document": "x"}}), "mappings.own.claims"),
        (json!({"base": "saml-json", "claims": {"level": "x"}}), "mappings.own.claims"),
        (json!({"base": "eherkenning-camel", "levels": {"EH3": "loa3"}}), "mappings.own.levels"),
        (
            json!({"base": "eherkenning-camel", "levels": {
                "urn:etoegang:core:assurance-class:loa2": "urn:etoegang:core:assurance-class:loa3"}}),
            "mappings.own.levels",
        ),
    ] {
        let sentence = refused(&mapped(mapping));
        assert!(sentence.contains(place), "{sentence}");
    }
    assert!(refused(&json!({"mappings": {"saml-json": {}}, "gateway": {"header": "x", "mapping": "saml-json", "source": "eherkenning"}})).contains("preset"));
}

#[test]
fn a_brokers_own_names_of_levels_are_translated_and_no_others() {
    let loa3 = "urn:etoegang:core:assurance-class:loa3";
    let identity = identity(&mapped(json!({"base": "eherkenning-snake", "claims": {"acting_subject": "idp_id"},
        "levels": {"loa:substantial": loa3}})));
    let with = |level: &str| {
        let claims = json!({"acr": level, "idp_id": "P@O", "chamber_of_commerce": "12345678"}).to_string();
        identity.identify(&headers(&[("x-login", claims)]), &GATEWAY, NOW_MS)
    };
    let known = with("loa:substantial");
    assert_eq!(known.subject["properties"]["authentication"]["levelOfAssurance"], loa3);
    assert_eq!(with(loa3).problem, None);
    assert_eq!(with("loa:high").problem, Some(Problem::LevelUnknown));
}

#[test]
fn problems_have_codes_of_their_own_and_whole_sentences() {
    let codes: std::collections::HashSet<&str> = Problem::ALL.iter().map(|problem| problem.code()).collect();
    assert_eq!(codes.len(), Problem::ALL.len());
    for problem in Problem::ALL {
        assert!(problem.message().ends_with('.') && problem.message().starts_with(char::is_uppercase));
    }
}

#[test]
fn the_documentation_lists_every_problem() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/identity.md")).unwrap();
    let (_, listed) = page.split_once("## Problems").unwrap();
    let rows: Vec<String> = listed.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    let known: Vec<String> =
        Problem::ALL.iter().map(|problem| format!("| `{}` | {} |", problem.code(), problem.message())).collect();
    assert_eq!(rows, known);
}
