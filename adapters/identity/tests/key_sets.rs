//! Key sets: what is refused, and what a rotation means for tokens.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod support;

use jsonwebtoken::Algorithm;
use pdp_identity::Problem;
use serde_json::{Value, json};
use support::{
    ISSUER, NOW_MS, OTHER_RSA, RSA, STRANGER, bearer, changed, claims, declaration, ec_pair, identity, jwks,
    problem, rsa_pair, signed, with_keys,
};

fn set(keys: Value) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

fn key(jwk: &Value, changes: Value) -> Value {
    changed(changed(jwk.clone(), &json!({"kid": "k"})), &changes)
}

#[test]
fn a_bad_set_changes_nothing() {
    let identity = with_keys();
    let token = signed(&claims(), &RSA.signing, Algorithm::RS256, "one");
    let (rsa, ec, weak) = (&RSA.jwk, ec_pair().jwk, rsa_pair(1024).jwk);
    for (bytes, part) in [
        (b"".to_vec(), "not one JSON object"),
        (b"{}".to_vec(), "no list"),
        (br#"{"keys":[],"keys":[]}"#.to_vec(), "not one JSON object"),
        (set(json!([])), "no key to verify"),
        (set(json!([7])), "keys[0] is not an object"),
        (set(json!([key(rsa, json!({"kid": null}))])), "has no kid"),
        (set(json!([key(rsa, json!({"kid": ""}))])), "has no kid"),
        (set(json!([key(rsa, json!({"kty": null}))])), "has no kty"),
        (set(json!([key(rsa, json!({})), key(&ec, json!({}))])), "kid of an earlier key"),
        (set(json!([{"kty": "oct", "k": "c2VjcmV0", "kid": "k"}])), "secret"),
        (set(json!([key(rsa, json!({"d": "AQAB"}))])), "secret"),
        (set(json!([key(rsa, json!({})), {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}])), "keys[1] holds a secret"),
        (set(json!([key(&weak, json!({}))])), "has 1024 bits"),
        (set(json!([key(rsa, json!({"e": "AQ"}))])), "no RSA key has"),
        (set(json!([key(rsa, json!({"n": "!"}))])), "not base64url"),
        (set(json!([key(rsa, json!({"alg": "HS256"}))])), "alg"),
        (set(json!([key(rsa, json!({"alg": "ES256"}))])), "alg"),
        (set(json!([key(&ec, json!({"x": "AAAA"}))])), "coordinates"),
        (set(json!([key(&ec, json!({"y": ec["x"]}))])), "not a point"),
        (set(json!([{"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "k"}])), "another length"),
        (set(json!([key(rsa, json!({"use": "enc"}))])), "no key to verify"),
        (set(json!([key(rsa, json!({"key_ops": ["encrypt"]}))])), "no key to verify"),
        (set(json!([{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "k"}])), "no key to verify"),
        (vec![b' '; 300_000], "larger"),
    ] {
        let error = identity.set_keys(ISSUER, &bytes, NOW_MS).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(ISSUER), "{error} lacks {part}");
        assert_eq!(problem(&identity, &token), None);
    }
    assert!(identity.set_keys("https://other.example", &set(json!([])), NOW_MS).is_err());
}

#[test]
fn keys_for_other_uses_are_left_out() {
    let identity = with_keys();
    let encryption = changed(OTHER_RSA.jwk.clone(), &json!({"kid": "enc", "use": "enc", "alg": "RSA-OAEP"}));
    let set = set(json!([key(&RSA.jwk, json!({"kid": "one"})), encryption, {"kty": "AKP", "kid": "future"}]));
    assert_eq!(identity.set_keys(ISSUER, &set, NOW_MS), Ok(1));
    let token = signed(&claims(), &OTHER_RSA.signing, Algorithm::RS256, "enc");
    assert_eq!(problem(&identity, &token), Some(Problem::TokenKeyUnknown));
}

#[test]
fn a_key_is_used_with_its_own_algorithm_only() {
    let identity = identity(&declaration());
    identity.set_keys(ISSUER, &jwks(&[(&RSA.jwk, json!({"kid": "one", "alg": "PS256"}))]), NOW_MS).unwrap();
    let token = signed(&claims(), &RSA.signing, Algorithm::RS256, "one");
    assert_eq!(problem(&identity, &token), Some(Problem::TokenAlgorithm));
}

#[test]
fn a_rotation_counts_at_once_also_for_remembered_tokens() {
    let identity = with_keys();
    let old = signed(&claims(), &RSA.signing, Algorithm::RS256, "one");
    let new = signed(&claims(), &OTHER_RSA.signing, Algorithm::RS256, "two");
    assert_eq!(problem(&identity, &old), None);
    assert_eq!(problem(&identity, &new), Some(Problem::TokenKeyUnknown));
    let (one, two) = (json!({"kid": "one"}), json!({"kid": "two"}));
    identity.set_keys(ISSUER, &jwks(&[(&RSA.jwk, one), (&OTHER_RSA.jwk, two.clone())]), NOW_MS).unwrap();
    assert_eq!((problem(&identity, &old), problem(&identity, &new)), (None, None));
    identity.set_keys(ISSUER, &jwks(&[(&OTHER_RSA.jwk, two)]), NOW_MS).unwrap();
    assert_eq!(problem(&identity, &old), Some(Problem::TokenKeyUnknown));
    // Another key under the old name does not revive what the old one signed.
    identity.set_keys(ISSUER, &jwks(&[(&OTHER_RSA.jwk, json!({"kid": "one"}))]), NOW_MS).unwrap();
    assert_eq!(problem(&identity, &old), Some(Problem::TokenSignature));
}

#[test]
fn a_remembered_token_expires() {
    let identity = with_keys();
    let token = bearer(&signed(&claims(), &RSA.signing, Algorithm::RS256, "one"));
    let at = |seconds: i64| identity.identify(&token, &STRANGER, NOW_MS + seconds * 1000).problem;
    assert_eq!(at(0), None);
    assert_eq!(at(329), None);
    assert_eq!(at(330), Some(Problem::TokenExpired));
    assert_eq!(at(-36), Some(Problem::TokenNotYetValid));
    assert_eq!(at(0), None);
}

#[test]
fn keys_that_nothing_confirms_are_trusted_no_longer() {
    let identity = with_keys();
    let long = changed(claims(), &json!({"exp": NOW_MS / 1000 + 1_000_000}));
    let token = bearer(&signed(&long, &RSA.signing, Algorithm::RS256, "one"));
    let day = 86_400_000;
    let at = |now_ms: i64| identity.identify(&token, &STRANGER, now_ms).problem;
    assert_eq!(at(NOW_MS + day), None);
    assert_eq!(at(NOW_MS + day + 1), Some(Problem::KeysUnavailable));
    assert_eq!(identity.take_refresh(NOW_MS + day + 1), [ISSUER]);
    let same = jwks(&[(&RSA.jwk, json!({"kid": "one", "use": "sig"}))]);
    identity.set_keys(ISSUER, &same, NOW_MS + day).unwrap();
    assert_eq!(at(NOW_MS + day + 1), None);
}

#[test]
fn unknown_keys_ask_for_a_refresh_once_in_a_cool_down() {
    let identity = with_keys();
    let token = |kid: &str| signed(&claims(), &RSA.signing, Algorithm::RS256, kid);
    assert!(identity.take_refresh(NOW_MS).is_empty());
    problem(&identity, &token("x"));
    assert_eq!(identity.take_refresh(NOW_MS), [ISSUER]);
    assert!(identity.take_refresh(NOW_MS).is_empty());
    problem(&identity, &token("y"));
    assert!(identity.take_refresh(NOW_MS + 29_999).is_empty());
    assert_eq!(identity.take_refresh(NOW_MS + 30_000), [ISSUER]);
    let foreign = changed(claims(), &json!({"iss": "https://evil.example"}));
    problem(&identity, &signed(&foreign, &RSA.signing, Algorithm::RS256, "z"));
    assert!(identity.take_refresh(NOW_MS + 90_000).is_empty());
}
