//! A running system: the parts of a plan, wired to each other.

mod adapters;
mod admin;
mod event_log;
mod events;
mod external;
mod reload;
mod requirements;
mod screen;
pub mod signals;
mod terminal;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use polity_catalog::Catalog;
use polity_console::{Console, Token};
use polity_core::{Rng, SplitMix64, SystemClock};
use polity_gateway::{Drains, Gateway};
use polity_plan::{ListenAddress, Plan};
use polity_runtime::{DataPlane, DrainTrigger, Published, drain, task};
use polity_supervisor::Supervisor;
use polity_supervisor::build::Builder;
use polity_supervisor::guardian::{Guardian, GuardianCommand};
use polity_supervisor::health::NetworkProber;
use polity_supervisor::output::LogStore;
use polity_supervisor::ports::FreePorts;
use polity_supervisor::process::Host;
use polity_supervisor::supervisor::parts::Logs;
use tokio::sync::watch;

use crate::data::{DataFolder, DataLock};
use crate::descriptors;
use crate::plan_file::{PlanFile, PlanText};
use crate::run_file::{self, RunFile};
use crate::session_key;
use admin::Admin;
use events::Events;
use reload::Reload;
use requirements::Skipped;
use screen::Screen;

/// The hidden first argument that makes this binary the guardian.
pub const GUARDIAN: &str = "guardian";

/// What to run, and how.
pub struct Options {
    /// The plan as valid at the start.
    pub plan: Arc<Plan>,
    /// How many warnings it has.
    pub warnings: usize,
    /// What it was read from.
    pub text: PlanText,
    /// And where.
    pub file: PlanFile,
    /// Where state lives.
    pub data: DataFolder,
    /// Held until everything has stopped.
    pub lock: DataLock,
    /// Where the access log goes.
    pub access_log: Option<PathBuf>,
    /// Whether the screen is read by a machine.
    pub json: bool,
}

/// The plan in force: as written, and as it can run on this machine.
pub struct InForce {
    pub plan: Arc<Plan>,
    pub runnable: Arc<Plan>,
    pub skipped: Skipped,
}

/// Everything that runs, in the order in which it stops.
pub struct System {
    triggers: Triggers,
    reload: Reload,
    screen: Screen,
    admin: Arc<Admin>,
    stop: watch::Receiver<bool>,
    guardian: Guardian,
    data: DataFolder,
    _lock: DataLock,
    /// Its threads end when nobody holds it.
    _data_plane: DataPlane,
}

/// What stops the parts, one after the other.
struct Triggers {
    public: DrainTrigger,
    calls: DrainTrigger,
    supervisor: DrainTrigger,
    events: Events,
    console: DrainTrigger,
}

impl System {
    /// Takes every address before it starts any process, so that what cannot run starts nothing.
    pub async fn start(options: Options) -> Result<Self> {
        let (runnable, skipped) = requirements::resolve(&options.plan);
        let runnable = Arc::new(runnable);
        let catalog = Published::new(Catalog::default());
        external::publish(&catalog, None, &runnable);
        let logs = open_logs(&options.data)?;
        // Before the limits of this process are raised: services get those that the user set.
        let guardian = start_guardian(options.lock.file())?;
        let data_plane = start_data_plane()?;
        let config = gateway_config(&options, &data_plane)?;
        let (gateway, edge) = Gateway::start(config, runnable.clone(), catalog.clone()).await?;
        let folder = options.data.path().join("events");
        let (events, changed) = Events::start(options.plan.events.as_ref(), folder).await?;
        let gate = adapters::Gate {
            gateway: edge.clone(),
            events: events.clone(),
        };
        let config = supervisor_config(&options, &runnable, &catalog, gate, &guardian, &logs);
        let (supervisor, control) = Supervisor::new(config);
        let in_force = Published::new(InForce {
            plan: options.plan.clone(),
            runnable,
            skipped,
        });
        let (stop_sender, stop) = watch::channel(false);
        let admin = Arc::new(Admin {
            in_force: in_force.clone(),
            supervisor: control.clone(),
            gateway: edge.clone(),
            events: events.clone(),
            logs: logs.clone(),
            catalog: catalog.clone(),
            stop: stop_sender,
        });
        let token = Token::load_or_create(options.data.path())?;
        let listen = socket_address(&options.plan.console.listen);
        let (console, console_address) = Console::bind(listen, token, admin.clone())?;
        let addresses = addresses(&edge, console_address, events.address());
        let run_file = write_run_file(&options, addresses.clone())?;
        let is_https = options.plan.gateway.tls.is_some();
        let screen = Screen::start(options.json, &logs, &control, addresses, is_https);
        screen.warnings(options.warnings);
        screen.authority(edge.local_authority().as_deref());
        screen.topics(&changed);
        Ok(Self {
            triggers: Triggers::of(gateway, supervisor, events.clone(), console),
            reload: Reload {
                file: options.file,
                text: options.text,
                in_force,
                catalog,
                gateway: edge,
                events,
                supervisor: control,
                run_file,
                data: options.data.clone(),
            },
            screen,
            admin,
            stop,
            guardian,
            data: options.data,
            _lock: options.lock,
            _data_plane: data_plane,
        })
    }

