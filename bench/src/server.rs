//! A server as fleets have them: so many threads, a bounded line before them, and a bad day now and then.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::http;

/// Requests without bodies are all it is sent.
const BUFFER: usize = 16 * 1024;
/// How often a pausing server pauses, and for how long.
const PAUSE_EVERY: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(400);
/// When a failing server fails, from its start on.
const FAILS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(6));
/// How long a cold server is slow, and how slow a slow server is.
const COLD: Duration = Duration::from_secs(4);
const COLD_FACTOR: f64 = 8.0;
const SLOW_FACTOR: f64 = 4.0;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Requests that are worked on at once.
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// Requests that may wait for that; more are refused with 503.
    #[arg(long, default_value_t = 32)]
    line: usize,
    /// What a request takes on average; single ones are distributed exponentially.
    #[arg(long, default_value_t = 10.0)]
    mean_ms: f64,
    /// What ails it.
    #[arg(long, value_enum, default_value = "steady")]
    character: Character,
    /// Of the times requests take.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Character {
    /// Nothing.
    Steady,
    /// Everything takes four times as long.
    Slow,
    /// It stands still for 400 ms every two seconds, as for the collection of garbage.
    Pausing,
    /// It answers 500 at once, from two to six seconds after its start.
    Failing,
    /// Everything takes eight times as long in its first four seconds.
    Cold,
}

struct Server {
    character: Character,
    mean: Duration,
    line: usize,
    workers: usize,
    threads: Semaphore,
    /// Requests that are worked on or wait.
    here: Cell<usize>,
    /// When it was started, or told that it was.
    began: Cell<Instant>,
    random: RefCell<u64>,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let server = Rc::new(Server::new(options));
    let serve = async {
        if server.character == Character::Pausing {
            tokio::task::spawn_local(pause_again_and_again());
        }
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            let server = server.clone();
            // A proxy that goes away in the middle is not the server's to report.
            tokio::task::spawn_local(async move { _ = server.serve(stream).await });
        }
    };
    LocalSet::new().run_until(serve).await
}

async fn pause_again_and_again() {
    loop {
        sleep(PAUSE_EVERY).await;
        // The whole process, not this task.
        std::thread::sleep(PAUSE);
    }
}

impl Server {
    fn new(options: &Options) -> Self {
        Self {
            character: options.character,
            mean: Duration::from_secs_f64(options.mean_ms / 1_000.0),
            line: options.line,
            workers: options.workers,
            threads: Semaphore::new(options.workers),
            here: Cell::new(0),
            began: Cell::new(Instant::now()),
            random: RefCell::new(options.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = vec![0; BUFFER];
        let mut filled = 0;
        while let Some(head) = http::read_head(&mut stream, &mut buffer, &mut filled).await? {
            let status = match buffer.starts_with(b"GET /reset ") {
                true => self.restart(),
                false => self.work().await,
            };
            buffer.copy_within(head..filled, 0);
            filled -= head;
            stream.write_all(&self.answer(status)).await?;
        }
        Ok(())
    }

    fn restart(&self) -> &'static str {
        self.began.set(Instant::now());
        "200 OK"
    }

    async fn work(&self) -> &'static str {
        let age = self.began.get().elapsed();
        if self.character == Character::Failing && (FAILS.0..FAILS.1).contains(&age) {
            return "500 Internal Server Error";
        }
        if self.here.get() >= self.workers + self.line {
            return "503 Service Unavailable";
        }
        self.here.set(self.here.get() + 1);
        let working = self.threads.acquire().await;
        sleep(self.takes(age)).await;
        drop(working);
        self.here.set(self.here.get() - 1);
        "200 OK"
    }

    fn takes(&self, age: Duration) -> Duration {
        let factor = match self.character {
            Character::Slow => SLOW_FACTOR,
            Character::Cold if age < COLD => COLD_FACTOR,
            _ => 1.0,
        };
        self.mean.mul_f64(factor * -(1.0 - self.unit()).ln())
    }

    /// A number in [0, 1), by xorshift64* (Vigna 2016).
    fn unit(&self) -> f64 {
        let mut state = self.random.borrow_mut();
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// With what it says of itself, for balancers that listen.
    fn answer(&self, status: &str) -> Vec<u8> {
        let utilization = self.here.get() as f64 / self.workers as f64;
        format!(
            "HTTP/1.1 {status}\r\nDate: Sat, 01 Nov 2025 12:00:00 GMT\r\n\
             X-Server-Utilization: {utilization:.2}\r\nContent-Type: text/plain\r\n\
             Content-Length: 3\r\n\r\nok\n"
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    fn server(arguments: &[&str]) -> Server {
        let all = ["server"].iter().chain(arguments);
        Server::new(&Arguments::parse_from(all).options)
    }

    #[tokio::test(start_paused = true)]
    async fn what_finds_no_place_in_the_line_is_refused() {
        let server = server(&["--workers=1", "--line=1"]);
        let all = tokio::join!(server.work(), server.work(), server.work());
        assert_eq!((all.0, all.1), ("200 OK", "200 OK"));
        assert_eq!(all.2, "503 Service Unavailable");
        assert_eq!(server.work().await, "200 OK");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_server_fails_while_its_time_has_come() {
        let server = server(&["--character=failing"]);
        let later = |seconds| {
            let began = Instant::now().checked_sub(Duration::from_secs(seconds));
            server
                .began
                .set(began.expect("the machine has run for longer"));
        };
        let mut answers = Vec::new();
        for seconds in [1, 3, 7] {
            later(seconds);
            answers.push(server.work().await);
        }
        assert_eq!(answers, ["200 OK", "500 Internal Server Error", "200 OK"]);
    }

    #[test]
    fn requests_take_what_they_should_on_average() {
        let server = server(&["--mean-ms=10"]);
        let all: Duration = (0..10_000).map(|_| server.takes(COLD)).sum();
        assert!((9.5..10.5).contains(&(all.as_secs_f64() / 10.0)), "{all:?}");
    }
}
