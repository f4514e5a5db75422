//! The table of real-shaped logins (`tests/adapters/assertions.yaml`): each whole one is understood, each change of it
//! has the effect that the table says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod support;

use serde_json::{Map, Value, json};
use support::{GATEWAY, NOW_MS, base64url, check_nobody, headers, identity};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/adapters/assertions.yaml");

fn table() -> Value {
    let mut yaml: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(&std::fs::read_to_string(TABLE).unwrap()).unwrap();
    yaml.apply_merge().unwrap();
    serde_json::to_value(yaml).unwrap()
}

fn without_nulls(claims: &Value) -> Map<String, Value> {
    claims.as_object().unwrap().clone().into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn changed(case: &Value, change: &Value) -> Map<String, Value> {
    let mut claims = without_nulls(&case["claims"]);
    let is_saml = case["mapping"] == "saml-json";
    if let Some(level) = change.get("level") {
        claims.insert("AuthnContextClassRef".to_owned(), level.clone());
    }
    if let Some(set) = change.get("set").and_then(Value::as_object) {
        let target = if is_saml { claims["Attributes"].as_object_mut().unwrap() } else { &mut claims };
        target.extend(set.clone());
        *target = without_nulls(&Value::Object(target.clone()));
    }
    without_nulls(&Value::Object(claims))
}

fn expected(login: &Value, level: &Value, id: &str) -> Value {
    let kind = login.get("type").and_then(Value::as_str).unwrap_or("kvkNummer");
    let mut own = json!({"identifierType": kind, "identifier": login["organisation"]});
    if let Some(branch) = login.get("branch") {
        own["branchNumber"] = branch.clone();
    }
    let mut context = json!({
        "source": "eherkenning",
        "levelOfAssurance": level,
        "authorizee": {"legalSubject": own, "actingSubject": {"identifierType": "opaque", "identifier": id}},
    });
    if let Some(services) = login.get("services") {
        context["representee"] = json!({"identifierType": "kvkNummer", "identifier": login["employer"]});
        context["mandate"] = json!({"services": services});
    }
    json!({"type": "user", "id": id, "properties": {"authentication": context}})
}

fn check(case: &Value, claims: &Map<String, Value>, outcome: &Value, table: &Value) {
    let mut declared = json!({"gateway": {"header": "x-login", "mapping": case["mapping"]}});
    if case["mapping"] != "authentication" {
        declared["gateway"]["source"] = json!("eherkenning");
    }
    let identity = identity(&declared);
    let text = Value::Object(claims.clone()).to_string();
    for sent in [text.clone(), base64url(text.as_bytes())] {
        let identified = identity.identify(&headers(&[("x-login", sent)]), &GATEWAY, NOW_MS);
        check_nobody(&identified);
        let place = format!("{} with {outcome}", case["name"]);
        let code = identified.problem.map(pdp_identity::Problem::code);
        assert_eq!(code, outcome.get("problem").and_then(Value::as_str), "{place}");
        if code.is_none() {
            let login = outcome.get("login").unwrap_or(&case["login"]);
            let id = table["values"]["pseudonym"].as_str().unwrap();
            assert_eq!(
                Value::Object(identified.subject),
                expected(login, &table["values"]["level"], id),
                "{place}"
            );
        }
    }
}

#[test]
fn every_login_of_the_table_is_what_the_table_says() {
    let table = table();
    let mut checked = 0;
    for case in table["cases"].as_array().unwrap() {
        check(case, &without_nulls(&case["claims"]), &json!({}), &table);
        for change in case["changes"].as_array().unwrap() {
            let outcomes = ["problem", "login", "same"].iter().filter(|name| change.get(**name).is_some()).count();
            assert_eq!(outcomes, 1, "{}: {change}", case["name"]);
            check(case, &changed(case, change), change, &table);
            checked += 1;
        }
    }
    assert!(checked > 100);
}

#[test]
fn a_level_is_known_or_nobody_is_logged_in() {
    let levels = ["loa1", "loa2", "loa2plus", "loa3", "loa4"];
    let identity = identity(&json!({"gateway": {"header": "x-login", "mapping": "eherkenning-snake",
        "source": "eherkenning"}}));
    let level_of = |level: &str| {
        let claims = json!({"acr": level, "chamber_of_commerce": "12345678", "eherkenning_pseudo": "P@O"});
        let identified = identity.identify(&headers(&[("x-login", claims.to_string())]), &GATEWAY, NOW_MS);
        identified
            .subject
            .get("properties")
            .map(|properties| properties["authentication"]["levelOfAssurance"].clone())
    };
    for level in levels {
        let urn = format!("urn:etoegang:core:assurance-class:{level}");
        assert_eq!(level_of(&urn), Some(json!(urn)));
        assert_eq!(level_of(level), None);
        assert_eq!(level_of(&urn.to_uppercase()), None);
    }
}
