//! `simulate`: a journal to try things on, and what is hidden in it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use beacon_candidates::journal::{FileTime, SophosPid, parse_time};
use beacon_candidates::simulation::{
    Endpoint, Load, LoadPlan, Plan, SimulatedConnection, SimulatedProcess, Verdict,
};
use beacon_candidates::words;
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::say::{has_read_enough, say};
use super::{help, hours, misuse};

#[derive(Args)]
#[command(after_help = help::closing(EXAMPLES, "a file cannot be written"))]
pub struct Simulate {
    /// The same seed gives the same journal
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// When it begins: unix seconds or RFC 3339
    #[arg(long, value_name = "TIME", default_value = "2026-05-04T08:00:00Z",
          value_parser = parse_time)]
    start: i64,

    /// How long it lasts
    #[arg(long, value_name = "HOURS", default_value_t = 24.0, value_parser = hours,
          allow_negative_numbers = true)]
    hours: f64,

    /// Endpoints; one is this endpoint itself, of more every third is infected
    #[arg(long, default_value_t = 1)]
    hosts: u32,

    /// A busy machine instead: so many connections at random, and the implants among them
    #[arg(long, value_name = "N", conflicts_with = "hosts")]
    connections: Option<u64>,

    /// How many destinations it has; the r-th is as busy as 1/r (Zipf)
    #[arg(long, value_name = "N", default_value_t = 5_000, requires = "connections",
          value_parser = clap::value_parser!(u32).range(1..=131_072))]
    destinations: u32,

    /// Leaves out bytes sent and received
    #[arg(long)]
    without_bytes: bool,

    /// Where the journal goes: .csv for CSV, else NDJSON; .gz and .zst compress [default: NDJSON
    /// on standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Where the labels go, as CSV
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

const EXAMPLES: &str = "  \
  beacon_candidates simulate --output day.ndjson.gz --labels day.labels.csv
  beacon_candidates simulate --hosts 30 --hours 8 --output fleet.csv.zst
  beacon_candidates simulate --connections 50000 | beacon_candidates import --cache c.sqlite -";

impl Simulate {
    pub fn run(self) -> Result<ExitCode> {
        if self.hours > 24.0 * 366.0 {
            return misuse(format!("--hours {}: a year is the longest", self.hours));
        }
        let start_ms = self.start;
        let duration_ms = (self.hours * 3_600_000.0) as i64;
        let mut out = Out::create(&self)?;
        if let Some(connections) = self.connections {
            let (seed, destinations) = (self.seed, self.destinations);
            let plan = LoadPlan { seed, start_ms, duration_ms, connections, destinations };
            let mut load = Load::simulate(&plan);
            while let Some(connection) = load.next() {
                let process = &load.processes[connection.process];
                if !out.write(&connection, process, "")? {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        } else {
            let plan = Plan { seed: self.seed, start_ms, duration_ms, hosts: self.hosts };
            for number in 0..plan.hosts {
                let endpoint = Endpoint::simulate(&plan, number);
                for connection in &endpoint.connections {
                    let process = &endpoint.processes[connection.process];
                    if !out.write(connection, process, &endpoint.host)? {
                        return Ok(ExitCode::SUCCESS);
                    }
                }
                out.write_labels(&endpoint.host)?;
            }
        }
        out.write_labels("")?;
        let written = out.finish()?;
        self.tell(&written)?;
        Ok(ExitCode::SUCCESS)
    }

    /// What is in the files; of standard output its reader knows.
    fn tell(&self, written: &Written) -> Result<()> {
        if let Some(journal) = &self.output {
            let bytes = std::fs::metadata(journal).map_or(0, |file| file.len());
            say(format_args!(
                "{}: {} in {} from {}, {}",
                journal.display(),
                words::count(written.connections, "connection"),
                words::duration(self.hours * 3600.0),
                words::time(self.start),
                words::bytes(bytes),
            ))?;
        }
        if let (Some(labels), true) = (&self.labels, self.output.is_some()) {
            say(format_args!("{}: {}", labels.display(), words::count(written.labels, "label")))?;
        }
        Ok(())
    }
}

/// How much was written.
#[derive(Default)]
struct Written {
    connections: u64,
    labels: u64,
}

/// The journal and the labels on their way out.
struct Out {
    journal: Journal,
    labels: Option<csv::Writer<Bytes>>,
    /// Labels of the host whose connections are being written.
    of_host: BTreeSet<(&'static str, String, u16, Verdict, &'static str)>,
    without_bytes: bool,
    written: Written,
}

impl Out {
    fn create(arguments: &Simulate) -> Result<Out> {
        let mut labels = match &arguments.labels {
            Some(path) => Some(csv::Writer::from_writer(create(path)?)),
            None => None,
        };
        if let Some(labels) = &mut labels {
            labels.write_record([
                "host",
                "pathname",
                "destination",
                "destinationport",
                "label",
                "class",
            ])?;
        }
        let journal = Journal::create(arguments.output.as_deref())?;
        let without_bytes = arguments.without_bytes;
        let written = Written::default();
        Ok(Out { journal, labels, of_host: BTreeSet::new(), without_bytes, written })
    }

    /// Writes a connection; false if nobody reads any more.
    fn write(
        &mut self,
        connection: &SimulatedConnection,
        process: &SimulatedProcess,
        host: &str,
    ) -> Result<bool> {
        let record = Record::of(connection, process, host, self.without_bytes);
        match self.journal.write(&record) {
            Err(error) if has_read_enough(&error) => return Ok(false),
            written => written.context("cannot write the journal")?,
        }
        self.written.connections += 1;
        if self.labels.is_some() {
            let (pathname, destination) = (process.pathname, connection.destination.clone());
            let (verdict, class) = (process.verdict, process.class);
            self.of_host.insert((pathname, destination, connection.port, verdict, class));
        }
        Ok(true)
    }

    fn write_labels(&mut self, host: &str) -> Result<()> {
        let Some(labels) = &mut self.labels else {
            return Ok(());
        };
        for (pathname, destination, port, verdict, class) in std::mem::take(&mut self.of_host) {
            let port = port.to_string();
            let verdict = verdict.as_str();
            labels.write_record([host, pathname, &destination, &port, verdict, class])?;
            self.written.labels += 1;
        }
        Ok(())
    }

    fn finish(self) -> Result<Written> {
        self.journal.finish().context("cannot write the journal")?;
        if let Some(mut labels) = self.labels {
            labels.flush().context("cannot write the labels")?;
        }
        Ok(self.written)
    }
}

/// A row of our own journal.
#[derive(Serialize)]
struct Record<'a> {
    time: f64,
    host: &'a str,
    pathname: &'a str,
    #[serde(rename = "sophosPID")]
    sophos_pid: String,
    destination: &'a str,
    destinationport: u16,
    protocol: &'a str,
    domain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_sent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_received: Option<u64>,
}

impl<'a> Record<'a> {
    fn of(
        connection: &'a SimulatedConnection,
        process: &SimulatedProcess,
        host: &'a str,
        without_bytes: bool,
    ) -> Record<'a> {
        let start = FileTime::from_unix_ms(process.start_ms);
        Record {
            time: connection.time_ms as f64 / 1000.0,
            host,
            pathname: process.pathname,
            sophos_pid: SophosPid { pid: process.pid, start }.to_string(),
            destination: &connection.destination,
            destinationport: connection.port,
            protocol: connection.protocol,
            domain: &connection.domain,
            bytes_sent: (!without_bytes).then_some(connection.bytes_sent),
            bytes_received: (!without_bytes).then_some(connection.bytes_received),
        }
    }
}

