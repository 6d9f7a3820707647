//! The configuration of the extension: a TOML file, every key of it optional.
//!
//! The keys are documented in docs/configuration.md. Flags are read in `cli`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::cache::Retention;
use crate::journal::collector::{InvalidSql, Named, Source, SqlSource};
use crate::journal::kernel::KernelSource;

/// Every key and table, as it is written in the file.
const KEYS: [&str; 15] = [
    "cache",
    "suppressions",
    "result_cache_seconds",
    "query_budget_ms",
    "cpu_percent",
    "answer_megabytes",
    "retention",
    "collector",
    "retention.days",
    "retention.megabytes",
    "collector.source",
    "collector.sql",
    "collector.poll_seconds",
    "collector.overlap_seconds",
    "collector.lookback_hours",
];
/// What `collector.source` may be, besides [`SQL`].
const SOURCES: [(&str, CollectionSource); 9] = [
    ("auto", CollectionSource::Table(Source::Auto)),
    ("none", CollectionSource::Nothing),
    (KernelSource::Ebpf.name(), CollectionSource::Kernel(KernelSource::Ebpf)),
    (KernelSource::Audit.name(), CollectionSource::Kernel(KernelSource::Audit)),
    ("sysmon", CollectionSource::Table(Source::Named(Named::Sysmon))),
    ("socket_events", CollectionSource::Table(Source::Named(Named::SocketEvents))),
    ("bpf_socket_events", CollectionSource::Table(Source::Named(Named::BpfSocketEvents))),
    ("process_open_sockets", CollectionSource::Table(Source::Named(Named::OpenSockets))),
    ("sophos", CollectionSource::Sophos),
];
/// The source that needs more than its name.
const SQL: &str = "sql";
/// osquery's watchdog would not like more.
const LEAST_POLL_SECONDS: i64 = 5;
/// Of answers, which are told in megabytes to people.
const MEGABYTE: usize = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// How the extension is to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cache; `None` for the default one.
    pub cache: Option<PathBuf>,
    /// A file of suppression rules besides the built-in ones.
    pub suppressions: Option<PathBuf>,
    /// How long an answer is given again to the same query.
    pub answers_kept_for: Duration,
    /// How long a query may take.
    pub query_budget: Duration,
    /// What the extension may take of all cores while it answers; 100 if all.
    pub cpu_percent: u8,
    /// How large an answer may be, bytes.
    pub answer_bytes: usize,
    /// How much the cache keeps.
    pub retention: Retention,
    /// What fills it.
    pub collection: Collection,
}

/// What fills the cache.
#[derive(Clone, Debug)]
pub struct Collection {
    /// What to collect from.
    pub source: CollectionSource,
    /// Between two polls.
    pub poll: Duration,
    /// How far a first poll of a query looks back, seconds.
    pub lookback_s: i64,
    /// How late a query's source may be with a row, seconds.
    pub overlap_s: i64,
}

/// What to collect from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CollectionSource {
    /// Nothing.
    Nothing,
    /// A source in the kernel.
    Kernel(KernelSource),
    /// One of osquery's own tables.
    Table(Source),
    /// A query.
    Sql(String),
    /// The tables of Sophos' agent.
    Sophos,
}

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no TOML, or a value of it has the wrong type.
    #[error("{path}, line {line}: {problem}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A key means nothing.
    #[error("{path}: there is no key '{key}'; did you mean '{nearest}'?")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The key that is most like it.
        nearest: &'static str,
    },
    /// A value is not possible.
    #[error("{path}: {problem}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Which, and what would be.
        problem: String,
    },
}

impl Default for Config {
    /// As without a file.
    fn default() -> Self {
        Config {
            cache: None,
            suppressions: None,
            answers_kept_for: Duration::from_secs(File::default().result_cache_seconds as u64),
            query_budget: Duration::from_millis(File::default().query_budget_ms as u64),
            cpu_percent: File::default().cpu_percent as u8,
            answer_bytes: File::default().answer_megabytes as usize * MEGABYTE,
            retention: Retention::default(),
            collection: Collection {
                source: CollectionSource::Table(Source::Auto),
                poll: Duration::from_secs(CollectorKeys::default().poll_seconds as u64),
                lookback_s: CollectorKeys::default().lookback_hours * 3600,
                overlap_s: CollectorKeys::default().overlap_seconds,
            },
        }
    }
}

/// Where the file lies unless told otherwise: beside osquery's own configuration
/// (<https://osquery.readthedocs.io/en/stable/deployment/configuration/>).
pub fn default_path() -> PathBuf {
    let folder = if cfg!(windows) {
        r"C:\Program Files\osquery"
    } else if cfg!(target_os = "macos") {
        "/var/osquery"
    } else {
        "/etc/osquery"
    };
    Path::new(folder).join("beacon_candidates.toml")
}

