//! The name of a market.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Binance spot symbol such as `BTCFDUSD`: 2 to 30 upper-case letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Symbol(String);

/// Why a text is not a symbol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a symbol: {0:?} (2 to 30 upper-case letters and digits, for instance BTCFDUSD)")]
pub struct SymbolError(pub String);

impl Symbol {
    /// Checks and keeps the name.
    ///
    /// # Errors
    /// [`SymbolError`] for anything but 2 to 30 upper-case ASCII letters and digits.
    pub fn new(name: &str) -> Result<Self, SymbolError> {
        let plausible = (2..=30).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if plausible {
            Ok(Self(name.to_owned()))
        } else {
            Err(SymbolError(name.to_owned()))
        }
    }

    /// As REST wants it: upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As stream names and file names want it. A stream asked for in upper case is accepted by the
    /// exchange and stays silent.
    pub fn lower(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for Symbol {
    type Error = SymbolError;

    fn try_from(name: String) -> Result<Self, SymbolError> {
        Self::new(&name)
    }
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> Self {
        symbol.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_upper_case_names_are_symbols() {
        assert_eq!(Symbol::new("BTCFDUSD").unwrap().lower(), "btcfdusd");
        for name in [
            "",
            "B",
            "btcfdusd",
            "BTC-FDUSD",
            "BTC/FDUSD",
            "BTC FDUSD",
            "ＢＴＣ",
        ] {
            assert!(Symbol::new(name).is_err(), "{name:?}");
        }
    }
}
