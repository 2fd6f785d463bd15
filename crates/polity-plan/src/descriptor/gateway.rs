//! Every key of `[gateway]`.

use crate::descriptor::authority::*;
use crate::descriptor::balance::now;
use crate::descriptor::format::*;
use crate::descriptor::route::{EXACT, ON_HOST};
use crate::descriptor::{Key, Shape, Table};
use crate::plan::Limits;

/// Beyond this, a count is a slip: no machine holds as many connections or requests.
const MAX_COUNT: i64 = 100_000_000;

const COUNT: Shape = Shape::Integer {
    min: 1,
    max: MAX_COUNT,
};
const COUNT_OR_NONE: Shape = Shape::Either(&[COUNT, Shape::False]);
pub(super) const BODY_SIZE: Shape = Shape::Either(&[Shape::Text(&SIZE), Shape::False]);
pub(super) const IN_FLIGHT: Shape = COUNT_OR_NONE;

/// `[gateway]`.
pub(crate) static GATEWAY: Table = Table {
    keys: &[
        Key::new(
            "listen",
            Shape::Text(&LISTEN),
            "Where it listens; port 0 picks a free one.",
        )
        .default("\":8080\", or \":443\" where there is a `domain`"),
        Key::new(
            "listen_http",
            Shape::Either(&[Shape::Text(&LISTEN), Shape::False]),
            "Where plain HTTP is sent to HTTPS from, and ACME's HTTP-01 answered. `listen` does so too, where there is `tls` or `domain`.",
        )
        .default("`false`, or \":80\" where there is a `domain` and `listen` is on 443"),
        Key::new(
            "trusted_proxies",
            Shape::List(&Shape::Text(&NETWORK)),
            "Peers whose `x-forwarded-*` and `forwarded` headers are believed.",
        )
        .default("[]"),
        Key::new(
            "zone",
            Shape::Text(&ZONE),
            "Where it is: instances of this zone come first while enough of them are well.",
        ),
        Key::new(
            "compress",
            Shape::Either(&[
                Shape::Boolean,
                Shape::NonEmptyList(&Shape::Choice(&[now("zstd"), now("br"), now("gzip")])),
            ]),
            "Whether text and the like is compressed on its way to clients that take it, or by what. Without it, files of sites are, and answers of services are not.",
        ),
        Key::new(
            "limits",
            Shape::Table(&LIMITS),
            "What clients may ask of it.",
        ),
        Key::new("timeouts", Shape::Table(&TIMEOUTS), "How long it waits."),
        Key::new(
            "redirects",
            Shape::List(&Shape::Table(&REDIRECT)),
            "What is answered with another place, each a table `[[gateway.redirects]]`.",
        )
        .default("[]"),
        Key::new(
            "tls",
            Shape::Either(&[
                Shape::Choice(&[now("local")]),
                Shape::Table(&CERTIFICATE),
                Shape::NonEmptyList(&Shape::Table(&CERTIFICATE)),
            ]),
            "Where the certificates for HTTPS come from: files, or `\"local\"` for ones signed by an authority that is made here, for development. Plain HTTP is redirected then. Without it, HTTP alone is spoken.",
        ),
        Key::new(
            "hsts",
            Shape::Either(&[Shape::Boolean, Shape::Table(&HSTS)]),
            "Whether browsers are told to come by HTTPS alone from then on (`strict-transport-security`), and for how long they remember it.",
        )
        .default("false"),
        Key::new(
            "domain",
            Shape::Either(&[
                Shape::Text(&DOMAIN),
                Shape::NonEmptyList(&Shape::Text(&DOMAIN)),
            ]),
            "The name, or names, by which clients know it. It listens on 443 and 80 then, and gets a certificate for each name by itself, unless `tls` says where they come from.",
        ),
        Key::new(
            "client_certificates",
            Shape::Table(&CLIENT_CERTIFICATES),
            "Certificates that clients show to prove who they are; services are told by `x-forwarded-client-cert`.",
        ),
        Key::new(
            "acme",
            Shape::Table(&ACME),
            "The authority that certificates for `domain` come from, by ACME.",
        ),
    ],
    one_of: &[],
    exclusive: &[&["tls", "acme"]],
};

