//! Walks the document section by section and collects everything that is wrong with it.
//!
//! The getters are in `values` and `secret_value`. Every getter takes a key and its default, and always returns a usable value: a problem is noted and the
//! default goes on, so that the rest is checked too. What must stay true: a getter names each key it
//! asks for, so [`Section::finish`] knows what is unknown; no message shows a value from the
//! environment that is no number.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use super::environment::Environment;
use super::expand::expand;
use super::nearest::nearest;
use super::node::Node;
use super::problem::{Origin, Problem, Warning};

/// Longest number from the environment that a message shows; a longer one may be a key made of digits.
const MAX_NUMBER: usize = 20;

/// What all sections of one document share.
pub(super) struct Context<'a> {
    file: String,
    environment: &'a Environment,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Warning>>,
    origins: RefCell<BTreeMap<String, Origin>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(file: String, environment: &'a Environment) -> Self {
        Self {
            file,
            environment,
            problems: RefCell::default(),
            warnings: RefCell::default(),
            origins: RefCell::default(),
        }
    }

    /// Notes a problem with the key at `path`.
    pub(super) fn problem(&self, path: &str, message: impl fmt::Display) {
        let problem = self.entry(path, message);
        self.problems.borrow_mut().push(problem);
    }

    /// Notes a warning about the key at `path`.
    pub(super) fn warning(&self, path: &str, message: impl fmt::Display) {
        let warning = Warning(self.entry(path, message));
        self.warnings.borrow_mut().push(warning);
    }

    /// True if the document has a value for the key at `path`.
    pub(super) fn is_given(&self, path: &str) -> bool {
        self.origins.borrow().contains_key(path)
    }

    /// Problems and warnings in the order they were found.
    pub(super) fn into_findings(self) -> (Vec<Problem>, Vec<Warning>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }

    fn entry(&self, path: &str, message: impl fmt::Display) -> Problem {
        let origin = if path.is_empty() {
            Origin::File(self.file.clone())
        } else {
            self.origins
                .borrow()
                .get(path)
                .cloned()
                .unwrap_or(Origin::Default)
        };
        Problem {
            key: path.to_owned(),
            message: message.to_string(),
            origin,
        }
    }
}

/// One section of the document.
pub(super) struct Section<'c> {
    context: &'c Context<'c>,
    path: String,
    entries: Vec<(String, Node)>,
    known: Vec<&'static str>,
}

/// A value with its expansions done.
pub(super) struct Given {
    /// The value, text already expanded.
    pub(super) node: Node,
    /// It names variables of the environment: text may stand for a number.
    pub(super) expanded: bool,
    /// A part of it is the value of a variable: not shown unless it is a number.
    pub(super) foreign: bool,
}

impl<'c> Section<'c> {
    /// The whole document.
    pub(super) fn root(context: &'c Context<'c>, document: Node) -> Self {
        Self::of(context, String::new(), document)
    }

    fn of(context: &'c Context<'c>, path: String, node: Node) -> Self {
        let entries = match node {
            Node::Map(entries) => entries,
            Node::Null => Vec::new(),
            other => {
                context.problem(&path, format_args!("expected a section, found {}", other.kind()));
                Vec::new()
            }
        };
        Self {
            context,
            path,
            entries,
            known: Vec::new(),
        }
    }

    /// The path of a key of this section.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Notes a problem with a key of this section.
    pub(super) fn problem(&self, key: &str, message: impl fmt::Display) {
        self.context.problem(&self.path(key), message);
    }

    /// Notes a warning about a key of this section.
    pub(super) fn warning(&self, key: &str, message: impl fmt::Display) {
        self.context.warning(&self.path(key), message);
    }

