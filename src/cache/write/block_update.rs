//! New connections of one group into its blocks: which blocks they fall into, and what becomes of
//! those.
//!
//! Only blocks that a connection falls into are decoded, a few at a time, so that two connections
//! far apart do not cost all that lies between them.

use rusqlite::{Connection as Database, params};

use super::duplicates::{Claim, Incoming, merge};
use super::group_row::{GroupKey, GroupRow, Totals};
use super::{blocks, claims};
use crate::cache::CacheError;
use crate::cache::format::block::{self, Connection};
use crate::cache::format::block_row::{self, HEADER_COLUMNS, Header};
use crate::journal::Scope;

/// At the end of its group, a block of at least this many connections is written anew only for as many
/// that follow; until then these have a block of their own, which is cheap to write again. What polls
/// every few seconds adds one or two at a time.
const FEW: usize = 16;

/// Where a pass stands.
#[derive(Clone, Copy)]
pub(crate) struct PassState {
    /// Whether it has committed a batch already, so that there may be claims.
    pub(crate) has_claims: bool,
    /// Whether there may be another batch, which will ask for claims.
    pub(crate) goes_on: bool,
    /// The latest name before this batch; no group is to a younger one yet.
    pub(crate) latest_name: u32,
}

/// How many of the connections were new, and how many there already.
#[derive(Clone, Copy, Default)]
pub(crate) struct MergeCounts {
    pub(crate) added: u64,
    pub(crate) duplicates: u64,
}

/// Merges `incoming`, sorted by time, into the blocks of a group, whose destination lies in `scope`.
/// `pid` looks up a process instance's.
pub(crate) fn update_blocks(
    key: &GroupKey,
    scope: Scope,
    incoming: &[Incoming],
    pass: PassState,
    database: &Database,
    mut pid: impl FnMut(u32) -> Result<Option<u32>, CacheError>,
) -> Result<MergeCounts, CacheError> {
    let mut counts = MergeCounts::default();
    let (Some(first), Some(last)) = (incoming.first(), incoming.last()) else {
        return Ok(counts);
    };
    let span_ms = (first.connection.time_ms, last.connection.time_ms);
    let is_new = key.destination > pass.latest_name;
    let found = if is_new { None } else { GroupRow::find(key, scope, database)? };
    let Some(mut row) = found else {
        let merged = merge(&[], &[], incoming, pid)?;
        let connections = merged.connections.len();
        let parts = block::split(&merged.connections, true);
        let totals = Totals { connections, span_ms, blocks: parts.len() };
        let mut row = GroupRow::insert(key, scope, &totals, database)?;
        write(&mut row, &[], &parts, &merged.claims, pass, database)?;
        return Ok(MergeCounts { added: merged.added, duplicates: merged.duplicates });
    };
    let headers = headers_around(&row, span_ms, incoming.len(), database)?;
    for (headers, incoming) in segments(&headers, incoming) {
        let mut existing = Vec::new();
        let mut known_claims = Vec::new();
        for header in headers {
            blocks::read(header.id, &mut existing, database)?;
            if pass.has_claims {
                claims::load(header.id, header.connections, &mut known_claims, database)?;
            }
        }
        known_claims.resize(existing.len(), Claim::NONE);
        let merged = merge(&existing, &known_claims, incoming, &mut pid)?;
        counts.added += merged.added;
        counts.duplicates += merged.duplicates;
        if merged.added > 0 {
            let is_end_of_group =
                merged.connections.last().is_some_and(|last| last.time_ms >= row.last_ms);
            let parts = block::split(&merged.connections, is_end_of_group);
            write(&mut row, headers, &parts, &merged.claims, pass, database)?;
        } else if pass.goes_on {
            let mut rest = merged.claims.as_slice();
            for header in headers {
                let (claims, after) = rest.split_at(header.connections.min(rest.len()));
                claims::store(header.id, claims, database)?;
                rest = after;
            }
        }
    }
    if counts.added > 0 {
        row.save(counts.added, span_ms.0, database)?;
    }
    Ok(counts)
}

