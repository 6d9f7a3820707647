//! Whether this process sees the machine as the kernel tells of it, or only the inside of a container.

use std::fs;

/// The kernel gives the first namespaces of a machine these numbers (PROC_PID_INIT_INO and
/// PROC_CGROUP_INIT_INO of linux/proc_ns.h).
const FIRST: [(&str, &str); 2] = [("pid", "pid:[4026531836]"), ("cgroup", "cgroup:[4026531835]")];

/// A kind of namespace of which this process is in another than the machine's first: 'pid' or 'cgroup'.
/// In another pid namespace the kernel's process ids mean other processes, and in another cgroup
/// namespace what looks like the root of all cgroups is not. `None` if it is in the first of both.
pub(super) fn other() -> Option<&'static str> {
    let is_other = |(kind, first): &(&str, &str)| {
        let ours = fs::read_link(format!("/proc/self/ns/{kind}"));
        ours.is_ok_and(|ours| ours.as_os_str() != *first)
    };
    FIRST.iter().find(|namespace| is_other(namespace)).map(|(kind, _)| *kind)
}
