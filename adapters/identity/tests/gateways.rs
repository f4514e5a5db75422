//! Headers of gateways: believed only from gateways, and only where there is one reading of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod support;

use jsonwebtoken::Algorithm;
use pdp_identity::{Identity, Peer, Problem};
use serde_json::{Value, json};
use support::{
    GATEWAY, ISSUER, NOW_MS, RSA, STRANGER, base64url, changed, check_nobody, claims, declaration, headers,
    identity, jwks, signed,
};

const LEVEL: &str = "urn:etoegang:core:assurance-class:loa3";

fn one_for_each_claim() -> Identity {
    identity(&json!({"gateway": {
        "mapping": "eherkenning-camel", "source": {"claim": "idp", "values": {"eherkenning": "eherkenning", "digid": "digid"}},
        "headers": {"x-user": "eherkenningPseudo", "x-kvk": "chamberOfCommerce", "x-loa": "acr", "x-idp": "idp",
            "x-intermediary-kvk": "eherkenningIntermediatekvkNr", "x-service": "eherkenningServiceUUID",
            "x-branch": "eherkenningVestigingsNr"},
    }}))
}

const DIRECT: [(&str, &str); 4] =
    [("x-user", "P@O"), ("x-kvk", "12345678"), ("x-loa", LEVEL), ("x-idp", "eherkenning")];

#[test]
fn one_header_for_each_claim() {
    let identity = one_for_each_claim();
    let with = |more: &[(&str, &str)]| {
        let sent = headers(&[&DIRECT[..], more].concat());
        let identified = identity.identify(&sent, &GATEWAY, NOW_MS);
        check_nobody(&identified);
        identified
    };
    assert_eq!(with(&[]).problem, None);
    let chain = with(&[("x-intermediary-kvk", "87654321"), ("x-service", "uuid-1")]);
    let context = &chain.subject["properties"]["authentication"];
    assert_eq!(context["representee"]["identifier"], "12345678");
    assert_eq!(context["authorizee"]["legalSubject"]["identifier"], "87654321");
    for (more, expected) in [
        (vec![("x-intermediary-kvk", "87654321")], Problem::MandateMissing),
        (vec![("x-intermediary-kvk", "")], Problem::IntermediaryMalformed),
        (vec![("x-branch", "")], Problem::BranchMalformed),
        (vec![("x-kvk", "12345678")], Problem::CredentialsRepeated),
        (vec![("x_kvk", "87654321")], Problem::HeaderVariant),
        (vec![("x-intermediary_kvk", "")], Problem::HeaderVariant),
        (vec![("x.user", "other")], Problem::HeaderVariant),
    ] {
        assert_eq!(with(&more).problem, Some(expected), "{more:?}");
    }
}

#[test]
fn each_header_is_needed_and_bounded() {
    let identity = one_for_each_claim();
    let long = "x".repeat(17_000);
    for (name, value, expected) in [
        ("x-user", None, Problem::ActingSubjectMissing),
        ("x-kvk", None, Problem::LegalSubjectMissing),
        ("x-loa", None, Problem::LevelMissing),
        ("x-idp", None, Problem::SourceMissing),
        ("x-idp", Some("eidas"), Problem::SourceMissing),
        ("x-idp", Some("digid"), Problem::SourceOther),
        ("x-user", Some(""), Problem::ActingSubjectMissing),
        ("x-kvk", Some("12345678, 87654321"), Problem::LegalSubjectMalformed),
        ("x-user", Some("a,b"), Problem::ActingSubjectMalformed),
        ("x-user", Some(long.as_str()), Problem::CredentialsTooLarge),
    ] {
        let sent: Vec<(&str, &str)> = DIRECT
            .iter()
            .filter_map(
                |(known, usual)| {
                    if *known == name { value.map(|value| (name, value)) } else { Some((*known, *usual)) }
                },
            )
            .collect();
        let identified = identity.identify(&headers(&sent), &GATEWAY, NOW_MS);
        check_nobody(&identified);
        assert_eq!(identified.problem, Some(expected), "{name}");
    }
    assert_eq!(
        identity.identify(&headers(&[("x-user", b"\xff\xff")]), &GATEWAY, NOW_MS).problem,
        Some(Problem::HeaderMalformed)
    );
}

#[test]
fn another_source_is_named_and_nothing_else() {
    let sent = headers(&[("x-user", "111222333"), ("x-idp", "digid")]);
    let identified = one_for_each_claim().identify(&sent, &GATEWAY, NOW_MS);
    let subject =
        json!({"type": "user", "id": "anonymous", "properties": {"authentication": {"source": "digid"}}});
    assert_eq!(Value::Object(identified.subject), subject);
}

