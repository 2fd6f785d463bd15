//! What `polity up` shows: what the services print, what happens to them, and the table of what runs where.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use polity_console::view;
use polity_plan::Plan;
use polity_runtime::task;
use polity_supervisor::Applied;
use polity_supervisor::event::{Event, EventKind};
use polity_supervisor::output::{Line, LogStore};
use serde_json::json;
use tokio::sync::broadcast;

use super::admin;
use super::terminal::Terminal;
use crate::commands::ps;
use crate::kafka::Changed;
use crate::run_file::{EVENTS, GATEWAY};
use crate::style::{Colour, Palette, Style};
use crate::table::{Cell, Column, Table};

/// Who speaks where it is not a service.
const POLITY: &str = "polity";

/// Writes to standard output through a thread of its own, and never waits for it. Cheap to clone.
#[derive(Clone)]
pub struct Screen {
    shared: Arc<Shared>,
}

struct Shared {
    format: Format,
    style: Style,
    palette: Mutex<Palette>,
    width: usize,
    addresses: BTreeMap<String, SocketAddr>,
    /// Whether the gateway is reached over TLS.
    is_https: bool,
    terminal: Terminal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    People,
    Json,
}

impl Screen {
    /// Shows what is printed and what happens from here on.
    pub fn start(
        json: bool,
        logs: &LogStore,
        supervisor: &polity_supervisor::Handle,
        addresses: BTreeMap<String, SocketAddr>,
        is_https: bool,
    ) -> Self {
        let statuses = supervisor.status();
        let instance_width = |status: &polity_supervisor::service::status::ServiceStatus| {
            status.service.as_str().len() + 1 + status.replicas.to_string().len()
        };
        let width = statuses
            .iter()
            .map(instance_width)
            .max()
            .unwrap_or(0)
            .max(POLITY.len());
        let screen = Self {
            shared: Arc::new(Shared {
                format: if json { Format::Json } else { Format::People },
                style: Style::of(&io::stdout()),
                palette: Mutex::new(Palette::default()),
                width,
                addresses,
                is_https,
                terminal: Terminal::start(io::stdout()),
            }),
        };
        task::spawn("screen-lines", screen.clone().lines(logs.follow()));
        task::spawn("screen-events", screen.clone().events(supervisor.events()));
        screen
    }

    /// Says that the plan has warnings, if it has.
    pub fn warnings(&self, count: usize) {
        match count {
            0 => {}
            1 => self.say("the plan has a warning: `polity check` shows it"),
            _ => self.say(&format!(
                "the plan has {count} warnings: `polity check` shows them"
            )),
        }
    }

    /// Which root clients have to trust, if it is one of this machine.
    pub fn authority(&self, root: Option<&Path>) {
        if let Some(root) = root {
            let root = root.display();
            self.say(&format!(
                "HTTPS with certificates of this machine's own authority: have clients trust {root}"
            ));
        }
    }

    /// What became of the plan's topics.
    pub fn topics(&self, changed: &Changed) {
        if !changed.created.is_empty() {
            self.say(&format!("topics made: {}", changed.created.join(", ")));
        }
        for remark in &changed.remarks {
            self.say(remark);
        }
    }

    /// How a text for it may be coloured.
    pub fn style(&self) -> Style {
        self.shared.style
    }

    /// A word of Polity's own.
    pub fn say(&self, text: &str) {
        self.own("notice", text, Colour::Bold);
    }

    /// Something that needs a person.
    pub fn problem(&self, text: &str) {
        self.own("problem", text, Colour::Red);
    }

    /// A text that has its form already; machines get it as a problem.
    pub fn raw(&self, text: &str) {
        match self.shared.format {
            Format::People => self.show(text.to_owned()),
            Format::Json => self.own("problem", text, Colour::Red),
        }
    }

    /// What an edit of the plan began.
    pub fn applied(&self, applied: &Applied) {
        let parts = [
            ("added", &applied.added),
            ("removed", &applied.removed),
            ("rolls", &applied.rolled),
            ("scales", &applied.scaled),
        ];
        let mut text = "the edited plan is in force".to_owned();
        for (what, services) in parts.iter().filter(|(_, services)| !services.is_empty()) {
            let names: Vec<&str> = services.iter().map(|name| name.as_str()).collect();
            text = format!("{text}; {what}: {}", names.join(", "));
        }
        self.say(&text);
    }

