//! Every key of `[service.NAME]`.

use crate::descriptor::balance::{BALANCE_OR_WORD, PLACE_OR_URL, now};
use crate::descriptor::format::*;
use crate::descriptor::gateway::IN_FLIGHT;
use crate::descriptor::resilience::{CIRCUIT_BREAKER, HEDGE, OUTLIER, RETRY};
use crate::descriptor::tables::{ENVIRONMENT, HEALTH, ROUTE, TRANSCODE};
use crate::descriptor::{Key, Shape, Table};
use crate::plan::MAX_REPLICAS;

const PATHS: Shape = Shape::List(&Shape::Text(&FILE));
const TOPICS: Shape = Shape::List(&Shape::Text(&TOPIC_NAME));
const SERVICES: Shape = Shape::List(&Shape::Text(&SERVICE_NAME));
/// `[service.NAME]`.
pub(crate) static SERVICE: Table = Table {
    keys: &[
        Key::new(
            "run",
            Shape::Command,
            "Starts it; `{port}` is its port. A string is split as a shell would and run without one, an array stands as it is.",
        ),
        Key::new(
            "url",
            Shape::Text(&UPSTREAM),
            "Where it runs when Polity does not run it.",
        ),
        Key::new(
            "urls",
            Shape::NonEmptyList(&PLACE_OR_URL),
            "The same, for several places.",
        ),
        Key::new(
            "build",
            Shape::Command,
            "Makes it, before the first start and on deploy.",
        )
        .needs("run"),
        Key::new(
            "dir",
            Shape::Text(&FILE),
            "Where `build` and `run` run, relative to the plan's folder.",
        )
        .default("\".\"")
        .needs("run"),
        Key::new(
            "route",
            Shape::Text(&PATH),
            "A public path prefix: short for one entry of `routes`.",
        ),
        Key::new(
            "routes",
            Shape::List(&Shape::Table(&ROUTE)),
            "Public routes, each a table `[[service.NAME.routes]]`.",
        ),
        Key::new(
            "replicas",
            Shape::Integer {
                min: 1,
                max: MAX_REPLICAS as i64,
            },
            "How many run at once.",
        )
        .default("1")
        .needs("run"),
        Key::new(
            "port",
            Shape::Either(&[
                Shape::Boolean,
                Shape::Integer {
                    min: 1,
                    max: u16::MAX as i64,
                },
            ]),
            "`true`: a port Polity chooses and says in `$PORT`; a number: that one; `false`: it listens on nothing.",
        )
        .default("true")
        .needs("run"),
        Key::new(
            "protocol",
            Shape::Choice(&[now("http1"), now("http2"), now("auto"), now("tcp"), now("http")]),
            "What it speaks: `http1` (or `http`), `http2` (in the clear), `auto` for HTTP/2 to what comes as gRPC and HTTP/1.1 to all else; `tcp` for whatever is not HTTP, such as a database.",
        )
        .default("\"http1\""),
        Key::new(
            "health",
            Shape::Either(&[Shape::Text(&REQUEST_TARGET), Shape::Table(&HEALTH)]),
            "A path that answers 2xx when it is ready; without it, a TCP connect tells.",
        )
        .needs("run"),
        Key::new(
            "database",
            Shape::Text(&DATABASE),
            "Its own database: `sqlite` for a file Polity makes, or a URL.",
        )
        .needs("run"),
        Key::new("calls", SERVICES, "The services it may call; `$NAME_URL` for each.")
            .default("[]")
            .needs("run"),
        Key::new("publishes", TOPICS, "The topics it publishes.").default("[]"),
        Key::new("consumes", TOPICS, "The topics it consumes.").default("[]"),
        Key::new(
            "env",
            ENVIRONMENT,
            "Further environment variables. Their values are never shown.",
        )
        .default("{}")
        .needs("run"),
        Key::new(
            "watch",
            PATHS,
            "Paths, relative to `dir`, whose change rebuilds and rolls it.",
        )
        .default("[]")
        .needs("run"),
        Key::new(
            "requires",
            Shape::List(&Shape::Text(&FILE)),
            "Programs it needs, such as `node`; where one is not in `PATH`, the service is left out and that is said.",
        )
        .default("[]")
        .needs("run"),
        Key::new(
            "timeout",
            Shape::Text(&DURATION),
            "From a request's arrival to the first byte of its answer.",
        )
        .default("\"30s\""),
        Key::new("retry", Shape::Table(&RETRY), "Tries of a request to it."),
        Key::new(
            "hedge",
            Shape::Either(&[Shape::Boolean, Shape::Table(&HEDGE)]),
            "Asks a second instance too where the first is slow: of what may be done twice and has no body, the first to answer counts.",
        )
        .default("false"),
        Key::new(
            "transcode",
            Shape::Either(&[Shape::Boolean, Shape::Table(&TRANSCODE)]),
            "Answers JSON over HTTP in its place, which speaks gRPC: by the HTTP rules of its methods, and each method by `POST /package.Service/Method`.",
        )
        .default("false"),
        Key::new(
            "circuit_breaker",
            Shape::Either(&[
                Shape::Table(&CIRCUIT_BREAKER),
                Shape::NonEmptyList(&Shape::Table(&CIRCUIT_BREAKER)),
                Shape::False,
            ]),
            "Refuses requests to it for a while once they keep failing: one, or an array of one for the service and one for each instance.",
        )
        .default("false"),
        Key::new(
            "outlier",
            Shape::Either(&[Shape::Table(&OUTLIER), Shape::False]),
            "Which of its instances do worse than the others and get no requests for a while. `false`: none.",
        ),
        Key::new(
            "balance",
            BALANCE_OR_WORD,
            "How one of its instances is chosen.",
        )
        .default("\"p2c\""),
        Key::new(
            "max_in_flight",
            IN_FLIGHT,
            "Requests from outside in flight at all its instances together, and as many calls from services; beyond, new ones are refused with 503. `false`: any number.",
        )
        .default("false"),
        Key::new(
            "max_calls_in_flight",
            IN_FLIGHT,
            "Its own calls in flight, of all its instances and to all services together; beyond, new ones are refused with 503. `false`: any number.",
        )
        .default("1024")
        .needs("run"),
        Key::new(
            "start_timeout",
            Shape::Text(&DURATION),
            "From start to ready, at most.",
        )
        .default("\"60s\"")
        .needs("run"),
        Key::new(
            "stop_timeout",
            Shape::Text(&DURATION),
            "From SIGTERM to SIGKILL.",
        )
        .default("\"10s\"")
        .needs("run"),
        Key::new(
            "restart_after",
            Shape::Text(&DURATION),
            "How long its health check fails before it is restarted.",
        )
        .default("\"30s\"")
        .needs("run"),
        Key::new(
            "allow",
            Shape::List(&Shape::Text(&WARNING_CODE)),
            "Codes of warnings not to be given about it.",
        )
        .default("[]"),
        Key::later("isolation"),
        Key::later("tls"),
    ],
    one_of: &["run", "url", "urls"],
    exclusive: &[],
};
