use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CHUNK, MOST_EXAMINED, Page, Query, SearchError, Sought};
use crate::bundle::testing::bundle_that_searches;
use crate::clock::Clock;
use crate::decide::testing::settings;
use crate::decide::{Core, Settings};
use crate::error::FailClosed;
use crate::records::testing::{at, put};
use crate::records::{Change, NEVER_NS};
use crate::request::RawRequest;

const DENIED: &str = r#"{"allow":false,"reasons":[{"code":"NO","article":"","message":{"nl":"n","en":"e"},"details":{}}],
    "obligations":[],"notices":[],"accountable":null,"valid_until":null}"#;

/// Allows whom their own record says so, and is told of every input.
fn core(settings: Settings, seen: impl Fn(&Value) + Send + Sync + 'static) -> Core {
    let lookups =
        json!({"own": {"kind": "a", "key": ["subject.id"]}, "thing": {"kind": "i", "key": ["resource.id"]}});
    let search = json!({
        "subject": {"user": {"kind": "a"}},
        "resource": {"thing": {"kind": "i"}},
        "action": {"thing": {"kind": "i", "path": "can.do"}, "named": {"names": ["write", "read", "read"]}},
    });
    let core = Core::new(settings, Clock::manual());
    core.set_bundle(Arc::new(bundle_that_searches(&lookups, &search, move |input| {
        let input: Value = serde_json::from_slice(input).unwrap_or_default();
        seen(&input);
        let allow = input["records"]["own"]["ok"] == json!(true) && input["action"]["name"] != json!("write");
        let allowed = json!({"allow": true, "reasons": [], "obligations": [], "notices": [], "accountable": null,
            "valid_until": null});
        Ok(if allow { allowed.to_string().into_bytes() } else { DENIED.into() })
    })));
    for shard in 0..settings.shards {
        core.records.install(shard, core.records.snapshot(), at(0), NEVER_NS);
    }
    core
}

fn write(core: &Core, kind: &str, key: &str, document: &str, sequence: u64) {
    let checksum = usize::try_from(crc32fast::hash(format!("{kind}\0{key}").as_bytes())).unwrap_or_default();
    let shard = checksum.checked_rem(core.records.shards()).unwrap_or_default();
    core.records.apply(shard, &[put(kind, key, document, sequence)], at(sequence));
}

fn query(sought: Sought, of: &str, after: &str, limit: usize) -> Query {
    let entity = |kind: &str, id: &str| json!({"type": kind, "id": id}).as_object().cloned();
    let request = RawRequest {
        subject: entity(if sought == Sought::Subject { of } else { "user" }, "u0"),
        action: json!({"name": "read"}).as_object().cloned(),
        resource: entity(if sought == Sought::Subject { "thing" } else { of }, "i0"),
        ..RawRequest::default()
    };
    Query { sought, request, after: after.to_owned(), limit }
}

