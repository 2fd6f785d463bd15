//! Every key of `[site.NAME]`.

use crate::descriptor::format::*;
use crate::descriptor::route::{CORS, HEADER_RULES, HEADERS, ON_HOST};
use crate::descriptor::{Key, Shape, Table};

/// `[site.NAME]`.
pub(crate) static SITE: Table = Table {
    keys: &[
        Key::new(
            "root",
            Shape::Text(&FILE),
            "The folder, relative to the plan's. Nothing outside of it is ever served, and nothing whose name begins with a dot but `.well-known`.",
        )
        .required(),
        Key::new(
            "route",
            Shape::Text(&PATH),
            "A public path prefix: short for one entry of `routes`. What is below it is looked for in the folder.",
        )
        .default("\"/\" where there are no `routes`"),
        Key::new(
            "routes",
            Shape::List(&Shape::Table(&SITE_ROUTE)),
            "Public routes, each a table `[[site.NAME.routes]]`.",
        ),
        Key::new(
            "index",
            Shape::Text(&FILE_NAME),
            "The file that stands for the folder it is in.",
        )
        .default("\"index.html\""),
        Key::new(
            "listing",
            Shape::Boolean,
            "Whether a folder without such a file is answered with a list of what is in it.",
        )
        .default("false"),
        Key::new(
            "fallback",
            Shape::Text(&SITE_FILE),
            "The file, from the root, that stands for pages that are not there: for applications that read the path in the browser.",
        ),
        Key::new(
            "cache",
            Shape::Text(&HEADER_VALUE),
            "The value of `cache-control` of files; without it, browsers ask whether a file has changed, or guess.",
        ),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `[[site.NAME.routes]]`.
pub(crate) static SITE_ROUTE: Table = Table {
    keys: &[
        Key::new(
            "path",
            Shape::Text(&PATH),
            "This path and all below it, by whole segments.",
        )
        .default("\"/\""),
        ON_HOST,
        Key::new(
            "headers",
            HEADERS,
            "Only requests that have all these headers with exactly these values.",
        )
        .default("{}"),
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
    exclusive: &[],
};
