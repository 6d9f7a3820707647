//! Live journals that the Linux kernel itself hands on: connections with the time at which they
//! were made, of all processes, without osquery.
//!
//! A source is opened and read in turns here, and its connections become events. When to read, and
//! what becomes of the events, is not decided here.

#[cfg(target_os = "linux")]
pub mod audit_rules;
#[cfg(target_os = "linux")]
mod audit_socket;
#[cfg(target_os = "linux")]
pub mod audit_stream;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod command_lines;
#[cfg(target_os = "linux")]
mod ebpf;
#[cfg(target_os = "linux")]
mod journal;
#[cfg(target_os = "linux")]
mod namespaces;
#[cfg(target_os = "linux")]
mod processes;

use std::str::FromStr;

#[cfg(target_os = "linux")]
pub use {
    ebpf::EbpfUnusable,
    journal::{KernelJournal, NoneUsable, ReadError, Unusable, open_first},
};

/// A source in the kernel. Only Linux has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelSource {
    /// Programs at the hooks of cgroup v2.
    Ebpf,
    /// What audit's rules record.
    Audit,
}

impl KernelSource {
    /// All of them, the best first.
    pub const ALL: [KernelSource; 2] = [KernelSource::Ebpf, KernelSource::Audit];

    /// Its name in the configuration and in `beacon_status`.
    pub const fn name(self) -> &'static str {
        match self {
            KernelSource::Ebpf => "ebpf",
            KernelSource::Audit => "audit",
        }
    }
}

/// A name that no source of the kernel has.
#[derive(Debug, thiserror::Error)]
#[error("unknown source '{0}': use ebpf or audit")]
pub struct UnknownSource(String);

impl FromStr for KernelSource {
    type Err = UnknownSource;

    fn from_str(name: &str) -> Result<KernelSource, UnknownSource> {
        let source = KernelSource::ALL.into_iter().find(|source| source.name() == name);
        source.ok_or_else(|| UnknownSource(name.to_owned()))
    }
}
