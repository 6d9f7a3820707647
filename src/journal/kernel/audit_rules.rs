//! Whether audit is on, and whether its rules record `connect`.
//!
//! The structures are `audit_status` and `audit_rule_data` of linux/audit.h. Nothing is changed: rules
//! are for auditctl, auditd and osquery to make.

use std::time::Duration;

use rustix::io::Errno;

use super::audit_socket::{AuditSocket, Received};
use super::audit_stream::Unusable;
use crate::journal::audit::native_architecture;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const AUDIT_GET: u16 = 1000;
const AUDIT_LIST_RULES: u16 = 1013;
/// The kernel answers at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of the machine's connects the rules record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Those of every process that audit knows.
    All,
    /// Those that meet the conditions of some rule: of one user, say, or of one program.
    Part,
    /// We may not ask: that needs CAP_AUDIT_CONTROL, and the first namespaces.
    Unknown,
}

/// How much of the machine's connects audit records now; an error where that is nothing.
pub fn coverage() -> Result<Coverage, Unusable> {
    let mut socket = AuditSocket::open(0).map_err(Unusable::of_opening)?;
    let mut is_enabled = None;
    let mut rules = Rules::default();
    let answered =
        ask(&mut socket, AUDIT_GET, |status| is_enabled = Some(word(status, 1) != Some(0)))
            .and_then(|()| ask(&mut socket, AUDIT_LIST_RULES, |rule| rules.take(rule)));
    match answered {
        Err(Unusable::NoPrivilege) => return Ok(Coverage::Unknown),
        answered => answered?,
    }
    if is_enabled == Some(false) {
        return Err(Unusable::Disabled);
    }
    rules.coverage()
}

/// Hands each answer to a request to `take`.
fn ask(
    socket: &mut AuditSocket,
    request: u16,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Unusable> {
    socket.request(request).map_err(Unusable::of_opening)?;
    loop {
        match socket.receive(PATIENCE)? {
            Received::Message(NLMSG_DONE, _) => return Ok(()),
            Received::Message(NLMSG_ERROR, payload) => {
                let errno = word(payload, 0).unwrap_or_default().cast_signed().wrapping_neg();
                return Err(Unusable::of_opening(Errno::from_raw_os_error(errno)));
            }
            Received::Message(answer, payload) if answer == request => {
                take(payload);
                // The status is one message, of which no end is told.
                if request == AUDIT_GET {
                    return Ok(());
                }
            }
            Received::Message(..) => {}
            Received::Overrun | Received::Nothing => {
                return Err(Unusable::Io(std::io::ErrorKind::TimedOut.into()));
            }
        }
    }
}

/// The 32-bit word at this place; `None` beyond the end.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.as_chunks().0.get(at).copied().map(u32::from_ne_bytes)
}

/// What the rules come to, which the kernel tells in the order in which it tries them.
#[derive(Default)]
struct Rules {
    /// Whether no process is audited at all.
    excludes_tasks: bool,
    /// Whether some connects are recorded, and whether all of them are.
    records: bool,
    records_all: bool,
    /// Whether a rule before excludes some connects.
    excludes: bool,
    /// Whether a rule has decided on whatever comes to it.
    is_decided: bool,
}

impl Rules {
    /// Takes the next rule, a `struct audit_rule_data`.
    fn take(&mut self, rule: &[u8]) {
        const FILTER_TASK: u32 = 1;
        const FILTER_EXIT: u32 = 4;
        const ALWAYS: u32 = 2;
        let (Some(filter), Some(action), Some(conditions)) =
            (word(rule, 0), word(rule, 1), conditions(rule))
        else {
            return;
        };
        match filter {
            FILTER_TASK => self.excludes_tasks |= action != ALWAYS && !conditions.narrow,
            FILTER_EXIT if conditions.meet_connect && !self.is_decided => {
                self.records |= action == ALWAYS;
                self.excludes |= action != ALWAYS;
                self.records_all |= action == ALWAYS && !conditions.narrow && !self.excludes;
                self.is_decided = !conditions.narrow;
            }
            _ => {}
        }
    }

