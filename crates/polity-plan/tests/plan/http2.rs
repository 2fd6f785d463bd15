//! What services speak, and how those that speak gRPC are checked.

use polity_plan::{HealthAsks, Protocol};

use crate::{codes, plan};

#[test]
fn a_service_says_what_it_speaks_and_how_it_is_asked_whether_it_is_ready() {
    let check = |lines: &str, protocol, asks| {
        let plan = plan(&format!(
            "[service.shop]\nrun = \"shop\"\nroute = \"/\"\n{lines}"
        ));
        let shop = &plan.services["shop"];
        let program = shop.program().unwrap();
        assert_eq!(
            (shop.protocol, &program.health.asks),
            (protocol, &asks),
            "{lines}"
        );
    };
    let get = || HealthAsks::Get("/h".to_owned());
    check("", Protocol::Http, HealthAsks::Connect);
    check(
        "protocol = \"http1\"\nhealth = \"/h\"",
        Protocol::Http,
        get(),
    );
    check(
        "protocol = \"http\"\nhealth = { path = \"/h\" }",
        Protocol::Http,
        get(),
    );
    let over_http2 = HealthAsks::GetOverHttp2("/h".to_owned());
    check(
        "protocol = \"http2\"\nhealth = \"/h\"",
        Protocol::Http2,
        over_http2,
    );
    check(
        "protocol = \"auto\"\nhealth = \"/h\"",
        Protocol::Auto,
        get(),
    );
    let whole = HealthAsks::Grpc(String::new());
    check(
        "protocol = \"http2\"\nhealth = { grpc = true }",
        Protocol::Http2,
        whole,
    );
    let one = HealthAsks::Grpc("shop.v1.Shop".to_owned());
    check(
        "protocol = \"auto\"\nhealth = { grpc = \"shop.v1.Shop\" }",
        Protocol::Auto,
        one,
    );
    check(
        "protocol = \"http2\"\nhealth = { grpc = false }",
        Protocol::Http2,
        HealthAsks::Connect,
    );
}

#[test]
fn a_health_check_fits_what_is_spoken() {
    let check = |lines: &str, expected: &[&str]| {
        let text = format!("[service.shop]\nrun = \"shop\"\n{lines}");
        assert_eq!(codes(&text), expected, "{lines}");
    };
    check("route = \"/\"\nhealth = { grpc = true }", &["P0110"]);
    check("protocol = \"tcp\"\nhealth = { grpc = true }", &["P0110"]);
    let both = "route = \"/\"\nprotocol = \"http2\"\nhealth = { grpc = true, path = \"/h\" }";
    check(both, &["P0109"]);
    let unnamed = "route = \"/\"\nprotocol = \"http2\"\nhealth = { grpc = \"shop..Shop\" }";
    check(unnamed, &["P0106"]);
}
