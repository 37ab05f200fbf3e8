//! Walks the document section by section and collects everything that is wrong with it.
//!
//! Every getter takes a key and its default, and always returns a usable value: a problem is noted and the
//! default goes on, so that the rest is checked too. What must stay true: a getter names each key it
//! asks for, so [`Section::finish`] knows what is unknown; no message shows a value from the environment.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use rust_decimal::Decimal;

use super::environment::Environment;
use super::expand::expand;
use super::nearest::nearest;
use super::node::Node;
use super::problem::{Origin, Problem, Warning};
use super::secret::{Secret, SecretSource, checked};
use crate::num::parse_decimal;

/// Largest secret file that is read, in bytes.
const MAX_SECRET_FILE: u64 = 64 * 1024;

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
struct Given {
    node: Node,
    /// It came from the environment: never shown, and text may stand for a number.
    expanded: bool,
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
    fn take(&mut self, key: &'static str) -> Option<Node> {
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
    fn given(&mut self, key: &'static str) -> Option<Given> {
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
            });
        }
        self.came_from(key, expanded.variables);
        if expanded.unset.is_empty() {
            return Some(Given {
                node: Node::Text(expanded.text),
                expanded: true,
            });
        }
        self.unset(key, &expanded.unset);
        None
    }

    fn came_from(&self, key: &str, variables: Vec<String>) {
        let file = self.context.file.clone();
        let origin = Origin::Environment { variables, file };
        self.context.origins.borrow_mut().insert(self.path(key), origin);
    }

    fn unset(&self, key: &str, variables: &[String]) {
        for variable in variables {
            self.problem(
                key,
                format_args!(
                    "environment variable {variable} is not set; set it or write ${{{variable}:-default}}"
                ),
            );
        }
    }

    fn wrong_type(&self, key: &str, expected: &str, given: &Given) {
        if given.expanded {
            self.problem(
                key,
                format_args!("expected {expected}, found something else in the environment"),
            );
        } else {
            self.problem(
                key,
                format_args!("expected {expected}, found {}", given.node.kind()),
            );
        }
    }

    /// Text without control characters, trimmed.
    pub(super) fn text(&mut self, key: &'static str, default: &str) -> String {
        let Some(given) = self.given(key) else {
            return default.to_owned();
        };
        let Node::Text(text) = &given.node else {
            self.wrong_type(key, "text", &given);
            return default.to_owned();
        };
        if text.chars().any(char::is_control) {
            self.problem(key, "contains a control character");
            return default.to_owned();
        }
        text.trim().to_owned()
    }

    /// Text that must not be empty.
    pub(super) fn required_text(&mut self, key: &'static str, default: &str) -> String {
        let text = self.text(key, default);
        if text.is_empty() {
            self.problem(key, "must not be empty");
            return default.to_owned();
        }
        text
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        let Some(given) = self.given(key) else {
            return default;
        };
        match (&given.node, given.expanded) {
            (Node::Bool(value), _) => return *value,
            (Node::Text(text), true) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => return true,
                "false" => return false,
                _ => {}
            },
            _ => {}
        }
        self.wrong_type(key, "true or false", &given);
        default
    }

    /// An integer in a range.
    pub(super) fn integer<T>(&mut self, key: &'static str, default: T, range: RangeInclusive<T>) -> T
    where
        T: Copy + PartialOrd + fmt::Display + TryFrom<i128>,
    {
        let Some(given) = self.given(key) else {
            return default;
        };
        let value = match (&given.node, given.expanded) {
            (Node::Integer(value), _) => Some(*value),
            (Node::Text(text), true) => text.trim().parse::<i128>().ok(),
            _ => None,
        };
        let Some(value) = value else {
            self.wrong_type(key, "an integer", &given);
            return default;
        };
        match T::try_from(value) {
            Ok(value) if range.contains(&value) => value,
            _ => {
                self.out_of_range(key, value, range.start(), range.end());
                default
            }
        }
    }

    /// An exact number in a range.
    pub(super) fn decimal(
        &mut self,
        key: &'static str,
        default: Decimal,
        range: RangeInclusive<Decimal>,
    ) -> Decimal {
        let Some(given) = self.given(key) else {
            return default;
        };
        let value = match (&given.node, given.expanded) {
            (Node::Integer(value), _) => Decimal::try_from_i128_with_scale(*value, 0).ok(),
            // The shortest text of the double: what stood in the file, up to 15 digits.
            (Node::Float(value), _) => parse_decimal(&value.to_string()).ok(),
            (Node::Text(text), true) => parse_decimal(text.trim()).ok(),
            _ => None,
        };
        let Some(value) = value else {
            self.wrong_type(key, "a number", &given);
            return default;
        };
        if range.contains(&value) {
            value.normalize()
        } else {
            self.out_of_range(key, value, range.start(), range.end());
            default
        }
    }

    /// A double in a range, for shares and thresholds.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        default: Decimal,
        range: RangeInclusive<Decimal>,
    ) -> f64 {
        crate::num::to_f64(self.decimal(key, default, range))
    }

    /// A duration given in seconds, fractions allowed.
    pub(super) fn seconds(
        &mut self,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Duration {
        let range = Decimal::from(*range.start())..=Decimal::from(*range.end());
        Duration::from_secs_f64(self.number(key, Decimal::from(default), range))
    }

    fn out_of_range(
        &self,
        key: &str,
        value: impl fmt::Display,
        low: impl fmt::Display,
        high: impl fmt::Display,
    ) {
        self.problem(key, format_args!("{value} is out of range, {low} to {high}"));
    }

    /// One of a few words, in any case.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, default: T, choices: &[(&str, T)]) -> T {
        let Some(given) = self.given(key) else {
            return default;
        };
        let Node::Text(text) = &given.node else {
            self.wrong_type(key, "text", &given);
            return default;
        };
        let chosen = choices
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text.trim()));
        if let Some((_, chosen)) = chosen {
            return *chosen;
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.problem(key, format_args!("must be one of {}", words.join(", ")));
        default
    }

    /// A URL with one of these schemes, its trailing slashes removed.
    pub(super) fn url(&mut self, key: &'static str, default: &str, schemes: &[&str]) -> String {
        let text = self.text(key, default);
        match checked_url(&text, schemes) {
            Ok(url) => url,
            Err(message) => {
                self.problem(key, message);
                default.to_owned()
            }
        }
    }

    /// A secret from `key` (`${VARIABLE}` only) or from the file that `file_key` names.
    ///
    /// `default` counts where neither key is given. `optional` makes an unset variable mean no secret.
    pub(super) fn secret(
        &mut self,
        key: &'static str,
        file_key: &'static str,
        default: &str,
        optional: bool,
    ) -> Secret {
        let written = match self.take(key) {
            None => None,
            Some(Node::Text(text)) => Some(text),
            Some(Node::Null) => Some(String::new()),
            Some(other) => {
                // Its value is not shown: a secret of digits only is an integer to YAML.
                self.problem(
                    key,
                    format_args!("expected text of the form ${{VARIABLE}}, found {}", other.kind()),
                );
                None
            }
        };
        let file = self.text(file_key, "");
        if !file.is_empty() {
            if written.is_some_and(|text| !text.is_empty()) {
                self.problem(
                    key,
                    format_args!("is given together with {file_key}; keep one of them"),
                );
            }
            return self.secret_file(file_key, file);
        }
        self.secret_reference(key, written.as_deref().unwrap_or(default), optional)
    }

    fn secret_reference(&self, key: &'static str, written: &str, optional: bool) -> Secret {
        let written = written.trim();
        if written.is_empty() {
            return Secret::default();
        }
        let expanded = match expand(written, self.context.environment) {
            Ok(expanded) => expanded,
            Err(message) => {
                self.problem(key, message);
                return Secret::default();
            }
        };
        if !expanded.is_reference {
            self.problem(
                key,
                "holds a literal secret; write ${VARIABLE} alone or use the *_file key",
            );
            return Secret::default();
        }
        if self.context.is_given(&self.path(key)) {
            self.came_from(key, expanded.variables.clone());
        }
        let source = SecretSource::Reference(written.to_owned());
        if !expanded.unset.is_empty() {
            if !optional {
                self.unset(key, &expanded.unset);
            }
            return Secret::new(None, source);
        }
        match checked(&expanded.text) {
            Ok(value) => Secret::new(value, source),
            Err(message) => {
                self.problem(
                    key,
                    format_args!("the value of {} {message}", expanded.variables.join(", ")),
                );
                Secret::default()
            }
        }
    }

    fn secret_file(&self, key: &'static str, file: String) -> Secret {
        let path = PathBuf::from(file);
        let text = match read_small(&path) {
            Ok(text) => text,
            Err(error) => {
                self.problem(key, format_args!("{} cannot be read: {error}", path.display()));
                return Secret::default();
            }
        };
        match checked(&text) {
            Ok(Some(value)) => return Secret::new(Some(value), SecretSource::File(path)),
            Ok(None) => self.problem(key, format_args!("{} is empty", path.display())),
            Err(message) => {
                self.problem(key, format_args!("the content of {} {message}", path.display()));
            }
        }
        Secret::default()
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

fn read_small(path: &std::path::Path) -> std::io::Result<String> {
    let length = std::fs::metadata(path)?.len();
    if length > MAX_SECRET_FILE {
        return Err(std::io::Error::other(format!(
            "has {length} bytes, more than {MAX_SECRET_FILE}"
        )));
    }
    std::fs::read_to_string(path)
}

/// Checks `scheme://host[:port][/path]` and removes trailing slashes.
fn checked_url(text: &str, schemes: &[&str]) -> Result<String, String> {
    let expected = || format!("must start with {}://", schemes.join(":// or "));
    let (scheme, rest) = text.split_once("://").ok_or_else(expected)?;
    if !schemes.iter().any(|allowed| allowed.eq_ignore_ascii_case(scheme)) {
        return Err(expected());
    }
    let rest = rest.trim_end_matches('/');
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must not contain a user name or password".to_owned());
    }
    if rest.contains(['?', '#']) {
        return Err("must not contain a query or fragment".to_owned());
    }
    if rest.chars().any(|letter| !letter.is_ascii_graphic()) {
        return Err("contains a space or a character outside ASCII".to_owned());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return Err("names no host".to_owned());
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Err("has a port that is not 1 to 65535".to_owned());
    }
    Ok(format!("{}://{rest}", scheme.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_loses_its_trailing_slash() {
        let schemes = ["http", "https"];
        let check = |text| checked_url(text, &schemes);
        assert_eq!(
            check("https://api.example.com/v1/").unwrap(),
            "https://api.example.com/v1"
        );
        assert_eq!(check("HTTP://127.0.0.1:80").unwrap(), "http://127.0.0.1:80");
        assert_eq!(check("http://[::1]:8080/x").unwrap(), "http://[::1]:8080/x");
        assert_eq!(check("http://[::1]").unwrap(), "http://[::1]");
    }

    #[test]
    fn what_is_not_a_base_url_is_refused() {
        for text in [
            "",
            "api.example.com",
            "ftp://a",
            "http://",
            "http:///x",
            "http://u:p@a",
            "http://a:0",
            "http://a:99999",
            "http://a?b",
            "http://a b",
        ] {
            assert!(checked_url(text, &["http", "https"]).is_err(), "{text:?}");
        }
    }
}
