//! What holds for every target: see the crate's one law.

use std::collections::HashSet;

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::{Found, Refusal, Routes};

/// (Name, path): with each kind of segment beside each other.
const PATHS: [(&str, &str); 9] = [
    ("root", "/"),
    ("static", "/static/**"),
    ("static-admin", "/static/admin"),
    ("report", "/report/{number}"),
    ("report-new", "/report/new"),
    ("lines", "/report/{number}/lines"),
    ("manage", "/manage/accounts"),
    ("any", "/any/{one}/**"),
    ("slashed", "/slashed/"),
];

fn routes() -> Routes {
    let routes: Vec<Value> = PATHS
        .iter()
        .map(|(name, path)| {
            let mut route = json!({"name": name, "path": path, "methods": ["GET"]});
            if name.starts_with("static") || *name == "root" {
                route["public"] = true.into();
            } else {
                route["action"] = json!({"name": "read"});
                route["resource"] = json!({"type": "t", "id": path.split('{').next()});
            }
            route
        })
        .collect();
    Routes::from_json(json!({ "routes": routes }).to_string().as_bytes()).expect("routes")
}

/// The path that a program sees which cares for nothing, in each way that real ones do.
fn careless(target: &str) -> Vec<String> {
    let mut path = target.to_owned();
    for _ in 0..4 {
        path = percent_decode_str(&path).decode_utf8_lossy().into_owned();
    }
    // Compatibility forms, accents and letters that only some alphabets have, as file systems, databases and
    // comparisons that ignore case see them; a slash that is none, as Windows takes it.
    let path: String = path.nfkd().filter(|c| !"\u{301}\u{307}\u{200b}\u{ad}".contains(*c)).collect();
    let path = path.to_uppercase().replace('\u{2215}', "/");
    let path = path.split(['?', '#', '\0']).next().unwrap_or_default().replace('\\', "/").replace('+', " ");
    let mut segments: Vec<String> = Vec::new();
    for segment in path.split('/').map(|segment| segment.split(';').next().unwrap_or_default().trim()) {
        // Windows drops dots and spaces behind a name.
        let name = segment.trim_end_matches([' ', '.']);
        match if segment == ".." || segment == "." { segment } else { name } {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other.to_lowercase()),
        }
    }
    segments
}

/// The route of a careless program: of all that match, the most specific, segment by segment.
fn careless_route(segments: &[String]) -> Option<&'static str> {
    let matching = PATHS.iter().filter_map(|(name, path)| {
        let declared: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let rest = declared.last() == Some(&"**");
        let enough = if rest { segments.len() >= declared.len() } else { segments.len() == declared.len() };
        let ranks = declared.iter().zip(segments).map(|(declared, segment)| match *declared {
            "**" => Some(2),
            declared if declared.starts_with('{') => Some(1),
            declared => (declared == segment).then_some(0),
        });
        let ranks: Option<Vec<u8>> = ranks.collect();
        ranks.filter(|_| enough).map(|ranks| (ranks, *name))
    });
    matching.min().map(|(_, name)| name)
}

fn name(found: &Found<'_>) -> Option<String> {
    match found {
        Found::Public { route } => Some((*route).to_owned()),
        Found::Protected(mapped) => Some(mapped.route.to_owned()),
        Found::Unknown | Found::Refused(_) => None,
    }
}

/// Pieces that attacks are made of, between pieces that routes are made of.
fn target() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "/", "/", "/", "static", "admin", "report", "new", "lines", "manage", "accounts", "any", "slashed", "7",
        ]),
        2 => prop::sample::select(vec![
            "..", ".", "%2e", "%2E%2e", "%252e", "//", "\\", "%5c", "%2f", "%252F", ";", ";a=b", "%3b", "%00", "?",
            "%3f", "#", "%23", "%", "%4", "%c3%a9", "%C0%AF", "Static", "ADMIN", "%61dmin", "+", " ", "é",
            "adm%C4%B1n", "%C5%BFtatic", "ne%EF%BD%97", "%EF%BC%8E%EF%BC%8E", "%EF%BC%8F", "%E2%88%95", "a%CC%81dmin",
            "ad%C2%ADmin", "n%C3%A9w", "%E2%80%A5", "%EF%BC%9B", "%E2%80%8B", "\u{212a}", "%C2%A0",
            "manage/accounts", "report/new", "report/7/lines", "/../", "admin.", "%20", "/./", "admin/",
        ]),
    ];
    prop::collection::vec(piece, 0..9).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_route_that_is_found_is_the_route_of_every_careless_reading(target in target()) {
        let routes = routes_once();
        if let Some(found) = name(&routes.find(&Method::GET, &target, &HeaderMap::new())) {
            prop_assert_eq!(Some(&*found), careless_route(&careless(&target)), "{}", target);
        }
    }

    #[test]
    fn nothing_breaks_it(target in ".{0,60}", method in "[A-Z]{1,9}") {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        routes_once().find(&method, &target, &HeaderMap::new());
    }

    #[test]
    fn a_value_comes_through_as_it_was_meant(value in "[a-z][^\\pC/\\\\%;?#+]{0,40}") {
        let declared = json!({"routes": [{
            "name": "r", "path": "/report/{v}", "methods": ["GET"], "action": {"name": "read"},
            "resource": {"type": "t", "id": "{v}", "properties": {"twice": "{v}-{v}"}},
        }]});
        let routes = Routes::from_json(declared.to_string().as_bytes()).expect("routes");
        let encoded = percent_encoding::utf8_percent_encode(&value, UNRESERVED);
        match routes.find(&Method::GET, &format!("/report/{encoded}"), &HeaderMap::new()) {
            Found::Protected(mapped) => {
                prop_assert_eq!(mapped.resource.get("id"), Some(&json!(value)));
                let properties = json!({"twice": format!("{value}-{value}")});
                prop_assert_eq!(mapped.resource.get("properties"), Some(&properties));
            }
            // Of what was encoded here only such characters could be taken for a separator.
            Found::Refused(Refusal::PathEncodedSeparator) => {
                let look: String = value.chars().filter(|c| !c.is_ascii()).nfkd().collect();
                prop_assert!(look.contains(|c| "/\\.%;?#\u{2044}\u{2215}\u{2216}".contains(c)), "{}", value);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

const UNRESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn routes_once() -> &'static Routes {
    static ROUTES: std::sync::OnceLock<Routes> = std::sync::OnceLock::new();
    ROUTES.get_or_init(routes)
}

#[test]
fn the_targets_that_laws_are_tried_with_reach_every_route() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let routes = routes_once();
    let found: HashSet<String> = (0..20_000)
        .filter_map(|_| {
            let target = target().new_tree(&mut runner).expect("a target").current();
            name(&routes.find(&Method::GET, &target, &HeaderMap::new()))
        })
        .collect();
    let missing: Vec<_> = PATHS.iter().filter(|(name, _)| !found.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
