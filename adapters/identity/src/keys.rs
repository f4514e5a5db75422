//! Public keys of an issuer (JWK Set, RFC 7517). The cryptography is `jsonwebtoken`'s.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::claims::Claims;
use crate::declaration::algorithm;
use crate::strict_json;

/// The largest set that is read, in bytes, and the most keys in it.
pub const MAX_SET_BYTES: usize = 262_144;
const MAX_KEYS: usize = 64;
const MIN_RSA_BITS: usize = 2_048;
/// What the library verifies with; a larger modulus would also be a way to keep us busy.
const MAX_RSA_BITS: usize = 4_096;

/// A key and what it may be used for.
pub struct Key {
    pub decoding: DecodingKey,
    pub algorithms: Vec<Algorithm>,
}

/// The usable keys of a set, by their ids.
pub struct KeySet {
    keys: HashMap<String, Key>,
    /// Of the bytes that it was read from.
    pub digest: [u8; 32],
    /// When it was last known to be the issuer's, in milliseconds since 1970.
    pub confirmed_ms: i64,
}

impl KeySet {
    /// Reads a set. Keys for another use or of kinds that are not verified with are left out; a secret, a weak key, a
    /// malformed one or an id that stands twice refuses the whole set, as does a set without a usable key.
    pub fn parse(text: &[u8], now_ms: i64) -> Result<Self, String> {
        if text.len() > MAX_SET_BYTES {
            return Err(format!("the set is larger than {MAX_SET_BYTES} bytes"));
        }
        let set = strict_json::object(text).ok_or("it is not one JSON object with unique members")?;
        let Some(Value::Array(items)) = set.get("keys") else {
            return Err("it has no list named keys".to_owned());
        };
        if items.len() > MAX_KEYS {
            return Err(format!("it has more than {MAX_KEYS} keys"));
        }
        let mut keys = HashMap::new();
        for (place, item) in items.iter().enumerate() {
            let jwk = item.as_object().ok_or_else(|| format!("keys[{place}] is not an object"))?;
            let Some((id, key)) = usable(jwk).map_err(|why| format!("keys[{place}] {why}"))? else { continue };
            if keys.insert(id, key).is_some() {
                return Err(format!("keys[{place}] has the kid of an earlier key"));
            }
        }
        if keys.is_empty() {
            return Err("it has no key to verify signatures with".to_owned());
        }
        Ok(Self { keys, digest: digest(text), confirmed_ms: now_ms })
    }

    pub fn get(&self, id: &str) -> Option<&Key> {
        self.keys.get(id)
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }
}

pub fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn usable(jwk: &Claims) -> Result<Option<(String, Key)>, String> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let kind = text("kty").ok_or("has no kty")?;
    if kind == "oct" || jwk.contains_key("d") || jwk.contains_key("k") {
        return Err("holds a secret, which has no place in a set of public keys".to_owned());
    }
    if !is_for_signatures(jwk) {
        return Ok(None);
    }
    let Some((decoding, mut algorithms)) = public(kind, text("crv"), &text)? else { return Ok(None) };
    if let Some(own) = jwk.get("alg") {
        let own = own.as_str().ok_or("has an alg that is no text")?;
        let Some(own) = algorithm(own).filter(|own| algorithms.contains(own)) else {
            return Err("has an alg that does not belong to its kind".to_owned());
        };
        algorithms = vec![own];
    }
    let id = text("kid").filter(|id| !id.is_empty()).ok_or("has no kid")?;
    Ok(Some((id.to_owned(), Key { decoding, algorithms })))
}

fn is_for_signatures(jwk: &Claims) -> bool {
    let use_fits = jwk.get("use").is_none_or(|value| value == "sig");
    let verifies = |value: &Value| value.as_array().is_some_and(|all| all.iter().any(|each| each == "verify"));
    use_fits && jwk.get("key_ops").is_none_or(verifies)
}

type Public = Option<(DecodingKey, Vec<Algorithm>)>;

fn public<'a>(kind: &str, curve: Option<&str>, text: &impl Fn(&str) -> Option<&'a str>) -> Result<Public, String> {
    let number = |name: &str| {
        let value = text(name).ok_or_else(|| format!("has no {name}"))?;
        URL_SAFE_NO_PAD.decode(value).map_err(|_| format!("has an {name} that is not base64url"))
    };
    let (decoding, algorithms) = match (kind, curve) {
        ("RSA", _) => {
            let (modulus, exponent) = (number("n")?, number("e")?);
            check_rsa(&modulus, &exponent)?;
            let family = [
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ];
            (DecodingKey::from_rsa_raw_components(&modulus, &exponent), family.to_vec())
        }
        ("EC", Some(curve @ ("P-256" | "P-384"))) => {
            let (width, algorithm) =
                if curve == "P-256" { (32, Algorithm::ES256) } else { (48, Algorithm::ES384) };
            let (x, y) = (number("x")?, number("y")?);
            if x.len() != width || y.len() != width {
                return Err("has coordinates of another length than its curve's".to_owned());
            }
            (DecodingKey::from_ec_der(&[&[4], x.as_slice(), y.as_slice()].concat()), vec![algorithm])
        }
        ("OKP", Some("Ed25519")) => {
            let x = number("x")?;
            if x.len() != 32 {
                return Err("has a key of another length than its curve's".to_owned());
            }
            (DecodingKey::from_ed_der(&x), vec![Algorithm::EdDSA])
        }
        _ => return Ok(None),
    };
    // The library looks at a point only when it is used, so it is used once here.
    let first = algorithms.first().copied().ok_or("has no algorithm")?;
    let probe = jsonwebtoken::crypto::verify("", b"", &decoding, first);
    probe.map_err(|_| "is not a point of its curve".to_owned())?;
    Ok(Some((decoding, algorithms)))
}

fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), String> {
    let significant: Vec<u8> = modulus.iter().copied().skip_while(|byte| *byte == 0).collect();
    let leading = significant.first().map_or(8, |byte| byte.leading_zeros() as usize);
    let bits = significant.len().saturating_mul(8).saturating_sub(leading);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(format!("has {bits} bits; from {MIN_RSA_BITS} to {MAX_RSA_BITS} are verified with"));
    }
    let exponent: Vec<u8> = exponent.iter().copied().skip_while(|byte| *byte == 0).collect();
    // An exponent of 1 makes any message its own signature.
    let odd =
        exponent.last().is_some_and(|byte| byte % 2 == 1) && significant.last().is_some_and(|byte| byte % 2 == 1);
    if odd && exponent.len() <= 4 && exponent != [1] {
        Ok(())
    } else {
        Err("has a modulus or an exponent that no RSA key has".to_owned())
    }
}
