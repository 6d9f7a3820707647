//! Which system call a SYSCALL record is of: numbers differ from architecture to architecture.
//!
//! Numbers are those of the kernel's `arch/*/syscalls/*.tbl` and `include/uapi/asm-generic/unistd.h`,
//! architectures those of linux/audit.h.

use super::record::Record;

/// A call that tells of a connection, or of a program that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `connect`.
    Connect,
    /// `sendto`, `sendmsg`, `sendmmsg`.
    Send,
    /// `execve`, `execveat`.
    Exec,
}

/// The numbers of an architecture's calls.
struct Architecture {
    /// `AUDIT_ARCH_*`.
    audit: u32,
    /// As Rust calls it.
    name: &'static str,
    connect: u32,
    /// sendto, sendmsg and sendmmsg.
    sends: [u32; 3],
    /// execve and execveat.
    execs: [u32; 2],
    /// `socketcall`, of which the first argument says which call is meant.
    socketcall: Option<u32>,
}

/// Where a socket call of the x32 interface has the number of x86_64's, with this bit.
const X32: u32 = 0x4000_0000;

const ARCHITECTURES: [Architecture; 9] = [
    architecture(0xc000_003e, "x86_64", 42, [44, 46, 307], [59, 322], None),
    architecture(0xc000_00b7, "aarch64", 203, [206, 211, 269], [221, 281], None),
    architecture(0x4000_0003, "x86", 362, [369, 370, 345], [11, 358], Some(102)),
    architecture(0x4000_0028, "arm", 283, [290, 296, 374], [11, 387], Some(102)),
    architecture(0xc000_00f3, "riscv64", 203, [206, 211, 269], [221, 281], None),
    architecture(0xc000_0102, "loongarch64", 203, [206, 211, 269], [221, 281], None),
    architecture(0xc000_0015, "powerpc64", 328, [335, 341, 349], [11, 362], Some(102)),
    architecture(0x8000_0015, "", 328, [335, 341, 349], [11, 362], Some(102)), // big-endian
    architecture(0x8000_0016, "s390x", 362, [369, 370, 358], [11, 354], Some(102)),
];

const fn architecture(
    audit: u32,
    name: &'static str,
    connect: u32,
    sends: [u32; 3],
    execs: [u32; 2],
    socketcall: Option<u32>,
) -> Architecture {
    Architecture { audit, name, connect, sends, execs, socketcall }
}

/// The audit number of the architecture that this program runs on, and that of its `connect`;
/// `None` where they are not known.
pub fn native_architecture() -> Option<(u32, u32)> {
    let native = ARCHITECTURES.iter().find(|known| known.name == std::env::consts::ARCH);
    native.map(|known| (known.audit, known.connect))
}

impl Call {
    /// The call of a SYSCALL record; `None` if it is another, or one of an architecture that we do
    /// not know and whose name nobody has written down.
    pub(super) fn of(record: &Record<'_>) -> Option<Call> {
        let written = record.get("syscall")?;
        let number = written.parse().ok().filter(|_| !record.is_interpreted);
        let architecture = u32::from_str_radix(record.get("arch")?, 16).ok();
        let known = ARCHITECTURES.iter().find(|known| Some(known.audit) == architecture);
        match (known, number) {
            (Some(known), Some(number)) => known.call(number, record),
            (_, Some(_)) => Call::named(record.enriched("SYSCALL")?, record),
            (_, None) => Call::named(written, record),
        }
    }

    fn named(name: &str, record: &Record<'_>) -> Option<Call> {
        match name {
            "connect" => Some(Call::Connect),
            "sendto" | "sendmsg" | "sendmmsg" => Some(Call::Send),
            "execve" | "execveat" => Some(Call::Exec),
            "socketcall" => Call::of_socketcall(record),
            _ => None,
        }
    }

    /// The first argument as the kernel (hex), or ausearch -i writes it.
    fn of_socketcall(record: &Record<'_>) -> Option<Call> {
        match record.get("a0")? {
            "3" | "connect" => Some(Call::Connect),
            "b" | "10" | "14" | "sendto" | "sendmsg" | "sendmmsg" => Some(Call::Send),
            _ => None,
        }
    }
}

