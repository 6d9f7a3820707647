//! The records that `connections.bpf.c` writes into its ring, as they lie there.
//!
//! Numbers are in this machine's order. What a record means for a process is not decided here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which process it was, as far as the kernel tells: the boot clock of its fork and of its last
/// exec in nanoseconds, each 0 where that was before the programs were attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Birth {
    pub(crate) start_ns: u64,
    pub(crate) exec_ns: u64,
}

/// What a process runs; comes before the first connection of that process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) pid: u32,
    pub(crate) birth: Birth,
    /// As it was given to exec; '' if there was none.
    pub(crate) path: String,
}

/// A connect, or the first datagram of its second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connect {
    /// Boot clock, nanoseconds.
    pub(crate) time_ns: u64,
    pub(crate) pid: u32,
    /// The id of the thread that connected.
    pub(crate) thread: u32,
    pub(crate) birth: Birth,
    /// IANA's number.
    pub(crate) protocol: u32,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// The thread's name.
    pub(crate) comm: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Program(Program),
    Connect(Connect),
}

impl Record {
    const PROGRAM_BYTES: usize = 280;
    const CONNECT_BYTES: usize = 72;

    /// The record in these bytes; `None` if the length fits no record, which only a fault of ours can make.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Record> {
        match bytes.len() {
            Record::PROGRAM_BYTES => Some(Record::Program(Program {
                birth: Birth { start_ns: u64_at(bytes, 0)?, exec_ns: u64_at(bytes, 8)? },
                pid: u32_at(bytes, 16)?,
                path: text(bytes.get(24..)?),
            })),
            Record::CONNECT_BYTES => Some(Record::Connect(Connect {
                time_ns: u64_at(bytes, 0)?,
                birth: Birth { start_ns: u64_at(bytes, 8)?, exec_ns: u64_at(bytes, 16)? },
                pid: u32_at(bytes, 24)?,
                protocol: u32_at(bytes, 28)?,
                address: address(bytes.get(32..48)?, u16_at(bytes, 50)?)?,
                port: u16_at(bytes, 48)?,
                comm: text(bytes.get(52..68)?),
                thread: u32_at(bytes, 68)?,
            })),
            _ => None,
        }
    }
}

fn address(bytes: &[u8], family: u16) -> Option<IpAddr> {
    match family {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        6 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// Up to the first zero byte. Names and paths are bytes to the kernel; what is no UTF-8 is replaced.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_read_as_the_program_lays_it_out() {
        let mut bytes = Vec::new();
        for number in [7_000_000_u64, 5_000_000, 6_000_000] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.extend(4242_u32.to_ne_bytes());
        bytes.extend(6_u32.to_ne_bytes());
        bytes.extend([192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(443_u16.to_ne_bytes());
        bytes.extend(4_u16.to_ne_bytes());
        bytes.extend(b"curl\0\0\0\0\0\0\0\0\0\0\0\0");
        bytes.extend(4243_u32.to_ne_bytes());
        let connect = Connect {
            time_ns: 7_000_000,
            pid: 4242,
            thread: 4243,
            birth: Birth { start_ns: 5_000_000, exec_ns: 6_000_000 },
            protocol: 6,
            address: Ipv4Addr::new(192, 0, 2, 7).into(),
            port: 443,
            comm: "curl".to_owned(),
        };
        assert_eq!(Record::parse(&bytes), Some(Record::Connect(connect)));
        for cut in 0..bytes.len() {
            assert_eq!(Record::parse(&bytes[..cut]), None);
        }
    }
}
