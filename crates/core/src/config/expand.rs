//! `${VAR}` and `${VAR:-default}` inside one string value. Pure.

use super::environment::Environment;

/// A string value after expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expanded {
    /// The value.
    pub(super) text: String,
    /// Variables named in it, in their order; empty when there was nothing to expand.
    pub(super) variables: Vec<String>,
    /// Variables that are unset and have no default.
    pub(super) unset: Vec<String>,
    /// A part of the text was the value of a variable, which no message shows.
    pub(super) is_foreign: bool,
    /// The value is one expansion and nothing else, without a non-empty default: fit for a secret.
    pub(super) is_reference: bool,
}

/// Expands every `${...}` of `text`. A `$` that is not followed by `{` stands for itself.
///
/// As in a shell, `${VAR:-default}` takes the default when the variable is unset or empty.
///
/// # Errors
/// A message when an expression is not closed, names no variable, or leaves another one: a default is not expanded.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<Expanded, String> {
    let mut expanded = Expanded {
        text: String::with_capacity(text.len()),
        variables: Vec::new(),
        unset: Vec::new(),
        is_foreign: false,
        is_reference: false,
    };
    let mut rest = text;
    let mut literal_parts = false;
    let mut default_given = false;
    let mut dollar_given = false;
    while let Some(start) = rest.find("${") {
        literal_parts |= start > 0;
        expanded.text.push_str(&rest[..start]);
        let inside = &rest[start + 2..];
        let Some(end) = inside.find('}') else {
            return Err("has a `${` without its `}`".to_owned());
        };
        let (name, default) = match inside[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inside[..end], None),
        };
        if !is_variable_name(name) {
            return Err("has a `${...}` that does not name a variable".to_owned());
        }
        default_given |= default.is_some_and(|default| !default.is_empty());
        dollar_given |= environment.get(name).is_some_and(|value| value.contains('$'));
        match (environment.get(name), default) {
            (Some(value), Some(default)) if value.is_empty() => expanded.text.push_str(default),
            (Some(value), _) => {
                expanded.is_foreign |= !value.is_empty();
                expanded.text.push_str(value);
            }
            (None, Some(default)) => expanded.text.push_str(default),
            (None, None) => expanded.unset.push(name.to_owned()),
        }
        expanded.variables.push(name.to_owned());
        rest = &inside[end + 1..];
    }
    literal_parts |= !rest.is_empty();
    expanded.text.push_str(rest);
    // A value of the environment may hold anything, a password for instance.
    if !dollar_given && expanded.text.contains("${") {
        return Err("still has a `${` when it is expanded; a default cannot hold one".to_owned());
    }
    expanded.is_reference = expanded.variables.len() == 1 && !literal_parts && !default_given;
    Ok(expanded)
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment() -> Environment {
        [("HOST", "db"), ("EMPTY", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn check(text: &str, expected: &str, is_reference: bool) {
        let expanded = expand(text, &environment()).unwrap();
        assert_eq!(expanded.text, expected, "{text}");
        assert_eq!(expanded.is_reference, is_reference, "{text}");
        assert!(expanded.unset.is_empty(), "{text}");
    }

    #[test]
    fn expressions_become_their_values() {
        check("plain $5", "plain $5", false);
        check("${HOST}", "db", true);
        check("a-${HOST}-${HOST}", "a-db-db", false);
        check("${NONE:-6379}", "6379", false);
        check("${EMPTY:-fallback}", "fallback", false);
        check("${EMPTY}", "", true);
        check("${NONE:-}", "", true);
    }

    #[test]
    fn text_is_foreign_only_where_a_variable_gave_some_of_it() {
        let is_foreign = |text| expand(text, &environment()).unwrap().is_foreign;
        assert!(is_foreign("${HOST}") && is_foreign("a${HOST:-b}"));
        assert!(!is_foreign("${NONE:-db}") && !is_foreign("${EMPTY:-db}") && !is_foreign("${EMPTY}"));
    }

    #[test]
    fn an_unset_variable_and_a_broken_expression_are_told_apart() {
        let expanded = expand("${NONE}", &environment()).unwrap();
        assert_eq!(expanded.unset, ["NONE"]);
        assert!(expand("${NONE", &environment()).is_err());
        assert!(expand("${}", &environment()).is_err());
        assert!(expand("${A B}", &environment()).is_err());
    }

    #[test]
    fn nothing_is_left_to_expand_unless_the_environment_brought_it() {
        for text in [
            "${NONE:-a${HOST}",
            "${NONE:-a${HOST:-b}}",
            "$${EMPTY}{HOST}",
            "${NONE:-$}{HOST}",
        ] {
            assert!(expand(text, &environment()).is_err(), "{text}");
        }
        check("$${HOST}", "$db", false);
        let odd = Environment::from([("ODD".to_owned(), "p${x".to_owned())]);
        assert_eq!(expand("${ODD}", &odd).unwrap().text, "p${x");
    }

    proptest! {
        #[test]
        fn text_without_an_expression_is_unchanged(text in "[^$]{0,40}") {
            prop_assert_eq!(expand(&text, &Environment::new()).unwrap().text, text);
        }

        #[test]
        fn expansion_never_panics(text in "[${}:a-zA-Z_-]{0,40}") {
            let _outcome = expand(&text, &Environment::new());
        }
    }
}
