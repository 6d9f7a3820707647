//! Connections from programs in the kernel (eBPF): every connect of every process, with the
//! nanosecond in which it was made.
//!
//! The programs are in `connections.bpf.c`, built by `build.sh` beside it. Here they are loaded,
//! attached and read; who the processes are is found out elsewhere.

mod record;

use std::collections::HashSet;
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use aya::maps::{Array, MapData, RingBuf};
use aya::programs::{CgroupAttachMode, CgroupSockAddr, ProgramError, TracePoint};
use aya::{Ebpf, EbpfError, EbpfLoader, include_bytes_aligned};
use rustix::io::Errno;

pub(crate) use record::{Birth, Connect, Record};

use super::namespaces;

static OBJECT: &[u8] = include_bytes_aligned!("connections.bpf.o");

/// The programs that see connections, by their names in the object.
const CGROUP_PROGRAMS: [&str; 4] = ["connect4", "connect6", "sendmsg4", "sendmsg6"];
/// The programs that see processes, and the tracepoints that they are for.
const TRACEPOINT_PROGRAMS: [(&str, &str, &str); 2] =
    [("forked", "task", "task_newtask"), ("executed", "sched", "sched_process_exec")];
const MOUNTS: &str = "/proc/self/mountinfo";

/// Why this kernel does not tell us of connections by eBPF.
#[derive(Debug, thiserror::Error)]
pub enum EbpfUnusable {
    /// In a container. The kernel tells of the whole machine.
    #[error(
        "eBPF needs the machine's own {0} namespace: run it outside of the container, or start that \
         with --pid=host and --cgroupns=host"
    )]
    OtherNamespace(&'static str),
    /// The mounted file systems could not be read.
    #[error("eBPF needs cgroup v2, and {MOUNTS} cannot be read: {0}")]
    Mounts(io::Error),
    /// The hooks are those of cgroup v2.
    #[error("eBPF needs cgroup v2, which is not mounted here")]
    NoCgroup2,
    /// The cgroup's folder could not be opened.
    #[error("eBPF needs the cgroup v2 at {0}, which cannot be opened: {1}")]
    Cgroup2(PathBuf, io::Error),
    /// The kernel lets only privileged processes load programs.
    #[error("eBPF needs root, or the capabilities BPF, PERFMON and NET_ADMIN")]
    NoPrivilege,
    /// The kernel did not take the maps; ring buffers came with Linux 5.8.
    #[error("eBPF needs Linux 5.8 or later with ring buffers, and this kernel refuses them: {0}")]
    Maps(String),
    /// The kernel did not take a program.
    #[error("this kernel refuses the eBPF program {0}: {1}")]
    Program(&'static str, String),
}

/// The attached programs. They are detached when this is dropped, and when the process ends.
pub(crate) struct EbpfStream {
    /// Holds the programs and their links.
    _programs: Ebpf,
    ring: RingBuf<MapData>,
    lost: Array<MapData, u64>,
    /// What is missing although the connections are seen; '' if nothing is.
    remark: String,
}

impl EbpfStream {
    /// Loads the programs and attaches them to the root of cgroup v2, beside those of others.
    pub(crate) fn open() -> Result<EbpfStream, EbpfUnusable> {
        if let Some(kind) = namespaces::other() {
            return Err(EbpfUnusable::OtherNamespace(kind));
        }
        let cgroup = cgroup2_root()?;
        let root = File::open(&cgroup).map_err(|error| EbpfUnusable::Cgroup2(cgroup, error))?;
        let mut programs = EbpfLoader::new().load(OBJECT).map_err(map_refused)?;
        // What processes run is worth having from the first connection on.
        let remark = match watch_processes(&mut programs) {
            Ok(()) => String::new(),
            Err(reason) => format!("processes that end at once may have no path: {reason}"),
        };
        for name in CGROUP_PROGRAMS {
            attach_to_cgroup(&mut programs, name, &root)
                .map_err(|error| program_refused(name, &error))?;
        }
        let mut map = |name| {
            programs.take_map(name).ok_or_else(|| EbpfUnusable::Maps(format!("no map '{name}'")))
        };
        let unusable = |error: aya::maps::MapError| EbpfUnusable::Maps(sentence(&error));
        let ring = RingBuf::try_from(map("ring")?).map_err(unusable)?;
        let lost = Array::try_from(map("lost")?).map_err(unusable)?;
        Ok(EbpfStream { _programs: programs, ring, lost, remark })
    }

    /// What is missing, a sentence; '' if nothing is.
    pub(crate) fn remark(&self) -> &str {
        &self.remark
    }

    /// The oldest record that was not read yet.
    pub(crate) fn next(&mut self) -> Option<Record> {
        loop {
            let bytes = self.ring.next()?;
            match Record::parse(&bytes) {
                Some(record) => return Some(record),
                None => {
                    log::debug!("ignored a record of {} bytes with an unknown layout", bytes.len())
                }
            }
        }
    }

    /// How many connections the kernel had no room for, since the programs were attached.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.get(&0, 0).unwrap_or(0)
    }
}

