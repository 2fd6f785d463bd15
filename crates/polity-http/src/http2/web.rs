//! gRPC-Web (PROTOCOL-WEB.md of the gRPC project): what browsers, which see no trailers, speak in gRPC's place.
//!
//! Its messages are gRPC's. The trailers are one more at the end, marked as such; and in one of the two forms all
//! of it is in base64.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;

/// How all types of content begin that are of gRPC-Web.
const WEB: &str = "application/grpc-web";

/// What marks a message as trailers.
const TRAILERS: u8 = 0x80;

/// Characters that stand for three bytes.
const GROUP: usize = 4;

/// Which of its forms a request has, and wants its answer in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebForm {
    Binary,
    Text,
}

impl WebForm {
    /// What a type of content says, with what it says of its messages: `+proto`, or nothing.
    pub(crate) fn of(kind: &[u8]) -> Option<(Self, &str)> {
        let kind = std::str::from_utf8(kind).ok()?;
        let begins = kind.get(..WEB.len())?.eq_ignore_ascii_case(WEB);
        let rest = begins.then(|| kind.get(WEB.len()..))??;
        let (form, rest) = match rest.get(.."-text".len()) {
            Some(text) if text.eq_ignore_ascii_case("-text") => {
                (Self::Text, &rest["-text".len()..])
            }
            _ => (Self::Binary, rest),
        };
        let format = rest.split([';', ' ']).next().unwrap_or_default();
        (format.is_empty() || format.starts_with('+')).then_some((form, format))
    }

    /// The type of content of an answer whose messages are of this format.
    pub(crate) fn kind(self, format: &str) -> String {
        match self {
            Self::Binary => format!("{WEB}{format}"),
            Self::Text => format!("{WEB}-text{format}"),
        }
    }

    /// Bytes of an answer as they are sent. Each piece may be padded: readers go by groups.
    pub(crate) fn encode(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Binary => bytes.to_vec(),
            Self::Text => BASE64_STANDARD.encode(bytes).into_bytes(),
        }
    }

    /// Trailers as the last message.
    pub(crate) fn trailers(self, trailers: &HeaderMap) -> Vec<u8> {
        let mut frame = vec![TRAILERS, 0, 0, 0, 0];
        for (name, value) in trailers {
            super::incoming::field(name.as_str(), value.as_bytes(), &mut frame);
        }
        let length = u32::try_from(frame.len() - 5).unwrap_or(u32::MAX);
        frame[1..5].copy_from_slice(&length.to_be_bytes());
        self.encode(&frame)
    }
}

/// Reads base64 that comes in pieces, and may be padded in its midst, where one message ends.
#[derive(Debug, Default)]
pub(crate) struct Base64Decoder {
    /// What is no whole group yet.
    rest: Vec<u8>,
}

impl Base64Decoder {
    /// What another piece says; none where it is not base64.
    pub(crate) fn decode(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        self.rest.extend_from_slice(piece);
        let whole = self.rest.len() / GROUP * GROUP;
        let mut decoded = Vec::with_capacity(whole);
        let mut left = &self.rest[..whole];
        while !left.is_empty() {
            let padded = left.chunks(GROUP).position(|group| group.contains(&b'='));
            let end = padded.map_or(left.len(), |at| (at + 1) * GROUP);
            let (segment, others) = left.split_at(end);
            BASE64_STANDARD.decode_vec(segment, &mut decoded).ok()?;
            left = others;
        }
        self.rest.drain(..whole);
        Some(decoded)
    }

    /// Whether it may end here.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_content_tell_form_and_format() {
        let check =
            |kind: &str, expected| assert_eq!(WebForm::of(kind.as_bytes()), expected, "{kind}");
        check("application/grpc-web", Some((WebForm::Binary, "")));
        check(
            "application/grpc-web+proto",
            Some((WebForm::Binary, "+proto")),
        );
        check("application/grpc-web-text", Some((WebForm::Text, "")));
        check(
            "Application/gRPC-Web-Text+proto; charset=utf-8",
            Some((WebForm::Text, "+proto")),
        );
        check("application/grpc", None);
        check("application/grpc+proto", None);
        check("application/grpc-webby", None);
        check("text/plain", None);
    }

    #[test]
    fn base64_is_read_in_pieces_of_any_size_and_padded_in_its_midst() {
        let text = b"AAAAAAVoZWxsbw==AAAAAAI=aGk=";
        let expected = [&b"\0\0\0\0\x05hello"[..], b"\0\0\0\0\x02", b"hi"].concat();
        for size in 1..=text.len() {
            let mut decoder = Base64Decoder::default();
            let mut decoded = Vec::new();
            for piece in text.chunks(size) {
                decoded.extend(decoder.decode(piece).expect("base64"));
            }
            assert_eq!(decoded, expected, "{size}");
            assert!(decoder.is_whole());
        }
        let mut decoder = Base64Decoder::default();
        assert_eq!(decoder.decode(b"AAA"), Some(Vec::new()));
        assert!(!decoder.is_whole());
        assert_eq!(decoder.decode(b"!AAA"), None);
    }

    #[test]
    fn trailers_are_a_message_of_their_own() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().expect("a value"));
        let frame = WebForm::Binary.trailers(&trailers);
        assert_eq!(frame, b"\x80\0\0\0\x10grpc-status: 0\r\n");
        let text = WebForm::Text.trailers(&trailers);
        assert_eq!(text, b"gAAAABBncnBjLXN0YXR1czogMA0K");
    }
}
