//! Paths into a document and key templates made of them: `account:{subject.id}`.

use serde_json::Value;

/// A dotted path of member names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<String>);

impl Path {
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) {
            return Err(format!("{text:?} is not a path of names with dots between"));
        }
        Ok(Self(names))
    }

    /// The text that stands there; None: nothing, or something that is no text or an empty one.
    pub fn text<'a>(&self, document: &'a Value) -> Option<&'a str> {
        self.value(document)?.as_str().filter(|text| !text.is_empty())
    }

    /// What stands there; None: nothing.
    pub fn value<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(document, |value, name| value.as_object()?.get(name))
    }

    pub fn root(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Path(Path),
}

/// Texts and paths in braces; a text without braces is one bare path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

impl Template {
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.contains(['{', '}']) {
            return Ok(Self(vec![Part::Path(Path::parse(text)?)]));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let (path, left) =
                after.split_once('}').ok_or_else(|| format!("{text:?} has a brace that is not closed"))?;
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.push(Part::Path(Path::parse(path)?));
            rest = left;
        }
        if rest.contains('}') {
            return Err(format!("{text:?} has a brace that was not opened"));
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Writes the text with all paths filled in to `out`. False: a part is missing, `out` is of no use.
    pub fn fill(&self, document: &Value, out: &mut String) -> bool {
        self.0.iter().all(|part| {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Path(path) => match path.text(document) {
                    Some(text) => out.push_str(text),
                    None => return false,
                },
            }
            true
        })
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|part| match part {
            Part::Path(path) => Some(path),
            Part::Literal(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Template;
    use serde_json::json;

    fn filled(template: &str, document: &serde_json::Value) -> Option<String> {
        let mut out = String::new();
        Template::parse(template).ok()?.fill(document, &mut out).then_some(out)
    }

    #[test]
    fn fills_paths_and_texts() {
        let document = json!({"a": {"b": "x"}, "c": "y", "n": 1, "e": ""});
        assert_eq!(filled("a.b", &document).as_deref(), Some("x"));
        assert_eq!(filled("k:{a.b}:{c}!", &document).as_deref(), Some("k:x:y!"));
    }

    #[test]
    fn a_part_that_is_missing_empty_or_no_text_is_no_match() {
        let document = json!({"a": {"b": "x"}, "n": 1, "e": ""});
        for template in ["a.c", "a", "n", "e", "k:{a.b}:{z}", "a.b.c"] {
            assert_eq!(filled(template, &document), None, "{template}");
        }
        for broken in ["{a", "a}", "{}", "a..b", ""] {
            assert!(Template::parse(broken).is_err(), "{broken}");
        }
    }
}
