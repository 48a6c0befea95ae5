//! The writer's cost of a bar beside a server that is scraped, with a page open, and without.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use barbus::{Bus, Row, SymbolId};
use barbus_bench_link::{pin, scratch, unpin};
use barbus_writer::{Pushed, Writer};

use crate::report::Report;

const MEASURE: &str = "writer's cost of a bar, beside a server";
/// Symbols of the bus: each minute has a bar of each.
const SYMBOLS: u64 = 5_000;
/// Bars that are timed together: a block of the ring.
const BURST: u64 = 16_384;
/// Bursts of a round, with the server and without.
const BURSTS: usize = 20;
/// Pause between bursts: the server reads them and sends them to the page meanwhile.
const GAP: Duration = Duration::from_millis(250);
const SCRAPE: Duration = Duration::from_secs(1);
/// The day of the bars begins at this time, milliseconds UTC.
const DAY_MS: i64 = 1_720_051_200_000;

/// Options of the command `serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Rounds; the medians are reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The server; by default the one beside this program.
    #[arg(long, value_name = "PROGRAM")]
    server: Option<PathBuf>,
}

/// Measures bursts alone and beside the server, in turn.
pub(crate) fn run(report: &mut Report, arguments: &Arguments) -> anyhow::Result<()> {
    let program = match &arguments.server {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("barbus-serve"),
    };
    ensure!(program.is_file(), "{}: not built: cargo build --release -p barbus-serve", program.display());
    let directory = scratch()?;
    let path = directory.path().join("bus");
    std::fs::create_dir(&path)?;
    std::fs::write(path.join("bus.toml"), "calendar = \"24x7\"\n")?;
    // The threads of the writer and the server may use the other core.
    unpin();
    let mut day = Day::begin(&path)?;
    pin(0);
    // The first bursts find cold caches and pages that were never touched.
    day.bursts(2)?;
    for _ in 0..arguments.rounds {
        let mut alone = day.bursts(BURSTS / 2)?;
        unpin();
        let server = Served::start(&program, &path)?;
        pin(0);
        let with = day.bursts(BURSTS)?;
        server.end()?;
        alone.extend(day.bursts(BURSTS / 2)?);
        let alone = median(alone);
        report.add(MEASURE, "no server", None, "ns", alone);
        report.add_beside(MEASURE, "scraped each second, a page open", alone, "ns", median(with));
    }
    unpin();
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A writer and the bars of its day.
struct Day {
    writer: Writer,
    symbols: Vec<SymbolId>,
    next: u64,
}

impl Day {
    fn begin(path: &Path) -> anyhow::Result<Self> {
        let mut writer = Writer::open(&Bus::open(path)?)?;
        let symbols = (0..SYMBOLS).map(|which| writer.symbol(&format!("S{which:04}")));
        let symbols = symbols.collect::<Result<_, _>>()?;
        Ok(Self { writer, symbols, next: 0 })
    }

    /// Nanoseconds per bar of each burst.
    fn bursts(&mut self, bursts: usize) -> anyhow::Result<Vec<f64>> {
        let mut all = Vec::with_capacity(bursts);
        for _ in 0..bursts {
            let rows: Vec<Row> = (self.next..self.next + BURST).map(|number| self.bar(number)).collect();
            self.next += BURST;
            let start = Instant::now();
            for row in &rows {
                ensure!(matches!(self.writer.push(row)?, Pushed::Accepted(_)), "a bar was not accepted");
            }
            all.push(start.elapsed().as_nanos() as f64 / BURST as f64);
            std::thread::sleep(GAP);
        }
        Ok(all)
    }

    fn bar(&self, number: u64) -> Row {
        let (minute, which) = (number / SYMBOLS, number % SYMBOLS);
        let price = 10.0 + which as f64 + (minute % 60) as f64 / 100.0;
        Row {
            symbol: self.symbols[which as usize],
            frame_ms: DAY_MS + (minute as i64 + 1) * 60_000,
            open: price,
            high: price + 0.01,
            low: price - 0.01,
            close: price,
            volume: 100.0,
            ..Row::default()
        }
    }
}

/// A server with a page that listens and a client that scrapes.
struct Served {
    server: Child,
    ends: Arc<AtomicBool>,
    clients: Vec<JoinHandle<anyhow::Result<u64>>>,
}

impl Served {
    fn start(program: &Path, bus: &Path) -> anyhow::Result<Self> {
        let mut server = Command::new(program)
            .arg(bus)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let mut line = String::new();
        BufReader::new(server.stderr.take().context("it was asked for")?).read_line(&mut line)?;
        let address = line.trim().rsplit_once("http://").context("the server does not listen")?.1.to_owned();
        let ends = Arc::new(AtomicBool::new(false));
        let mut served = Self { server, ends: ends.clone(), clients: Vec::new() };
        let (page, page_ends) = (address.clone(), ends.clone());
        served.clients.push(std::thread::spawn(move || follow(&page, &page_ends)));
        served.clients.push(std::thread::spawn(move || scrape(&address, &ends)));
        Ok(served)
    }

    fn end(mut self) -> anyhow::Result<()> {
        self.ends.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let bytes = client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
            ensure!(bytes > 10_000, "a client has read {bytes} bytes only");
        }
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn ask(address: &str, path: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    Ok(stream)
}

/// Reads the events of a page. Returns their bytes.
fn follow(address: &str, ends: &AtomicBool) -> anyhow::Result<u64> {
    let mut stream = ask(address, "/live")?;
    let (mut buffer, mut bytes) = (vec![0; 1 << 20], 0);
    while !ends.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(read) => bytes += read as u64,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

/// Scrapes each second. Returns the bytes.
fn scrape(address: &str, ends: &AtomicBool) -> anyhow::Result<u64> {
    let mut bytes = 0;
    while !ends.load(Ordering::Relaxed) {
        let mut text = Vec::new();
        let mut stream = ask(address, "/metrics")?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        bytes += stream.read_to_end(&mut text)? as u64;
        std::thread::sleep(SCRAPE);
    }
    Ok(bytes)
}