/// A journal on its way out, in the format that its name asks for.
enum Journal {
    Json(Compressed),
    Csv(Box<csv::Writer<Compressed>>),
}

impl Journal {
    fn create(path: Option<&Path>) -> Result<Journal> {
        let Some(path) = path else {
            let out: Box<dyn Write> = Box::new(std::io::stdout().lock());
            return Ok(Journal::Json(Compressed::Plain(BufWriter::new(out))));
        };
        let file = create(path)?;
        let name = path.to_string_lossy();
        let (name, out) = if let Some(name) = name.strip_suffix(".gz") {
            (name, Compressed::Gzip(GzEncoder::new(file, Compression::best())))
        } else if let Some(name) = name.strip_suffix(".zst") {
            (name, Compressed::Zstd(zstd::Encoder::new(file, 0)?))
        } else {
            (&*name, Compressed::Plain(file))
        };
        Ok(match name.ends_with(".csv") {
            true => Journal::Csv(Box::new(csv::Writer::from_writer(out))),
            false => Journal::Json(out),
        })
    }

    fn write(&mut self, record: &Record<'_>) -> std::io::Result<()> {
        match self {
            Journal::Csv(csv) => csv.serialize(record).map_err(std::io::Error::other),
            Journal::Json(out) => {
                serde_json::to_writer(&mut *out, record)?;
                out.write_all(b"\n")
            }
        }
    }

    fn finish(self) -> std::io::Result<()> {
        let out = match self {
            Journal::Json(out) => out,
            Journal::Csv(csv) => {
                csv.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?
            }
        };
        out.finish()
    }
}

type Bytes = BufWriter<Box<dyn Write>>;

/// Bytes on their way to a file.
enum Compressed {
    Plain(Bytes),
    Gzip(GzEncoder<Bytes>),
    Zstd(zstd::Encoder<'static, Bytes>),
}

impl Compressed {
    fn finish(self) -> std::io::Result<()> {
        let mut out = match self {
            Compressed::Plain(out) => out,
            Compressed::Gzip(encoder) => encoder.finish()?,
            Compressed::Zstd(encoder) => encoder.finish()?,
        };
        out.flush()
    }
}

impl Write for Compressed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Compressed::Plain(out) => out.write(bytes),
            Compressed::Gzip(out) => out.write(bytes),
            Compressed::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Compressed::Plain(out) => out.flush(),
            Compressed::Gzip(out) => out.flush(),
            Compressed::Zstd(out) => out.flush(),
        }
    }
}

fn create(path: &Path) -> Result<Bytes> {
    let file = File::create(path).with_context(|| format!("cannot write to {}", path.display()))?;
    Ok(BufWriter::new(Box::new(file)))
}
