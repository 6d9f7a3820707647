//! The journals that are measured, and caches made of them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The program that is measured.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_beacon_candidates");

/// Files under target/comparison.
pub struct Journals {
    folder: PathBuf,
    largest: u64,
}

impl Journals {
    /// Up to so many connections.
    pub fn make(largest: u64) -> Result<Journals> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/comparison");
        fs::create_dir_all(&folder)?;
        Ok(Journals { folder, largest })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A journal in our own NDJSON.
    fn ndjson(&self, connections: u64, with_bytes: bool) -> Result<PathBuf> {
        let path = self.path(connections, with_bytes, "ndjson");
        if !path.exists() {
            let part = path.with_extension("part.ndjson");
            let mut command = Command::new(PROGRAM);
            command.args(["simulate", "--connections", &connections.to_string(), "--output"]);
            command.arg(&part).args((!with_bytes).then_some("--without-bytes"));
            run(&mut command)?;
            fs::rename(part, &path)?;
        }
        Ok(path)
    }

    /// The same without what the others have no use for: time in ms, pathname, destination, port.
    pub fn csv(&self, connections: u64) -> Result<PathBuf> {
        let path = self.path(connections, false, "csv");
        if !path.exists() {
            let part = path.with_extension("part");
            let mut out = BufWriter::new(File::create(&part)?);
            writeln!(out, "t,pathname,destination,port")?;
            self.for_each(connections, |row| {
                let time_ms = (row["time"].as_f64().unwrap_or_default() * 1000.0).round() as i64;
                let [pathname, destination] =
                    ["pathname", "destination"].map(|name| row[name].as_str().unwrap_or_default());
                writeln!(out, "{time_ms},{pathname},{destination},{}", row["destinationport"])
            })?;
            out.flush()?;
            fs::rename(part, &path)?;
        }
        Ok(path)
    }

    /// The same as Zeek writes it.
    fn zeek(&self, connections: u64) -> Result<PathBuf> {
        let path = self.path(connections, false, "log");
        if !path.exists() {
            let part = path.with_extension("part");
            let mut out = BufWriter::new(File::create(&part)?);
            writeln!(
                out,
                "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n\
                 #path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\t\
                 service\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\t\
                 missed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\t\
                 tunnel_parents"
            )?;
            let mut number: u64 = 0;
            self.for_each(connections, |row| {
                number += 1;
                let time = row["time"].as_f64().unwrap_or_default();
                let destination = row["destination"].as_str().unwrap_or_default();
                writeln!(
                    out,
                    "{time:.6}\tC{number:017x}\t10.0.0.5\t{}\t{destination}\t{}\ttcp\tssl\t0.51\t\
                     742\t4210\tSF\tT\tF\t0\tShADadFf\t9\t{}\t12\t{}\t-",
                    1024 + number % 60_000,
                    row["destinationport"],
                    742 + number % 97,
                    4210 + number % 1931,
                )
            })?;
            out.flush()?;
            fs::rename(part, &path)?;
        }
        Ok(path)
    }

    fn for_each(
        &self,
        connections: u64,
        mut take: impl FnMut(&serde_json::Value) -> std::io::Result<()>,
    ) -> Result<()> {
        let file = File::open(self.ndjson(connections, false)?)?;
        for line in BufReader::new(file).lines() {
            take(&serde_json::from_str(&line?)?)?;
        }
        Ok(())
    }

    /// A cache of one of the journals.
    pub fn cache(&self, connections: u64) -> Result<PathBuf> {
        self.cache_of(connections, false)
    }

    fn cache_of(&self, connections: u64, with_bytes: bool) -> Result<PathBuf> {
        let path = self.path(connections, with_bytes, "sqlite");
        if !path.exists() {
            let journal = self.ndjson(connections, with_bytes)?;
            run(Command::new(PROGRAM).args(["import", "--cache"]).arg(&path).arg(journal))?;
        }
        Ok(path)
    }

    /// What a connection takes on disk.
    pub fn bytes_a_connection(&self, connections: u64, with_bytes: bool) -> Result<String> {
        let bytes = self.cache_of(connections, with_bytes)?.metadata()?.len();
        Ok(format!("{:.2} bytes a connection", bytes as f64 / connections as f64))
    }

    /// What is imported to measure that, and its format.
    pub fn importable(&self) -> Result<[(String, PathBuf); 4]> {
        let (small, large) = (1_000_000, self.largest);
        let name = |format, size| format!("{format}, {} M", size / 1_000_000);
        Ok([
            (name("NDJSON", small), self.ndjson(small, false)?),
            (name("Zeek TSV", small), self.zeek(small)?),
            (name("NDJSON", large), self.ndjson(large, false)?),
            (name("Zeek TSV", large), self.zeek(large)?),
        ])
    }

    fn path(&self, connections: u64, with_bytes: bool, extension: &str) -> PathBuf {
        let bytes = if with_bytes { "-with-bytes" } else { "" };
        self.folder.join(format!("{connections}{bytes}.{extension}"))
    }
}

/// Runs a command that has to succeed, quietly.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {errors}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