/// `[gateway.client_certificates]`.
pub(crate) static CLIENT_CERTIFICATES: Table = Table {
    keys: &[
        Key::new(
            "roots",
            Shape::Text(&FILE),
            "The authorities that sign them, in PEM. The file is read again when it changes.",
        )
        .required(),
        Key::new(
            "required",
            Shape::Boolean,
            "Whether clients that show none are refused. One that cannot be verified is refused in any case.",
        )
        .default("true"),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `[gateway.acme]`.
pub(crate) static ACME: Table = Table {
    keys: &[
        Key::new(
            "directory",
            Shape::Text(&HTTPS_URL),
            "The URL of the authority's directory.",
        )
        .default("\"https://acme-v02.api.letsencrypt.org/directory\""),
        Key::new(
            "email",
            Shape::Text(&EMAIL),
            "Where the authority may write to. It is told when the account is made.",
        ),
        Key::new(
            "eab",
            Shape::Table(&EAB),
            "The account elsewhere that some authorities ask for (external account binding).",
        ),
        Key::new(
            "roots",
            Shape::Text(&FILE),
            "Certificates in PEM that vouch for the authority's own server, in place of those that the system trusts.",
        ),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `eab` of `[gateway.acme]`.
pub(crate) static EAB: Table = Table {
    keys: &[
        Key::new("kid", Shape::Text(&KEY_ID), "What the account is called.").required(),
        Key::new(
            "hmac_key",
            Shape::Text(&BASE64URL),
            "Its key in base64url, as authorities show it.",
        )
        .required(),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `[gateway.tls]`, and each of `[[gateway.tls]]`.
pub(crate) static CERTIFICATE: Table = Table {
    keys: &[
        Key::new(
            "certificate",
            Shape::Text(&FILE),
            "A certificate in PEM, those that signed it after it. It is read again when it changes.",
        )
        .required(),
        Key::new("key", Shape::Text(&FILE), "Its private key in PEM.").required(),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `[gateway.hsts]`.
pub(crate) static HSTS: Table = Table {
    keys: &[
        Key::new(
            "max_age",
            Shape::Text(&AGE),
            "How long browsers remember it. What they remember cannot be taken back before.",
        )
        .default("\"365d\""),
        Key::new(
            "subdomains",
            Shape::Boolean,
            "Whether it holds for all hosts below the one that is asked for, too.",
        )
        .default("false"),
        Key::new(
            "preload",
            Shape::Boolean,
            "Whether makers of browsers may put the host into their own lists, from which it hardly comes out again.",
        )
        .default("false"),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `[gateway.limits]`.
pub(crate) static LIMITS: Table = Table {
    keys: &[
        Key::new(
            "connections_per_address",
            COUNT_OR_NONE,
            "Connections that one IP address (IPv6: one /64) may have at once; trusted proxies are exempt. `false`: any number.",
        )
        .default("1024"),
        Key::new(
            "requests_per_connection",
            COUNT_OR_NONE,
            "Requests after which a connection is closed in order. `false`: never.",
        )
        .default("10000"),
        Key::new(
            "header_count",
            Shape::Integer {
                min: 1,
                max: Limits::MAX_HEADER_COUNT as i64,
            },
            "Fields in the head of a request; beyond, it is refused with 431.",
        )
        .default("100"),
        Key::new(
            "header_size",
            Shape::Text(&HEADER_SIZE),
            "Bytes of the whole head of a request; beyond, it is refused with 431.",
        )
        .default("\"32KiB\""),
        Key::new(
            "body_size",
            BODY_SIZE,
            "Bytes of the body of a request, where its route says nothing else; beyond, it is refused with 413. `false`: any number.",
        )
        .default("false"),
        Key::new(
            "max_in_flight",
            IN_FLIGHT,
            "Requests from outside that are in flight at once, over all services; beyond, new ones are refused with 503. `false`: any number.",
        )
        .default("16384"),
        Key::new(
            "bulkhead",
            Shape::Either(&[Shape::Number { min: 0.0, max: 1.0 }, Shape::False]),
            "The part of `max_in_flight` that one service may fill alone; of the rest it is given no more than is left free, so that one that hangs leaves room for the others. The same holds for `max_calls_in_flight` of services. `false`: all of it.",
        )
        .default("0.5"),
        Key::new(
            "queue_delay",
            Shape::Either(&[Shape::Text(&DELAY), Shape::False]),
            "How long requests may wait in line for the gateway itself, and five times that in a service, before new ones are refused with 503. `false`: as long as it takes.",
        )
        .default("\"100ms\""),
    ],
    one_of: &[],
    exclusive: &[],
};

const fn wait(name: &'static str, doc: &'static str, default: &'static str) -> Key {
    Key::new(name, Shape::Text(&DURATION), doc).default(default)
}

/// `[gateway.timeouts]`.
pub(crate) static TIMEOUTS: Table = Table {
    keys: &[
        wait(
            "head",
            "From the first byte of a request, or from connecting, to the end of its head.",
            "\"10s\"",
        ),
        wait(
            "keep_alive",
            "Between two requests of a connection.",
            "\"75s\"",
        ),
        wait(
            "body",
            "Without the client sending a byte of the request's body.",
            "\"30s\"",
        ),
        wait(
            "send",
            "Without the client taking a byte of the answer.",
            "\"60s\"",
        ),
        wait("connect", "Connecting to an instance.", "\"5s\""),
        wait(
            "idle",
            "Without a byte in either direction once an answer, or a WebSocket, flows.",
            "\"1h\"",
        ),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `[[gateway.redirects]]`.
pub(crate) static REDIRECT: Table = Table {
    keys: &[
        Key::new(
            "path",
            Shape::Text(&PATH),
            "This path and all below it, by whole segments; what is below goes along.",
        )
        .default("\"/\""),
        EXACT,
        ON_HOST,
        Key::new(
            "to",
            Shape::Text(&REDIRECT_TO),
            "Where to: a path, or a URL for another host. The query goes along.",
        )
        .required(),
        Key::new(
            "status",
            Shape::OneOf(&[301, 302, 303, 307, 308]),
            "Whether it is for good (301, 308), and whether the method stays (307, 308).",
        )
        .default("308"),
    ],
    one_of: &[],
    exclusive: &[&["path", "exact"]],
};
