//! A group of connections: who talks to whom. It has a row of its own, and stands before each of its
//! blocks' summaries, so that walking those reads no other table.

use rusqlite::{Connection, Row};

use super::block_row::NUMBER_BITS;
use crate::journal::{Protocol, Scope, printable};
use crate::varint::{DecodeError, put_varint, take_varint};

/// The connections that share host, pathname, destination, port and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Row id.
    pub id: u32,
    /// Name id of the host; 0 for ''.
    pub host: u32,
    /// Name id of the pathname as it groups (Windows paths in lower case); 0 for ''.
    pub pathname: u32,
    /// Name id of the destination.
    pub destination: u32,
    /// Destination port.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Where the destination lies.
    pub scope: Scope,
}

/// The columns of [`Group`] in its row, in its order.
pub(crate) const COLUMNS: &str = "id, host, pathname, destination, port, protocol, scope";

impl Group {
    /// From a row of [`COLUMNS`].
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Group> {
        Ok(Group {
            id: row.get(0)?,
            host: row.get(1)?,
            pathname: row.get(2)?,
            destination: row.get(3)?,
            port: row.get(4)?,
            protocol: Protocol::from_number(row.get(5)?),
            scope: scope(row.get(6)?),
        })
    }

    /// Appends it to `out`.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let Group { id, host, pathname, destination, port, protocol, scope } = *self;
        for number in [id, host, pathname, destination, port.into()] {
            put_varint(number.into(), out);
        }
        out.extend([protocol.number(), scope.number()]);
    }

    /// Takes what [`Group::put`] has put off the front of `input`.
    pub(crate) fn take(input: &mut &[u8]) -> Result<Group, DecodeError> {
        let number = |input: &mut &[u8]| {
            u32::try_from(take_varint(input)?).map_err(|_| DecodeError::Overflow)
        };
        let (id, host) = (number(input)?, number(input)?);
        let (pathname, destination) = (number(input)?, number(input)?);
        let port = u16::try_from(number(input)?).map_err(|_| DecodeError::Overflow)?;
        let Some(([protocol_number, scope_number], rest)) = input.split_first_chunk() else {
            return Err(DecodeError::Truncated);
        };
        *input = rest;
        let protocol = Protocol::from_number(*protocol_number);
        Ok(Group { id, host, pathname, destination, port, protocol, scope: scope(*scope_number) })
    }
}

/// The group of block `id` in words, for the error of one that is damaged.
pub(crate) fn describe_block(id: i64, database: &Connection) -> String {
    let group = id >> NUMBER_BITS;
    let described = database.query_row(
        "SELECT coalesce((SELECT text FROM name WHERE id = pathname), ''),
                coalesce((SELECT text FROM name WHERE id = destination), ''), port
         FROM connection_group WHERE id = ?1",
        [group],
        |row| {
            let (pathname, destination): (String, String) = (row.get(0)?, row.get(1)?);
            let port: u16 = row.get(2)?;
            Ok(printable(&format!("{pathname} to {destination}, port {port}")))
        },
    );
    described.unwrap_or_else(|_| format!("group {group}, which is not known"))
}

fn scope(number: u8) -> Scope {
    Scope::from_number(number).unwrap_or(Scope::Name)
}