impl Architecture {
    fn call(&self, number: u32, record: &Record<'_>) -> Option<Call> {
        let number = number & !X32;
        if number == self.connect {
            Some(Call::Connect)
        } else if self.sends.contains(&number) {
            Some(Call::Send)
        } else if self.execs.contains(&number) {
            Some(Call::Exec)
        } else if Some(number) == self.socketcall {
            Call::of_socketcall(record)
        } else {
            None
        }
    }
}

/// What a call fails with after it has gone out, or tried to: numbers and names. `connect` goes on
/// in the background after the first three.
const OF_THE_NETWORK: [(i64, &str); 12] = [
    (115, "EINPROGRESS"),
    (4, "EINTR"),
    (512, "ERESTARTSYS"),
    (111, "ECONNREFUSED"),
    (110, "ETIMEDOUT"),
    (113, "EHOSTUNREACH"),
    (101, "ENETUNREACH"),
    (104, "ECONNRESET"),
    (112, "EHOSTDOWN"),
    (100, "ENETDOWN"),
    (103, "ECONNABORTED"),
    (102, "ENETRESET"),
];

/// Whether the call of a SYSCALL record succeeded, or failed for the network's sake: a beacon whose
/// server is down still calls.
pub(super) fn went_out(record: &Record<'_>) -> bool {
    let exit = record.get("exit").unwrap_or_default();
    succeeded(record)
        || match exit.parse::<i64>() {
            Ok(number) => OF_THE_NETWORK.iter().any(|(known, _)| number == -known),
            Err(_) => {
                let name = exit.split('(').next().unwrap_or_default();
                OF_THE_NETWORK.iter().any(|(_, known)| name == *known)
            }
        }
}

/// Whether the call of a SYSCALL record succeeded.
pub(super) fn succeeded(record: &Record<'_>) -> bool {
    record.get("success") == Some("yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(fields: &str) -> Option<Call> {
        let line = format!("type=SYSCALL msg=audit(1.000:1): {fields}");
        Call::of(&Record::from_line(&line).unwrap())
    }

    #[test]
    fn calls_are_told_by_the_numbers_of_their_architecture() {
        for (fields, expected) in [
            ("arch=c000003e syscall=42 a0=3", Some(Call::Connect)),
            ("arch=c000003e syscall=1073741866 a0=3", Some(Call::Connect)),
            ("arch=c000003e syscall=203 a0=3", None),
            ("arch=c00000b7 syscall=203 a0=3", Some(Call::Connect)),
            ("arch=40000003 syscall=102 a0=3", Some(Call::Connect)),
            ("arch=40000003 syscall=102 a0=b", Some(Call::Send)),
            ("arch=40000003 syscall=102 a0=2", None),
            ("arch=40000003 syscall=362 a0=3", Some(Call::Connect)),
            ("arch=c000003e syscall=59 a0=3", Some(Call::Exec)),
            ("arch=80000008 syscall=4170 a0=3", None),
            ("arch=80000008 syscall=4170 a0=3\u{1d}SYSCALL=connect", Some(Call::Connect)),
        ] {
            assert_eq!(call(fields), expected, "{fields}");
        }
    }

    #[test]
    fn what_the_network_refused_went_out_and_what_the_kernel_refused_did_not() {
        for (outcome, expected) in [
            ("success=yes exit=0", true),
            ("success=no exit=-115", true),
            ("success=no exit=-111", true),
            ("success=no exit=ENETUNREACH(Network is unreachable)", true),
            ("success=no exit=-114", false), // EALREADY: the connect before goes on
            ("success=no exit=-9", false),
            ("success=no exit=EACCES(Permission denied)", false),
        ] {
            let line = format!("type=SYSCALL msg=audit(1.000:1): {outcome}");
            assert_eq!(went_out(&Record::from_line(&line).unwrap()), expected, "{outcome}");
        }
    }
}
