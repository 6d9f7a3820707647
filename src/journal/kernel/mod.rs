//! Live journals that the Linux kernel itself hands on: connections with the time at which they
//! were made, of all processes, without osquery.
//!
//! A source is opened and read in turns here, and its connections become events. When to read, and
//! what becomes of the events, is not decided here.

#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod ebpf;
#[cfg(target_os = "linux")]
mod journal;
#[cfg(target_os = "linux")]
mod processes;

#[cfg(target_os = "linux")]
pub use {
    ebpf::EbpfUnusable,
    journal::{KernelJournal, NoneUsable, Unusable, open_first},
};

/// A source in the kernel. Only Linux has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelSource {
    /// Programs at the hooks of cgroup v2.
    Ebpf,
}

impl KernelSource {
    /// All of them, the best first.
    pub const ALL: [KernelSource; 1] = [KernelSource::Ebpf];

    /// Its name in the configuration and in `beacon_status`.
    pub fn name(self) -> &'static str {
        match self {
            KernelSource::Ebpf => "ebpf",
        }
    }
}