/// The blocks that `incoming` connections of this span may fall between, in time order: those that begin
/// in it, and before them one that reaches into it or has room, with what few follow that.
fn headers_around(
    row: &GroupRow,
    (first_ms, last_ms): (i64, i64),
    incoming: usize,
    database: &Database,
) -> Result<Vec<Header>, CacheError> {
    let mut headers = Vec::new();
    let mut before = database.prepare_cached(&format!(
        "SELECT {HEADER_COLUMNS} FROM block WHERE group_id = ?1 AND first_ms < ?2
         ORDER BY first_ms DESC, last_ms DESC, id DESC"
    ))?;
    let mut following = incoming;
    for header in before.query_map(params![row.group.id, first_ms], Header::from_row)? {
        let header: Header = header?;
        let is_between_blocks = headers.is_empty() && first_ms < row.last_ms;
        let is_worth_it = header.connections < FEW || following >= FEW || is_between_blocks;
        if header.last_ms < first_ms && !(header.has_room() && is_worth_it) {
            break;
        }
        headers.push(header);
        following += header.connections;
        if header.connections >= FEW {
            break;
        }
    }
    headers.reverse();
    let mut within = database.prepare_cached(&format!(
        "SELECT {HEADER_COLUMNS} FROM block
         WHERE group_id = ?1 AND first_ms BETWEEN ?2 AND ?3 ORDER BY first_ms, last_ms, id"
    ))?;
    for header in within.query_map(params![row.group.id, first_ms, last_ms], Header::from_row)? {
        headers.push(header?);
    }
    Ok(headers)
}

/// Blocks and what falls into them, or behind the last of them. Two blocks stay together only
/// where a connection falls on the instant that both share, or the last has few connections and the one
/// before it has room for them; blocks that nothing falls into are left out.
fn segments<'a>(
    headers: &'a [Header],
    incoming: &'a [Incoming],
) -> Vec<(&'a [Header], &'a [Incoming])> {
    let before = |time_ms| incoming.partition_point(|each| each.connection.time_ms < time_ms);
    let mut segments = Vec::new();
    let (mut from_header, mut from) = (0, 0);
    for (index, header) in headers.iter().enumerate() {
        let Some(next) = headers.get(index + 1) else {
            break;
        };
        let to = before(next.first_ms);
        let is_shared = header.last_ms == next.first_ms
            && incoming.get(to).is_some_and(|each| each.connection.time_ms == next.first_ms);
        let is_for_few = index + 2 == headers.len() && next.connections < FEW && header.has_room();
        if is_shared || is_for_few {
            continue;
        }
        if to > from {
            segments.push((&headers[from_header..=index], &incoming[from..to]));
        }
        (from_header, from) = (index + 1, to);
    }
    if from < incoming.len() {
        segments.push((&headers[from_header..], &incoming[from..]));
    }
    segments
}

/// Writes `parts` of a group's connections, encoded, in place of the blocks `old`.
fn write(
    row: &mut GroupRow,
    old: &[Header],
    parts: &[(&[Connection], Vec<u8>)],
    mut claims: &[Claim],
    pass: PassState,
    database: &Database,
) -> Result<(), CacheError> {
    let mut old_ids = old.iter().map(|header| header.id);
    for header in old {
        blocks::remove_summary(header, database)?;
    }
    for (part, bytes) in parts {
        let id = match old_ids.next() {
            Some(id) => id,
            None => {
                row.next_block += 1;
                block_row::id(row.group.id, row.next_block - 1)?
            }
        };
        blocks::write(&row.group, id, (part, bytes), database)?;
        row.last_ms = part.last().map_or(row.last_ms, |last| row.last_ms.max(last.time_ms));
        let (of_part, after) = claims.split_at(part.len());
        claims = after;
        if pass.goes_on {
            claims::store(id, of_part, database)?;
        }
    }
    for id in old_ids {
        blocks::remove_payload(id, database)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(first_ms: i64, last_ms: i64) -> Header {
        Header { group: 1, id: first_ms, first_ms, last_ms, connections: 2 * FEW, bytes: 90 }
    }

    fn at(time_ms: i64) -> Incoming {
        let connection =
            Connection { time_ms, instance: 1, domain: 0, bytes_sent: None, bytes_received: None };
        Incoming { connection, record_id: None }
    }

    #[test]
    fn only_blocks_that_something_falls_into_are_touched() {
        let headers =
            [header(0, 9), header(10, 19), header(19, 29), header(29, 39), header(50, 59)];
        let times = [5, 19, 45, 70].map(at);
        let found: Vec<_> = segments(&headers, &times)
            .into_iter()
            .map(|(headers, incoming)| {
                let blocks: Vec<_> = headers.iter().map(|header| header.first_ms).collect();
                let times: Vec<_> = incoming.iter().map(|each| each.connection.time_ms).collect();
                (blocks, times)
            })
            .collect();
        let expected = [
            (vec![0], vec![5]),
            // 19 is the last instant of one and the first of the next.
            (vec![10, 19], vec![19]),
            (vec![29], vec![45]),
            (vec![50], vec![70]),
        ];
        assert_eq!(found, expected);
        assert_eq!(segments(&[], &times).len(), 1);
        let few = [header(0, 9), Header { connections: FEW - 1, ..header(10, 19) }];
        assert!(matches!(segments(&few, &times)[..], [([_, _], [_, _, _, _])]));
    }
}