    /// The environment expansions are made with.
    pub(super) fn environment(&self) -> &'c Environment {
        self.context.environment
    }

    /// True if the document has a value for this key, once it was read.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.context.is_given(&self.path(key))
    }

    /// A section inside this one; empty when it is absent.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'c> {
        let node = self.take(key).unwrap_or(Node::Null);
        Self::of(self.context, self.path(key), node)
    }

    /// Removes the value of `key`; a duplicate is a problem.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        let (mut matching, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|(name, _)| name == key);
        self.entries = others;
        if matching.is_empty() {
            return None;
        }
        let origin = Origin::File(self.context.file.clone());
        self.context.origins.borrow_mut().insert(self.path(key), origin);
        if matching.len() > 1 {
            self.problem(key, format_args!("is given {} times", matching.len()));
        }
        Some(matching.remove(0).1)
    }

    /// The expanded value of `key`; `None` when absent or already reported.
    pub(super) fn given(&mut self, key: &'static str) -> Option<Given> {
        let node = self.take(key)?;
        let text = match node {
            Node::Null => {
                self.problem(key, "has no value; give one or remove the key for the default");
                return None;
            }
            Node::Text(text) => text,
            node => {
                return Some(Given {
                    node,
                    expanded: false,
                    foreign: false,
                });
            }
        };
        let expanded = match expand(&text, self.context.environment) {
            Ok(expanded) => expanded,
            Err(message) => {
                self.problem(key, message);
                return None;
            }
        };
        if expanded.variables.is_empty() {
            return Some(Given {
                node: Node::Text(text),
                expanded: false,
                foreign: false,
            });
        }
        self.came_from(key, expanded.variables);
        if expanded.unset.is_empty() {
            return Some(Given {
                node: Node::Text(expanded.text),
                expanded: true,
                foreign: expanded.is_foreign,
            });
        }
        self.unset(key, &expanded.unset);
        None
    }

    pub(super) fn came_from(&self, key: &str, variables: Vec<String>) {
        let file = self.context.file.clone();
        let origin = Origin::Environment { variables, file };
        self.context.origins.borrow_mut().insert(self.path(key), origin);
    }

    pub(super) fn unset(&self, key: &str, variables: &[String]) {
        for variable in variables {
            self.problem(
                key,
                format_args!(
                    "environment variable {variable} is not set; set it or write ${{{variable}:-default}}"
                ),
            );
        }
    }

    /// Notes that a value is not what is `expected`, and what it is.
    pub(super) fn wrong_type(&self, key: &str, expected: impl fmt::Display, given: &Given) {
        self.problem(key, format_args!("expected {expected}, found {}", found(given)));
    }

    /// A key of the Python version that means nothing here.
    pub(super) fn accepted_old(&mut self, key: &'static str, why: &str) {
        if self.take(key).is_some() {
            self.warning(key, format_args!("has no effect: {why}"));
        }
        // Not offered as the nearest valid key.
        self.known.pop();
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        let file = Origin::File(self.context.file.clone());
        for (key, _) in &self.entries {
            let shown: String = key.chars().take(60).flat_map(char::escape_debug).collect();
            let path = self.path(&shown);
            self.context
                .origins
                .borrow_mut()
                .insert(path.clone(), file.clone());
            match nearest(key, &self.known) {
                Some(known) => self.context.problem(
                    &path,
                    format_args!("unknown key; the nearest valid one is {}", self.path(known)),
                ),
                None => self.context.problem(&path, "unknown key"),
            }
        }
    }
}

/// A value as a message shows it. Of text that came from the environment only numbers are shown: whatever
/// else it is may be a secret in the wrong place.
fn found(given: &Given) -> String {
    let Node::Text(text) = &given.node else {
        return given.node.shown();
    };
    let number = text.trim();
    let is_number = number.len() <= MAX_NUMBER && (number.parse::<f64>().is_ok() || is_special(number));
    match (given.foreign && !is_number, given.expanded) {
        (true, _) => "text from the environment, which is not shown".to_owned(),
        (false, true) if text.is_empty() => "nothing".to_owned(),
        (false, true) if !given.foreign => format!("the default {}", given.node.shown()),
        (false, _) => given.node.shown(),
    }
}

/// True for what YAML has for numbers that are none.
fn is_special(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    matches!(unsigned.to_ascii_lowercase().as_str(), ".inf" | ".nan")
}
