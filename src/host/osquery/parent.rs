//! The process that has started the extension, which may be an osqueryi that has no use for it.

use std::thread;
use std::time::Duration;

use rustix::process::{Pid, getppid};

/// The process that has started us.
#[derive(Clone, Copy)]
pub(super) struct Parent(Option<Pid>);

impl Parent {
    /// As it is now.
    pub(super) fn now() -> Parent {
        Parent(getppid())
    }

    /// Whether it has ended since.
    pub(super) fn has_ended(self) -> bool {
        getppid() != self.0
    }

    /// Whether it is an osqueryi that puts its questions to another osquery, which has an extension
    /// of its own: ours would answer nobody. Seen on Linux only.
    pub(super) fn asks_another(self) -> bool {
        let pid = self.0.map(|pid| pid.as_raw_nonzero().get()).unwrap_or_default();
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut arguments = arguments.split(|byte| *byte == 0);
        let is_osquery = arguments
            .next()
            .is_some_and(|program| program.windows(7).any(|part| part == b"osquery"));
        is_osquery && arguments.any(|each| is_flag(each, b"connect"))
    }

    /// Sleeps until it has ended.
    pub(super) fn wait(self) {
        while !self.has_ended() {
            thread::sleep(Duration::from_millis(250));
        }
    }
}

/// Whether an argument gives the flag of this name, as gflags takes it: -name, --name, --name=value.
fn is_flag(argument: &[u8], name: &[u8]) -> bool {
    let bare = argument.strip_prefix(b"--").or_else(|| argument.strip_prefix(b"-"));
    let rest = bare.and_then(|bare| bare.strip_prefix(name));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use super::is_flag;

    #[test]
    fn a_flag_is_told_however_it_is_given() {
        for given in ["--connect", "-connect", "--connect=/var/osquery/osquery.em"] {
            assert!(is_flag(given.as_bytes(), b"connect"), "{given}");
        }
        for other in ["connect", "--connected", "--extensions_socket=--connect", ""] {
            assert!(!is_flag(other.as_bytes(), b"connect"), "{other}");
        }
    }
}
