//! All routes of a bundle.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use http::{HeaderMap, Method};
use regex::Regex;
use serde_json::{Map, Value};

use crate::declared::{self, Route as Declared};
use crate::error::{Refusal, RoutesError};
use crate::header;
use crate::login::UrlTemplate;
use crate::query;
use crate::target::{self, Target};
use crate::template::{Names, Template, Values};
use crate::tree::{Leaf, Segment, Tree};

/// What a request is.
#[derive(Debug)]
pub enum Found<'a> {
    /// Open to everybody.
    Public {
        route: &'a str,
    },
    Protected(Mapped<'a>),
    /// No route is declared for it.
    Unknown,
    Refused(Refusal),
}

/// The question that a request stands for, without its subject: AuthZEN's `resource`, `action` and `context`.
#[derive(Debug, PartialEq)]
pub struct Mapped<'a> {
    /// The route's name.
    pub route: &'a str,
    pub resource: Map<String, Value>,
    pub action: Map<String, Value>,
    pub context: Map<String, Value>,
}

/// The routes of a bundle, and where a login is.
#[derive(Debug)]
pub struct Routes {
    tree: Tree,
    /// As programs see the routes that care neither for case nor for a trailing slash.
    careless: Tree,
    routes: Vec<Route>,
    login_codes: HashSet<String>,
    along_with_login: HashSet<String>,
    login_url: Option<UrlTemplate>,
    step_up: Option<String>,
    step_up_url: Option<UrlTemplate>,
}

#[derive(Debug)]
struct Route {
    name: String,
    /// The places of variables in the path, with what their values must match.
    variables: Vec<(usize, Option<Regex>)>,
    /// None: public.
    question: Option<Question>,
}

#[derive(Debug)]
struct Question {
    resource: Template,
    action: Template,
    context: Template,
}

impl Routes {
    /// Reads `routes.yaml`, given as JSON.
    pub fn from_json(json: &[u8]) -> Result<Self, RoutesError> {
        let file = declared::read(json)?;
        let patterns = patterns(&file.variables)?;
        let (mut tree, mut careless) = (Tree::default(), Tree::default());
        let mut routes: Vec<Route> = Vec::new();
        let mut names = HashSet::new();
        let mut used = HashSet::new();
        for (number, declared) in file.routes.iter().enumerate() {
            let place = format!("routes[{number}]");
            if declared.name.is_empty() || !names.insert(declared.name.as_str()) {
                return Err(RoutesError::new(format!("{place}.name"), "is empty or another route's"));
            }
            let path = Path::read(&declared.path).map_err(|why| RoutesError::new(format!("{place}.path"), why))?;
            used.extend(path.variables.iter().cloned());
            let leaf = careless.leaf(&path.careless(), false);
            for method in methods(declared, &place)? {
                if let Some(other) = leaf.insert(method.clone(), number) {
                    let other = file.routes.get(other).map_or("", |route| &route.name);
                    return Err(RoutesError::new(format!("{place}.path"), already(&method, other)));
                }
                tree.leaf(&path.segments, path.trailing_slash).insert(method, number);
            }
            let variables = path.places.iter().zip(&path.variables);
            let variables =
                variables.map(|(place, name)| (*place, patterns.get(name.as_str()).cloned())).collect();
            let names = Names::new(&path.variables, &declared.defaults, &patterns);
            let question = question(declared, &names, &place)?;
            used.extend(names.all_read(&place)?);
            routes.push(Route { name: declared.name.clone(), variables, question });
        }
        if let Some(unused) = file.variables.keys().find(|name| !used.contains(*name)) {
            return Err(RoutesError::new(format!("variables.{unused}"), "no route has a value of this name"));
        }
        let url = |url: Option<&String>, place: &str, more| {
            url.map(|url| UrlTemplate::read(url, place, more)).transpose()
        };
        let (login, step_up) = (file.login.as_ref(), file.step_up.as_ref());
        Ok(Self {
            tree,
            careless,
            routes,
            login_url: url(login.and_then(|login| login.url.as_ref()), "login.url", false)?,
            step_up_url: url(step_up.and_then(|step_up| step_up.url.as_ref()), "step_up.url", true)?,
            login_codes: login.iter().flat_map(|login| login.codes.iter().cloned()).collect(),
            along_with_login: login.iter().flat_map(|login| login.along.iter().cloned()).collect(),
            step_up: file.step_up.map(|step_up| step_up.obligation),
        })
    }