impl Config {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Io { path: path.to_owned(), source })?;
        Config::parse(&text, path)
    }

    /// Reads the default file; without one, the defaults hold.
    pub fn read_default() -> Result<Config, ConfigError> {
        let path = default_path();
        match Config::read(&path) {
            Err(ConfigError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Config::default())
            }
            // Of a hunter without rights; the daemon that the file is meant for can read it.
            Err(ConfigError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                log::warn!("{} may not be read; the defaults hold", path.display());
                Ok(Config::default())
            }
            outcome => outcome,
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        let syntax = |error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            ConfigError::Syntax {
                path: path.to_owned(),
                line: before.matches('\n').count() + 1,
                problem: error.message().replace('\n', " "),
            }
        };
        let mut unknown = None;
        let deserializer = toml::Deserializer::parse(text).map_err(syntax)?;
        let file: File = serde_ignored::deserialize(deserializer, |key| {
            unknown.get_or_insert(key.to_string());
        })
        .map_err(syntax)?;
        if let Some(key) = unknown {
            let nearest = nearest(&key, &KEYS);
            return Err(ConfigError::UnknownKey { path: path.to_owned(), key, nearest });
        }
        file.check().map_err(|problem| ConfigError::Value { path: path.to_owned(), problem })
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(default)]
struct File {
    cache: Option<PathBuf>,
    suppressions: Option<PathBuf>,
    result_cache_seconds: i64,
    query_budget_ms: i64,
    cpu_percent: i64,
    answer_megabytes: i64,
    retention: RetentionKeys,
    collector: CollectorKeys,
}

#[derive(Deserialize)]
#[serde(default, expecting = "a table")]
struct RetentionKeys {
    days: i64,
    megabytes: i64,
}

#[derive(Deserialize)]
#[serde(default, expecting = "a table")]
struct CollectorKeys {
    source: Option<String>,
    sql: Option<String>,
    poll_seconds: i64,
    overlap_seconds: i64,
    lookback_hours: i64,
}

impl Default for File {
    fn default() -> Self {
        File {
            cache: None,
            suppressions: None,
            result_cache_seconds: 10,
            query_budget_ms: 30_000,
            cpu_percent: 4,
            answer_megabytes: 8,
            retention: RetentionKeys::default(),
            collector: CollectorKeys::default(),
        }
    }
}

impl Default for RetentionKeys {
    fn default() -> Self {
        let Retention { max_age_ms, max_bytes } = Retention::default();
        RetentionKeys {
            days: max_age_ms / 1000 / SECONDS_PER_DAY,
            megabytes: (max_bytes >> 20) as i64,
        }
    }
}

impl Default for CollectorKeys {
    fn default() -> Self {
        CollectorKeys {
            source: None,
            sql: None,
            poll_seconds: 30,
            overlap_seconds: 300,
            lookback_hours: 24,
        }
    }
}

impl File {
    /// The configuration, or the sentence that says which value is not possible.
    fn check(self) -> Result<Config, String> {
        let CollectorKeys { poll_seconds, overlap_seconds, lookback_hours, .. } = self.collector;
        between("result_cache_seconds", self.result_cache_seconds, 0, 3600)?;
        between("query_budget_ms", self.query_budget_ms, 1, 300_000)?;
        between("cpu_percent", self.cpu_percent, 1, 100)?;
        between("answer_megabytes", self.answer_megabytes, 1, 256)?;
        between("retention.days", self.retention.days, 1, 3650)?;
        between("retention.megabytes", self.retention.megabytes, 1, 1 << 20)?;
        between("collector.poll_seconds", poll_seconds, LEAST_POLL_SECONDS, SECONDS_PER_DAY)?;
        between("collector.overlap_seconds", overlap_seconds, 0, SECONDS_PER_DAY)?;
        between("collector.lookback_hours", lookback_hours, 0, 24 * 3650)?;
        for (key, path) in [("cache", &self.cache), ("suppressions", &self.suppressions)] {
            if path.as_ref().is_some_and(|path| !path.is_absolute()) {
                return Err(format!("{key} is a relative path: osquery's folder could be any"));
            }
        }
        Ok(Config {
            cache: self.cache,
            suppressions: self.suppressions,
            answers_kept_for: Duration::from_secs(self.result_cache_seconds as u64),
            query_budget: Duration::from_millis(self.query_budget_ms as u64),
            cpu_percent: self.cpu_percent as u8,
            answer_bytes: self.answer_megabytes as usize * MEGABYTE,
            retention: Retention {
                max_age_ms: self.retention.days * SECONDS_PER_DAY * 1000,
                max_bytes: (self.retention.megabytes as u64) << 20,
            },
            collection: Collection {
                source: self.collector.source()?,
                poll: Duration::from_secs(poll_seconds as u64),
                lookback_s: lookback_hours * 3600,
                overlap_s: overlap_seconds,
            },
        })
    }
}

impl CollectorKeys {
    fn source(self) -> Result<CollectionSource, String> {
        let name = self.source.as_deref().unwrap_or(if self.sql.is_some() { SQL } else { "auto" });
        match (name, self.sql) {
            (SQL, Some(sql)) => {
                SqlSource::new(&sql, 0)
                    .map_err(|problem: InvalidSql| format!("collector.sql: {problem}"))?;
                Ok(CollectionSource::Sql(sql))
            }
            (SQL, None) => {
                Err("collector.source is 'sql': give the query as collector.sql".to_owned())
            }
            (name, Some(_)) => {
                Err(format!("collector.sql is given, but collector.source is '{name}'"))
            }
            (name, None) => {
                let known = SOURCES.into_iter().find(|(known, _)| *known == name);
                known.map(|(_, source)| source).ok_or_else(|| unknown_source(name))
            }
        }
    }
}

