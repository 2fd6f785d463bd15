//! What becomes smaller by compression.

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
