//! An answer's head, parsed where it lies; as strict as a request's.

use super::fields::ConnectionOptions;
use super::framing::FramingFields;
use super::request::Asks;
use super::request::HeaderSpace;
use super::{Framing, HeadError, Header, Version, from_httparse, refuse_bare_line_feeds};

/// A valid answer head.
#[derive(Debug)]
pub struct ResponseHead<'a> {
    /// 100 to 999.
    pub status: u16,
    /// The text after the status; may be empty.
    pub reason: &'a str,
    /// What the origin speaks.
    pub version: Version,
    /// Every field, in order, hop-by-hop ones included.
    pub headers: &'a [Header<'a>],
    /// As it came, the empty line included.
    pub(crate) raw: &'a [u8],
    /// The body's, as the fields alone say it.
    fields: Option<Framing>,
    pub(crate) options: ConnectionOptions,
}

impl<'a> ResponseHead<'a> {
    /// The value of the first field of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut fields = self.headers.iter();
        let found = fields.find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value)
    }

    /// Parses the head at the start of `input`; with it, its length. None when it is not whole yet.
    ///
    /// # Errors
    /// When what is there can never become a valid head.
    pub fn parse(
        input: &'a [u8],
        space: &'a mut HeaderSpace<'a>,
    ) -> Result<Option<(Self, usize)>, HeadError> {
        // httparse skips empty lines, which only servers may (RFC 9112, section 2.2): before an answer
        // they are the rest of another.
        if matches!(input.first(), Some(b'\r' | b'\n')) {
            return Err(HeadError::Malformed("an empty line before the status line"));
        }
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut response, input, space)
            .map_err(from_httparse)?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        refuse_bare_line_feeds(&input[..length], response.headers)?;
        let version = Version::from_minor(response.version)?;
        let status = response.code.unwrap_or_default();
        if status < 100 {
            return Err(HeadError::Malformed("the status is below 100"));
        }
        let mut framing = FramingFields::default();
        let mut options = ConnectionOptions::default();
        for header in &*response.headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            match header.name.len() {
                10 if is("connection") => options.add(header.value)?,
                14 if is("content-length") => framing.content_length(header.value)?,
                17 if is("transfer-encoding") => framing.transfer_encoding(header.value)?,
                _ => {}
            }
        }
        let head = ResponseHead {
            status,
            reason: response.reason.unwrap_or_default(),
            version,
            headers: response.headers,
            raw: &input[..length],
            fields: framing.framing(version)?,
            options,
        };
        Ok(Some((head, length)))
    }

    /// Whether it is interim (1xx, 101 excepted): another answer follows.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// How its body ends, which depends on what was asked (RFC 9112, section 6.3).
    pub fn framing(&self, asks: Asks) -> Framing {
        if asks == Asks::Head || self.status < 200 || matches!(self.status, 204 | 304) {
            return Framing::None;
        }
        self.fields.unwrap_or(Framing::UntilClose)
    }

    /// The length its field says, whether or not a body follows: of interest after HEAD.
    pub(crate) fn declared_length(&self) -> Option<u64> {
        match self.fields {
            Some(Framing::Length(length)) => Some(length),
            _ => None,
        }
    }

    /// Whether the origin means to serve another request on this connection, and can be believed to
    /// know where this answer ends: one that announces a body with a 204 (RFC 9110, section 8.6) may
    /// send it, too late for anyone to tell it from the next answer.
    pub fn keeps_alive(&self) -> bool {
        let has_body = !matches!(self.fields, None | Some(Framing::Length(0)));
        if self.status == 204 && has_body {
            return false;
        }
        !self.options.close && (self.version == Version::Http11 || self.options.keep_alive)
    }
}
