//! What the pages say is what happens.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::http::get;
use crate::system::{FREE_PORTS, POLITY, System, run};

/// The texts of a page's fenced blocks in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let starts = page.match_indices(&fence).map(|(at, _)| at + fence.len());
    starts
        .map(|start| page[start..].split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_environment_is_as_its_page_shows() {
    let page = include_str!("../../../../docs/environment.md");
    let [plan, script, shown] = ["toml", "python", "json"].map(|kind| blocks(page, kind).remove(0));
    let system = System::folder(&format!("{FREE_PORTS}{plan}"));
    fs::write(system.path().join("show.py"), script).unwrap();
    let system = system.started();

    let told = get(system.gateway(), "/").json();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    for (name, example) in shown.as_object().unwrap() {
        let value = told[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} is not set"));
        match name.as_str() {
            "HOST" | "LOG" | "POLITY_INSTANCE" | "POLITY_SERVICE" => assert_eq!(value, example),
            "PORT" => assert!(value.parse::<u16>().is_ok(), "{value}"),
            "ORDER_HISTORY_URL" => {
                let port = value
                    .strip_prefix("http://127.0.0.1:")
                    .expect("a loopback address");
                assert!(port.parse::<u16>().is_ok(), "{value}");
            }
            "DATABASE_PATH" => assert_eq!(fs::read(value).expect("made beforehand"), b""),
            "DATABASE_URL" => {
                let path = told["DATABASE_PATH"].as_str().unwrap();
                assert_eq!(value, format!("sqlite:///{path}"));
            }
            "POLITY_VERSION" => assert!(!value.is_empty()),
            _ => panic!("{name} is shown and not checked"),
        }
    }
    let undeclared = [
        "ORDERS_URL",
        "INVENTORY_URL",
        "KAFKA_BROKERS",
        "POLITY_DATA",
    ];
    for name in undeclared {
        assert!(told[name].is_null(), "{name}");
    }
}

#[test]
fn the_commands_of_their_page_run_and_print_what_it_shows() {
    let page = include_str!("../../../../docs/cli.md");
    let plan = "[service.inventory]\nrun = \"python3 hello.py\"\nroute = \"/inventory\"\n\
                [service.orders]\nrun = \"python3 hello.py\"\nroute = \"/orders\"\nreplicas = 2\n\
                publishes = [\"order.placed\"]\n[events]\nlisten = \"127.0.0.1:0\"\n";
    let system = System::folder(&format!("{FREE_PORTS}{plan}"));
    let hello = include_str!("../../../../examples/hello/hello.py");
    fs::write(system.path().join("hello.py"), hello).unwrap();
    let system = system.started();
    let mut run = Vec::new();
    for block in blocks(page, "console") {
        let (command, shown) = block
            .split_once('\n')
            .expect("a command and what it prints");
        let words = command
            .strip_prefix("$ polity ")
            .expect("a command of Polity's");
        // `init` is shown in a folder of its own, by tests of its own; `run` and what follows would
        // never end.
        let words: Vec<_> = words.split(' ').filter(|word| *word != "-f").collect();
        if ["init", "run"].contains(&words[0]) {
            continue;
        }
        let said = system.succeeds(&words);
        let columns = |text: &str| -> Vec<String> {
            let head = text.lines().next().unwrap_or_default();
            head.split_whitespace().map(str::to_owned).collect()
        };
        if ["ps", "topics"].contains(&words[0]) {
            assert_eq!(columns(&said.stdout), columns(shown));
        }
        run.push(words[0].to_owned());
    }
    assert_eq!(run, ["ps", "logs", "events", "topics"]);
}

#[test]
fn the_plans_of_the_pages_are_valid() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for plan in blocks(&text, "toml") {
            let said = System::folder(&plan).polity(&["check", "--deny", "warnings"]);
            assert!(
                said.status.success(),
                "{}: {plan}\n{said:#?}",
                page.display()
            );
        }
    }
}

#[test]
fn the_links_of_the_pages_lead_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1);
        for link in links.filter_map(|rest| rest.split([')', '#']).next()) {
            let outside = link.is_empty() || link.contains("://");
            let target = page.parent().unwrap().join(link);
            assert!(outside || target.exists(), "{}: {link}", page.display());
        }
    }
}

/// README.md, and what is in docs/ but for the codes, whose examples are to be found wanting.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = docs
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .collect();
    pages.push(root.join("README.md"));
    pages
}

/// The commands of a console block, and what each is shown to print.
fn commands(block: &str) -> impl Iterator<Item = (&str, String)> {
    let commands = block.split("$ ").skip(1);
    commands.map(|text| {
        let (command, printed) = text.split_once('\n').expect("a line");
        (command, printed.trim_end().to_owned() + "\n")
    })
}

#[test]
fn events_are_as_their_page_shows() {
    let page = include_str!("../../../../docs/events.md");
    let plans = blocks(page, "toml");
    let plan = plans.iter().find(|plan| plan.starts_with("[events]"));
    let plan = plan
        .expect("the plan of events alone")
        .replace(":9092", ":0");
    let system = System::folder(&format!("{FREE_PORTS}{plan}")).started();
    let folder = Path::new(POLITY).parent().unwrap().to_str().unwrap();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    for (command, printed) in commands(&blocks(page, "console").remove(0)) {
        let mut shell = system.command(Path::new("sh"), &["-c", command]);
        shell.env("PATH", &path);
        let said = run(shell);
        assert_eq!(said.stdout, printed, "{command}: {said:#?}");
    }
}
