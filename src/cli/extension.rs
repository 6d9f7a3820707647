//! No verb: run as an extension of osquery.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

#[derive(Args)]
#[command(next_help_heading = "As an extension of osquery")]
pub struct Extension {
    /// osquery's extension socket
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,

    /// How long to wait for the socket
    #[arg(long, value_name = "SECONDS", default_value_t = 3, requires = "socket")]
    timeout: u64,

    /// How often to check that osquery has us registered
    #[arg(long, value_name = "SECONDS", default_value_t = 3, requires = "socket")]
    interval: u64,

    /// The cache that queries read and that is filled [default: the system's for root, else the user's own]
    #[arg(long, value_name = "PATH", requires = "socket")]
    cache: Option<PathBuf>,

    /// Suppression rules besides the built-in ones
    #[arg(long, value_name = "FILE", requires = "socket")]
    suppressions: Option<PathBuf>,

    /// The configuration [default: beacon_candidates.toml beside osquery's own]
    #[arg(long, value_name = "FILE", requires = "socket")]
    config: Option<PathBuf>,
}

impl Extension {
    #[cfg(unix)]
    pub fn run(self, socket: PathBuf) -> Result<ExitCode> {
        use std::time::Duration;

        use beacon_candidates::host::config::Config;
        use beacon_candidates::host::osquery::{Options, run};

        super::one_arena::begin_with_one_arena();
        let config = match &self.config {
            Some(file) => Config::read(file)?,
            None => Config::read_default()?,
        };
        run(&Options {
            socket,
            timeout: Duration::from_secs(self.timeout),
            interval: Duration::from_secs(self.interval.max(1)),
            cache: super::cache_path(self.cache.or(config.cache))?,
            rules: super::suppression_rules(self.suppressions.or(config.suppressions).as_deref())?,
            retention: config.retention,
            collection: config.collection,
            answers_kept_for: config.answers_kept_for,
            query_budget: config.query_budget,
            cpu_percent: config.cpu_percent,
            answer_bytes: config.answer_bytes,
        })?;
        Ok(ExitCode::SUCCESS)
    }

    #[cfg(not(unix))]
    pub fn run(self, _socket: PathBuf) -> Result<ExitCode> {
        anyhow::bail!("extensions of osquery are supported on Linux and macOS only")
    }
}
