//! The formats of what an authority is told that certificates come from.

use crate::address;
use crate::code::Code;
use crate::descriptor::format::ensure;
use crate::descriptor::{Flaw, Format};

pub(crate) static DOMAIN: Format = Format {
    expected: "the name of a host like \"shop.example.com\"",
    check: |text| address::parse_domain(text).map(drop),
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static HTTPS_URL: Format = Format {
    expected: "a URL like \"https://acme.example.com/directory\"",
    check: |text| {
        let rest = text.strip_prefix("https://");
        let rest = rest.ok_or(Flaw::Wrong("it begins with `https://`".to_owned()))?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        ensure(
            text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#'),
            "it is not a URL",
        )?;
        ensure(
            !authority.contains('@'),
            "credentials cannot be given in it",
        )?;
        let (host, _) = address::split_port(authority)?;
        address::check_host(host)
    },
    code: Code::WrongValue,
    pattern: Some("^https://"),
};

pub(crate) static EMAIL: Format = Format {
    expected: "an address like \"ops@example.com\"",
    check: |text| {
        let is_plain = |part: &str| {
            let mut bytes = part.bytes();
            !part.is_empty()
                && bytes.all(|byte| byte.is_ascii_graphic() && !b",?&:".contains(&byte))
        };
        let parts = text.rsplit_once('@');
        ensure(
            parts.is_some_and(|(user, host)| is_plain(user) && is_plain(host)),
            "",
        )
    },
    code: Code::WrongValue,
    pattern: Some("^[^@\\s]+@[^@\\s]+$"),
};

pub(crate) static KEY_ID: Format = Format {
    expected: "what the account is called",
    check: |text| {
        let is_shown = text.bytes().all(|byte| byte.is_ascii_graphic());
        ensure(is_shown && !text.is_empty(), "it has no blanks")
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static BASE64URL: Format = Format {
    expected: "a key in base64url",
    check: |text| {
        let digits = text.trim_end_matches('=');
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        ensure(
            !digits.is_empty() && digits.len() % 4 != 1 && digits.bytes().all(known),
            "it is made of letters, digits, `-` and `_`",
        )
    },
    code: Code::WrongValue,
    pattern: Some("^[A-Za-z0-9_-]+=*$"),
};