impl AsFd for EbpfStream {
    /// Can be polled: readable when there is a record.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

fn attach_to_cgroup(
    programs: &mut Ebpf,
    name: &'static str,
    root: &File,
) -> Result<(), ProgramError> {
    let program = programs.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    let program: &mut CgroupSockAddr = program.try_into()?;
    program.load()?;
    // A link of the kernel's always runs beside the programs of others, whatever the mode says;
    // with a mode it would be refused.
    program.attach(root, CgroupAttachMode::Single)?;
    Ok(())
}

/// Attaches the programs that see forks and execs, all or none: with a part of them, a process could
/// be taken for an earlier one with the same pid. Without tracefs they cannot be attached.
fn watch_processes(programs: &mut Ebpf) -> Result<(), String> {
    let outcome = TRACEPOINT_PROGRAMS.iter().try_for_each(|(name, category, event)| {
        let attached = tracepoint(programs, name).and_then(|program| {
            program.load()?;
            program.attach(category, event).map(drop)
        });
        attached.map_err(|error| format!("{category}:{event}: {}", sentence(&error)))
    });
    if outcome.is_err() {
        for (name, ..) in TRACEPOINT_PROGRAMS {
            // One that was not loaded has nothing to unload.
            let _ = tracepoint(programs, name).and_then(TracePoint::unload);
        }
    }
    outcome
}

fn tracepoint<'p>(programs: &'p mut Ebpf, name: &str) -> Result<&'p mut TracePoint, ProgramError> {
    programs.program_mut(name).ok_or(ProgramError::NotLoaded)?.try_into()
}

/// Where cgroup v2 is mounted: alone at /sys/fs/cgroup, or beside version 1 at .../unified.
fn cgroup2_root() -> Result<PathBuf, EbpfUnusable> {
    let mounts = std::fs::read_to_string(MOUNTS).map_err(EbpfUnusable::Mounts)?;
    cgroup2_mount(&mounts).map(Path::to_owned).ok_or(EbpfUnusable::NoCgroup2)
}

/// The mount point in lines like `41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw`
/// (proc_pid_mountinfo(5)) whose root is the whole hierarchy.
fn cgroup2_mount(mounts: &str) -> Option<&Path> {
    let points: HashSet<_> = mounts
        .lines()
        .filter_map(|line| {
            let (place, kind) = line.split_once(" - ")?;
            let mut place = place.split(' ').skip(3);
            let (root, point) = (place.next()?, place.next()?);
            (root == "/" && kind.split(' ').next() == Some("cgroup2")).then_some(point)
        })
        .collect();
    // Any of them is the same hierarchy; the shortest is the system's own.
    points.into_iter().min_by_key(|point| (point.len(), *point)).map(Path::new)
}

fn map_refused(error: EbpfError) -> EbpfUnusable {
    if is_permission(&error) {
        return EbpfUnusable::NoPrivilege;
    }
    EbpfUnusable::Maps(sentence(&error))
}

fn program_refused(name: &'static str, error: &ProgramError) -> EbpfUnusable {
    if is_permission(error) {
        return EbpfUnusable::NoPrivilege;
    }
    EbpfUnusable::Program(name, sentence(error))
}

/// Whether the kernel said EPERM anywhere among the causes. With EACCES its verifier refuses a program.
fn is_permission(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|error| error.raw_os_error() == Some(Errno::PERM.raw_os_error()))
    })
}

/// An error with its causes in one line. The verifier's log, which may be long, is left out.
fn sentence(error: &(dyn Error + 'static)) -> String {
    let lines = causes(error).map(|cause| cause.to_string());
    let lines = lines.map(|text| text.lines().next().unwrap_or_default().to_owned());
    lines.collect::<Vec<_>>().join(": ")
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn Error + 'static)| Error::source(*error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup_v2_is_found_alone_and_beside_version_1() {
        let alone = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_mount(alone), Some(Path::new("/sys/fs/cgroup")));
        let hybrid = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_mount(hybrid), Some(Path::new("/sys/fs/cgroup/unified")));
        // A part of the hierarchy, as a container sees it, would hide all other processes.
        let part = "41 31 0:38 /docker/1f /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_mount(part), None);
        assert_eq!(cgroup2_mount(""), None);
    }
}
