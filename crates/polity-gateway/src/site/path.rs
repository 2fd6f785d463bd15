//! From the path of a request to a place below a folder: segment by segment, and nothing that could mean another place.

/// A place below the root of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The names on the way there, with `/` between them; empty for the root itself.
    pub(super) path: Vec<u8>,
    /// Whether the path says that it is a folder, by a slash at its end.
    pub(super) is_folder: bool,
}

/// The one name beginning with a dot that is for everybody (RFC 8615).
const WELL_KNOWN: &[u8] = b".well-known";

/// The longest path that a system opens (Linux: `PATH_MAX` with its end).
const MAX_PATH: usize = 4095;

impl Place {
    /// The place of a path in normal form, which begins with a slash; none where no file that is served can be
    /// there.
    pub(super) fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix('/')?;
        let mut place = Self {
            path: Vec::with_capacity(rest.len()),
            is_folder: true,
        };
        if rest.is_empty() {
            return Some(place);
        }
        let mut segments = rest.split('/').peekable();
        while let Some(segment) = segments.next() {
            if segment.is_empty() && segments.peek().is_none() {
                // The slash at the end.
                return (place.path.len() <= MAX_PATH).then_some(place);
            }
            let start = place.path.len();
            decode(segment.as_bytes(), &mut place.path)?;
            if !may_be_shown(&place.path[start..], start == 0) {
                return None;
            }
            if segments.peek().is_some() {
                place.path.push(b'/');
            }
        }
        place.is_folder = false;
        (place.path.len() <= MAX_PATH).then_some(place)
    }

    /// The last of its names.
    pub(super) fn name(&self) -> &[u8] {
        let path = self.path.strip_suffix(b"/").unwrap_or(&self.path);
        path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// The place of a file in the folder that this is.
    pub(super) fn below(&self, name: &str) -> Vec<u8> {
        let mut path = self.path.clone();
        if !path.is_empty() && !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        path
    }
}

/// Whether a name may be that of a file which is served. What begins with a dot is hidden, and is `.` and `..` too.
/// A backslash is a separator to some: nobody who names files for the web uses it.
fn may_be_shown(name: &[u8], is_first: bool) -> bool {
    let is_legal = !name.is_empty() && !name.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0));
    is_legal && (!name.starts_with(b".") || (is_first && name == WELL_KNOWN))
}

fn decode(segment: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = segment;
    loop {
        match rest {
            [] => return Some(()),
            [b'%', high, low, after @ ..] => {
                out.push((digit(*high)? << 4) | digit(*low)?);
                rest = after;
            }
            [b'%', ..] => return None,
            [byte, after @ ..] => {
                out.push(*byte);
                rest = after;
            }
        }
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use polity_route::normalise;
    use proptest::prelude::*;

    use super::*;

    fn place(path: &str) -> Option<(String, bool)> {
        let normal = normalise(path).ok()?;
        let place = Place::of(&normal)?;
        let path = String::from_utf8_lossy(&place.path).into_owned();
        Some((path, place.is_folder))
    }

    #[test]
    fn a_path_is_a_place_below_the_root() {
        let check = |path, expected: &str, is_folder| {
            assert_eq!(
                place(path),
                Some((expected.to_owned(), is_folder)),
                "{path}"
            );
        };
        check("/", "", true);
        check("/a", "a", false);
        check("/a/", "a/", true);
        check("/a/b.txt", "a/b.txt", false);
        check("/a/../b", "b", false);
        check("/a%20b/%C3%A4", "a b/ä", false);
        check("/%2541", "%41", false);
        check("/a...b", "a...b", false);
        check(
            "/.well-known/security.txt",
            ".well-known/security.txt",
            false,
        );
    }

    #[test]
    fn no_path_leads_elsewhere() {
        for path in [
            "/..",
            "/../etc/passwd",
            "/a/../../etc/passwd",
            "/%2e%2e/etc/passwd",
            "/%2E%2e%2Fetc/passwd",
            "/..%2fetc/passwd",
            "/..%5cetc",
            "/..\\etc\\passwd",
            "/a%2fb",
            "/a%00.html",
            "/%00",
            "/...",
            "/.env",
            "/%2eenv",
            "/.git/config",
            "/a/.git/config",
            "/.git/",
            "/a/.well-known/b",
            "/.well-known-too",
            "//etc/passwd",
            "/a//b",
            "/a//",
            "//",
            "/%252e%252e/%2e%2e/%2e%2e",
        ] {
            assert_eq!(place(path), None, "{path}");
        }
        assert_eq!(place(&format!("/{}", "a".repeat(5000))), None);
        // What is decoded once is what it is.
        let (twice, _) = place("/%252e%252e/a").expect("a name with percent signs");
        assert_eq!(twice, "%2e%2e/a");
    }

    #[test]
    fn the_name_is_the_last() {
        let name = |path: &str| Place::of(path).map(|place| place.name().to_vec());
        assert_eq!(name("/a/b.txt").as_deref(), Some(&b"b.txt"[..]));
        assert_eq!(name("/a/").as_deref(), Some(&b"a"[..]));
        assert_eq!(name("/").as_deref(), Some(&b""[..]));
        let below = |path: &str| Place::of(path).map(|place| place.below("index.html"));
        assert_eq!(below("/").as_deref(), Some(&b"index.html"[..]));
        assert_eq!(below("/a/").as_deref(), Some(&b"a/index.html"[..]));
        assert_eq!(below("/a").as_deref(), Some(&b"a/index.html"[..]));
    }

    proptest! {
        #[test]
        fn every_place_is_below_the_root_and_none_is_hidden(path in "(/|%2[efEF]|%5[cC]|%00|\\.|\\\\|[a-c]|%[0-9a-f]{2}){1,12}") {
            if let Some((place, _)) = place(&format!("/{path}")) {
                let place = place.strip_suffix('/').unwrap_or(&place);
                for (index, name) in place.split('/').enumerate().filter(|_| !place.is_empty()) {
                    let is_hidden = name.starts_with('.') && !(index == 0 && name == ".well-known");
                    prop_assert!(!name.is_empty() && !is_hidden && !name.contains(['\\', '\0']), "{place}");
                }
            }
        }
    }
}
