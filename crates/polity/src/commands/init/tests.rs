//! Tests of recognition over real folders, each plan read back by the plan's own reader.

use std::fs;

use polity_plan::Source;

use super::recognise::words;
use super::*;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn found(root_name: &str, files: &[(&str, &str)]) -> Vec<Service> {
    let folder = folder(files);
    let services = recognise(&OnDisk::new(folder.path()), root_name);
    is_valid(&render(&services), services.len());
    services
}

/// The one service found, as its name, build and run are written.
fn one(files: &[(&str, &str)]) -> (String, Option<String>, String, Option<u16>) {
    let services = found("shop", files);
    let [service] = services.as_slice() else {
        panic!("not one service: {services:?}");
    };
    assert_eq!(service.route, "/");
    let build = service.build.as_deref().map(command);
    (
        service.name.clone(),
        build,
        command(&service.run),
        service.port,
    )
}

fn is_valid(text: &str, services: usize) {
    if services == 0 {
        return;
    }
    let source = Source {
        name: "polity.toml",
        text,
        environment: &|_| None,
    };
    let loaded = polity_plan::load(source);
    let plan = loaded
        .plan
        .unwrap_or_else(|| panic!("{:?}\n{text}", loaded.diagnostics));
    assert_eq!(plan.services.len(), services, "{text}");
}

