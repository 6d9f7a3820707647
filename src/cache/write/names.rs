//! Texts as small numbers: hosts, pathnames, destinations and domains, each stored once.
//!
//! What is in use stays in memory up to a bound; the rest is looked up again. Here, and wherever else a
//! journal chooses the keys, maps hash with a seed: nobody can choose names that collide.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::cache::CacheError;
use crate::journal::is_windows_path;

/// More bytes of texts than this are not kept in memory at once; each takes some more itself.
const KEPT_BYTES: usize = 12 << 20;
const OVERHEAD: usize = 48;

/// Row ids of texts in the tables `name` and `domain`.
#[derive(Default)]
pub(crate) struct Names {
    names: HashMap<Box<str>, u32>,
    /// For a pathname as spelled, the ids of its spelling and of its key.
    pathnames: HashMap<Box<str>, (u32, u32)>,
    domains: HashMap<Box<str>, Domain>,
    kept_bytes: usize,
}

#[derive(Clone, Copy)]
struct Domain {
    id: u32,
    last_ms: i64,
    is_saved: bool,
}

impl Names {
    /// The id of a host or destination; 0 for ''.
    pub(crate) fn id(&mut self, text: &str, connection: &Connection) -> Result<u32, CacheError> {
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(id) = self.names.get(text) {
            return Ok(*id);
        }
        let id = insert_or_find(text, connection)?;
        self.make_room(text, connection)?;
        self.names.insert(text.into(), id);
        Ok(id)
    }

    /// The ids of a pathname as spelled, and of the key under which it groups; 0 for ''.
    pub(crate) fn pathname(
        &mut self,
        text: &str,
        connection: &Connection,
    ) -> Result<(u32, u32), CacheError> {
        if text.is_empty() {
            return Ok((0, 0));
        }
        if let Some(ids) = self.pathnames.get(text) {
            return Ok(*ids);
        }
        let spelling = self.id(text, connection)?;
        let key = if is_windows_path(text) {
            self.id(&text.to_lowercase(), connection)?
        } else {
            spelling
        };
        self.make_room(text, connection)?;
        self.pathnames.insert(text.into(), (spelling, key));
        Ok((spelling, key))
    }

    /// The id of a domain that was used at `time_ms`; 0 for ''.
    pub(crate) fn domain(
        &mut self,
        text: &str,
        time_ms: i64,
        connection: &Connection,
    ) -> Result<u32, CacheError> {
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(domain) = self.domains.get_mut(text) {
            if domain.last_ms < time_ms {
                domain.last_ms = time_ms;
                domain.is_saved = false;
            }
            return Ok(domain.id);
        }
        let found = connection
            .prepare_cached("SELECT id, last_ms FROM domain WHERE text = ?1")?
            .query_row([text], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))
            .optional()?;
        let domain = match found {
            Some((id, last_ms)) => {
                Domain { id, last_ms: last_ms.max(time_ms), is_saved: last_ms >= time_ms }
            }
            None => {
                connection
                    .prepare_cached("INSERT INTO domain (text, last_ms) VALUES (?1, ?2)")?
                    .execute(params![text, time_ms])?;
                Domain { id: inserted_id(connection, "domain")?, last_ms: time_ms, is_saved: true }
            }
        };
        self.make_room(text, connection)?;
        self.domains.insert(text.into(), domain);
        Ok(domain.id)
    }

    /// Forgets everything once there is too much of it.
    fn make_room(&mut self, text: &str, connection: &Connection) -> Result<(), CacheError> {
        self.kept_bytes += text.len() + OVERHEAD;
        if self.kept_bytes > KEPT_BYTES {
            self.save(connection)?;
            *self = Names { kept_bytes: text.len() + OVERHEAD, ..Names::default() };
        }
        Ok(())
    }

    /// Writes what is known only here.
    pub(crate) fn save(&mut self, connection: &Connection) -> Result<(), CacheError> {
        let mut update =
            connection.prepare_cached("UPDATE domain SET last_ms = ?2 WHERE id = ?1")?;
        for domain in self.domains.values_mut().filter(|domain| !domain.is_saved) {
            update.execute(params![domain.id, domain.last_ms])?;
            domain.is_saved = true;
        }
        Ok(())
    }
}

/// The latest of the hosts, pathnames and destinations; 0 if there is none.
pub(crate) fn latest(connection: &Connection) -> Result<u32, CacheError> {
    let latest = connection
        .prepare_cached("SELECT coalesce(max(id), 0) FROM name")?
        .query_row([], |row| row.get(0))?;
    Ok(latest)
}

fn insert_or_find(text: &str, connection: &Connection) -> Result<u32, CacheError> {
    let inserted = connection
        .prepare_cached("INSERT INTO name (text) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([text])?;
    if inserted > 0 {
        return inserted_id(connection, "name");
    }
    let id = connection
        .prepare_cached("SELECT id FROM name WHERE text = ?1")?
        .query_row([text], |row| row.get(0))?;
    Ok(id)
}

/// The id of the row just inserted.
pub(crate) fn inserted_id(connection: &Connection, what: &'static str) -> Result<u32, CacheError> {
    u32::try_from(connection.last_insert_rowid()).map_err(|_| CacheError::Full(what))
}