    /// What runs where.
    pub fn table(&self, services: &[view::Service], plan: &Plan) {
        if self.shared.format == Format::Json {
            let addresses = &self.shared.addresses;
            self.json(&json!({"type": "started", "services": services, "addresses": addresses}));
            return;
        }
        let columns = ["SERVICE", "INSTANCE", "STATE", "ADDRESS", "ROUTES"].map(Column::Left);
        let mut table = Table::new(columns);
        for service in services {
            rows(service, &mut table);
        }
        let style = self.shared.style;
        let remarks = ps::remarks(services, style);
        let rows = match services.is_empty() {
            true => String::new(),
            false => table.render(style),
        };
        let mut text = format!("\n{rows}{remarks}\n");
        for site in plan.sites.values() {
            text += &format!("{:<9}serves {}\n", site.name.as_str(), site.root.display());
        }
        for (part, address) in &self.shared.addresses {
            // Events are not for browsers.
            let scheme = match part.as_str() {
                EVENTS => "",
                GATEWAY if self.shared.is_https => "https://",
                _ => "http://",
            };
            text += &format!("{part:<9}{scheme}{}\n", reachable(*address));
        }
        let is_empty = services.is_empty() && plan.sites.is_empty();
        if is_empty && !self.shared.addresses.contains_key(EVENTS) {
            text += "the plan has no service yet\n";
        }
        self.show(text + "\n");
    }

    /// The last word: waits, within bounds, until it is written.
    pub fn finish(&self, text: &str) {
        self.say(text);
        self.shared.terminal.finish();
    }

    async fn lines(self, mut lines: broadcast::Receiver<Arc<Line>>) {
        loop {
            match lines.recv().await {
                Ok(line) => self.line(&line),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    self.say(&format!(
                        "{missed} lines left out here; `polity logs` has them"
                    ));
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    async fn events(self, mut events: polity_supervisor::event::EventStream) {
        while let Some(event) = events.next().await {
            self.event(&event);
        }
    }

    fn line(&self, line: &Line) {
        match self.shared.format {
            Format::Json => self.json(&json!({"type": "log", "log": admin::log_line(line)})),
            Format::People => {
                let colour = self.palette(line.service.as_str());
                self.prefixed(line.instance.as_str(), colour, &line.text);
            }
        }
    }

    fn event(&self, event: &Event) {
        if self.shared.format == Format::Json {
            self.json(&json!({"type": "event", "event": admin::seen(event)}));
            return;
        }
        let who = match &event.instance {
            Some(instance) => instance.as_str(),
            None => event.service.as_str(),
        };
        // The last lines of output stand above already, as they were printed.
        let text = match event.message.starts_with(who) {
            true => event.message.clone(),
            false => format!("{who}: {}", event.message),
        };
        self.own("event", &text, tone(event.kind));
    }

    fn own(&self, kind: &str, text: &str, colour: Colour) {
        match self.shared.format {
            Format::Json => self.json(&json!({"type": kind, "message": text})),
            Format::People => {
                let painted = self.shared.style.paint(colour, text).to_string();
                self.prefixed(POLITY, Colour::Dim, &painted);
            }
        }
    }

    fn prefixed(&self, who: &str, colour: Colour, text: &str) {
        let width = self.shared.width;
        let who = format!("{who:<width$} |");
        self.show(format!(
            "{} {text}\n",
            self.shared.style.paint(colour, &who)
        ));
    }

    fn json(&self, value: &serde_json::Value) {
        self.show(format!("{value}\n"));
    }

    fn show(&self, text: String) {
        self.shared.terminal.show(text);
    }

    fn palette(&self, service: &str) -> Colour {
        self.shared
            .palette
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .of(service)
    }
}

fn rows(service: &view::Service, table: &mut Table<5>) {
    let routes = service.routes.join(", ");
    if service.instances.is_empty() {
        let state = Cell::from(service.state.to_string()).in_colour(service.state);
        let name = Cell::from(service.name.clone());
        table.row([
            name,
            Cell::from(""),
            state,
            Cell::from(""),
            Cell::from(routes),
        ]);
        return;
    }
    for (index, instance) in service.instances.iter().enumerate() {
        let first = index == 0;
        let only_first = |text: &str| {
            Cell::from(if first {
                text.to_owned()
            } else {
                " ".to_owned()
            })
        };
        table.row([
            only_first(&service.name),
            Cell::from(instance.id.clone()),
            Cell::from(instance.state.to_string()).in_colour(instance.state),
            Cell::from(instance.address.clone().unwrap_or_default()),
            only_first(&routes),
        ]);
    }
}

/// Where a browser on this machine finds a listener of every address.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), address.port()),
        false => address,
    }
}

fn tone(kind: EventKind) -> Colour {
    match kind {
        EventKind::Ready | EventKind::Rolled | EventKind::Built | EventKind::TaskDone => {
            Colour::Green
        }
        EventKind::BuildFailed
        | EventKind::TaskFailed
        | EventKind::StartFailed
        | EventKind::Crashed
        | EventKind::CrashLoop
        | EventKind::Unhealthy
        | EventKind::RollFailed
        | EventKind::ScaleFailed => Colour::Red,
        EventKind::Unready | EventKind::WentAhead => Colour::Yellow,
        _ => Colour::Dim,
    }
}
