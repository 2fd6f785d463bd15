//! Sticky sessions: a signed cookie that names the instance a client's requests go to.
//!
//! The signature is not there to keep a secret, but so that nobody chooses an instance who was not sent
//! there: without it, a few clients could put their load on one.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use polity_core::ServiceName;
use polity_http::RequestHead;
use polity_plan::Sticky;
use sha2::Sha256;

use crate::cookies;

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;

/// Bytes of an identity.
const IDENTITY: usize = 8;
/// Bytes of the signature that are kept: as many as nobody guesses.
const SIGNATURE: usize = 16;
/// What the signature is for, so that it is good for nothing else that the key may sign one day.
const PURPOSE: &[u8] = b"polity sticky session\0";

/// The secret that cookies are signed with. Cookies outlive a restart if it does.
#[derive(Clone)]
pub struct SessionKey([u8; Self::LENGTH]);

/// A service's sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    cookie: String,
    /// What follows the value.
    attributes: String,
    /// Of the purpose and the service: a cookie of one service says nothing to another.
    signer: Hmac<Sha256>,
}

/// What is known of a request's session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    /// The identity of the instance it has been with.
    pub(crate) instance: Option<u64>,
    /// Whether the client came by TLS, as far as that is believed.
    pub(crate) is_secure: bool,
}

impl SessionKey {
    /// Bytes of a key.
    pub const LENGTH: usize = 32;

    /// The key of these bytes, which are random.
    pub fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }
}

/// Never shows the secret.
impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(***)")
    }
}

impl Sessions {
    pub(crate) fn new(sticky: &Sticky, service: &ServiceName, key: &SessionKey) -> Self {
        let signer = Hmac::new_from_slice(&key.0);
        let mut signer: Hmac<Sha256> = signer.expect("HMAC takes keys of every length");
        signer.update(PURPOSE);
        signer.update(service.as_str().as_bytes());
        signer.update(b"\0");
        let max_age = sticky
            .max_age
            .map(|age| format!("; Max-Age={}", age.as_secs()));
        let max_age = max_age.unwrap_or_default();
        Self {
            cookie: sticky.cookie.clone(),
            attributes: format!("; Path=/; HttpOnly; SameSite=Lax{max_age}"),
            signer,
        }
    }

    /// The identity of the instance that the request's cookie names; none where there is no cookie, or
    /// it was not made here.
    pub(crate) fn read(&self, head: &RequestHead<'_>) -> Option<u64> {
        self.verify(cookies::find(head, &self.cookie)?)
    }

    fn verify(&self, value: &[u8]) -> Option<u64> {
        let bytes: [u8; IDENTITY + SIGNATURE] = decode(value)?;
        let (identity, signature) = bytes.split_first_chunk()?;
        let mut signer = self.signer.clone();
        signer.update(identity);
        // In a time that does not tell how much of it is right.
        signer.verify_truncated_left(signature).ok()?;
        Some(u64::from_be_bytes(*identity))
    }

    /// Appends the field that sets the cookie.
    pub(crate) fn write(&self, instance: u64, is_secure: bool, out: &mut Vec<u8>) {
        let identity = instance.to_be_bytes();
        let mut signer = self.signer.clone();
        signer.update(&identity);
        let signature = signer.finalize().into_bytes();
        out.extend_from_slice(b"set-cookie: ");
        out.extend_from_slice(self.cookie.as_bytes());
        out.push(b'=');
        for byte in identity.iter().chain(signature.iter().take(SIGNATURE)) {
            out.extend_from_slice(&digits(*byte));
        }
        out.extend_from_slice(self.attributes.as_bytes());
        if is_secure {
            out.extend_from_slice(b"; Secure");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Two hexadecimal digits, in lower case.
fn digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|digit| match digit {
        0..=9 => b'0' + digit,
        _ => b'a' + digit - 10,
    })
}

/// Bytes from as many pairs of digits as [`digits`] writes: no other spelling is ours.
fn decode<const LENGTH: usize>(text: &[u8]) -> Option<[u8; LENGTH]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() != LENGTH * 2 {
        return None;
    }
    let mut bytes = [0; LENGTH];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}