    /// The route of a request: path and query exactly as the gateway has them.
    pub fn find(&self, method: &Method, target: &str, headers: &HeaderMap) -> Found<'_> {
        match self.mapped(method, target, headers) {
            Ok(Some(found)) => found,
            Ok(None) => Found::Unknown,
            Err(why) => Found::Refused(why),
        }
    }

    fn mapped(&self, method: &Method, target: &str, headers: &HeaderMap) -> Result<Option<Found<'_>>, Refusal> {
        let target = Target::read(target)?;
        if header::overridden(headers) || (method == Method::POST && query::overridden(target.query)) {
            return Err(Refusal::Overridden);
        }
        let Some(number) = route_of(self.tree.find(&target.segments, target.trailing_slash), method) else {
            return Ok(None);
        };
        // An application that cares less must not find another route than this one.
        let careless = target.segments.iter().map(|segment| match target::is_plain(segment) {
            true => Cow::Borrowed(*segment),
            false => Cow::Owned(target::careless(segment)),
        });
        let careless: Vec<Cow<'_, str>> = careless.collect();
        if route_of(self.careless.find(&careless, false), method) != Some(number) {
            return Ok(None);
        }
        let Some(route) = self.routes.get(number) else { return Ok(None) };
        let mut path = Vec::with_capacity(route.variables.len());
        for (place, pattern) in &route.variables {
            let value = target.segments.get(*place).map(|segment| target::decoded(segment)).unwrap_or_default();
            if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&value)) {
                return Ok(None);
            }
            path.push(value.into_owned());
        }
        let Some(question) = &route.question else { return Ok(Some(Found::Public { route: &route.name })) };
        let values = Values { path: &path, query: target.query, headers };
        Ok(Some(Found::Protected(Mapped {
            route: &route.name,
            resource: filled(&question.resource, &values)?,
            action: filled(&question.action, &values)?,
            context: filled(&question.context, &values)?,
        })))
    }

    /// The names of all routes, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|route| route.name.as_str())
    }

    /// Whether a reason code says that nobody is logged in as they should.
    pub fn is_login_code(&self, code: &str) -> bool {
        self.login_codes.contains(code)
    }

    /// Whether a reason code comes with a missing login and goes with it.
    pub fn goes_with_login(&self, code: &str) -> bool {
        self.along_with_login.contains(code)
    }

    /// Where to log in, to come back to this target. None: nobody said.
    pub fn login_url(&self, target: &str) -> Option<String> {
        self.login_url.as_ref()?.filled(target, &Map::new())
    }

    /// Whether an obligation asks for a login at a higher level.
    pub fn is_step_up(&self, obligation: &str) -> bool {
        self.step_up.as_deref() == Some(obligation)
    }

    /// Where to log in at a higher level, by the obligation's parameters. None: nobody said.
    pub fn step_up_url(&self, parameters: &Map<String, Value>, target: &str) -> Option<String> {
        self.step_up_url.as_ref()?.filled(target, parameters)
    }
}

fn already(method: &Method, other: &str) -> String {
    format!(
        "{method} on this path is the route {other:?} already; case, accents and a trailing slash make no difference \
         here"
    )
}

/// HEAD is GET without a body.
fn route_of(leaf: Option<&Leaf>, method: &Method) -> Option<usize> {
    let leaf = leaf?;
    let read = || if method == Method::HEAD { leaf.get(&Method::GET) } else { None };
    leaf.get(method).or_else(read).copied()
}

fn filled(template: &Template, values: &Values<'_>) -> Result<Map<String, Value>, Refusal> {
    match template.filled(values)? {
        Some(Value::Object(members)) => Ok(members),
        _ => Err(Refusal::ValueMissing),
    }
}