fn unknown_source(name: &str) -> String {
    let names: Vec<_> = SOURCES.iter().map(|(name, _)| *name).chain([SQL]).collect();
    let (nearest, all) = (nearest(name, &names), names.join(", "));
    format!("collector.source '{name}' is not known; did you mean '{nearest}'? ({all})")
}

fn between(key: &str, value: i64, least: i64, most: i64) -> Result<(), String> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(format!("{key} = {value} is not possible: give {least} to {most}")),
    }
}

fn nearest(given: &str, known: &[&'static str]) -> &'static str {
    // The last part alone counts for a key that stands in the wrong table.
    let likeness = |known: &&&str| {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let whole = strsim::jaro_winkler(given, known);
        whole.max(strsim::jaro_winkler(&last(given), &last(known)))
    };
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    best.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("c.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_as_none() {
        assert_eq!(format!("{:?}", parse("").unwrap()), format!("{:?}", Config::default()));
    }

    #[test]
    fn every_key_counts() {
        let config = parse(
            "cache = '/tmp/c.sqlite'\nsuppressions = '/tmp/s.toml'\nresult_cache_seconds = 0\n\
             query_budget_ms = 900\ncpu_percent = 20\nanswer_megabytes = 2\n\
             [retention]\ndays = 7\nmegabytes = 64\n\
             [collector]\nsql = 'SELECT * FROM t WHERE time >= $since'\npoll_seconds = 60\n\
             overlap_seconds = 5\nlookback_hours = 2",
        )
        .unwrap();
        assert_eq!(config.cache, Some("/tmp/c.sqlite".into()));
        assert_eq!(config.suppressions, Some("/tmp/s.toml".into()));
        assert_eq!(config.answers_kept_for, Duration::ZERO);
        assert_eq!(config.query_budget, Duration::from_millis(900));
        assert_eq!((config.cpu_percent, config.answer_bytes), (20, 2_000_000));
        assert_eq!(config.retention, Retention { max_age_ms: 604_800_000, max_bytes: 64 << 20 });
        let collection = config.collection;
        let sql = "SELECT * FROM t WHERE time >= $since".to_owned();
        assert_eq!(collection.source, CollectionSource::Sql(sql));
        assert_eq!(
            (collection.poll, collection.overlap_s, collection.lookback_s),
            (Duration::from_secs(60), 5, 7200)
        );
        let named = parse("[collector]\nsource = 'sysmon'").unwrap().collection.source;
        assert_eq!(named, CollectionSource::Table(Source::Named(Named::Sysmon)));
    }

    #[test]
    fn what_cannot_be_used_is_said_in_one_sentence() {
        for (text, said) in [
            ("cahce = '/x'", "c.toml: there is no key 'cahce'; did you mean 'cache'?"),
            (
                "[collector]\npol_seconds = 7",
                "c.toml: there is no key 'collector.pol_seconds'; did you mean \
                 'collector.poll_seconds'?",
            ),
            ("days = 7", "c.toml: there is no key 'days'; did you mean 'retention.days'?"),
            (
                "[collector]\npoll_seconds = 1",
                "c.toml: collector.poll_seconds = 1 is not possible: give 5 to 86400",
            ),
            (
                "\nresult_cache_seconds = 'ten'",
                "c.toml, line 2: invalid type: string \"ten\", expected i64",
            ),
            (
                "[collector]\nsource = 'sql'",
                "c.toml: collector.source is 'sql': give the query as collector.sql",
            ),
            (
                "[collector]\nsql = 'SELECT 1'",
                "c.toml: collector.sql: the query has no $since; write for example WHERE time >= $since",
            ),
            (
                "[collector]\nsource = 'sysmn'",
                "c.toml: collector.source 'sysmn' is not known; did you mean 'sysmon'? (auto, none, \
                 ebpf, audit, sysmon, socket_events, bpf_socket_events, process_open_sockets, sophos, \
                 sql)",
            ),
            (
                "[colector]\npoll_seconds = 7",
                "c.toml: there is no key 'colector'; did you mean 'collector'?",
            ),
            (
                "[retention]\ndays = -1",
                "c.toml: retention.days = -1 is not possible: give 1 to 3650",
            ),
            ("cpu_percent = 0", "c.toml: cpu_percent = 0 is not possible: give 1 to 100"),
            ("retention = 3", "c.toml, line 1: invalid type: integer `3`, expected a table"),
            ("cache = 'c'", "c.toml: cache is a relative path: osquery's folder could be any"),
        ] {
            assert_eq!(parse(text).unwrap_err(), said);
        }
        assert!(parse("cache = ").unwrap_err().starts_with("c.toml, line 1: "));
    }
}
