//! Base URLs. Pure.

/// Checks `scheme://host[:port][/path]` and removes trailing slashes.
pub(super) fn checked_url(text: &str, schemes: &[&str]) -> Result<String, String> {
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
