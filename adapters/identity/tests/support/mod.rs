//! Issuers with fresh keys, declarations and requests for the tests.
#![allow(dead_code)]

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pdp_identity::{Identified, Identity, Peer, Problem};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts;
use serde_json::{Map, Value, json};

pub const NOW_MS: i64 = 1_780_000_000_000;
pub const NOW: i64 = NOW_MS / 1000;
pub const ISSUER: &str = "https://login.example.nl/realms/portal";
pub const AUDIENCE: &str = "werkgeversportaal";
pub const GATEWAY: Peer<'_> = Peer { trusted: true, name: None };
pub const STRANGER: Peer<'_> = Peer { trusted: false, name: None };

/// A key pair: the private half to sign with, the public half as a JWK without a kid.
pub struct Pair {
    pub signing: EncodingKey,
    pub jwk: Value,
}

pub static RSA: LazyLock<Pair> = LazyLock::new(|| rsa_pair(2048));
pub static OTHER_RSA: LazyLock<Pair> = LazyLock::new(|| rsa_pair(2048));

pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn rsa_pair(bits: usize) -> Pair {
    let private = rsa::RsaPrivateKey::new(&mut OsRng, bits).unwrap();
    Pair {
        signing: EncodingKey::from_rsa_der(private.to_pkcs1_der().unwrap().as_bytes()),
        jwk: json!({"kty": "RSA", "n": base64url(&private.n().to_bytes_be()), "e": base64url(&private.e().to_bytes_be())}),
    }
}

pub fn ec_pair() -> Pair {
    use p256::elliptic_curve::sec1::ToEncodedPoint;
    use p256::pkcs8::EncodePrivateKey;
    let private = p256::SecretKey::random(&mut OsRng);
    let point = private.public_key().to_encoded_point(false);
    Pair {
        signing: EncodingKey::from_ec_der(private.to_pkcs8_der().unwrap().as_bytes()),
        jwk: json!({"kty": "EC", "crv": "P-256", "x": base64url(point.x().unwrap()), "y": base64url(point.y().unwrap())}),
    }
}

pub fn ed_pair() -> Pair {
    use ed25519_dalek::pkcs8::EncodePrivateKey;
    let private = ed25519_dalek::SigningKey::generate(&mut OsRng);
    Pair {
        signing: EncodingKey::from_ed_der(private.to_pkcs8_der().unwrap().as_bytes()),
        jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(private.verifying_key().as_bytes())}),
    }
}

/// A key set in which each key has the members beside it.
pub fn jwks(keys: &[(&Value, Value)]) -> Vec<u8> {
    let keys: Vec<Value> = keys
        .iter()
        .map(|(jwk, extra)| {
            let mut jwk = (*jwk).clone();
            jwk.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            jwk
        })
        .collect();
    json!({ "keys": keys }).to_string().into_bytes()
}

pub fn declaration() -> Value {
    json!({"tokens": [{
        "issuer": ISSUER, "audience": [AUDIENCE], "keys": "https://login.example.nl/certs",
        "algorithms": ["RS256", "ES256", "EdDSA"], "mapping": "eherkenning-camel", "source": "eherkenning",
    }]})
}

pub fn identity(declaration: &Value) -> Identity {
    Identity::from_json(declaration.to_string().as_bytes()).unwrap()
}

/// An identity with one issuer, whose RSA key is called `one`.
pub fn with_keys() -> Identity {
    let identity = identity(&declaration());
    identity.set_keys(ISSUER, &jwks(&[(&RSA.jwk, json!({"kid": "one", "use": "sig"}))]), NOW_MS).unwrap();
    identity
}

pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW - 5, "sub": "transient",
        "acr": "urn:etoegang:core:assurance-class:loa3", "chamberOfCommerce": "12345678",
        "eherkenningPseudo": "PSEUDO@ORG", "eherkenningServiceUUID": "b2ba62a6-419c-4331-8fbb-40c7b589978d",
    })
}

/// Claims with some changed; null removes.
pub fn changed(mut base: Value, changes: &Value) -> Value {
    let members = base.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    base
}

pub fn signed(claims: &Value, key: &EncodingKey, algorithm: Algorithm, kid: &str) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

/// Signed with any header, which the library would refuse to write.
pub fn signed_raw(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

pub fn headers<K: AsRef<str>, V: AsRef<[u8]>>(pairs: &[(K, V)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.as_ref().parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
    }
    headers
}

pub fn bearer(token: &str) -> HeaderMap {
    headers(&[("authorization", format!("Bearer {token}"))])
}

/// The problem of a token; also holds that with a problem nobody is logged in.
pub fn problem(identity: &Identity, token: &str) -> Option<Problem> {
    let identified = identity.identify(&bearer(token), &STRANGER, NOW_MS);
    check_nobody(&identified);
    identified.problem
}

pub fn check_nobody(identified: &Identified) {
    let subject: &Map<String, Value> = &identified.subject;
    match identified.problem {
        None => assert_ne!(subject["id"], "anonymous"),
        Some(Problem::SourceOther) => assert_eq!(subject["id"], "anonymous"),
        Some(_) => assert_eq!(Value::Object(subject.clone()), json!({"type": "user", "id": "anonymous"})),
    }
}