fn subjects(core: &Core, after: &str, limit: usize) -> Result<Page, SearchError> {
    core.search(&query(Sought::Subject, "user", after, limit), 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Every result is allowed and every allowed candidate is found, whatever the pages and the shards.
    #[test]
    fn pages_put_together_are_what_is_allowed(
        records in proptest::collection::btree_map("[a-z]{1,3}", any::<bool>(), 0..120),
        limit in 1_usize..50,
        shards in 1_usize..4,
    ) {
        let core = core(Settings { shards, ..settings(0) }, |_| {});
        for (number, (key, ok)) in (1..).zip(&records) {
            write(&core, "a", key, &json!({ "ok": ok }).to_string(), number);
        }
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = subjects(&core, &after, limit).expect("a page");
            prop_assert!(page.found.len() <= limit);
            found.extend(page.found);
            let Some(next) = page.next else { break };
            prop_assert!(next > after, "each page gets further");
            after = next;
        }
        let expected: Vec<String> = records.into_iter().filter(|(_, ok)| *ok).map(|(key, _)| key).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_call_looks_at_a_bounded_number_of_candidates() {
    let core = core(settings(0), |_| {});
    let keys: Vec<String> = (0..MOST_EXAMINED + 10).map(|number| format!("u{number:05}")).collect();
    let changes: Vec<Change<'_>> = keys.iter().map(|key| put("a", key, "{}", 1)).collect();
    core.records.apply(0, &changes, at(1));
    let mut after = String::new();
    let mut pages = Vec::new();
    loop {
        let page = subjects(&core, &after, 100).expect("a page");
        pages.push(page.found.len());
        let Some(next) = page.next else { break };
        after = next;
    }
    assert!(pages.len() > 1, "it said that there was more");
    assert!(pages.iter().all(|found| *found == 0));
    let page = subjects(&core, "", 0).expect("a page");
    assert_eq!((page.found.len(), page.next.as_deref()), (0, Some("")));
}

#[test]
fn a_page_is_of_one_state() {
    static CORE: OnceLock<Core> = OnceLock::new();
    let core = CORE.get_or_init(|| {
        core(settings(0), |input| {
            // The state moves within the first chunk.
            if input["subject"]["id"] == json!("u005") {
                CORE.wait().records.apply(0, &[put("a", "u040", r#"{"ok":false}"#, 2)], at(2));
            }
        })
    });
    let keys: Vec<String> = (0..CHUNK * 2).map(|number| format!("u{number:03}")).collect();
    let changes: Vec<Change<'_>> = keys.iter().map(|key| put("a", key, r#"{"ok":true}"#, 1)).collect();
    core.records.apply(0, &changes, at(1));
    let first = subjects(core, "", 1_000).expect("a page");
    assert_eq!(first.found.len(), CHUNK);
    assert!(first.view.sequences().eq([1]));
    let second = subjects(core, &first.next.expect("more"), 1_000).expect("a page");
    assert_eq!((second.found.len(), second.next), (CHUNK - 1, None));
    assert!(second.view.sequences().eq([2]));
    assert_eq!(core.records.drained(0), 1, "the first page is still in use");
}

#[test]
fn actions_come_from_the_bundle_or_from_the_record() {
    let core = core(settings(0), |_| {});
    write(&core, "a", "u0", r#"{"ok":true}"#, 1);
    write(&core, "i", "i0", r#"{"can":{"do":["write","read","close",7,"","read"]}}"#, 2);
    let actions = |of: &str| core.search(&query(Sought::Action, of, "", 10), 0).expect("a page").found;
    assert_eq!(actions("thing"), ["close", "read"]);
    assert_eq!(actions("named"), ["read"]);
    assert_eq!(actions("other"), [""; 0]);
    let resources = core.search(&query(Sought::Resource, "thing", "", 10), 0).expect("a page");
    assert_eq!((resources.found, resources.next), (vec!["i0".to_owned()], None));
}

#[test]
fn no_page_is_made_of_what_is_not_known() {
    let failed = |core: &Core, of| core.search(&query(Sought::Subject, of, "", 10), 0).err();
    let core_with = |bytes| core(Settings { on_demand_bytes: bytes, ..settings(0) }, |_| {});
    assert_eq!(failed(&core_with(1 << 20), "user"), Some(SearchError::NotHeld("a".to_owned())));
    let core = core_with(0);
    assert_eq!(failed(&core, "spaceship"), None);
    core.records.install(0, core.records.snapshot(), at(1), 5);
    core.records.clock.set_ns(5);
    assert_eq!(failed(&core, "user"), Some(SearchError::Unavailable(FailClosed::StateStale)));
    let mut wrong = query(Sought::Subject, "user", "", 10);
    wrong.request.action = None;
    assert!(matches!(core.search(&wrong, 0), Err(SearchError::Invalid(error)) if error.field == "action"));
    let empty = Core::new(settings(0), Clock::manual());
    assert_eq!(failed(&empty, "user"), Some(SearchError::Unavailable(FailClosed::StateUnavailable)));
}