/// A declared path.
struct Path {
    segments: Vec<Segment>,
    trailing_slash: bool,
    variables: Vec<String>,
    /// Of the variables among the segments.
    places: Vec<usize>,
}

impl Path {
    /// `/a/{variable}/**`: literals in the form in which targets are accepted.
    fn read(text: &str) -> Result<Self, String> {
        let sample: String = text.replace(['{', '}'], "").replace("**", "rest");
        let sample = Target::read(&sample).map_err(|why| why.text().to_owned())?;
        if !sample.query.is_empty() || text.contains('?') {
            return Err("has a query; values of it are read as {query.NAME}".to_owned());
        }
        let trailing_slash = sample.trailing_slash;
        let (mut segments, mut variables, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let parts = text.split('/').filter(|part| !part.is_empty());
        for (place, part) in parts.enumerate() {
            if segments.last() == Some(&Segment::Rest) {
                return Err("has something behind **".to_owned());
            }
            if part == "**" {
                segments.push(Segment::Rest);
            } else if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                if !is_name(name) || variables.iter().any(|other| other == name) {
                    return Err(format!("{part:?} is no variable, or there twice"));
                }
                variables.push(name.to_owned());
                places.push(place);
                segments.push(Segment::Variable);
            } else if part.contains(['{', '}', '*']) {
                return Err(format!("{part:?}: a variable is a whole segment, {{name}}, and the last may be **"));
            } else {
                segments.push(Segment::Literal(part.to_owned()));
            }
        }
        if trailing_slash && segments.last() == Some(&Segment::Rest) {
            return Err("has something behind **".to_owned());
        }
        Ok(Self { segments, trailing_slash, variables, places })
    }

    fn careless(&self) -> Vec<Segment> {
        let careless = self.segments.iter().map(|segment| match segment {
            Segment::Literal(literal) => Segment::Literal(target::careless(literal)),
            other => other.clone(),
        });
        careless.collect()
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn patterns(variables: &BTreeMap<String, String>) -> Result<HashMap<&str, Regex>, RoutesError> {
    let compiled = variables.iter().map(|(name, pattern)| {
        // By itself first: `a)|(b` is none, but would be one between the parentheses.
        let whole = Regex::new(pattern).and_then(|_| Regex::new(&format!("^(?:{pattern})$")));
        let whole = whole.map_err(|_| {
            RoutesError::new(format!("variables.{name}"), format!("{pattern:?} is no regular expression"))
        });
        Ok((name.as_str(), whole?))
    });
    compiled.collect()
}

fn methods(declared: &Declared, place: &str) -> Result<Vec<Method>, RoutesError> {
    let place = format!("{place}.methods");
    if declared.methods.is_empty() {
        return Err(RoutesError::new(place, "names no method"));
    }
    let read = declared.methods.iter().map(|name| {
        let known = Method::from_bytes(name.as_bytes()).ok().filter(|_| *name == name.to_ascii_uppercase());
        known.ok_or_else(|| RoutesError::new(&place, format!("{name:?} is no method in capitals")))
    });
    read.collect()
}

fn question(declared: &Declared, names: &Names<'_>, place: &str) -> Result<Option<Question>, RoutesError> {
    let (action, resource) = match (declared.public, &declared.action, &declared.resource) {
        (true, None, None) if declared.context.is_empty() => return Ok(None),
        (false, Some(action), Some(resource)) => (action, resource),
        (true, ..) => {
            return Err(RoutesError::new(place, "is public and asks nothing: action, resource and context go"));
        }
        (false, ..) => return Err(RoutesError::new(place, "must have action and resource, or be public")),
    };
    let members = |pairs: &[(&str, &str)], properties: &Map<String, Value>, at: &str| {
        let mut members: Map<String, Value> =
            pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
        members.insert("properties".to_owned(), Value::Object(properties.clone()));
        Template::members(&members, &format!("{place}.{at}"), names)
    };
    Ok(Some(Question {
        resource: members(&[("type", &resource.r#type), ("id", &resource.id)], &resource.properties, "resource")?,
        action: members(&[("name", &action.name)], &action.properties, "action")?,
        context: Template::members(&declared.context, &format!("{place}.context"), names)?,
    }))
}