#[test]
fn only_gateways_are_believed() {
    let mut declared =
        json!({"gateway": {"header": "x-login", "mapping": "authentication", "names": ["envoy.portal.example"]}});
    let context = json!({"source": "eherkenning", "levelOfAssurance": LEVEL, "authorizee": {
        "legalSubject": {"identifierType": "kvkNummer", "identifier": "12345678"},
        "actingSubject": {"identifierType": "opaque", "identifier": "P@O"}}});
    let sent = headers(&[("x-login", context.to_string())]);
    let peer = |trusted, name| Peer { trusted, name };
    let untrusted = Some(Problem::HeaderUntrusted);
    for (peer, expected) in [
        (peer(true, Some("envoy.portal.example")), None),
        (peer(true, Some("other.portal.example")), untrusted),
        (peer(true, None), untrusted),
        (peer(false, Some("envoy.portal.example")), untrusted),
        (peer(false, None), untrusted),
    ] {
        let identified = identity(&declared).identify(&sent, &peer, NOW_MS);
        check_nobody(&identified);
        assert_eq!(identified.problem, expected, "{peer:?}");
    }
    declared["gateway"].as_object_mut().unwrap().remove("names");
    assert_eq!(identity(&declared).identify(&sent, &GATEWAY, NOW_MS).problem, None);
    assert_eq!(
        identity(&declared).identify(&headers::<&str, &str>(&[]), &STRANGER, NOW_MS).problem,
        Some(Problem::NotLoggedIn)
    );
}

#[test]
fn json_is_read_in_one_way() {
    let identity = identity(
        &json!({"gateway": {"header": "x-login", "mapping": "eherkenning-camel", "source": "eherkenning"}}),
    );
    let good = json!({"acr": LEVEL, "chamberOfCommerce": "12345678", "eherkenningPseudo": "P@O"}).to_string();
    let padded = base64url(good.as_bytes()) + "==".get(..(3 - good.len() % 3) % 3).unwrap();
    for (value, expected) in [
        (good.clone(), None),
        (padded, None),
        (
            good.replacen('{', r#"{"acr":"urn:etoegang:core:assurance-class:loa4","#, 1),
            Some(Problem::HeaderMalformed),
        ),
        (format!("{good}{good}"), Some(Problem::HeaderMalformed)),
        (base64url(b"[]"), Some(Problem::HeaderMalformed)),
        (format!("{}{}{}", r#"{"a":"#, "[".repeat(3_000), "]".repeat(3_000)), Some(Problem::HeaderMalformed)),
        ("null".to_owned(), Some(Problem::HeaderMalformed)),
        (String::new(), Some(Problem::HeaderMalformed)),
    ] {
        assert_eq!(
            identity.identify(&headers(&[("x-login", &value)]), &GATEWAY, NOW_MS).problem,
            expected,
            "{value:.100}"
        );
    }
}

fn both() -> Identity {
    let mut declared = declaration();
    declared["gateway"] = json!({"header": "x-login", "mapping": "eherkenning-camel", "source": "eherkenning"});
    let identity = identity(&declared);
    identity.set_keys(ISSUER, &jwks(&[(&RSA.jwk, json!({"kid": "one"}))]), NOW_MS).unwrap();
    identity
}

#[test]
fn a_token_and_headers_must_agree_and_neither_makes_the_other_good() {
    let identity = both();
    let token = |changes: Value| {
        format!("Bearer {}", signed(&changed(claims(), &changes), &RSA.signing, Algorithm::RS256, "one"))
    };
    let other = json!({"chamberOfCommerce": "87654321"});
    for (authorization, header, peer, expected) in [
        (token(json!({})), claims(), GATEWAY, None),
        (token(json!({})), changed(claims(), &other), GATEWAY, Some(Problem::CredentialsDisagree)),
        (token(json!({"exp": 1})), claims(), GATEWAY, Some(Problem::TokenExpired)),
        ("Bearer x".to_owned(), claims(), GATEWAY, Some(Problem::TokenMalformed)),
        ("Basic dTpw".to_owned(), claims(), GATEWAY, Some(Problem::SchemeUnsupported)),
        (token(json!({})), json!({}), GATEWAY, Some(Problem::LevelMissing)),
        (token(json!({})), claims(), STRANGER, Some(Problem::HeaderUntrusted)),
    ] {
        let sent = headers(&[("authorization", authorization), ("x-login", header.to_string())]);
        let identified = identity.identify(&sent, &peer, NOW_MS);
        check_nobody(&identified);
        assert_eq!(identified.problem, expected);
    }
}

#[test]
fn a_token_may_have_a_header_of_its_own() {
    let mut declared = declaration();
    declared["token_header"] = json!("x-id-token");
    let identity = identity(&declared);
    identity.set_keys(ISSUER, &jwks(&[(&RSA.jwk, json!({"kid": "one"}))]), NOW_MS).unwrap();
    let token = signed(&claims(), &RSA.signing, Algorithm::RS256, "one");
    for (name, expected) in [
        ("x-id-token", None),
        ("x_id_token", Some(Problem::HeaderVariant)),
        ("authorization", Some(Problem::NotLoggedIn)),
    ] {
        assert_eq!(identity.identify(&headers(&[(name, &token)]), &STRANGER, NOW_MS).problem, expected, "{name}");
    }
}
