//! `routes.yaml` as it is written, read from JSON.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::RoutesError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Regular expressions that values must match as a whole, by the name of the path's variable, or by `query.NAME`
    /// or `header.NAME`.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    pub login: Option<Login>,
    pub step_up: Option<StepUp>,
    pub routes: Vec<Route>,
}

/// Codes that say that nobody is logged in as they should.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    pub codes: Vec<String>,
    /// Codes that come with those and go with them, such as that nobody's account is not known.
    #[serde(default)]
    pub along: Vec<String>,
    pub url: Option<String>,
}

/// The obligation that asks for a login at a higher level.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepUp {
    pub obligation: String,
    pub url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub name: String,
    pub path: String,
    pub methods: Vec<String>,
    #[serde(default)]
    pub public: bool,
    /// For values that may be missing, by what stands between the braces.
    #[serde(default)]
    pub defaults: HashMap<String, String>,
    pub action: Option<Action>,
    pub resource: Option<Resource>,
    #[serde(default)]
    pub context: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    pub name: String,
    #[serde(default)]
    pub properties: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    pub r#type: String,
    pub id: String,
    #[serde(default)]
    pub properties: Map<String, Value>,
}

pub fn read(json: &[u8]) -> Result<File, RoutesError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = match error.path().to_string() {
            path if path == "." => "the file".to_owned(),
            path => path,
        };
        // The line and column would be those of the JSON that was made of the file.
        let message = error.inner().to_string();
        RoutesError::new(place, message.split(" at line ").next().unwrap_or_default())
    })
}
