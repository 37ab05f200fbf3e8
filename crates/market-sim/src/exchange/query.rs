//! The exchange's rules for query parameters.

use super::error::ApiError;

/// Legal range of a number, as the error message names it.
const NUMBER_RANGE: &str = "^[0-9]{1,20}$";
/// Legal range of a symbol, as the error message names it.
const SYMBOL_RANGE: &str = "^[A-Z0-9-_.]{1,20}$";

/// The parameters of one request, each sent at most once, none empty, all known.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a raw query; `known` are the names the endpoint reads.
    pub(super) fn parse(raw: &str, known: &[&str]) -> Result<Self, ApiError> {
        let pairs: Vec<(String, String)> = raw
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (percent_decode(name), percent_decode(value))
            })
            .collect();
        for (index, (name, _)) in pairs.iter().enumerate() {
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(ApiError::duplicate(name));
            }
        }
        let read = pairs
            .iter()
            .filter(|(name, _)| known.contains(&name.as_str()))
            .count();
        if pairs.len() > known.len() {
            return Err(ApiError::too_many(known.len(), pairs.len()));
        }
        if read < pairs.len() {
            return Err(ApiError::unread(read, pairs.len()));
        }
        if let Some((name, _)) = pairs.iter().find(|(_, value)| value.is_empty()) {
            return Err(ApiError::empty(name));
        }
        Ok(Self(pairs))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A symbol in legal characters; whether it exists is not checked here.
    pub(super) fn symbol(&self) -> Result<Option<&str>, ApiError> {
        let Some(symbol) = self.text("symbol") else {
            return Ok(None);
        };
        let legal = symbol.len() <= 20
            && symbol.bytes().all(|byte| {
                byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
            });
        if legal {
            Ok(Some(symbol))
        } else {
            Err(ApiError::illegal_characters("symbol", SYMBOL_RANGE))
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        if text.len() > 20 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ApiError::illegal_characters(name, NUMBER_RANGE));
        }
        text.parse().map(Some).map_err(|_| ApiError::invalid(name))
    }

    /// A time in milliseconds; microseconds are recognised by their size.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let at = self.number(name)?;
        Ok(at.map(|at| if at > 100_000_000_000_000 { at / 1000 } else { at }))
    }

    /// A limit: `default` when absent, cut at `max`.
    pub(super) fn limit(&self, default: usize, max: usize) -> Result<usize, ApiError> {
        match self.number("limit")? {
            None => Ok(default),
            Some(0) => Err(ApiError::invalid("limit")),
            Some(limit) => Ok(usize::try_from(limit).map_or(max, |limit| limit.min(max))),
        }
    }
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte.unwrap_or(b'?')).to_digit(16);
                let decoded = digit(bytes.next()).zip(digit(bytes.next()));
                out.push(decoded.map_or(b'?', |(high, low)| u8::try_from(high * 16 + low).unwrap_or(b'?')));
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_query_is_too_strange(raw in "[a-c=&%+ 0-9é]{0,40}") {
            if let Ok(query) = Query::parse(&raw, &["a", "b", "c"]) {
                let _number = query.number("a");
                let _limit = query.limit(1, 2);
            }
        }
    }

    #[test]
    fn escaped_texts_are_read() {
        let query = Query::parse("a=%42TC+x&b=7", &["a", "b"]).unwrap();
        assert_eq!(query.text("a"), Some("BTC x"));
        assert_eq!(query.number("b"), Ok(Some(7)));
        assert_eq!(percent_decode("%4"), "?");
    }
}
