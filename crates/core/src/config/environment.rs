//! The environment as a plain map: the process's own variables over those of a `.env` file.
//!
//! Read once by `program`, then passed on as a value. No other code looks at the process environment.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::problem::{ConfigErrors, Origin, Problem};

/// What some editors put at the beginning of a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Name and value of every variable.
pub type Environment = BTreeMap<String, String>;

/// The process's variables; those that are not UTF-8 are left out.
pub fn process_environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Adds the variables of the file at `path` (usually `.env`) that `environment` does not have yet.
///
/// A file that does not exist is no mistake.
///
/// # Errors
/// When the file exists and cannot be read or has a line that is not an assignment. The line itself is
/// not shown: it may hold a secret.
pub fn with_env_file(mut environment: Environment, path: &Path) -> Result<Environment, ConfigErrors> {
    let problem = |message: String| {
        ConfigErrors(vec![Problem {
            key: String::new(),
            message,
            origin: Origin::File(path.display().to_string()),
        }])
    };
    let entries = match entries(path) {
        Ok(entries) => entries,
        Err(error) if error.not_found() => return Ok(environment),
        Err(dotenvy::Error::Io(error)) => return Err(problem(format!("cannot be read: {error}"))),
        Err(_) => return Err(problem("cannot be read".to_owned())),
    };
    for (index, entry) in entries.enumerate() {
        match entry {
            Ok((name, value)) => {
                environment.entry(name).or_insert(value);
            }
            Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::IsADirectory => {
                return Err(problem("is a directory".to_owned()));
            }
            Err(dotenvy::Error::Io(error)) => return Err(problem(format!("cannot be read: {error}"))),
            Err(_) => {
                return Err(problem(format!(
                    "assignment {} is not of the form NAME=value (quote values that contain spaces)",
                    index + 1
                )));
            }
        }
    }
    Ok(environment)
}

/// The assignments of the file, without the mark that some editors put at its beginning.
fn entries(path: &Path) -> dotenvy::Result<dotenvy::Iter<io::Cursor<Vec<u8>>>> {
    let bytes = std::fs::read(path).map_err(dotenvy::Error::Io)?;
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes).to_vec();
    Ok(dotenvy::Iter::new(io::Cursor::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_mark_at_the_beginning_is_no_part_of_the_first_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(".env");
        std::fs::write(&file, b"\xef\xbb\xbfFIRST=1\r\nSECOND=2\r\n").unwrap();
        let read = with_env_file(environment(&[]), &file).unwrap();
        assert_eq!(read, environment(&[("FIRST", "1"), ("SECOND", "2")]));
    }

    #[test]
    fn the_real_environment_wins_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        std::fs::write(&path, "# comment\nA=file\nB=\"from file\"\n").unwrap();
        let merged = with_env_file(environment(&[("A", "real")]), &path).unwrap();
        assert_eq!(merged, environment(&[("A", "real"), ("B", "from file")]));
    }

    #[test]
    fn a_missing_file_is_fine_and_a_broken_one_is_named_without_its_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        assert!(with_env_file(Environment::new(), &path).unwrap().is_empty());
        std::fs::write(&path, "A=1\nhunter two\n").unwrap();
        let error = with_env_file(Environment::new(), &path).unwrap_err().to_string();
        assert!(error.contains(".env: assignment 2"), "{error}");
        assert!(!error.contains("hunter"), "{error}");
    }
}
