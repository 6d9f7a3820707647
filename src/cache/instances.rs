//! Which process instance a connection belongs to, and what is known of that instance.
//!
//! A journal may learn the start of a process only after its first connections; that makes one
//! instance, not two. A pid that is used again makes two.

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use super::CacheError;
use super::merge::Identity;
use super::names::inserted_id;
use crate::journal::{FileTime, Process};

/// More processes than this are not kept in memory at once.
const KEPT: usize = 50_000;
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
    start: Option<FileTime>,
    /// Row id of the pathname as its latest connection spells it.
    spelling: u32,
    /// Of its connections; `None` if it has none yet.
    seen_ms: Option<(i64, i64)>,
    /// Learnt and not yet written.
    new_cmdline: Option<Box<str>>,
    has_cmdline: bool,
    is_saved: bool,
}

/// The process instances in use.
#[derive(Default)]
pub(super) struct Instances {
    known: FxHashMap<Key, Vec<Instance>>,
    identities: FxHashMap<u32, Identity>,
}

/// Row ids of a process's host and pathname.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) host: u32,
    /// As it groups.
    pub(super) pathname: u32,
    /// As it is written.
    pub(super) spelling: u32,
}

impl Instances {
    /// The row id of the instance that connected at `time_ms`.
    pub(super) fn connected(
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
    pub(super) fn started(
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
        if self.known.len() >= KEPT && !self.known.contains_key(&key) {
            self.save(connection)?;
            self.known.clear();
            self.identities.clear();
        }
        let instances = match self.known.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(load(key, connection)?)
            }
        };
        // A start without a pid does not name an instance.
        let start = process.start.filter(|_| process.pid.is_some());
        let index = match position(instances, start, time_ms) {
            Some(index) => index,
            None => {
                instances.push(insert(key, place.spelling, start, connection)?);
                instances.len() - 1
            }
        };
        let instance = &mut instances[index];
        if instance.start.is_none() && start.is_some() {
            instance.start = start;
            instance.is_saved = false;
            self.identities.remove(&instance.id);
        }
        if !instance.has_cmdline && !process.cmdline.is_empty() {
            instance.new_cmdline = Some(process.cmdline.into());
            instance.has_cmdline = true;
            instance.is_saved = false;
        }
        Ok(instance)
    }

    /// Writes what is known only here.
    pub(super) fn save(&mut self, connection: &Connection) -> Result<(), CacheError> {
        let mut update = connection.prepare_cached(
            "UPDATE process_instance
             SET start = ?2, spelling = ?3, first_ms = ?4, last_ms = ?5,
                 cmdline = coalesce(?6, cmdline)
             WHERE id = ?1",
        )?;
        for instance in self.known.values_mut().flatten().filter(|instance| !instance.is_saved) {
            update.execute(params![
                instance.id,
                instance.start.map(FileTime::ticks),
                instance.spelling,
                instance.seen_ms.map(|(first, _)| first),
                instance.seen_ms.map(|(_, last)| last),
                instance.new_cmdline.take(),
            ])?;
            instance.is_saved = true;
        }
        Ok(())
    }

    /// What tells the instance of this row id from others. Only after [`Instances::save`].
    pub(super) fn identity(
        &mut self,
        id: u32,
        connection: &Connection,
    ) -> Result<Identity, CacheError> {
        if let Some(identity) = self.identities.get(&id) {
            return Ok(*identity);
        }
        let identity = connection
            .prepare_cached("SELECT pid, start FROM process_instance WHERE id = ?1")?
            .query_row([id], |row| {
                let start: Option<i64> = row.get(1)?;
                Ok(Identity { pid: row.get(0)?, start: start.map(FileTime::from_ticks) })
            })?;
        if self.identities.len() >= KEPT {
            self.identities.clear();
        }
        self.identities.insert(id, identity);
        Ok(identity)
    }
}

/// Which of `instances` a process with this start, seen at this time, is.
fn position(
    instances: &[Instance],
    start: Option<FileTime>,
    time_ms: Option<i64>,
) -> Option<usize> {
    let of_unknown_start = || instances.iter().position(|instance| instance.start.is_none());
    match start {
        Some(start) => {
            let same = instances.iter().position(|instance| instance.start == Some(start));
            same.or_else(|| {
                of_unknown_start().filter(|index| match instances[*index].seen_ms {
                    // What connected before the start was another process with this pid.
                    Some((first_ms, _)) => start.unix_ms() <= first_ms + SLACK_MS,
                    None => true,
                })
            })
        }
        None => {
            let had_started = |instance: &&Instance| match (instance.start, time_ms) {
                (Some(start), Some(time_ms)) => start.unix_ms() <= time_ms + SLACK_MS,
                (start, _) => start.is_some(),
            };
            let latest = instances.iter().filter(had_started).max_by_key(|found| found.start);
            let latest = latest.map(|found| found.id);
            let by_id = |id| instances.iter().position(|instance| instance.id == id);
            latest.and_then(by_id).or_else(of_unknown_start)
        }
    }
}

fn load(key: Key, connection: &Connection) -> Result<Vec<Instance>, CacheError> {
    let mut select = connection.prepare_cached(
        "SELECT id, start, spelling, first_ms, last_ms, cmdline IS NOT NULL
         FROM process_instance WHERE host = ?1 AND pathname = ?2 AND pid IS ?3",
    )?;
    let instances = select.query_map(params![key.host, key.pathname, key.pid], |row| {
        let start: Option<i64> = row.get(1)?;
        let (first_ms, last_ms): (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
        Ok(Instance {
            id: row.get(0)?,
            start: start.map(FileTime::from_ticks),
            spelling: row.get(2)?,
            seen_ms: first_ms.zip(last_ms),
            new_cmdline: None,
            has_cmdline: row.get(5)?,
            is_saved: true,
        })
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
        start,
        spelling,
        seen_ms: None,
        new_cmdline: None,
        has_cmdline: false,
        is_saved: true,
    })
}
