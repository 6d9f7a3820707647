//! A made-up endpoint: ordinary traffic, and implants that are known to be there.
//!
//! Beside the street: it makes journals with labels, to try the tables on and to measure the
//! detectors. The same seed gives the same journal.

mod endpoint;
mod implant;
mod load;
mod ordinary;
mod sleep;

pub use endpoint::{Endpoint, Plan};
pub use load::{Load, LoadPlan};
pub use sleep::SleepLaw;

/// Whether a label's traffic is an implant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Calls home.
    Malicious,
    /// Does not.
    Benign,
}

impl Verdict {
    /// The word in a label file.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Malicious => "malicious",
            Verdict::Benign => "benign",
        }
    }
}

/// A process of the endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SimulatedProcess {
    /// Image path.
    pub pathname: &'static str,
    /// Process id.
    pub pid: u32,
    /// Process start, unix milliseconds.
    pub start_ms: i64,
    /// What its traffic is.
    pub verdict: Verdict,
    /// What kind of traffic that is.
    pub class: &'static str,
}

/// A connection of the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedConnection {
    /// Unix milliseconds.
    pub time_ms: i64,
    /// Which of [`Endpoint::processes`].
    pub process: usize,
    /// IP address.
    pub destination: String,
    /// Destination port.
    pub port: u16,
    /// "tcp" or "udp".
    pub protocol: &'static str,
    /// Name of the destination; '' if there is none.
    pub domain: String,
    /// Bytes from the host.
    pub bytes_sent: u64,
    /// Bytes to the host.
    pub bytes_received: u64,
}
