//! One issuer of tokens: its keys as they are replaced, and the tokens that were verified with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use parking_lot::Mutex;
use quick_cache::sync::Cache;

use crate::declaration::{TokenIssuer, algorithm};
use crate::keys::KeySet;
use crate::mapping::{Mapping, Reading};
use crate::problem::Problem;
use crate::token::{Unverified, Validity, check_audience, validity};

/// How many verified tokens are remembered for each issuer: a few megabytes at most.
const REMEMBERED: usize = 4_096;

/// Where an issuer's keys are to be read and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysSource {
    pub issuer: String,
    /// An https URL, an http URL on loopback, or a file.
    pub keys: String,
    pub refresh_seconds: u32,
}

pub struct Issuer {
    declared: TokenIssuer,
    algorithms: Vec<Algorithm>,
    mapping: Mapping,
    keys: ArcSwapOption<KeySet>,
    wanted: AtomicBool,
    refreshed_ms: Mutex<Option<i64>>,
    verified: Cache<[u8; 32], Verified>,
}

/// A token whose signature and claims were found good, under the keys of `keys`.
#[derive(Clone)]
struct Verified {
    reading: Reading,
    validity: Validity,
    keys: [u8; 32],
}

impl Issuer {
    pub fn new(declared: TokenIssuer, mapping: Mapping) -> Self {
        Self {
            algorithms: declared.algorithms.iter().filter_map(|name| algorithm(name)).collect(),
            declared,
            mapping,
            keys: ArcSwapOption::empty(),
            wanted: AtomicBool::new(false),
            refreshed_ms: Mutex::new(None),
            verified: Cache::new(REMEMBERED),
        }
    }

    pub fn keys_source(&self) -> KeysSource {
        KeysSource {
            issuer: self.declared.issuer.clone(),
            keys: self.declared.keys.clone(),
            refresh_seconds: self.declared.keys_refresh_seconds,
        }
    }

    pub fn set_keys(&self, jwks: &[u8], now_ms: i64) -> Result<usize, String> {
        let new = KeySet::parse(jwks, now_ms)?;
        let count = new.len();
        self.keys.store(Some(Arc::new(new)));
        Ok(count)
    }

    pub fn take_refresh(&self, now_ms: i64) -> bool {
        if !self.wanted.load(Ordering::Relaxed) {
            return false;
        }
        let cooldown_ms = i64::from(self.declared.keys_cooldown_seconds).saturating_mul(1000);
        let mut refreshed = self.refreshed_ms.lock();
        // A clock that was set back must not stop refreshing.
        let cool = refreshed.is_none_or(|last| now_ms.saturating_sub(last).saturating_abs() >= cooldown_ms);
        if cool {
            *refreshed = Some(now_ms);
            self.wanted.store(false, Ordering::Relaxed);
        }
        cool
    }

    /// What a token that was verified before says; None when it was not, or not with the keys of now.
    pub fn remembered(&self, digest: &[u8; 32], now_ms: i64) -> Option<Result<Reading, Problem>> {
        let known = self.verified.get(digest)?;
        let keys = self.keys(now_ms).ok()?;
        (keys.digest == known.keys).then(|| known.validity.check(now_ms).map(|()| known.reading))
    }

    pub fn verify(
        &self,
        token: Unverified<'_>,
        digest: [u8; 32],
        skew_ms: i64,
        now_ms: i64,
    ) -> Result<Reading, Problem> {
        let keys = self.keys(now_ms).inspect_err(|_| self.want_refresh())?;
        let claims = token.verify(&self.algorithms, &keys).inspect_err(|problem| {
            if *problem == Problem::TokenKeyUnknown {
                self.want_refresh();
            }
        })?;
        check_audience(&claims, &self.declared.audience)?;
        let validity = validity(&claims, skew_ms)?;
        validity.check(now_ms)?;
        let reading = self.mapping.read(&claims, self.declared.source.as_ref())?;
        self.verified.insert(digest, Verified { reading: reading.clone(), validity, keys: keys.digest });
        Ok(reading)
    }

    fn want_refresh(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// The keys, unless nothing has confirmed for too long that they are still the issuer's.
    fn keys(&self, now_ms: i64) -> Result<Arc<KeySet>, Problem> {
        let keys = self.keys.load_full().ok_or(Problem::KeysUnavailable)?;
        let max_age_ms = i64::from(self.declared.keys_max_age_seconds).saturating_mul(1000);
        if now_ms.saturating_sub(keys.confirmed_ms) > max_age_ms {
            return Err(Problem::KeysUnavailable);
        }
        Ok(keys)
    }
}
