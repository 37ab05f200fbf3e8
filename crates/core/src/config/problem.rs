//! What can be wrong with a configuration, and where a value came from.
//!
//! Problems are collected, never thrown one by one, so that one run names all of them. No problem ever
//! shows a value that came from the environment, unless it is a number, or from a secret file.

use std::fmt;

/// Where the value of a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Written in this file.
    File(String),
    /// Written in this file as an expansion of these environment variables.
    Environment {
        /// Variables named in the value, in their order.
        variables: Vec<String>,
        /// The file that names them.
        file: String,
    },
    /// Nowhere: the built-in default counts.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => formatter.write_str(file),
            Self::Environment { variables, file } => {
                for variable in variables {
                    write!(formatter, "${{{variable}}} ")?;
                }
                write!(formatter, "in {file}")
            }
            Self::Default => formatter.write_str("default"),
        }
    }
}

/// One thing that is wrong, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key, for instance `redis.port`; empty when the file as a whole is meant.
    pub key: String,
    /// What is wrong and what would be right; one line, lower case, no final period.
    pub message: String,
    /// Where the value came from.
    pub origin: Origin,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(formatter, "{}: {}", self.origin, self.message)
        } else {
            write!(formatter, "{}: {} ({})", self.key, self.message, self.origin)
        }
    }
}

/// Something odd that does not keep the program from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub Problem);

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Every problem of a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct ConfigErrors(pub Vec<Problem>);

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
