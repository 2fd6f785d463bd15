//! Tests of path normalisation: a table of attacks, and properties against a naive model.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn check(path: &str, expected: &str) {
    assert_eq!(normalise(path).as_deref(), Ok(expected), "{path:?}");
}

fn refused(path: &str, expected: PathError) {
    assert_eq!(normalise(path), Err(expected), "{path:?}");
}

#[test]
fn dot_segments_are_resolved_encoded_or_not() {
    check("/a/./b", "/a/b");
    check("/a/../b", "/b");
    check("/a/b/..", "/a/");
    check("/a/.", "/a/");
    check("/.", "/");
    check("/a/%2e%2E/b", "/b");
    check("/a/%2e/b", "/a/b");
    check("/a/.%2e/b", "/b");
    check("/.well-known/x", "/.well-known/x");
    check("/...", "/...");
    check("/a/..b", "/a/..b");
    check("/a/b..", "/a/b..");
    check("/mid/content=5/../6", "/mid/6");
}

#[test]
fn climbing_above_the_root_is_refused() {
    refused("/..", PathError::AboveRoot);
    refused("/../a", PathError::AboveRoot);
    refused("/a/../..", PathError::AboveRoot);
    refused("/%2e%2e/a", PathError::AboveRoot);
    refused("/a/../../a/b/c", PathError::AboveRoot);
}

#[test]
fn doubled_slashes_stay_and_are_segments_of_their_own() {
    check("//", "//");
    check("/a//b", "/a//b");
    check("/a//../b", "/a/b");
    check("//..", "/");
    check("//example.com/x", "//example.com/x");
}

#[test]
fn an_encoded_slash_separates_nothing() {
    check("/a%2fb", "/a%2Fb");
    check("/a/..%2fb", "/a/..%2Fb");
    check("/a/%2e%2e%2fb", "/a/..%2Fb");
}

#[test]
fn a_double_encoding_is_undone_no_more_than_once() {
    check("/%252e%252e/a", "/%252e%252e/a");
    check("/%25%32%65", "/%252e");
}

#[test]
fn escapes_have_one_spelling() {
    check("/%41%7e", "/A~");
    check("/caf%c3%a9", "/caf%C3%A9");
    check("/café", "/caf%C3%A9");
    check("/%3b;%3f", "/%3B;%3F");
    check("/a%0d%0ab", "/a%0D%0Ab");
}

#[test]
fn a_backslash_is_no_slash() {
    check(r"/a\..\..\b", "/a%5C..%5C..%5Cb");
    check("/a/..%5cb", "/a/..%5Cb");
    check(r"/a/..\", "/a/..%5C");
}

#[test]
fn what_is_no_path_is_refused() {
    refused("", PathError::NotAbsolute);
    refused("*", PathError::NotAbsolute);
    refused("a/b", PathError::NotAbsolute);
    refused("/%", PathError::BadEscape);
    refused("/%4", PathError::BadEscape);
    refused("/%4/1", PathError::BadEscape);
    refused("/%zz", PathError::BadEscape);
    refused("/%+1", PathError::BadEscape);
    refused("/%%41", PathError::BadEscape);
    refused("/%00", PathError::Nul);
    refused("/a\0", PathError::Forbidden(0));
    refused("/a b", PathError::Forbidden(b' '));
    refused("/a\r\nb", PathError::Forbidden(b'\r'));
    refused("/a\x7f", PathError::Forbidden(0x7F));
    refused("/a?b", PathError::Forbidden(b'?'));
    refused("/a#b", PathError::Forbidden(b'#'));
    refused("/a/../b c", PathError::Forbidden(b' '));
}

#[test]
fn a_clean_path_is_borrowed() {
    for path in [
        "/",
        "/orders/17",
        "/a//b/",
        "/.well-known/x",
        "/a%20b%2F",
        "/(a)+b;c=d,e@f:g",
    ] {
        assert!(matches!(normalise(path), Ok(Cow::Borrowed(_))), "{path}");
    }
}

/// The same by the letter: decode byte by byte, split, resolve on a stack, encode again.
fn model(path: &str) -> Option<String> {
    let mut segments: Vec<String> = Vec::new();
    let mut open = false;
    for raw in path.strip_prefix('/')?.split('/') {
        let mut segment = String::new();
        let mut bytes = raw.bytes();
        while let Some(byte) = bytes.next() {
            let (byte, was_escaped) = if byte == b'%' {
                let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                if digits.len() != 2 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
                    return None;
                }
                (u8::from_str_radix(&digits, 16).unwrap(), true)
            } else {
                (byte, false)
            };
            let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            let reserved = b"!$&'()*+,;=:@".contains(&byte);
            match was_escaped {
                _ if byte == 0 => return None,
                false if byte <= b' ' || b"\x7f?#".contains(&byte) => return None,
                _ if plain => segment.push(char::from(byte)),
                false if reserved => segment.push(char::from(byte)),
                _ => segment.push_str(&format!("%{byte:02X}")),
            }
        }
        open = segment == "." || segment == "..";
        match segment.as_str() {
            "." => {}
            ".." => {
                segments.pop()?;
            }
            _ => segments.push(segment),
        }
    }
    if open {
        segments.push(String::new());
    }
    Some(format!("/{}", segments.join("/")))
}

fn any_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("/".to_owned()),
        2 => prop::sample::select(vec!["..", ".", "%2e", "%2E", "%2f", "%5c", "\\", "%25", "%", "%0", "%00"])
            .prop_map(str::to_owned),
        2 => "[a-z]{1,3}",
        1 => "%[0-9a-fA-F]{2}",
        1 => "\\PC",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn it_is_what_the_model_says(path in any_path()) {
        prop_assert_eq!(normalise(&path).ok().map(Cow::into_owned), model(&path));
    }

    #[test]
    fn once_is_enough_and_the_second_time_borrows(path in any_path()) {
        if let Ok(once) = normalise(&path) {
            prop_assert!(matches!(normalise(&once), Ok(Cow::Borrowed(twice)) if twice == once));
        }
    }

    #[test]
    fn no_dot_segment_survives(path in any_path()) {
        if let Ok(normal) = normalise(&path) {
            prop_assert!(normal.starts_with('/'));
            prop_assert!(normal.split('/').all(|segment| segment != "." && segment != ".."));
            prop_assert!(normal.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'));
        }
    }
}
