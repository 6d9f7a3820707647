//! Which process instance a connection belongs to, and what is known of that instance.
//!
//! A journal may learn the start of a process only after its first connections; that makes one
//! instance, not two. A pid that is used again makes two.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, btree_map};

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use super::names::inserted_id;
use crate::cache::CacheError;
use crate::journal::{FileTime, Process};

/// More process instances than this are not kept in memory at once.
const KEPT: usize = 100_000;
/// Sources give starts and connections in whole seconds, and either a little late.
const SLACK_MS: i64 = 2_000;

/// A pid (or the lack of one) of one pathname on one host.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    host: u32,
    pathname: u32,
    pid: Option<u32>,
}

struct Instance {
    id: u32,
    /// Row id of the pathname as its latest connection spells it.
    spelling: u32,
    /// Of its connections; `None` if it has none yet.
    seen_ms: Option<(i64, i64)>,
    has_cmdline: bool,
    is_saved: bool,
}

/// The process instances in use.
#[derive(Default)]
pub(crate) struct Instances {
    known: HashMap<Key, ByStart>,
    /// How many there are in `known`.
    count: usize,
    pids: FxHashMap<u32, Option<u32>>,
    /// Bytes of command lines since the last commit.
    text_bytes: u64,
}

/// The instances of a key by their start.
type ByStart = BTreeMap<Option<FileTime>, Instance>;

/// Row ids of a process's host and pathname.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) host: u32,
    /// As it groups.
    pub(crate) pathname: u32,
    /// As it is written.
    pub(crate) spelling: u32,
}

impl Instances {
    /// The row id of the instance that connected at `time_ms`.
    pub(crate) fn connected(
        &mut self,
        place: Place,
        process: &Process<'_>,
        time_ms: i64,
        connection: &Connection,
    ) -> Result<u32, CacheError> {
        let instance = self.find(place, process, Some(time_ms), connection)?;
        match &mut instance.seen_ms {
            Some((first, last)) => {
                if time_ms < *first {
                    *first = time_ms;
                    instance.is_saved = false;
                }
                if time_ms >= *last {
                    instance.is_saved &= time_ms == *last && instance.spelling == place.spelling;
                    *last = time_ms;
                    instance.spelling = place.spelling;
                }
            }
            None => {
                instance.seen_ms = Some((time_ms, time_ms));
                instance.spelling = place.spelling;
                instance.is_saved = false;
            }
        }
        Ok(instance.id)
    }

    /// Notes what the journal tells of a process that need not have connected.
    pub(crate) fn started(
        &mut self,
        place: Place,
        process: &Process<'_>,
        connection: &Connection,
    ) -> Result<(), CacheError> {
        self.find(place, process, None, connection).map(drop)
    }

    fn find(
        &mut self,
        place: Place,
        process: &Process<'_>,
        time_ms: Option<i64>,
        connection: &Connection,
    ) -> Result<&mut Instance, CacheError> {
        let key = Key { host: place.host, pathname: place.pathname, pid: process.pid };
        if self.count >= KEPT && !self.known.contains_key(&key) {
            self.save(connection)?;
            self.known.clear();
            self.count = 0;
        }
        let instances = match self.known.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let loaded = load(key, connection)?;
                self.count += loaded.len();
                entry.insert(loaded)
            }
        };
        // A start without a pid does not name an instance.
        let start = process.start.filter(|_| process.pid.is_some());
        let known_start = match start_of(instances, start, time_ms) {
            None => start,
            Some(None) if start.is_some() => {
                // Now it is known.
                if let Some(instance) = instances.remove(&None) {
                    instances.insert(start, Instance { is_saved: false, ..instance });
                }
                start
            }
            Some(known_start) => known_start,
        };
        let instance = match instances.entry(known_start) {
            btree_map::Entry::Occupied(known) => known.into_mut(),
            btree_map::Entry::Vacant(new) => {
                self.count += 1;
                new.insert(insert(key, place.spelling, known_start, connection)?)
            }
        };
        if !instance.has_cmdline && !process.cmdline.is_empty() {
            connection
                .prepare_cached("UPDATE process_instance SET cmdline = ?2 WHERE id = ?1")?
                .execute(params![instance.id, process.cmdline])?;
            instance.has_cmdline = true;
            self.text_bytes += process.cmdline.len() as u64;
        }
        Ok(instance)
    }

    /// Bytes of command lines that were written since the last commit.
    pub(crate) fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// Notes a commit.
    pub(crate) fn committed(&mut self) {
        self.text_bytes = 0;
    }

    /// Writes what is known only here.
    pub(crate) fn save(&mut self, connection: &Connection) -> Result<(), CacheError> {
        let mut update = connection.prepare_cached(
            "UPDATE process_instance
             SET start = ?2, spelling = ?3, first_ms = ?4, last_ms = ?5 WHERE id = ?1",
        )?;
        let instances = self.known.values_mut().flatten();
        for (start, instance) in instances.filter(|(_, instance)| !instance.is_saved) {
            update.execute(params![
                instance.id,
                start.map(FileTime::ticks),
                instance.spelling,
                instance.seen_ms.map(|(first, _)| first),
                instance.seen_ms.map(|(_, last)| last),
            ])?;
            instance.is_saved = true;
        }
        Ok(())
    }

    /// The pid of the instance of this row id.
    pub(crate) fn pid(
        &mut self,
        id: u32,
        connection: &Connection,
    ) -> Result<Option<u32>, CacheError> {
        if let Some(pid) = self.pids.get(&id) {
            return Ok(*pid);
        }
        let pid = connection
            .prepare_cached("SELECT pid FROM process_instance WHERE id = ?1")?
            .query_row([id], |row| row.get(0))?;
        if self.pids.len() >= KEPT {
            self.pids.clear();
        }
        self.pids.insert(id, pid);
        Ok(pid)
    }
}