    /// Shows the table once all have started, applies edits of the plan, and stops gracefully when
    /// told to, by a signal or by the admin API.
    pub async fn run(mut self) -> Result<()> {
        let (screen, admin) = (self.screen.clone(), self.admin.clone());
        let in_force = self.reload.in_force.clone();
        let table = task::spawn("table", async move {
            admin.supervisor.started().await;
            screen.table(&admin.snapshot(), &in_force.load().plan);
        });
        let edits = task::spawn("reload", self.reload.run(self.screen.clone()));
        // Cancelling either loses nothing.
        let why = tokio::select! {
            signal = signals::first() => signal?,
            _ = self.stop.wait_for(|told| *told) => "told to stop",
        };
        self.screen.say(&format!("{why}: stopping"));
        edits.abort();
        table.abort();
        task::spawn("second signal", signals::exit_at_the_next());
        self.triggers.pull().await;
        self.guardian.close().await;
        self.admin.logs.flush();
        self.screen.finish("stopped");
        RunFile::remove(&self.data)
    }
}

impl Triggers {
    /// Runs the parts.
    fn of(gateway: Gateway, supervisor: Supervisor, events: Events, console: Console) -> Self {
        let (public_trigger, public) = drain::channel();
        let (calls_trigger, calls) = drain::channel();
        task::spawn("gateway", gateway.run(Drains { public, calls }));
        let (supervisor_trigger, drain) = drain::channel();
        task::spawn("supervisor", supervisor.run(drain));
        let (console_trigger, drain) = drain::channel();
        task::spawn("console", console.run(drain));
        Self {
            public: public_trigger,
            calls: calls_trigger,
            supervisor: supervisor_trigger,
            events,
            console: console_trigger,
        }
    }

    /// Requests end before the services that answer them do, calls between services and their
    /// events after, and who follows the logs sees the services' last words.
    async fn pull(self) {
        self.public.drained().await;
        self.supervisor.drained().await;
        self.calls.drained().await;
        self.events.stop().await;
        self.console.drained().await;
    }
}

fn open_logs(data: &DataFolder) -> Result<LogStore> {
    let folder = data.path().join("logs");
    LogStore::open(&folder)
        .with_context(|| format!("could not open the logs in {}", folder.display()))
}

fn start_data_plane() -> Result<DataPlane> {
    descriptors::raise_limit();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    DataPlane::start(threads).context("could not start the data plane")
}

fn gateway_config(options: &Options, data_plane: &DataPlane) -> Result<polity_gateway::Config> {
    Ok(polity_gateway::Config {
        data_plane: data_plane.clone(),
        access_log: options.access_log.clone(),
        session_key: session_key::load_or_create(options.data.path())?,
        folders: polity_gateway::Folders {
            root: options.file.root.clone(),
            state: options.data.path().join("tls"),
        },
    })
}

fn supervisor_config(
    options: &Options,
    plan: &Arc<Plan>,
    catalog: &Published<Catalog>,
    gate: adapters::Gate,
    guardian: &Guardian,
    logs: &LogStore,
) -> polity_supervisor::Config {
    let host: Arc<dyn Host> = Arc::new(guardian.clone());
    let logs: Arc<dyn Logs> = Arc::new(logs.clone());
    let versions = options.data.path().join("versions");
    let builds = Builder::start(host.clone(), logs.clone(), &versions);
    polity_supervisor::Config {
        plan: plan.clone(),
        root: options.file.root.clone(),
        data: options.data.path().to_owned(),
        inherited: adapters::inherited(),
        catalog: catalog.clone(),
        host,
        prober: Arc::new(NetworkProber),
        builds: Arc::new(builds),
        logs,
        ports: Arc::new(FreePorts::new()),
        surroundings: Arc::new(gate),
        clock: Arc::new(SystemClock),
        seed: SplitMix64::from_system().next_u64(),
    }
}

/// The guardian holds the data folder's lock as well: when Polity is killed, the next `up` waits
/// until what this one started is gone.
fn start_guardian(lock: Arc<File>) -> Result<Guardian> {
    Guardian::start(GuardianCommand {
        holds: Some(lock),
        program: PathBuf::from("/proc/self/exe"),
        args: vec![GUARDIAN.into()],
    })
    .context("could not start the guardian process")
}

/// Where each part listens that runs.
fn addresses(
    gateway: &polity_gateway::Handle,
    console: SocketAddr,
    events: Option<SocketAddr>,
) -> BTreeMap<String, SocketAddr> {
    let parts = [
        (run_file::GATEWAY, Some(gateway.public_address())),
        (run_file::HTTP, gateway.plain_address()),
        (run_file::CONSOLE, Some(console)),
        (run_file::EVENTS, events),
    ];
    let running = parts.into_iter();
    running
        .filter_map(|(part, address)| Some((part.to_owned(), address?)))
        .collect()
}

fn write_run_file(options: &Options, addresses: BTreeMap<String, SocketAddr>) -> Result<RunFile> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let run_file = RunFile {
        pid: std::process::id(),
        started_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        plan: options
            .file
            .root
            .join(options.file.path.file_name().unwrap_or_default()),
        addresses,
    };
    run_file.write(&options.data)?;
    Ok(run_file)
}

/// Every address of the machine is asked for in IPv4 here: the console's default is loopback, and
/// who opens it to others names the address.
fn socket_address(listen: &ListenAddress) -> SocketAddr {
    let host = listen.host.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    SocketAddr::new(host, listen.port)
}
