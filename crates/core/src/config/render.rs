//! Settings as YAML, for `--check-config`. The text is itself a valid configuration.

use std::time::Duration;

use rust_decimal::Decimal;
use serde_yaml::{Mapping, Value};

use super::secret::{Secret, SecretSource};
use crate::num::to_f64;

/// A section that is being written, keys in the order they are set.
#[derive(Default)]
pub(super) struct Rendered(Mapping);

impl Rendered {
    pub(super) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(Value::from(key), value.into());
        self
    }

    /// Seconds: whole where they are whole.
    pub(super) fn seconds(self, key: &str, value: Duration) -> Self {
        if value.subsec_nanos() == 0 {
            self.set(key, value.as_secs())
        } else {
            self.set(key, value.as_secs_f64())
        }
    }

    pub(super) fn decimal(self, key: &str, value: Decimal) -> Self {
        self.set(key, to_f64(value))
    }

    /// The reference or the file, never the secret.
    pub(super) fn secret(self, key: &str, file_key: &str, secret: &Secret) -> Self {
        match secret.source() {
            SecretSource::None => self.set(key, ""),
            SecretSource::Reference(reference) => self.set(key, reference.as_str()),
            SecretSource::File(path) => self.set(file_key, path.display().to_string()),
        }
    }

    pub(super) fn section(self, key: &str, section: Self) -> Self {
        self.set(key, Value::Mapping(section.0))
    }

    /// The whole text.
    pub(super) fn into_yaml(self) -> String {
        // Strings, numbers and maps with string keys can always be written.
        serde_yaml::to_string(&self.0).unwrap_or_default()
    }
}
