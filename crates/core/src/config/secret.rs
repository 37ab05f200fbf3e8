//! A secret setting: from the environment or a file, never from the YAML text itself.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

/// A secret and where it came from. `Debug` does not show the secret.
#[derive(Debug, Clone, Default)]
pub struct Secret {
    value: Option<SecretString>,
    source: SecretSource,
}

/// How the configuration names the secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum SecretSource {
    /// Empty in the configuration.
    #[default]
    None,
    /// `${VARIABLE}`, kept as written.
    Reference(String),
    /// Content of this file.
    File(PathBuf),
}

impl Secret {
    pub(super) fn new(value: Option<SecretString>, source: SecretSource) -> Self {
        Self { value, source }
    }

    /// The secret; none when it is empty or its optional variable is unset.
    pub fn get(&self) -> Option<&SecretString> {
        self.value.as_ref()
    }

    /// True if there is a secret.
    pub fn is_set(&self) -> bool {
        self.value.is_some()
    }

    pub(super) fn source(&self) -> &SecretSource {
        &self.source
    }
}

/// Trims and checks a secret; `None` when nothing is left.
///
/// # Errors
/// A message that does not contain the secret: not sendable in an HTTP header, or a placeholder.
pub(super) fn checked(text: &str) -> Result<Option<SecretString>, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_LENGTH {
        return Err("is longer than 4096 bytes, which is no secret");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("contains a space, a control character or a character outside ASCII");
    }
    if is_placeholder(text) {
        return Err("is a placeholder, not a secret; set the real one or leave it empty");
    }
    Ok(Some(SecretString::from(text)))
}

/// Longest secret, in bytes.
const MAX_LENGTH: usize = 4096;

/// True for what sample files write where the secret goes.
fn is_placeholder(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let bare = text.strip_prefix("sk-").unwrap_or(&text);
    let words = ["changeme", "change_me", "change-me", "placeholder", "todo"];
    words.contains(&bare)
        || ["your_", "your-", "<", "${"]
            .iter()
            .any(|start| bare.starts_with(start))
        || ["_here", "-here"].iter().any(|end| bare.ends_with(end))
        || (bare.len() >= 3 && bare.bytes().all(|byte| matches!(byte, b'x' | b'*' | b'.')))
}

/// True if both hold the same secret; for tests.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let expose = |secret: &Self| {
            secret
                .value
                .as_ref()
                .map(|value| value.expose_secret().to_owned())
        };
        self.source == other.source && expose(self) == expose(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_trimmed_and_fit_for_a_header() {
        let secret = checked(" abc123\n").unwrap().unwrap();
        assert_eq!(secret.expose_secret(), "abc123");
        assert!(checked("  \n").unwrap().is_none());
        for bad in ["a b", "a\nb", "schlüssel", "a\u{7f}"] {
            assert!(checked(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn placeholders_are_refused() {
        for text in [
            "your_api_key_here",
            "<key>",
            "changeme",
            "sk-xxxxxxxx",
            "sk-your-key",
            "${KEY}",
            "***",
        ] {
            assert!(checked(text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_does_not_show_it() {
        let secret = Secret::new(checked("abc123").unwrap(), SecretSource::None);
        assert!(!format!("{secret:?}").contains("abc123"));
    }
}
