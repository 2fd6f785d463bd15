//! What a file is, by its name; and what of that is worth compressing.

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

/// Types that become much smaller, besides text and what says that it is JSON or XML.
const COMPRESSIBLE: &[&str] = &[
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/jsonl",
    "application/manifest",
    "application/rtf",
    "application/sql",
    "application/toml",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-yaml",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/vnd.microsoft.icon",
    "image/x-icon",
];

/// Whether content of a media type, which may have parameters, becomes smaller by compression. A stream of events is
/// text, and is to be had event by event.
pub(crate) fn is_compressible(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let begins = |with: &str| {
        let start = essence.get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    let ends = |with: &str| {
        let length = essence.len().checked_sub(with.len());
        let end = length.and_then(|start| essence.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    if essence.eq_ignore_ascii_case("text/event-stream") {
        return false;
    }
    begins("text/")
        || ends("+json")
        || ends("+xml")
        || COMPRESSIBLE
            .iter()
            .any(|known| essence.eq_ignore_ascii_case(known))
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

    #[test]
    fn what_is_compressed_already_is_not_worth_it() {
        for worth in [
            "text/html",
            "Text/HTML; charset=utf-8",
            "application/json",
            "application/problem+json",
            "image/svg+xml",
            "application/wasm",
        ] {
            assert!(is_compressible(worth), "{worth}");
        }
        for not in [
            "",
            "image/png",
            "video/mp4",
            "application/zip",
            "application/gzip",
            "application/grpc",
            "application/grpc+proto",
            "application/octet-stream",
            "font/woff2",
            "text/event-stream",
            "text/event-stream; charset=utf-8",
            "multipart/byteranges",
        ] {
            assert!(!is_compressible(not), "{not}");
        }
    }
}
