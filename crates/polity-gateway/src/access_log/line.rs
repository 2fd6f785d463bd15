//! One line of the access log, written by hand: it is made for every request, and a general
//! serialiser costs ten times as much.

use std::time::{Duration, SystemTime};

use polity_http::date::civil;
use polity_http::text::{AddressText, write_number};

/// What is known of a request at its end.
pub(crate) struct Line<'a> {
    pub(super) time: SystemTime,
    client: AddressText,
    pub(crate) caller: Option<&'a str>,
    /// Who the client's certificate says it is.
    pub(crate) certificate: Option<&'a str>,
    /// A token (RFC 9110, section 5.6.2), in which there is nothing to escape.
    pub(crate) method: &'a str,
    /// In normal form, without the query: queries hold secrets.
    pub(crate) path: &'a str,
    /// In parts, one after the other.
    pub(crate) route: Option<[&'a str; 3]>,
    pub(crate) service: Option<&'a str>,
    pub(crate) instance: Option<&'a str>,
    /// None when the client was sent no answer.
    pub(crate) status: Option<u16>,
    /// Of a call of gRPC.
    pub(crate) grpc_status: Option<u32>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) duration: Duration,
    pub(crate) upstream: Option<Duration>,
    pub(crate) attempts: u32,
    /// Why there was another attempt; of several, the last.
    pub(crate) retried: Option<&'a str>,
    /// The instance that was asked too because the first took its time.
    pub(crate) hedged: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    /// Both were made or checked by us: they hold nothing to escape.
    pub(crate) trace_id: Option<&'a [u8]>,
    pub(crate) request_id: Option<&'a [u8]>,
}

/// The last second that was written, and how: lines come many to a second.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    second: u64,
    /// RFC 3339 up to the second's fraction; empty before the first.
    text: Vec<u8>,
}

impl Line<'_> {
    /// The line of a request from `client` that ends now, with nothing known about it.
    pub(crate) fn new(client: AddressText) -> Self {
        Self {
            time: SystemTime::now(),
            client,
            caller: None,
            certificate: None,
            method: "",
            path: "",
            route: None,
            service: None,
            instance: None,
            status: None,
            grpc_status: None,
            bytes_in: 0,
            bytes_out: 0,
            duration: Duration::ZERO,
            upstream: None,
            attempts: 0,
            retried: None,
            hedged: None,
            reason: None,
            trace_id: None,
            request_id: None,
        }
    }

    /// Appends it as JSON, with its end.
    pub(super) fn write(&self, stamp: &mut Stamp, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":\"");
        stamp.write(self.time, out);
        out.extend_from_slice(b"\",\"client\":\"");
        out.extend_from_slice(self.client.as_bytes());
        out.push(b'"');
        if self.caller.is_some() {
            text(out, b",\"caller\":", self.caller);
        }
        if self.certificate.is_some() {
            text(out, b",\"client_certificate\":", self.certificate);
        }
        plain(out, b",\"method\":", Some(self.method.as_bytes()));
        text(out, b",\"path\":", Some(self.path));
        texts(out, b",\"route\":", self.route);
        text(out, b",\"service\":", self.service);
        text(out, b",\"instance\":", self.instance);
        out.extend_from_slice(b",\"status\":");
        match self.status {
            Some(status) => write_number(out, status.into()),
            None => out.extend_from_slice(b"null"),
        }
        if let Some(status) = self.grpc_status {
            number(out, b",\"grpc_status\":", status.into());
        }
        number(out, b",\"bytes_in\":", self.bytes_in);
        number(out, b",\"bytes_out\":", self.bytes_out);
        out.extend_from_slice(b",\"duration_ms\":");
        milliseconds(out, self.duration);
        out.extend_from_slice(b",\"upstream_ms\":");
        match self.upstream {
            Some(time) => milliseconds(out, time),
            None => out.extend_from_slice(b"null"),
        }
        number(out, b",\"attempts\":", self.attempts.into());
        if self.retried.is_some() {
            text(out, b",\"retried\":", self.retried);
        }
        if self.hedged.is_some() {
            text(out, b",\"hedged\":", self.hedged);
        }
        text(out, b",\"reason\":", self.reason);
        plain(out, b",\"trace_id\":", self.trace_id);
        plain(out, b",\"request_id\":", self.request_id);
        out.extend_from_slice(b"}\n");
    }
}

impl Stamp {
    /// Appends `time` as RFC 3339 in UTC, to the millisecond.
    fn write(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let age = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        if self.text.is_empty() || self.second != age.as_secs() {
            self.second = age.as_secs();
            self.text = up_to_the_second(age.as_secs()).into_bytes();
        }
        out.extend_from_slice(&self.text);
        let millis = age.subsec_millis();
        out.extend_from_slice(&[
            b'.',
            digit(millis / 100),
            digit(millis / 10),
            digit(millis),
            b'Z',
        ]);
    }
}

fn up_to_the_second(age: u64) -> String {
    let (year, month, day) = civil(age / 86_400);
    let second = age % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// The last decimal digit.
fn digit(number: u32) -> u8 {
    b'0' + (number % 10) as u8
}

/// Keys are arrays, here and below: one whose length is known is copied without a call.
fn number<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: u64) {
    out.extend_from_slice(key);
    write_number(out, value);
}

/// To the microsecond: more digits are noise.
fn milliseconds(out: &mut Vec<u8>, time: Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    write_number(out, micros / 1000);
    let rest = (micros % 1000) as u32;
    out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}

fn text<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: Option<&str>) {
    texts(out, key, value.map(|value| [value]));
}

/// A value that is all of these, one after the other.
fn texts<const N: usize, const PARTS: usize>(
    out: &mut Vec<u8>,
    key: &[u8; N],
    value: Option<[&str; PARTS]>,
) {
    let Some(parts) = value else {
        return plain(out, key, None);
    };
    out.extend_from_slice(key);
    out.push(b'"');
    for part in parts.map(str::as_bytes) {
        match needs_escape(part) {
            true => escaped(out, part),
            false => out.extend_from_slice(part),
        }
    }
    out.push(b'"');
}

/// A value that needs no escape.
fn plain<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: Option<&[u8]>) {
    out.extend_from_slice(key);
    let Some(value) = value else {
        out.extend_from_slice(b"null");
        return;
    };
    out.push(b'"');
    out.extend_from_slice(value);
    out.push(b'"');
}

/// To the end, whatever is found: few values have anything, and a branch for each byte costs more.
fn needs_escape(value: &[u8]) -> bool {
    let any = |any, byte: &u8| any | NEEDS_ESCAPE[usize::from(*byte)];
    value.iter().fold(false, any)
}

/// RFC 8259, section 7.
const NEEDS_ESCAPE: [bool; 256] = {
    let mut escapes = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        escapes[byte] = byte < b' ' as usize || matches!(byte as u8, b'"' | b'\\');
        byte += 1;
    }
    escapes
};

fn escaped(out: &mut Vec<u8>, value: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in value {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..b' ' => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            _ => out.push(byte),
        }
    }
}
