//! Finds the declared path that a target's segments match: a literal before a variable, a variable before a rest.

use std::collections::HashMap;

use http::Method;

/// One segment of a declared path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    Literal(String),
    Variable,
    /// `**`, the last: one segment or more.
    Rest,
}

/// What is declared for a path: a route for each method.
pub type Leaf = HashMap<Method, usize>;

#[derive(Debug, Default)]
pub struct Tree {
    literals: HashMap<String, Tree>,
    variable: Option<Box<Tree>>,
    rest: Leaf,
    /// Without and with a trailing slash.
    ends: [Leaf; 2],
}

impl Tree {
    /// The leaf of a path, to be declared at.
    pub fn leaf(&mut self, path: &[Segment], trailing_slash: bool) -> &mut Leaf {
        match path {
            [] => {
                let [without, with] = &mut self.ends;
                if trailing_slash { with } else { without }
            }
            [Segment::Rest, ..] => &mut self.rest,
            [Segment::Variable, rest @ ..] => self.variable.get_or_insert_default().leaf(rest, trailing_slash),
            [Segment::Literal(literal), rest @ ..] => {
                self.literals.entry(literal.clone()).or_default().leaf(rest, trailing_slash)
            }
        }
    }

    /// The leaf of the most specific path that matches. The path is chosen before the method: what is declared for
    /// a path says all about it, and no wider path fills in for a method that it leaves out.
    pub fn find<T: AsRef<str>>(&self, segments: &[T], trailing_slash: bool) -> Option<&Leaf> {
        let Some((first, rest)) = segments.split_first() else {
            let [without, with] = &self.ends;
            let end = if trailing_slash { with } else { without };
            return (!end.is_empty()).then_some(end);
        };
        let literal = self.literals.get(first.as_ref()).and_then(|tree| tree.find(rest, trailing_slash));
        let variable = || self.variable.as_ref().and_then(|tree| tree.find(rest, trailing_slash));
        literal.or_else(variable).or_else(|| (!self.rest.is_empty()).then_some(&self.rest))
    }
}
