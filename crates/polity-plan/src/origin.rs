//! Origins as a plan writes them: scheme, host and port of other sites, for CORS and redirects.

use polity_route::normalise_host;

use crate::address::{check_host, parse_path, split_port, wrong};
use crate::descriptor::Flaw;
use crate::plan::OriginPattern;

/// Reads `https://HOST[:PORT]` or `https://*.HOST[:PORT]`, and brings it to the form in which a
/// browser writes it: lower case, without the scheme's own port (RFC 6454, section 6.2).
pub(crate) fn parse_origin(text: &str) -> Result<OriginPattern, Flaw> {
    if text == "null" {
        return Err(wrong(
            "any page can take the origin `null`, so that allowing it allows all",
        ));
    }
    let (scheme, authority) = split(text)?;
    if authority.contains(['/', '?', '#']) {
        return Err(wrong("an origin ends with its host and port"));
    }
    let Some(parent) = authority.strip_prefix("*.") else {
        let authority = serialise(&scheme, authority)?;
        return Ok(OriginPattern::Exact(format!("{scheme}://{authority}")));
    };
    let parent = serialise(&scheme, parent)?;
    Ok(OriginPattern::Below {
        scheme: format!("{scheme}://"),
        suffix: format!(".{parent}"),
    })
}

/// Reads where a redirect leads: a path, or `http[s]://HOST[:PORT][/PATH]`; the origin, if one is
/// given, and the path in normal form.
pub(crate) fn parse_redirect(text: &str) -> Result<(Option<String>, String), Flaw> {
    if text.contains(['?', '#']) {
        return Err(wrong(
            "it ends with its path: the query of the request goes along",
        ));
    }
    if text.starts_with('/') {
        let path = parse_path(text)?;
        if path.starts_with("//") {
            return Err(wrong(
                "a URL has a scheme, and a path begins with one slash",
            ));
        }
        return Ok((None, path));
    }
    let (scheme, rest) = split(text)?;
    if !matches!(scheme.as_str(), "http" | "https") {
        return Err(wrong("the scheme is `http` or `https`"));
    }
    let path = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path);
    let origin = format!("{scheme}://{}", serialise(&scheme, authority)?);
    let path = if path.is_empty() { "/" } else { path };
    Ok((Some(origin), parse_path(path)?))
}

fn split(text: &str) -> Result<(String, &str), Flaw> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or(wrong("the scheme is missing"))?;
    // RFC 3986, section 3.1.
    let shaped = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !shaped {
        return Err(wrong("that is no scheme"));
    }
    Ok((scheme.to_ascii_lowercase(), rest))
}

fn serialise(scheme: &str, authority: &str) -> Result<String, Flaw> {
    if authority.contains('@') {
        return Err(wrong("credentials cannot be given in it"));
    }
    let (host, port) = split_port(authority)?;
    check_host(host)?;
    let name = normalise_host(host).map_err(|error| wrong(&error.to_string()))?;
    let name = match host.starts_with('[') {
        true => format!("[{name}]"),
        false => name.into_owned(),
    };
    Ok(match (scheme, port) {
        ("http", Some(80)) | ("https", Some(443)) | (_, None) => name,
        (_, Some(port)) => format!("{name}:{port}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        let check = |text, expected: &str| {
            let origin = OriginPattern::Exact(expected.to_owned());
            assert_eq!(parse_origin(text), Ok(origin), "{text}");
        };
        check("https://shop.example.com", "https://shop.example.com");
        check("HTTPS://Shop.Example.com:443", "https://shop.example.com");
        check("http://localhost:3000", "http://localhost:3000");
        check("http://localhost:80", "http://localhost");
        check("http://[::0:1]:8080", "http://[::1]:8080");
        check("capacitor://localhost", "capacitor://localhost");
        for bad in [
            "",
            "null",
            "shop.example.com",
            "https://",
            "https://shop.example.com/",
            "https://shop.example.com/a",
            "https://u@shop.example.com",
            "https://*",
            "https://a.*.example.com",
            "https://a:0",
            "://a",
            "https://bücher.example",
        ] {
            assert!(parse_origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_what_is_below_and_nothing_else() {
        let pattern = parse_origin("https://*.Example.com:8443").expect("an origin");
        for origin in ["https://a.example.com:8443", "https://a.b.example.com:8443"] {
            assert!(pattern.matches(origin), "{origin}");
        }
        for origin in [
            "https://example.com:8443",
            "https://.example.com:8443",
            "https://a.example.com",
            "http://a.example.com:8443",
            "https://evilexample.com:8443",
            "https://evil.org:1/.example.com:8443",
            "https://u@a.example.com:8443",
            "null",
        ] {
            assert!(!pattern.matches(origin), "{origin}");
        }
    }

    #[test]
    fn redirects_lead_to_paths_and_urls() {
        let check = |text, origin: Option<&str>, path: &str| {
            let expected = (origin.map(str::to_owned), path.to_owned());
            assert_eq!(parse_redirect(text), Ok(expected), "{text}");
        };
        check("/new", None, "/new");
        check("/a/../%6eew", None, "/new");
        let origin = Some("https://new.example.com");
        check("https://new.example.com", origin, "/");
        check("https://NEW.example.com:443/v1", origin, "/v1");
        check("http://[::1]:81/", Some("http://[::1]:81"), "/");
        for bad in [
            "",
            "new",
            "//evil.example",
            "/.//evil.example",
            "/a?b",
            "/a#b",
            "/..",
            "ftp://a/",
            "javascript://a",
            "https:///a",
            "https://a\r\nx",
        ] {
            assert!(parse_redirect(bad).is_err(), "{bad}");
        }
    }
}
