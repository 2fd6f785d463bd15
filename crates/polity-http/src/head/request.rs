//! A request's head, parsed where it lies.

use std::mem::MaybeUninit;

use super::authority::is_authority;
use super::fields::{ConnectionOptions, list};
use super::framing::FramingFields;
use super::{Framing, HeadError, Header, Version, from_httparse, refuse_bare_line_feeds};
use crate::limits::MAX_HEADERS;

/// Room for the fields of one head, on the stack of whoever parses it.
pub type HeaderSpace<'a> = [MaybeUninit<Header<'a>>; MAX_HEADERS];

/// What kind of answer a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// A head alone (HEAD).
    Head,
    /// A whole answer.
    Answer,
    /// A change of protocol, or else a whole answer.
    Upgrade,
}

/// A valid request head.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// The method, as sent (methods are case-sensitive).
    pub method: &'a str,
    /// Path and query: begins with `/`, or is `*` (with OPTIONS). What stood before it in an
    /// absolute target is in `authority`.
    pub target: &'a str,
    /// What the client speaks.
    pub version: Version,
    /// The host asked for, with its port if one was given; empty only in HTTP/1.0.
    pub authority: &'a str,
    /// Every field, in order, hop-by-hop ones included.
    pub headers: &'a [Header<'a>],
    /// As it came, the empty line included.
    pub(crate) raw: &'a [u8],
    /// The body's.
    pub framing: Framing,
    /// The protocol the client wants to change to; never one of HTTP.
    pub upgrade: Option<&'a str>,
    /// The client waits for a 100 before it sends the body.
    pub expects_continue: bool,
    pub(crate) options: ConnectionOptions,
    pub(crate) accepts_trailers: bool,
}

impl<'a> RequestHead<'a> {
    /// Parses the head at the start of `input`; with it, its length. None when it is not whole yet.
    ///
    /// # Errors
    /// When what is there can never become a valid head.
    pub fn parse(
        input: &'a [u8],
        space: &'a mut HeaderSpace<'a>,
    ) -> Result<Option<(Self, usize)>, HeadError> {
        let mut request = httparse::Request::new(&mut []);
        let parsed = httparse::ParserConfig::default()
            .parse_request_with_uninit_headers(&mut request, input, space)
            .map_err(from_httparse)?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        refuse_bare_line_feeds(&input[..length], request.headers)?;
        let version = Version::from_minor(request.version)?;
        let method = request.method.unwrap_or_default();
        let raw_target = request.path.unwrap_or_default();
        let (authority, target) = split_target(method, raw_target)?;
        let mut head = RequestHead {
            method,
            target,
            version,
            authority: "",
            headers: request.headers,
            raw: &input[..length],
            framing: Framing::None,
            upgrade: None,
            expects_continue: false,
            options: ConnectionOptions::default(),
            accepts_trailers: false,
        };
        head.read_fields()?;
        // RFC 9112, section 3.2.2: the authority of an absolute target replaces the field.
        if let Some(authority) = authority {
            head.authority = authority;
        }
        Ok(Some((head, length)))
    }

    fn read_fields(&mut self) -> Result<(), HeadError> {
        let mut framing = FramingFields::default();
        let mut host = None;
        let mut upgrade = None;
        for header in self.headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            match header.name.len() {
                2 if is("te") => {
                    self.accepts_trailers |=
                        list(header.value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
                }
                4 if is("host") && host.is_some() => {
                    return Err(HeadError::Malformed("more than one host"));
                }
                4 if is("host") => host = Some(header.value),
                6 if is("expect") => {
                    self.expects_continue |= list(header.value)
                        .any(|expected| expected.eq_ignore_ascii_case(b"100-continue"));
                }
                // Two are a list of two (RFC 9110, section 5.3), and no list is passed on.
                7 if is("upgrade") && upgrade.is_some() => upgrade = Some(&b""[..]),
                7 if is("upgrade") => upgrade = Some(header.value),
                10 if is("connection") => self.options.add(header.value)?,
                14 if is("content-length") => framing.content_length(header.value)?,
                17 if is("transfer-encoding") => framing.transfer_encoding(header.value)?,
                _ => {}
            }
        }
        self.authority = checked_host(host, self.version)?;
        self.framing = framing.framing(self.version)?.unwrap_or(Framing::None);
        // RFC 9110, section 10.1.1: from an HTTP/1.0 client the expectation is ignored.
        self.expects_continue &= self.version == Version::Http11;
        let may_upgrade = self.options.upgrade
            && self.version == Version::Http11
            && self.framing == Framing::None;
        self.upgrade = upgrade.filter(|_| may_upgrade).and_then(upgrade_token);
        Ok(())
    }

    /// The value of the first field of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    /// What it asks for.
    pub fn asks(&self) -> Asks {
        match self.upgrade {
            _ if self.method == "HEAD" => Asks::Head,
            Some(_) => Asks::Upgrade,
            None => Asks::Answer,
        }
    }

    /// Whether the client means to send another request on this connection.
    pub fn keeps_alive(&self) -> bool {
        !self.options.close && (self.version == Version::Http11 || self.options.keep_alive)
    }
}

/// A protocol that may be changed to. Those of HTTP may not, be it `h2c` or `HTTP/2.0`: a tunnel to a
/// server that speaks it would carry requests past every rule here (known as h2c smuggling).
fn upgrade_token(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&b);
    let begins = |with: &str| {
        let start = text.as_bytes().get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    let is_http = begins("h2") || begins("http");
    (!text.is_empty() && text.bytes().all(legal) && !is_http).then_some(text)
}

fn checked_host(host: Option<&[u8]>, version: Version) -> Result<&str, HeadError> {
    let Some(host) = host else {
        return match version {
            Version::Http10 => Ok(""),
            Version::Http11 => Err(HeadError::Malformed("no host")),
        };
    };
    std::str::from_utf8(host)
        .ok()
        .filter(|host| is_authority(host))
        .ok_or(HeadError::Malformed("host is not a host"))
}

/// The authority (of an absolute target) and the path with its query (RFC 9112, section 3.2).
fn split_target<'a>(
    method: &str,
    target: &'a str,
) -> Result<(Option<&'a str>, &'a str), HeadError> {
    if !target.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Err(HeadError::Malformed("the target holds a byte it may not"));
    }
    if method == "CONNECT" {
        return Err(HeadError::Malformed("this is not a forward proxy"));
    }
    if target.starts_with('/') {
        return Ok((None, target));
    }
    if target == "*" && method == "OPTIONS" {
        return Ok((None, target));
    }
    let (scheme, rest) = target
        .split_once("://")
        .ok_or(HeadError::Malformed("the target is not a path"))?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(HeadError::Malformed("the target's scheme is not http"));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !is_authority(authority) {
        return Err(HeadError::Malformed("the target's host is not one"));
    }
    match path {
        // RFC 9112, section 3.2.4: it is the server itself that is asked about.
        "" if method == "OPTIONS" => Ok((Some(authority), "*")),
        "" => Ok((Some(authority), "/")),
        path if path.starts_with('/') => Ok((Some(authority), path)),
        // `http://host?query` is legal and unheard of; its path would have to be made up.
        _ => Err(HeadError::Malformed("the target has a query but no path")),
    }
}
