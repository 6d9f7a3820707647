//! Retention by size: which blocks go once the file is too large.
//!
//! Connections from the future go first, then the oldest of whoever holds more than a fair share,
//! then the oldest of all. A full block is as old as its last connection, one with room for more as the
//! last of its group: so the blocks of a slow beacon, which reach back weeks, outlive what was busy for
//! a day.

use std::collections::{HashMap, HashSet};

use roaring::RoaringBitmap;
use rusqlite::{Connection as Database, OptionalExtension, Row, params};

use super::removal::Victim;
use super::retention::{Retention, used_bytes};
use super::{blocks, removal};
use crate::cache::CacheError;
use crate::cache::evictions::{self, Reason};
use crate::cache::format::block;
use crate::cache::format::block_row::{HEADER_COLUMNS, Header, has_room};

/// Where others have something, too, none may hold more than one part in so many...
const SHARES: u64 = 4;
/// ... and no host, where there are more hosts than that.
const FEW_HOSTS: u64 = SHARES;
/// What a row takes besides its texts and blobs, with its place in an index, in bytes: about.
const ROW: u64 = 48;
/// The same of a block's summary, if it is not known.
const SUMMARY: u64 = 160;

/// Removes blocks until the file is a tenth below its largest size, if it is above it; gives how many
/// connections went, or `None` if nothing had to. What begins after `future_ms` goes first.
pub(crate) fn by_size(
    database: &mut Database,
    retention: &Retention,
    future_ms: i64,
    now_ms: i64,
) -> Result<Option<u64>, CacheError> {
    if used_bytes(database)? <= retention.max_bytes {
        return Ok(None);
    }
    let target = retention.max_bytes - retention.max_bytes / 10;
    let enough = target + retention.max_bytes / 100;
    remove_unconnected(retention.max_bytes / 16, database)?;
    let mut removed = 0;
    // How much a block frees with all that is its own alone is only estimated: three quarters of what
    // has to go, and then a look.
    while let used = used_bytes(database)?
        && used > enough
    {
        let excess = used - target;
        let mut victims = Victims::new(excess - excess / 4, retention, database)?;
        victims.choose(future_ms, database)?;
        if victims.chosen.iter().all(Vec::is_empty) {
            break;
        }
        for (reason, blocks) in Reason::ALL.into_iter().zip(&victims.chosen) {
            let gone = removal::remove(blocks, database)?;
            evictions::add(reason, gone, now_ms, database)?;
            removed += gone;
        }
        removal::sweep(database)?;
    }
    Ok(Some(removed))
}

/// Of processes that have not connected, which may still do so, keeps the latest that take so many
/// bytes.
fn remove_unconnected(bytes: u64, database: &Database) -> Result<(), CacheError> {
    database.execute(
        "DELETE FROM process_instance WHERE last_ms IS NULL AND id <= (
             SELECT max(id) FROM (
                 SELECT id, sum(coalesce(octet_length(cmdline), 0) + ?2) OVER (ORDER BY id DESC)
                     AS held
                 FROM process_instance WHERE last_ms IS NULL)
             WHERE held > ?1)",
        params![bytes as i64, ROW as i64],
    )?;
    Ok(())
}

/// The blocks that are to go.
struct Victims {
    /// By reason, in the order of [`Reason::ALL`].
    chosen: [Vec<Victim>; 4],
    ids: HashSet<i64>,
    /// Bytes that are still to be freed.
    excess: u64,
    /// Bytes that pathnames and hosts hold beyond their share.
    pathnames: HashMap<u32, u64>,
    hosts: HashMap<u32, u64>,
    /// Process instances and domains that are counted as freed already.
    instances: RoaringBitmap,
    domains: RoaringBitmap,
}

/// A block that may go, and what its group is.
struct Candidate {
    header: Header,
    /// By which blocks are put into order, unix milliseconds.
    age_ms: i64,
    host: u32,
    pathname: u32,
    destination: u32,
    /// Of its whole group.
    connections: usize,
}

impl Victims {
    fn new(excess: u64, retention: &Retention, database: &Database) -> Result<Self, CacheError> {
        let share = retention.max_bytes / SHARES;
        let hosts: u64 =
            database.query_row("SELECT count(DISTINCT host) FROM connection_group", [], |row| {
                row.get(0)
            })?;
        Ok(Victims {
            chosen: Default::default(),
            ids: Default::default(),
            excess,
            pathnames: beyond_share("pathname", share, database)?,
            hosts: match hosts > FEW_HOSTS {
                true => beyond_share("host", share, database)?,
                false => HashMap::default(),
            },
            instances: RoaringBitmap::new(),
            domains: RoaringBitmap::new(),
        })
    }

    fn choose(&mut self, future_ms: i64, database: &Database) -> Result<(), CacheError> {
        self.take("first_ms > ?1", &[&future_ms], Reason::Future, database)?;
        // Of those alone, so that a flood does not have all blocks sorted.
        let list = |holders: &HashMap<u32, u64>| {
            let ids: Vec<_> = holders.keys().map(u32::to_string).collect();
            ids.join(",")
        };
        let (pathnames, hosts) = (list(&self.pathnames), list(&self.hosts));
        if !pathnames.is_empty() || !hosts.is_empty() {
            let theirs = format!("(pathname IN ({pathnames}) OR host IN ({hosts}))");
            self.take(&theirs, &[], Reason::Share, database)?;
        }
        self.take("TRUE", &[], Reason::Size, database)
    }

