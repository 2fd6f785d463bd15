//! What a file is, by its name.

/// What is not known.
const UNKNOWN: &str = "application/octet-stream";

/// The media type of a file of this name.
pub(super) fn of(name: &[u8]) -> &'static str {
    let extension = name.iter().rposition(|byte| *byte == b'.');
    let extension = extension.and_then(|dot| std::str::from_utf8(&name[dot + 1..]).ok());
    let known = extension.and_then(|it| mime_guess::from_ext(it).first_raw());
    match known {
        // Its other names are obsolete (RFC 9239, section 6).
        Some("application/javascript") => "text/javascript",
        known => known.unwrap_or(UNKNOWN),
    }
}

/// Appends it as a field. Text without a word on how it is encoded is UTF-8.
pub(super) fn write(media_type: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"content-type: ");
    out.extend_from_slice(media_type.as_bytes());
    if media_type.starts_with("text/") {
        out.extend_from_slice(b"; charset=utf-8");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_is_in_a_file() {
        let check = |name: &str, expected| assert_eq!(of(name.as_bytes()), expected, "{name}");
        check("index.html", "text/html");
        check("a.CSS", "text/css");
        check("app.js", "text/javascript");
        check("app.mjs", "text/javascript");
        check("a.min.js", "text/javascript");
        check("a.json", "application/json");
        check("a.svg", "image/svg+xml");
        check("a.png", "image/png");
        check("a.webp", "image/webp");
        check("a.woff2", "font/woff2");
        check("a.wasm", "application/wasm");
        check("a.txt", "text/plain");
        check("a.pdf", "application/pdf");
        check("a.mp4", "video/mp4");
        check("LICENSE", UNKNOWN);
        check("a.", UNKNOWN);
        check("a.no-such", UNKNOWN);
        assert_eq!(of(b"a.\xff"), UNKNOWN);
    }

    #[test]
    fn text_says_how_it_is_encoded() {
        let field = |media_type| {
            let mut out = Vec::new();
            write(media_type, &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(
            field("text/css"),
            "content-type: text/css; charset=utf-8\r\n"
        );
        assert_eq!(field("image/png"), "content-type: image/png\r\n");
    }
}
