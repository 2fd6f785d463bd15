//! The normal form of a request's path: one spelling for all that mean the same.

use std::borrow::Cow;

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;

/// Why a path has no normal form; the request is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with a slash.
    #[error("the path does not begin with '/'")]
    NotAbsolute,
    /// A byte that no path holds: a control character, a space, `?` or `#`.
    #[error("the path holds the byte 0x{0:02X}, which must be percent-encoded")]
    Forbidden(u8),
    /// A `%` without two hexadecimal digits after it.
    #[error("the path holds a '%' that two hexadecimal digits do not follow")]
    BadEscape,
    /// `%00`: whatever reads the path as a C string would see another one.
    #[error("the path holds an encoded NUL")]
    Nul,
    /// More `..` than segments before them.
    #[error("the path climbs above the root")]
    AboveRoot,
}

/// Brings the path of an origin-form target, without its query, to normal form.
///
/// RFC 3986 section 6.2.2: escapes of unreserved characters are decoded, the others are written in
/// upper case, then dot segments are removed, so that `%2e%2e` is one. `%2F` stays what it is and
/// separates nothing, and empty segments stay. A path that climbs above the root is refused rather
/// than clamped: nobody sends one by mistake. What may not stand in a path but does no harm is
/// escaped (as URL parsers do), the backslash among it: a server that takes `\` for a slash would
/// otherwise find segments here that no route has seen.
///
/// Borrows where the path was in normal form already.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if is_normal(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    let mut normal = String::with_capacity(path.len() + ROOM_FOR_ESCAPES);
    let mut ends_in_slash = false;
    for segment in path[1..].split('/') {
        let start = normal.len();
        normal.push('/');
        recode(segment.as_bytes(), &mut normal)?;
        let dots = match &normal[start..] {
            "/." => 1,
            "/.." => 2,
            _ => 0,
        };
        ends_in_slash = dots > 0;
        if dots > 0 {
            normal.truncate(start);
        }
        if dots == 2 {
            let parent = normal.rfind('/').ok_or(PathError::AboveRoot)?;
            normal.truncate(parent);
        }
    }
    if ends_in_slash {
        normal.push('/');
    }
    Ok(Cow::Owned(normal))
}

/// Spares a second allocation for a few bytes that must be escaped.
const ROOM_FOR_ESCAPES: usize = 16;

/// Whether there is nothing to change and nothing to refuse. May only err towards "no".
fn is_normal(path: &[u8]) -> bool {
    // Nearly every path ends here.
    if path.iter().all(|byte| PLAIN[usize::from(*byte)]) {
        return true;
    }
    let mut rest = path;
    loop {
        match rest {
            [] => return true,
            [b'/', b'.'] | [b'/', b'.', b'/', ..] => return false,
            [b'/', b'.', b'.'] | [b'/', b'.', b'.', b'/', ..] => return false,
            [b'%', high, low, after @ ..] => {
                match escaped(*high, *low) {
                    Some(byte) if byte != 0 && !is_unreserved(byte) => {}
                    _ => return false,
                }
                if high.is_ascii_lowercase() || low.is_ascii_lowercase() {
                    return false;
                }
                rest = after;
            }
            [byte, after @ ..] if is_path_byte(*byte) => rest = after,
            _ => return false,
        }
    }
}

/// Bytes that never need a second look: those of a path but the dot.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = is_path_byte(byte as u8) && byte as u8 != b'.';
        byte += 1;
    }
    plain
};

/// Appends one segment with its escapes in normal form.
fn recode(segment: &[u8], normal: &mut String) -> Result<(), PathError> {
    let mut rest = segment;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'%' => {
                let [high, low, after @ ..] = after else {
                    return Err(PathError::BadEscape);
                };
                rest = after;
                match escaped(*high, *low).ok_or(PathError::BadEscape)? {
                    0 => return Err(PathError::Nul),
                    byte if is_unreserved(byte) => normal.push(char::from(byte)),
                    byte => push_escape(byte, normal),
                }
            }
            0..=b' ' | 0x7F | b'?' | b'#' => return Err(PathError::Forbidden(*byte)),
            byte if is_path_byte(*byte) => normal.push(char::from(*byte)),
            byte => push_escape(*byte, normal),
        }
    }
    Ok(())
}

fn escaped(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn push_escape(byte: u8, normal: &mut String) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    normal.push('%');
    normal.push(DIGITS[usize::from(byte >> 4)]);
    normal.push(DIGITS[usize::from(byte & 0xF)]);
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
}

/// `pchar` of RFC 3986 section 3.3, escapes aside, and the slash.
const fn is_path_byte(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'/' | b':'
                | b'@'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}