    /// Takes blocks that meet a condition, the oldest first, until enough is freed.
    fn take(
        &mut self,
        condition: &str,
        parameters: &[&dyn rusqlite::ToSql],
        reason: Reason,
        database: &Database,
    ) -> Result<(), CacheError> {
        if self.excess == 0 {
            return Ok(());
        }
        let columns: Vec<_> =
            HEADER_COLUMNS.split(", ").map(|column| format!("block.{column}")).collect();
        let mut select = database.prepare(&format!(
            "SELECT {}, host, pathname, destination, connection_group.connections,
                    iif({}, connection_group.last_ms, block.last_ms) AS age_ms
             FROM block JOIN connection_group ON connection_group.id = group_id
             WHERE {} ORDER BY age_ms, block.first_ms, block.id",
            columns.join(", "),
            has_room(),
            condition.replace("first_ms", "block.first_ms"),
        ))?;
        let mut rows = select.query(parameters)?;
        while self.excess > 0
            && let Some(row) = rows.next()?
        {
            let candidate = Candidate::from_row(row)?;
            let holds_too_much = self.holds_too_much(&candidate);
            if self.ids.contains(&candidate.header.id)
                || (reason == Reason::Share && !holds_too_much)
            {
                continue;
            }
            let Header { id, connections, .. } = candidate.header;
            let freed = self.freed_by(&candidate, database)?;
            // With its processes a block may hold much more than has to go.
            let oldest = match freed > self.excess {
                true => (connections as u64 * self.excess).div_ceil(freed).max(1) as usize,
                false => connections,
            };
            for (holders, holder) in
                [(&mut self.pathnames, candidate.pathname), (&mut self.hosts, candidate.host)]
            {
                if let Some(beyond) = holders.get_mut(&holder) {
                    *beyond = beyond.saturating_sub(freed);
                }
            }
            self.excess = self.excess.saturating_sub(freed);
            self.ids.insert(id);
            let at = Reason::ALL.iter().position(|known| *known == reason).unwrap_or_default();
            self.chosen[at].push((candidate.header, oldest));
        }
        Ok(())
    }

    fn holds_too_much(&self, candidate: &Candidate) -> bool {
        let is_beyond = |holders: &HashMap<u32, u64>, holder| {
            holders.get(&holder).is_some_and(|beyond| *beyond > 0)
        };
        is_beyond(&self.pathnames, candidate.pathname) || is_beyond(&self.hosts, candidate.host)
    }

    /// Bytes of a block, and of what nothing names without it: as far as can be told from the last
    /// times of these.
    fn freed_by(&mut self, candidate: &Candidate, database: &Database) -> Result<u64, CacheError> {
        let Candidate { header, age_ms, pathname, destination, connections, .. } = candidate;
        let mut freed = header.bytes as u64 + SUMMARY + ROW;
        if header.connections >= *connections {
            // With the group's row go these names, often, which an index holds again. To count too much
            // takes another look, to count too little would take connections.
            let name = "SELECT 2 * octet_length(text), 0 FROM name WHERE id = ?1";
            for id in [*destination, *pathname] {
                freed += 2 * ROW + size(name, id, database)?.map_or(0, |(bytes, _)| bytes);
            }
        }
        let mut block = Vec::new();
        blocks::read(header.id, &mut block, database)?;
        let instances = "SELECT coalesce(octet_length(cmdline), 0), last_ms FROM process_instance
                         WHERE id = ?1";
        let domains = "SELECT 2 * octet_length(text), last_ms FROM domain WHERE id = ?1";
        let ids = |id: fn(&block::Connection) -> u32| {
            let mut ids: Vec<_> = block.iter().map(id).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        for (select, ids, counted) in [
            (instances, ids(|connection| connection.instance), &mut self.instances),
            (domains, ids(|connection| connection.domain), &mut self.domains),
        ] {
            for id in ids {
                if let Some((bytes, last_ms)) = size(select, id, database)?
                    && last_ms <= *age_ms
                    && counted.insert(id)
                {
                    freed += bytes + 2 * ROW;
                }
            }
        }
        Ok(freed)
    }
}

impl Candidate {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Candidate> {
        Ok(Candidate {
            header: Header::from_row(row)?,
            host: row.get("host")?,
            pathname: row.get("pathname")?,
            destination: row.get("destination")?,
            connections: row.get(9)?,
            age_ms: row.get("age_ms")?,
        })
    }
}

/// Bytes of texts, and a time.
fn size(select: &str, id: u32, database: &Database) -> Result<Option<(u64, i64)>, CacheError> {
    let mut select = database.prepare_cached(select)?;
    let row = select.query_row([id], |row| {
        Ok((row.get::<_, u64>(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or_default()))
    });
    Ok(row.optional()?)
}

/// Who holds more than `share` bytes, while others hold something, and how many more. `holder` is
/// a column of groups and of process instances.
fn beyond_share(
    holder: &str,
    share: u64,
    database: &Database,
) -> Result<HashMap<u32, u64>, CacheError> {
    let mut select = database.prepare(&format!(
        "SELECT {holder}, sum(bytes) AS held, (SELECT count(DISTINCT {holder}) FROM connection_group)
         FROM (SELECT {holder}, sum(block.bytes + ?2) AS bytes
               FROM block JOIN connection_group ON connection_group.id = group_id GROUP BY 1
               UNION ALL
               SELECT {holder}, sum(coalesce(octet_length(cmdline), 0) + ?3)
               FROM process_instance WHERE last_ms IS NOT NULL GROUP BY 1)
         GROUP BY 1 HAVING held > ?1"
    ))?;
    let parameters = params![share as i64, (SUMMARY + 3 * ROW) as i64, (2 * ROW) as i64];
    let mut rows = select.query(parameters)?;
    let mut beyond = HashMap::default();
    while let Some(row) = rows.next()? {
        let (holder, held, holders): (u32, u64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if holders > 1 {
            beyond.insert(holder, held - share);
        }
    }
    Ok(beyond)
}
