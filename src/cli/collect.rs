//! `collect`: fill a cache from this machine's kernel, without osquery.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use beacon_candidates::journal::kernel::KernelSource;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::help;

#[derive(Args)]
#[command(after_help = help::closing_until_a_signal(EXAMPLES, FAILURE))]
pub struct Collect {
    /// The cache to fill [default: the system's for root, else the user's own]
    #[arg(long, value_name = "PATH")]
    cache: Option<PathBuf>,

    /// Where to take connections from [default: the first that this kernel allows]
    #[arg(long, value_name = "SOURCE", value_parser = source())]
    source: Option<KernelSource>,
}

fn source() -> impl TypedValueParser<Value = KernelSource> {
    let names = PossibleValuesParser::new(KernelSource::ALL.map(KernelSource::name));
    names.try_map(|name| name.parse::<KernelSource>())
}

const FAILURE: &str = "the kernel hands on no connections, or the cache cannot be written";

const EXAMPLES: &str = "  \
  sudo beacon_candidates collect --cache live.sqlite
  sudo beacon_candidates query --cache live.sqlite \\
      \"SELECT pathname, tuple, period FROM beacon_candidates WHERE hours = 1\"";

impl Collect {
    #[cfg(target_os = "linux")]
    pub fn run(self) -> Result<ExitCode> {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};

        use anyhow::Context;
        use beacon_candidates::cache::{Retention, Writer};
        use beacon_candidates::collection::collect;
        use beacon_candidates::journal::kernel::{ReadError, open_first};
        use beacon_candidates::words;
        use signal_hook::consts::{SIGINT, SIGTERM};

        use super::say::note;

        let path = super::cache_path(self.cache)?;
        let ends = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&ends))
                .context("cannot handle signals")?;
        }
        let journal = match self.source {
            Some(source) => source.open()?,
            None => open_first()?,
        };
        let writer = Writer::open(&path, "collect", Retention::default())?;
        let source = journal.name();
        note(format_args!("collecting from {source} into {}; Ctrl-C ends it", path.display()));
        let added = collect(journal, writer, &mut || !ends.load(Ordering::Relaxed));
        let added = added.map_err(|error| match error {
            ReadError::Sink(error) => error.at(&path).into(),
            error => anyhow::Error::from(error),
        })?;
        note(format_args!("collected {}", words::count(added, "connection")));
        Ok(ExitCode::SUCCESS)
    }

    #[cfg(not(target_os = "linux"))]
    pub fn run(self) -> Result<ExitCode> {
        anyhow::bail!("only Linux hands on its connections: import a journal instead")
    }
}
