//! Sticky sessions: a signed cookie that names the instance a client's requests go to.
//!
//! The signature is not there to keep a secret, but so that nobody chooses an instance who was not sent
//! there: without it, a few clients could put their load on one.

use std::fmt;
use std::time::SystemTime;

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
/// Bytes of the second since 1970 in which a cookie was made, as far as that matters.
const MADE: usize = 4;
/// Bytes of the signature that are kept: as many as nobody guesses.
const SIGNATURE: usize = 16;
/// How many cookies of one name are looked at: each costs a signature, and whoever sends more than a
/// neighbour under the same domain could plant means no good.
const MAX_LOOKS: usize = 4;

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
    /// The seconds after which a cookie is made anew, so that it does not expire while it is used: half of
    /// its time; none where it lasts until the browser is closed.
    renewed_after: Option<u32>,
    /// Of the purpose and the service: a cookie of one service says nothing to another.
    signer: Hmac<Sha256>,
}

/// What is known of a request's session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    /// The identity of the instance it has been with.
    pub(crate) instance: Option<u64>,
    /// Whether the client's cookie is to be made anew although nothing has changed.
    pub(crate) is_old: bool,
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
            renewed_after: sticky
                .max_age
                .map(|age| u32::try_from(age.as_secs() / 2).unwrap_or(u32::MAX)),
            signer,
        }
    }

    /// The identity of the instance that the request's cookie names, and whether that cookie is old; none
    /// where there is none that was made here.
    ///
    /// Others may stand beside it, planted by a page of another host under the same domain. Browsers send
    /// those of longer paths first (RFC 6265, section 5.4) and ours is for the shortest, so that the last
    /// one that is good is it.
    pub(crate) fn read(&self, head: &RequestHead<'_>) -> Option<(u64, bool)> {
        let mut last = cookies::from_the_last(head, &self.cookie).take(MAX_LOOKS);
        let (instance, made) = last.find_map(|value| self.verify(value))?;
        let age = self.now().wrapping_sub(made);
        let is_old = self.renewed_after.is_some_and(|most| age >= most);
        Some((instance, is_old))
    }

    /// The identity in a cookie that was made here, and when that was.
    fn verify(&self, value: &[u8]) -> Option<(u64, u32)> {
        let bytes: [u8; IDENTITY + MADE + SIGNATURE] = decode(value)?;
        let (signed, signature) = bytes.split_at(IDENTITY + MADE);
        let mut signer = self.signer.clone();
        signer.update(signed);
        // In a time that does not tell how much of it is right.
        signer.verify_truncated_left(signature).ok()?;
        let (identity, made) = signed.split_first_chunk()?;
        let made = made.first_chunk()?;
        Some((u64::from_be_bytes(*identity), u32::from_be_bytes(*made)))
    }

    /// The second it is since 1970, where cookies grow old.
    fn now(&self) -> u32 {
        let now = self.renewed_after.map(|_| SystemTime::now());
        let since = now.and_then(|now| now.duration_since(SystemTime::UNIX_EPOCH).ok());
        // Wraps in 2106, and ages do not mind.
        since.map_or(0, |since| since.as_secs() as u32)
    }

    /// Appends the field that sets the cookie, and the one that keeps the answer out of caches that others
    /// are served from: they would hand out the session with it.
    pub(crate) fn write(&self, instance: u64, is_secure: bool, out: &mut Vec<u8>) {
        self.write_made(instance, self.now(), is_secure, out);
        out.extend_from_slice(b"cache-control: private\r\n");
    }

    fn write_made(&self, instance: u64, made: u32, is_secure: bool, out: &mut Vec<u8>) {
        let mut signed = [0; IDENTITY + MADE];
        let (identity, rest) = signed.split_at_mut(IDENTITY);
        identity.copy_from_slice(&instance.to_be_bytes());
        rest.copy_from_slice(&made.to_be_bytes());
        let mut signer = self.signer.clone();
        signer.update(&signed);
        let signature = signer.finalize().into_bytes();
        out.extend_from_slice(b"set-cookie: ");
        out.extend_from_slice(self.cookie.as_bytes());
        out.push(b'=');
        for byte in signed.iter().chain(signature.iter().take(SIGNATURE)) {
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
