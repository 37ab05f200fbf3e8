//! Secrets of a section: from a variable or a file, and nowhere else.
//!
//! What must stay true: no message shows a secret, not even one that is in the wrong place.

use std::io;
use std::path::{Path, PathBuf};

use super::expand::expand;
use super::node::Node;
use super::reader::Section;
use super::secret::{Secret, SecretSource, checked};

/// Largest secret file that is read, in bytes.
const MAX_SECRET_FILE: u64 = 64 * 1024;

impl Section<'_> {
    /// A secret from `key` (`${VARIABLE}` only) or from the file that `file_key` names.
    ///
    /// `default` counts where neither key is given. `optional` makes an unset variable or an empty file mean no
    /// secret; a file that is not there is a problem all the same.
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
            return self.secret_file(file_key, file, optional);
        }
        self.secret_reference(key, written.as_deref().unwrap_or(default), optional)
    }

    fn secret_reference(&self, key: &'static str, written: &str, optional: bool) -> Secret {
        let written = written.trim();
        if written.is_empty() {
            return Secret::default();
        }
        let expanded = match expand(written, self.environment()) {
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
        if self.is_given(key) {
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

    fn secret_file(&self, key: &'static str, file: String, optional: bool) -> Secret {
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
            // As a credential of systemd that was not given looks.
            Ok(None) if optional => return Secret::new(None, SecretSource::File(path)),
            Ok(None) => self.problem(key, format_args!("{} is empty", path.display())),
            Err(message) => {
                self.problem(key, format_args!("the content of {} {message}", path.display()));
            }
        }
        Secret::default()
    }
}

fn read_small(path: &Path) -> io::Result<String> {
    let length = std::fs::metadata(path)?.len();
    if length > MAX_SECRET_FILE {
        return Err(io::Error::other(format!(
            "has {length} bytes, more than {MAX_SECRET_FILE}"
        )));
    }
    std::fs::read_to_string(path)
}