#[test]
fn node_is_run_by_its_start_script_its_main_or_a_usual_file() {
    let server = "require('http').createServer().listen(process.env.PORT)";
    let check = |package: &str, extra: &[(&str, &str)], build: Option<&str>, run: &str| {
        let files = [&[("package.json", package), ("server.js", server)], extra].concat();
        let (_, found_build, found_run, port) = one(&files);
        let build = build.map(str::to_owned);
        assert_eq!(
            (found_build, found_run.as_str(), port),
            (build, run, None),
            "{package}"
        );
    };
    let started = r#"{"scripts":{"start":"node server.js"},"dependencies":{"express":"4"}}"#;
    check(
        started,
        &[],
        Some(r#""npm install""#),
        r#""node server.js""#,
    );
    check(
        started,
        &[("package-lock.json", "")],
        Some(r#""npm ci""#),
        r#""node server.js""#,
    );
    let next =
        r#"{"scripts":{"start":"next start","build":"next build"},"dependencies":{"next":"15"}}"#;
    check(
        next,
        &[("pnpm-lock.yaml", "")],
        Some(r#"["sh", "-c", "pnpm install --frozen-lockfile && pnpm run build"]"#),
        r#""pnpm start""#,
    );
    check(
        r#"{"main":"lib/main.js"}"#,
        &[("lib/main.js", server)],
        None,
        r#""node lib/main.js""#,
    );
    check(r#"{"main":"gone.js"}"#, &[], None, r#""node server.js""#);
    check("{}", &[], None, r#""node server.js""#);
    assert_eq!(found("x", &[("package.json", "{}")]), []);
    assert_eq!(
        found("x", &[("package.json", "not JSON"), ("server.js", "")]),
        []
    );
}

#[test]
fn a_port_that_the_source_fixes_becomes_the_plans() {
    let check = |source: &str, port: Option<u16>, remarks: usize| {
        let services = found("shop", &[("package.json", "{}"), ("server.js", source)]);
        assert_eq!(
            (services[0].port, services[0].remarks.len()),
            (port, remarks),
            "{source}"
        );
    };
    check("app.listen(process.env.PORT || 3000)", None, 0);
    check("const PORT = 3000\napp.listen(PORT)", Some(3000), 1);
    check("connect({ port: 5432 })\napp.listen(8000)", Some(8000), 1);
    check("app.listen(80)", None, 1);
    check("app.listen(99999)", None, 1);
    check("const pause = 5000\napp.start()", None, 1);
}

#[test]
fn a_rust_package_is_built_and_run_from_its_target() {
    let main = ("src/main.rs", "mod config;");
    let config = ("src/config.rs", "std::env::var(\"PORT\")");
    let manifest = ("Cargo.toml", "[package]\nname = \"Shop_Orders\"\n");
    let build = Some(r#""cargo build --release""#.to_owned());
    let run = r#""target/release/Shop_Orders""#.to_owned();
    let expected = ("shop-orders".to_owned(), build, run, None);
    assert_eq!(one(&[manifest, main, config]), expected);
    assert_eq!(found("x", &[manifest, ("src/lib.rs", "")]), []);
    let declared = "[package]\nname = \"a\"\n[[bin]]\nname = \"serve\"\npath = \"main.rs\"\n";
    assert_eq!(
        one(&[("Cargo.toml", declared), ("main.rs", "")]).2,
        r#""target/release/serve""#
    );
}

#[test]
fn the_services_of_a_rust_workspace_are_told_from_its_tools() {
    let services = found(
        "shop",
        &[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"crates/*\", \"xtask\"]\nexclude = [\"crates/old\"]\n",
            ),
            (
                "crates/orders/Cargo.toml",
                "[package]\nname = \"orders\"\n[dependencies]\naxum = \"0.8\"\n",
            ),
            ("crates/orders/src/main.rs", "env PORT"),
            ("crates/stock/Cargo.toml", "[package]\nname = \"stock\"\n"),
            (
                "crates/stock/src/main.rs",
                "std::net::TcpListener; env PORT",
            ),
            (
                "crates/old/Cargo.toml",
                "[package]\nname = \"old\"\n[dependencies]\naxum = \"0.8\"\n",
            ),
            ("crates/old/src/main.rs", ""),
            ("crates/common/Cargo.toml", "[package]\nname = \"common\"\n"),
            ("crates/common/src/lib.rs", ""),
            ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n"),
            ("xtask/src/main.rs", "fn main() {}"),
        ],
    );
    let summary: Vec<_> = services
        .iter()
        .map(|s| {
            (
                s.name.as_str(),
                s.dir.as_str(),
                command(s.build.as_deref().unwrap_or_default()),
            )
        })
        .collect();
    let build = |package| format!("\"cargo build --release -p {package}\"");
    assert_eq!(
        summary,
        [
            ("orders", ".", build("orders")),
            ("stock", ".", build("stock"))
        ]
    );
    assert_eq!(services[1].route, "/stock");
}

#[test]
fn python_is_run_by_the_server_it_is_written_for() {
    let check = |file: &str, source: &str, run: &str| {
        let (name, build, found, _) = one(&[(file, source)]);
        assert_eq!(
            (name.as_str(), build, found.as_str()),
            ("shop", None, run),
            "{source}"
        );
    };
    check(
        "app.py",
        "import os\nos.environ['PORT']",
        r#""python3 app.py""#,
    );
    let uvicorn = r#""python3 -m uvicorn main:api --host 127.0.0.1 --port {port}""#;
    check("main.py", "api = FastAPI()", uvicorn);
    check("main.py", "api: FastAPI = FastAPI()", uvicorn);
    let flask = r#""python3 -m flask --app app:app run --host 127.0.0.1 --port {port}""#;
    check("app.py", "app = Flask(__name__)", flask);
    let itself =
        "app = Flask(__name__)\nif __name__ == '__main__':\n  app.run(port=os.environ['PORT'])";
    check("app.py", itself, r#""python3 app.py""#);
    let django = r#""python3 manage.py runserver --noreload 127.0.0.1:{port}""#;
    check("manage.py", "from django.core import management", django);
}

#[test]
fn python_requirements_are_installed_or_the_virtual_environment_used() {
    let app = ("app.py", "os.environ['PORT']");
    let wanted = ("requirements.txt", "# server\nflask\n");
    let (_, build, run, _) = one(&[app, wanted]);
    assert!(build.is_some_and(|build| build.contains("pip install -q -r requirements.txt")));
    assert_eq!(run, r#"["sh", "-c", "exec .venv/bin/python app.py"]"#);
    let (_, build, run, _) = one(&[app, wanted, (".venv/bin/python", "")]);
    assert_eq!(
        (build, run.as_str()),
        (None, r#"".venv/bin/python app.py""#)
    );
    assert_eq!(one(&[app, ("requirements.txt", "# none\n")]).1, None);
}

#[test]
fn go_programs_are_the_main_packages_of_their_module() {
    let main = "package main\n// os.Getenv(\"PORT\")";
    let (name, build, run, port) = one(&[
        ("go.mod", "module example.com/shop/orders/v2\n\ngo 1.24\n"),
        ("serve.go", main),
    ]);
    assert_eq!(
        (name.as_str(), run.as_str(), port),
        ("orders", r#""bin/orders""#, None)
    );
    assert_eq!(build.as_deref(), Some(r#""go build -o bin/orders .""#));
    let services = found(
        "x",
        &[
            ("go.mod", "module m\n"),
            ("cmd/api/main.go", main),
            ("cmd/worker/main.go", main),
            ("cmd/shared/shared.go", "package shared"),
        ],
    );
    let runs: Vec<_> = services
        .iter()
        .map(|service| command(&service.run))
        .collect();
    assert_eq!(runs, [r#""bin/api""#, r#""bin/worker""#]);
}

#[test]
fn programs_in_subfolders_are_a_service_each() {
    let services = found(
        "shop",
        &[
            ("services/web/package.json", "{}"),
            ("services/web/server.js", "process.env.PORT"),
            ("services/web/tools/app.py", "below a program: no service"),
            ("services/Order Book/app.py", "os.environ['PORT']"),
            ("node_modules/express/package.json", "{}"),
            ("node_modules/express/index.js", ""),
            (".git/hooks/app.py", ""),
        ],
    );
    let summary: Vec<_> = services
        .iter()
        .map(|s| (s.name.as_str(), s.dir.as_str(), s.route.as_str()))
        .collect();
    let expected = [
        ("order-book", "services/Order Book", "/order-book"),
        ("web", "services/web", "/"),
    ];
    assert_eq!(summary, expected);
}

#[test]
fn names_are_made_legal_and_told_apart() {
    let check = |text: &str, expected: &str| {
        let services = found(text, &[("app.py", "")]);
        assert_eq!(services[0].name, expected, "{text}");
    };
    check("orders", "orders");
    check("My Shop (old)", "my-shop-old");
    check("2nd_try", "nd-try");
    check("日本", "service");
    check("-", "service");
    check(&"x".repeat(100), &"x".repeat(63));
    let scoped = found(
        "x",
        &[
            ("package.json", r#"{"name":"@shop/orders"}"#),
            ("server.js", ""),
        ],
    );
    assert_eq!(scoped[0].name, "orders");
    let twins = found(
        "x",
        &[
            ("a/app/app.py", ""),
            ("b/app/app.py", ""),
            ("c/app/app.py", ""),
        ],
    );
    let names: Vec<_> = twins.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["app", "app-2", "app-3"]);
    let routes: Vec<_> = twins.iter().map(|service| service.route.as_str()).collect();
    assert_eq!(routes, ["/", "/app-2", "/app-3"]);
}

#[test]
fn odd_folders_and_commands_are_written_as_they_are() {
    let services = found(
        "x",
        &[
            ("a \"b\" ${c}/package.json", "{}"),
            ("a \"b\" ${c}/server.js", ""),
        ],
    );
    let text = render(&services);
    assert!(text.contains(r#"dir = "a \"b\" $${c}""#), "{text}");
    assert_eq!(command(&words(["a b", "c"])), r#"["a b", "c"]"#);
    assert_eq!(command(&words([""])), r#"[""]"#);
}

#[test]
fn a_plan_that_is_there_is_never_overwritten() {
    let folder = folder(&[("polity.toml", "mine"), ("app.py", "")]);
    let path = folder.path().join("polity.toml");
    let error = write_new(&path, "theirs").expect_err("there").to_string();
    assert!(
        error.ends_with("is there already and stays as it is"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).expect("readable"), "mine");
}

#[test]
fn the_template_is_a_plan_once_its_comments_are_opened() {
    let opened: String = TEMPLATE
        .lines()
        .skip_while(|line| !line.starts_with("# [service"))
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.contains(" = ") || line.starts_with('['))
        .map(|line| format!("{line}\n"))
        .collect();
    is_valid(&opened, 2);
}