/// The start under which `instances` has a process with this start, seen at this time.
fn start_of(
    instances: &ByStart,
    start: Option<FileTime>,
    time_ms: Option<i64>,
) -> Option<Option<FileTime>> {
    let of_unknown_start = || instances.get_key_value(&None);
    let found = match start {
        Some(exact) => {
            instances.get_key_value(&start).or_else(|| about(instances, exact)).or_else(|| {
                of_unknown_start().filter(|(_, instance)| match (instance.seen_ms, start) {
                    // What connected before the start was another process with this pid.
                    (Some((first_ms, _)), Some(start)) => start.unix_ms() <= first_ms + SLACK_MS,
                    _ => true,
                })
            })
        }
        None => {
            // Of those that had started, the latest; one of unknown start comes before all others.
            let had_started = time_ms.and_then(|time_ms| after(time_ms.saturating_add(SLACK_MS)));
            match had_started {
                Some(end) => instances.range(..Some(end)).next_back(),
                None => instances.last_key_value(),
            }
        }
    };
    found.map(|(start, _)| *start)
}

/// The instance whose start is the same but for rounding: osquery adds whole seconds since boot to
/// a boot time that it computes anew each time. Starts that are known to less than a second differ
/// if they differ.
fn about(instances: &ByStart, start: FileTime) -> Option<(&Option<FileTime>, &Instance)> {
    let is_rounded = |start: FileTime| start.ticks() % 10_000_000 == 0;
    if !is_rounded(start) {
        return None;
    }
    let distance = |other: FileTime| (other.unix_ms() - start.unix_ms()).abs();
    let from = FileTime::from_unix_ms(start.unix_ms() - SLACK_MS)?;
    let near = instances.range(Some(from)..Some(after(start.unix_ms() + SLACK_MS)?));
    let rounded = near.filter_map(|found| found.0.map(|other| (other, found)));
    rounded
        .filter(|(other, _)| is_rounded(*other) && distance(*other) <= SLACK_MS)
        .min_by_key(|(other, _)| distance(*other))
        .map(|(_, found)| found)
}

/// The first start after a unix millisecond.
fn after(unix_ms: i64) -> Option<FileTime> {
    FileTime::from_unix_ms(unix_ms.checked_add(1)?)
}

fn load(key: Key, connection: &Connection) -> Result<ByStart, CacheError> {
    let mut select = connection.prepare_cached(
        "SELECT id, start, spelling, first_ms, last_ms, cmdline IS NOT NULL
         FROM process_instance WHERE host = ?1 AND pathname = ?2 AND pid IS ?3",
    )?;
    let instances = select.query_map(params![key.host, key.pathname, key.pid], |row| {
        let start: Option<i64> = row.get(1)?;
        let (first_ms, last_ms): (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
        let instance = Instance {
            id: row.get(0)?,
            spelling: row.get(2)?,
            seen_ms: first_ms.zip(last_ms),
            has_cmdline: row.get(5)?,
            is_saved: true,
        };
        Ok((start.map(FileTime::from_ticks), instance))
    })?;
    Ok(instances.collect::<Result<_, _>>()?)
}

fn insert(
    key: Key,
    spelling: u32,
    start: Option<FileTime>,
    connection: &Connection,
) -> Result<Instance, CacheError> {
    connection
        .prepare_cached(
            "INSERT INTO process_instance (host, pathname, spelling, pid, start)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![key.host, key.pathname, spelling, key.pid, start.map(FileTime::ticks)])?;
    Ok(Instance {
        id: inserted_id(connection, "process instance")?,
        spelling,
        seen_ms: None,
        has_cmdline: false,
        is_saved: true,
    })
}