    fn coverage(&self) -> Result<Coverage, Unusable> {
        if self.excludes_tasks {
            return Err(Unusable::NoTasks);
        }
        match (self.records, self.records_all) {
            (_, true) => Ok(Coverage::All),
            (true, false) => Ok(Coverage::Part),
            (false, false) => Err(Unusable::NoRule),
        }
    }
}

/// What a rule asks of a call.
struct Conditions {
    /// Whether a `connect` of a program for this architecture can meet them.
    meet_connect: bool,
    /// Whether they leave out any of those.
    narrow: bool,
}

/// The conditions of a rule; `None` if it is shorter than its structure.
fn conditions(rule: &[u8]) -> Option<Conditions> {
    // Words: filter, action, count, 64 of the mask of calls, 64 fields, 64 values, 64 operators.
    const MASK: usize = 3;
    const FIELDS: usize = MASK + 64;
    const VALUES: usize = FIELDS + 64;
    const OPERATORS: usize = VALUES + 64;
    const AUDIT_ARCH: u32 = 11;
    const AUDIT_FILTERKEY: u32 = 210;
    const EQUAL: u32 = 0x4000_0000;
    let (architecture, connect) = native_architecture()?;
    let mask = word(rule, MASK + connect as usize / 32)?;
    let mut meet_connect = mask & (1 << (connect % 32)) != 0;
    let mut narrow = false;
    for field in 0..word(rule, 2)?.min(64) as usize {
        let is_equal = word(rule, OPERATORS + field)? == EQUAL;
        match word(rule, FIELDS + field)? {
            AUDIT_FILTERKEY => {}
            AUDIT_ARCH if is_equal => meet_connect &= word(rule, VALUES + field)? == architecture,
            _ => narrow = true,
        }
    }
    Some(Conditions { meet_connect, narrow })
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: (u32, u32) = (1, 1000);
    const KEY: (u32, u32) = (210, 4);

    /// A rule: filter, action, whether it names connect, and its fields with their values.
    fn rule(filter: u32, action: u32, names_connect: bool, fields: &[(u32, u32)]) -> Vec<u8> {
        let connect = native_architecture().unwrap().1 as usize;
        let mut words = vec![0_u32; 260];
        (words[0], words[1], words[2]) = (filter, action, fields.len() as u32);
        words[3 + connect / 32] = u32::from(names_connect) << (connect % 32);
        for (at, (field, value)) in fields.iter().enumerate() {
            (words[67 + at], words[131 + at], words[195 + at]) = (*field, *value, 0x4000_0000);
        }
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn coverage_of(given: &[Vec<u8>]) -> String {
        let mut rules = Rules::default();
        given.iter().for_each(|rule| rules.take(rule));
        rules.coverage().map_or_else(|error| error.to_string(), |coverage| format!("{coverage:?}"))
    }

    #[test]
    fn rules_are_weighed_in_the_order_in_which_the_kernel_tries_them() {
        let native = native_architecture().unwrap().0;
        let all = rule(4, 2, true, &[(11, native), KEY]);
        let some = rule(4, 2, true, &[(11, native), USER]);
        let but_one = rule(4, 0, true, &[USER]);
        let none = rule(4, 0, true, &[]);
        let other = rule(4, 2, false, &[(11, native)]);
        let foreign = rule(4, 2, true, &[(11, 0x4000_0001)]);
        let no_tasks = rule(1, 0, false, &[]);
        let no_rule = Unusable::NoRule.to_string();
        for (rules, expected) in [
            (vec![], &*no_rule),
            (vec![other.clone(), foreign], &no_rule),
            (vec![other, some.clone(), all.clone()], "All"),
            (vec![some.clone()], "Part"),
            (vec![but_one, all.clone()], "Part"),
            (vec![none.clone(), all.clone()], &no_rule),
            (vec![some, none], "Part"),
            (vec![all.clone(), no_tasks], &Unusable::NoTasks.to_string()),
            (vec![all[..40].to_vec()], &no_rule),
        ] {
            assert_eq!(coverage_of(&rules), expected);
        }
    }
}
