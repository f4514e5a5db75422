//! Declarations that are refused, and the questions that requests become.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::{Found, Refusal, Routes};

fn load(routes: Value) -> Result<Routes, String> {
    let document = if routes.is_array() { json!({ "routes": routes }) } else { routes };
    Routes::from_json(document.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn route(changes: Value) -> Value {
    let mut route = json!({
        "name": "report", "path": "/report/{number}", "methods": ["POST"],
        "action": {"name": "submit"}, "resource": {"type": "webdienst", "id": "report"},
    });
    if let (Value::Object(route), Value::Object(changes)) = (&mut route, changes) {
        route.extend(changes);
        route.retain(|_, value| !value.is_null());
    }
    route
}

#[test]
fn a_declaration_that_cannot_be_meant_is_refused_with_its_place() {
    let public =
        |path: &str| route(json!({"name": path, "path": path, "public": true, "action": null, "resource": null}));
    for (routes, error) in [
        (json!([{"name": "a"}]), "routes[0]: missing field `path`"),
        (json!([route(json!({"paths": "/"}))]), "routes[0].paths: unknown field `paths`"),
        (json!([route(json!({"name": ""}))]), "routes[0].name: is empty or another route's"),
        (json!([route(json!({})), route(json!({"path": "/x"}))]), "routes[1].name: is empty or another route's"),
        (
            json!([route(json!({})), route(json!({"name": "b", "path": "/report/{other}"}))]),
            "routes[1].path: POST on this path is the route \"report\" already",
        ),
        (json!([public("/a"), public("/A/")]), "routes[1].path: POST on this path is the route \"/a\" already"),
        (
            json!([public("/e"), public("/%C3%89")]),
            "routes[1].path: POST on this path is the route \"/e\" already",
        ),
        (json!([public("/a%E2%88%95b")]), "routes[0].path: the path has an encoded separator"),
        (json!([route(json!({"methods": []}))]), "routes[0].methods: names no method"),
        (json!([route(json!({"methods": ["Post"]}))]), "routes[0].methods: \"Post\" is no method in capitals"),
        (json!([route(json!({"action": null}))]), "routes[0]: must have action and resource, or be public"),
        (json!([route(json!({"public": true}))]), "routes[0]: is public and asks nothing"),
        (json!([route(json!({"path": "report"}))]), "routes[0].path: the target does not begin with a slash"),
        (json!([route(json!({"path": "/a//b"}))]), "routes[0].path: the path has an empty segment"),
        (json!([route(json!({"path": "/%41"}))]), "routes[0].path: the path has an encoded character"),
        (json!([route(json!({"path": "/a?b=c"}))]), "routes[0].path: has a query"),
        (json!([route(json!({"path": "/x{y}"}))]), "routes[0].path: \"x{y}\": a variable is a whole segment"),
        (json!([route(json!({"path": "/**/a"}))]), "routes[0].path: has something behind **"),
        (json!([route(json!({"path": "/a/**/"}))]), "routes[0].path: has something behind **"),
        (json!([route(json!({"path": "/{a}/{a}"}))]), "routes[0].path: \"{a}\" is no variable, or there twice"),
    ] {
        let why = load(routes.clone()).err().unwrap_or_default();
        assert!(why.contains(error), "{routes}: {why:?} instead of {error:?}");
    }
}

#[test]
fn values_and_urls_that_cannot_be_meant_are_refused_with_their_place() {
    for (routes, error) in [
        (
            json!([route(json!({"context": {"a": "{b}"}}))]),
            "routes[0].context.a: \"b\" is no variable of the path",
        ),
        (json!([route(json!({"context": {"a": ["x", "{"]}}))]), "routes[0].context.a[1]: \"{\" has a brace"),
        (json!([route(json!({"context": {"a": "}"}}))]), "routes[0].context.a: \"}\" has a brace"),
        (json!([route(json!({"context": {"a": "x{query.b?}"}}))]), "an optional value must be the whole text"),
        (json!([route(json!({"context": {"a": "{number?}"}}))]), "is a variable of the path and so never missing"),
        (json!([route(json!({"context": {"a": "{header.X-A}"}}))]), "no header's name in lower case"),
        (json!({"routes": [], "variables": {"x": "a"}}), "variables.x: no route has a value of this name"),
        (
            json!({"routes": [route(json!({}))], "variables": {"number": "("}}),
            "variables.number: \"(\" is no regular",
        ),
        (
            json!({"routes": [route(json!({}))], "variables": {"number": "a)|(b"}}),
            "variables.number: \"a)|(b\" is no regular",
        ),
        (
            json!([route(json!({"defaults": {"query.siez": "1"}, "context": {"size": "{query.size}"}}))]),
            "routes[0].defaults.query.siez: nothing reads this value",
        ),
        (json!({"routes": [], "login": {"codes": [], "url": "//evil"}}), "login.url: must be a path"),
        (json!({"routes": [], "login": {"codes": [], "url": "/a?b={c}"}}), "login.url: may name {url} only"),
        (json!({"routes": [], "step_up": {"obligation": "x", "url": "/a?b={c"}}), "step_up.url: has a brace"),
        (json!({"routes": {}}), "routes: invalid type: map, expected a sequence"),
        (json!({}), "the file: missing field `routes`"),
    ] {
        let why = load(routes.clone()).err().unwrap_or_default();
        assert!(why.contains(error), "{routes}: {why:?} instead of {error:?}");
    }
}

fn headers(pairs: &[Header]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a value"));
    }
    headers
}

/// The question, or the refusal's text.
fn asked(routes: &Routes, target: &str, pairs: &[Header]) -> Value {
    match routes.find(&Method::POST, target, &headers(pairs)) {
        Found::Protected(mapped) => {
            json!({"resource": mapped.resource, "action": mapped.action, "context": mapped.context})
        }
        Found::Refused(why) => why.text().into(),
        Found::Unknown => "unknown".into(),
        Found::Public { route } => json!({ "public": route }),
    }
}

type Header = (&'static str, &'static [u8]);

const BRANCH: Header = ("x-branch", b"000012345678");

const REFUSED: &[(&str, &[Header], Refusal)] = &[
    ("/report/123456782", &[], Refusal::ValueMissing),
    ("/report/123456782?q=", &[], Refusal::ValueMissing),
    ("/report/123456782?q=1&q=1", &[], Refusal::QueryTwice),
    ("/report/123456782?q=1&%71=2", &[], Refusal::QueryTwice),
    ("/report/123456782?q=1;size=2", &[], Refusal::QueryCharacter),
    ("/report/123456782?q=%zz", &[], Refusal::QueryEncoding),
    ("/report/123456782?q=%ff", &[], Refusal::QueryEncoding),
    ("/report/123456782?q=%0a", &[], Refusal::ValueCharacter),
    ("/report/123456782?q=1&Q=2", &[], Refusal::QueryOtherwise),
    ("/report/123456782?q=1&q[]=2", &[], Refusal::QueryOtherwise),
    ("/report/123456782?q=1&q%5Ba%5D=2", &[], Refusal::QueryOtherwise),
    ("/report/123456782?q=1&+SIZE%00x=2", &[], Refusal::QueryOtherwise),
    ("/report/123456782?q=1&size=2x", &[], Refusal::ValuePattern),
    ("/report/123456782?q=1&_method=DELETE", &[], Refusal::Overridden),
    ("/report/123456782?q=1&%5fMethod[]=DELETE", &[], Refusal::Overridden),
    ("/report/123456782?q=1", &[("x-http-method-override", b"DELETE")], Refusal::Overridden),
    ("/report/123456782?q=1", &[("x_http-method", b"DELETE")], Refusal::Overridden),
    ("/report/123456782?q=1", &[("x-rewrite-url", b"/manage")], Refusal::Overridden),
    ("/report/123456782?q=1", &[BRANCH, BRANCH], Refusal::HeaderTwice),
    ("/report/123456782?q=1", &[BRANCH, ("x_branch", b"000012345679")], Refusal::HeaderOtherwise),
    ("/report/123456782?q=1", &[("x_branch", b"000012345679")], Refusal::HeaderOtherwise),
    ("/report/123456782?q=1", &[("x-branch", b"1, 2")], Refusal::ValuePattern),
    ("/report/123456782?q=1", &[("x-branch", b"\xff")], Refusal::HeaderNotText),
];

#[test]
fn values_of_path_query_and_headers_become_the_question() {
    let routes = load(json!({
        "variables": {"number": "[0-9]{9}(L[0-9]{2})?", "header.x-branch": "[0-9]{12}", "query.size": "[0-9]+"},
        "routes": [route(json!({
            "defaults": {"query.size": "10"},
            "action": {"name": "submit", "properties": {"processing_activity_id": "https://a.example/{{x}}"}},
            "resource": {"type": "webdienst", "id": "report", "properties": {
                "fiscal_number": "{number}", "branch_number": "{header.x-branch?}", "size": "{query.size}",
            }},
            "context": {"of": ["{query.q}", true]},
        }))],
    }))
    .expect("routes");
    let want = json!({
        "action": {"name": "submit", "properties": {"processing_activity_id": "https://a.example/{x}"}},
        "resource": {"type": "webdienst", "id": "report", "properties": {
            "fiscal_number": "123456782", "branch_number": "000012345678", "size": "10",
        }},
        "context": {"of": ["a b&é", true]},
    });
    let ask = |target: &str, pairs: &[Header]| asked(&routes, target, pairs);
    assert_eq!(ask("/report/123456782?q=a+b%26%C3%A9", &[BRANCH]), want);
    let without = ask("/report/123456782?q=1&size=", &[]);
    assert_eq!(
        without.pointer("/resource/properties"),
        Some(&json!({"fiscal_number": "123456782", "size": "10"}))
    );
    for (target, pairs, refusal) in REFUSED {
        assert_eq!(ask(target, pairs), refusal.text(), "{target} {pairs:?}");
    }
    assert_eq!(ask("/report/12345678?q=1", &[]), "unknown", "the value does not match as a whole");
    let long = format!("/report/123456782?q={}", "x".repeat(1_025));
    assert_eq!(ask(&long, &[]), Refusal::ValueTooLong.text());
    assert_eq!(ask(&format!("/{}", "x".repeat(8_192)), &[]), Refusal::TargetTooLong.text());
}

#[test]
fn a_public_page_is_not_taken_for_another_one_either() {
    let public = json!([{"name": "login", "path": "/login", "methods": ["GET", "POST"], "public": true}]);
    let routes = load(public).expect("routes");
    let find = |method, target, pairs: &[Header]| match routes.find(&method, target, &headers(pairs)) {
        Found::Public { .. } => "public",
        Found::Refused(why) => why.text(),
        other => panic!("{other:?}"),
    };
    assert_eq!(find(Method::GET, "/login", &[("x-original-url", b"/manage")]), Refusal::Overridden.text());
    assert_eq!(find(Method::POST, "/login?a=b&_method=PUT", &[]), Refusal::Overridden.text());
    assert_eq!(find(Method::GET, "/login?_method=PUT", &[]), "public", "only a POST is taken for another method");
    assert_eq!(find(Method::POST, "/login?method=PUT", &[("x-url", b"/")]), "public");
}

#[test]
fn parameters_that_differ_between_brackets_differ() {
    let page = json!({"context": {"size": "{query.page[size]}", "number": "{query.page[number]?}"}});
    let routes = load(json!([route(page)])).expect("routes");
    let context = |query: &str| match asked(&routes, &format!("/report/1?{query}"), &[]) {
        Value::Object(mut members) => members.remove("context").unwrap_or_default(),
        refused => refused,
    };
    assert_eq!(context("page[size]=5&page[number]=2"), json!({"size": "5", "number": "2"}));
    assert_eq!(context("page[size]=5&page[Number]=2"), Refusal::QueryOtherwise.text());
}

#[test]
fn a_path_says_all_about_its_methods() {
    let public = json!({"name": "all", "path": "/**", "methods": ["POST"], "public": true});
    let routes = load(json!([public, route(json!({"path": "/manage", "methods": ["GET"]}))])).expect("routes");
    assert_eq!(asked(&routes, "/other", &[]), json!({"public": "all"}));
    assert_eq!(asked(&routes, "/manage", &[]), "unknown", "no wider route fills in");
    assert_eq!(asked(&routes, "/manage/", &[]), "unknown", "a careless application would take it for /manage");
    assert_eq!(asked(&routes, "/MANAGE", &[]), "unknown");
}

#[test]
fn where_to_log_in() {
    let routes = load(json!({
        "routes": [],
        "login": {"codes": ["AUTHENTICATION_INVALID"], "url": "https://login.example/?to={url}"},
        "step_up": {"obligation": "step_up", "url": "/login?acr={acr_values}&to={url}"},
    }))
    .expect("routes");
    assert!(routes.is_login_code("AUTHENTICATION_INVALID") && !routes.is_login_code("ACCOUNT_BLOCKED"));
    assert!(routes.is_step_up("step_up") && !routes.is_step_up("accept_terms"));
    assert_eq!(routes.login_url("/a?b=c&d").as_deref(), Some("https://login.example/?to=%2Fa%3Fb%3Dc%26d"));
    let parameters = |value: Value| Map::from_iter([("acr_values".to_owned(), value)]);
    let step_up = |value| routes.step_up_url(&parameters(value), "/");
    assert_eq!(step_up(json!(["urn:a", "b"])).as_deref(), Some("/login?acr=urn%3Aa%20b&to=%2F"));
    assert_eq!(step_up(json!("c")).as_deref(), Some("/login?acr=c&to=%2F"));
    assert_eq!(step_up(json!(5)), None);
    assert_eq!(routes.step_up_url(&Map::new(), "/"), None);
    assert_eq!(load(json!([])).expect("routes").login_url("/"), None);
}

#[test]
fn every_refusal_has_a_text_of_its_own() {
    let texts: std::collections::HashSet<_> = Refusal::ALL.iter().map(|refusal| refusal.text()).collect();
    assert_eq!(texts.len(), Refusal::ALL.len());
}
