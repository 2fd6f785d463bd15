//! Every key of `[[service.NAME.routes]]`.

use crate::descriptor::format::*;
use crate::descriptor::gateway::BODY_SIZE;
use crate::descriptor::{Case, Key, Shape, Table};

/// What a redirect is matched by as well.
pub(super) const EXACT: Key = Key::new("exact", Shape::Text(&PATH), "This one path.");

/// As above.
pub(super) const ON_HOST: Key = Key::new(
    "host",
    Shape::Text(&HOST),
    "Only this host, or every host below `*.`; the port does not count.",
)
.default("any host");

/// `[[service.NAME.routes]]`.
pub(crate) static ROUTE: Table = Table {
    keys: &[
        Key::new(
            "path",
            Shape::Text(&PATH),
            "This path and all below it, by whole segments.",
        )
        .default("\"/\""),
        EXACT,
        ON_HOST,
        Key::new(
            "methods",
            Shape::NonEmptyList(&Shape::Text(&METHOD)),
            "Only these methods; GET is HEAD too.",
        )
        .default("any method"),
        Key::new(
            "headers",
            HEADERS,
            "Only requests that have all these headers with exactly these values.",
        )
        .default("{}"),
        Key::new(
            "strip",
            Shape::Boolean,
            "Whether the matched part of the path is removed before the request is forwarded.",
        )
        .default("false"),
        Key::new(
            "rewrite",
            Shape::Text(&PATH),
            "What the matched part of the path is replaced by.",
        ),
        Key::new(
            "body_size",
            BODY_SIZE,
            "Bytes of the body of a request; beyond, it is refused with 413. `false`: any number.",
        )
        .default("that of `gateway.limits`"),
        Key::new(
            "request_headers",
            Shape::Table(&HEADER_RULES),
            "Headers set and removed before a request is forwarded.",
        ),
        Key::new(
            "response_headers",
            Shape::Table(&HEADER_RULES),
            "Headers set and removed before an answer is passed on.",
        ),
        Key::new(
            "cors",
            Shape::Table(&CORS),
            "Which other origins' pages may use it in a browser.",
        ),
    ],
    one_of: &[],
    exclusive: &[&["path", "exact"], &["strip", "rewrite"]],
};

pub(super) const HEADERS: Shape = Shape::Named {
    key: &HEADER_NAME,
    value: &Shape::Text(&HEADER_VALUE),
    case: Case::Ignored,
};

/// `request_headers` and `response_headers` of a route.
pub(crate) static HEADER_RULES: Table = Table {
    keys: &[
        Key::new(
            "set",
            HEADERS,
            "Headers in place of whatever came under their names. Their values are never shown.",
        )
        .default("{}"),
        Key::new(
            "remove",
            Shape::List(&Shape::Text(&HEADER_NAME)),
            "Headers that go no further.",
        )
        .default("[]"),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `cors` of a route.
pub(crate) static CORS: Table = Table {
    keys: &[
        Key::new(
            "origins",
            Shape::NonEmptyList(&Shape::Text(&ORIGIN)),
            "Whose pages: `[\"*\"]` for anybody's.",
        )
        .required(),
        Key::new(
            "methods",
            Shape::NonEmptyList(&Shape::Text(&METHOD)),
            "With which methods: `[\"*\"]` for any.",
        )
        .default("the route's, or GET, HEAD and POST"),
        Key::new(
            "headers",
            Shape::List(&Shape::Text(&HEADER_NAME)),
            "With which headers, beyond those any page may send: `[\"*\"]` for any but `authorization`.",
        )
        .default("[]"),
        Key::new(
            "expose",
            Shape::List(&Shape::Text(&HEADER_NAME)),
            "Which headers of an answer pages may read, beyond those any page may: `[\"*\"]` for all.",
        )
        .default("[]"),
        Key::new(
            "credentials",
            Shape::Boolean,
            "Whether cookies are sent; not with `\"*\"`.",
        )
        .default("false"),
        Key::new(
            "max_age",
            Shape::Text(&DURATION),
            "How long a browser may remember all this.",
        )
        .default("\"10m\""),
    ],
    one_of: &[],
    exclusive: &[],
};
