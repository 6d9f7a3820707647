//! One audit record: a line of `audit.log`, of `ausearch`, or the payload of a netlink message.
//!
//! The format is that of the kernel's `audit_log_format` calls, with what auditd and ausearch add
//! (<https://people.redhat.com/sgrubb/audit/audit-events.txt>).

use std::borrow::Cow;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// What auditd's `log_format = ENRICHED` puts before the interpreted fields that it appends.
const ENRICHMENT: char = '\u{1d}';
/// What `d_path` in the kernel puts after the path of a file that is no more.
const DELETED: &str = " (deleted)";

/// The kinds of records that tell of connections and of program starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// The call, its outcome and its process.
    Syscall,
    /// The address that the call was given.
    SocketAddress,
    /// The arguments of a program that was started.
    Execve,
    /// The command line of the process, cut at 128 bytes.
    ProcTitle,
    /// Nothing more comes of this event.
    EndOfEvent,
    /// Goes with a call, and says nothing that is needed: CWD, PATH and their like.
    Detail,
    /// Anything else: logins, changes of the configuration, decisions of SELinux.
    Other,
}

impl RecordType {
    /// The type of this number (`AUDIT_SYSCALL` and its like in linux/audit.h).
    pub fn from_number(number: u16) -> RecordType {
        match number {
            1300 => RecordType::Syscall,
            1306 => RecordType::SocketAddress,
            1309 => RecordType::Execve,
            1327 => RecordType::ProcTitle,
            1320 => RecordType::EndOfEvent,
            1302..1400 => RecordType::Detail,
            _ => RecordType::Other,
        }
    }

    fn from_name(name: &str) -> RecordType {
        match name {
            "SYSCALL" => RecordType::Syscall,
            "SOCKADDR" => RecordType::SocketAddress,
            "EXECVE" => RecordType::Execve,
            "PROCTITLE" => RecordType::ProcTitle,
            "EOE" => RecordType::EndOfEvent,
            "CWD" | "PATH" | "SOCKETCALL" | "BPRM_FCAPS" => RecordType::Detail,
            _ => RecordType::Other,
        }
    }
}

/// What the records of one event have in common. A serial number comes again after a reboot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordId<'a> {
    /// The machine, where auditd notes it (`name_format`); else ''.
    pub node: &'a str,
    /// Unix milliseconds at which the call began.
    pub time_ms: i64,
    /// The number of the event.
    pub serial: u64,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What it tells.
    pub record_type: RecordType,
    /// The event that it belongs to.
    pub id: RecordId<'a>,
    /// Whether `ausearch -i` has written it: values are words, and nothing is quoted or in hex.
    pub is_interpreted: bool,
    fields: &'a str,
    enrichment: &'a str,
}

/// The text is no audit record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARecord {
    /// It does not begin as one does.
    #[error("not an audit record: it does not begin with type=... msg=audit(time:serial):")]
    Header,
    /// The time is in the words of some language.
    #[error(
        "the time '{0}' is neither unix seconds nor month/day/year: write the file with \
         'ausearch --raw', or with LC_ALL=C"
    )]
    Time(String),
}

/// Whether a line begins as an audit record does.
pub fn is_record_line(line: &str) -> bool {
    split_line(line).is_some()
}

/// Whether a line stands between the events that ausearch writes.
pub fn is_separator(line: &str) -> bool {
    line == "----" || line.starts_with("time->")
}

/// Node, type, and what is between `audit(` and the end of a line.
fn split_line(line: &str) -> Option<(&str, &str, &str)> {
    let (node, rest) = match line.strip_prefix("node=") {
        Some(rest) => rest.split_once(' ')?,
        None => ("", line),
    };
    let (name, rest) = rest.strip_prefix("type=")?.split_once(' ')?;
    Some((node, name, rest.strip_prefix("msg=audit(")?))
}

impl<'a> Record<'a> {
    /// From a line of a file.
    pub fn from_line(line: &'a str) -> Result<Record<'a>, NotARecord> {
        let (node, name, rest) = split_line(line).ok_or(NotARecord::Header)?;
        Record::new(RecordType::from_name(name), node, rest)
    }

    /// From a netlink message of this type (1300 to 1399) with this text.
    pub fn from_message(number: u16, text: &'a str) -> Result<Record<'a>, NotARecord> {
        let rest = text.strip_prefix("audit(").ok_or(NotARecord::Header)?;
        Record::new(RecordType::from_number(number), "", rest)
    }

    /// From what follows `audit(`.
    fn new(record_type: RecordType, node: &'a str, rest: &'a str) -> Result<Self, NotARecord> {
        let (stamp, fields) = rest.split_once(')').ok_or(NotARecord::Header)?;
        let (time, serial) = stamp.rsplit_once(':').ok_or(NotARecord::Header)?;
        let serial = serial.parse().map_err(|_| NotARecord::Header)?;
        // ausearch -i puts a space before the colon.
        let fields = fields.trim_start().strip_prefix(':').ok_or(NotARecord::Header)?;
        let (fields, enrichment) = fields.split_once(ENRICHMENT).unwrap_or((fields, ""));
        let is_interpreted = time.contains(' ');
        let time_ms = if is_interpreted { written_time_ms(time) } else { unix_time_ms(time) };
        let time_ms = time_ms.ok_or_else(|| NotARecord::Time(time.to_owned()))?;
        let id = RecordId { node, time_ms, serial };
        Ok(Record { record_type, id, is_interpreted, fields: fields.trim(), enrichment })
    }

    /// The fields and their values as they stand there, in order. A value reaches up to the next
    /// word with a `=`, for ausearch -i quotes nothing; one in quotes or braces up to their end.
    fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        Pairs(self.fields)
    }

    /// The value of a field as it stands there.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.pairs().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// What auditd has written of a field, by the field's name in capitals.
    pub(super) fn enriched(&self, name: &str) -> Option<&'a str> {
        Pairs(self.enrichment).find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// The text of a field that a process chooses; '' where it is absent or none.
    pub(super) fn text(&self, name: &str) -> Cow<'a, str> {
        self.get(name).map(|value| self.decode(value)).unwrap_or_default()
    }

    /// The path of an executable. That the file has been removed since does not make it another.
    pub(super) fn path(&self, name: &str) -> String {
        let path = self.text(name);
        path.strip_suffix(DELETED).unwrap_or(&path).to_owned()
    }

    /// The command line in a PROCTITLE record, of which it is the last field.
    pub(super) fn command_line(&self) -> String {
        let Some((_, title)) = self.fields.split_once("proctitle=") else {
            return String::new();
        };
        let title = if self.is_interpreted { title.into() } else { self.decode(title) };
        title.replace('\0', " ").trim().to_owned()
    }

    /// The arguments in an EXECVE record: `a0="ls" a1=2D6C`, a long one in parts, `a2[0]= a2[1]=`.
    pub(super) fn arguments(&self) -> impl Iterator<Item = Argument<'a>> + use<'a> {
        let record = *self;
        self.pairs().filter_map(move |(name, value)| {
            let index = name.strip_prefix('a')?;
            let (number, part) = index.split_once('[').unwrap_or((index, "0]"));
            let is_index = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            is_index.then(|| Argument { text: record.decode(value), goes_on: part != "0]" })
        })
    }

    /// In quotes the value itself, else in hex, as the kernel writes what has blanks or quotes in
    /// it or is no ASCII.
    fn decode(&self, value: &'a str) -> Cow<'a, str> {
        if let Some(quoted) = value.strip_prefix('"') {
            return quoted.strip_suffix('"').unwrap_or(quoted).into();
        }
        if matches!(value, "(null)" | "(none)" | "?") {
            return "".into();
        }
        match hex(value).filter(|_| !self.is_interpreted) {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
            None => value.into(),
        }
    }
}

/// An argument of a command, or a part of a long one.
pub(super) struct Argument<'a> {
    pub(super) text: Cow<'a, str>,
    /// Whether it is a later part of the argument before.
    pub(super) goes_on: bool,
}

struct Pairs<'a>(&'a str);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let (name, rest) = self.0.trim_start().split_once('=')?;
        let end = match rest.as_bytes().first() {
            Some(b'"') => rest[1..].find('"').map(|at| at + 2),
            Some(b'{') => rest.find(" }").map(|at| at + 2),
            _ => end_of_words(rest),
        };
        let (value, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.0 = rest;
        Some((name, value.trim_end()))
    }
}

/// Where the word before the next `=` begins; `None` if there is none.
fn end_of_words(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let blank = from + text.get(from..)?.find(' ')?;
        let word = &text[blank + 1..];
        if word.split(' ').next().is_some_and(|word| word.contains('=')) {
            return Some(blank);
        }
        from = blank + 1;
    }
}

/// The bytes that `text` writes in hex.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    if pairs.is_empty() { None } else { pairs.iter().map(byte).collect() }
}

/// `1777881600.250`, as the kernel writes it.
fn unix_time_ms(text: &str) -> Option<i64> {
    let (seconds, milliseconds) = text.split_once('.')?;
    let number = |text: &str, most: usize| {
        let is_number = text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|_| is_number)
    };
    Some(
        1000 * number(seconds, 11)?
            + number(milliseconds, 3).filter(|_| milliseconds.len() == 3)?,
    )
}

/// `05/04/26 08:00:00.250` or `05/04/2026 08:00:00.250`, as ausearch -i writes it in the locales C
/// and en_US. The time zone is not told, and UTC is taken.
fn written_time_ms(text: &str) -> Option<i64> {
    let format =
        if text.find(' ') == Some(8) { "%m/%d/%y %H:%M:%S%.f" } else { "%m/%d/%Y %H:%M:%S%.f" };
    let time = DateTime::strptime(format, text).ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(time.timestamp().as_millisecond()).filter(|ms| *ms >= 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(line: &str) -> Record<'_> {
        Record::from_line(line).unwrap()
    }

    #[test]
    fn a_value_is_quoted_in_hex_or_in_braces_and_enrichment_stands_apart() {
        let record = record(
            "node=web type=SYSCALL msg=audit(1777881600.250:42): comm=612062 exe=\"/bin/a=b\" \
             key=(null)\u{1d}SYSCALL=connect SADDR={ saddr_fam=inet laddr=192.0.2.1 } AUID=\"unset\"",
        );
        assert_eq!(record.id, RecordId { node: "web", time_ms: 1_777_881_600_250, serial: 42 });
        assert_eq!((&*record.text("comm"), &*record.text("exe")), ("a b", "/bin/a=b"));
        assert_eq!((&*record.text("key"), &*record.text("cwd")), ("", ""));
        assert_eq!(record.enriched("SYSCALL"), Some("connect"));
        assert_eq!(record.enriched("SADDR"), Some("{ saddr_fam=inet laddr=192.0.2.1 }"));
        assert_eq!(record.get("SYSCALL"), None);
    }

    #[test]
    fn an_interpreted_value_is_words_up_to_the_next_field() {
        let line = "type=SYSCALL msg=audit(05/04/2026 08:00:00.250:42) : exit=EINPROGRESS(Operation \
                    now in progress) comm=cafe exe=/opt/a b key=net ";
        let record = record(line);
        assert_eq!(record.id.time_ms, 1_777_881_600_250);
        assert_eq!(record.get("exit"), Some("EINPROGRESS(Operation now in progress)"));
        assert_eq!((&*record.text("comm"), &*record.text("exe")), ("cafe", "/opt/a b"));
        let short = line.replace("2026", "26");
        assert_eq!(Record::from_line(&short).unwrap().id, record.id);
    }

    #[test]
    fn the_path_of_a_removed_file_stays_what_it_was() {
        let line = "type=SYSCALL msg=audit(1.000:1): exe=2F746D702F78202864656C6574656429";
        assert_eq!(record(line).path("exe"), "/tmp/x");
    }

    #[test]
    fn what_is_no_record_is_told_why() {
        for line in [
            "",
            "type=SYSCALL",
            "type=SYSCALL msg=audit(1.000:1)",
            "type=SYSCALL msg=audit(1.000:x): a=b",
            "msg=audit(1.000:1): type=SYSCALL",
        ] {
            assert_eq!(Record::from_line(line).unwrap_err(), NotARecord::Header, "{line}");
        }
        for time in ["1", "1.5", "-1.000", "04.05.2026 08:00:00.250", "99999999999999999.000"] {
            let line = format!("type=SYSCALL msg=audit({time}:1): a=b");
            let error = Record::from_line(&line).unwrap_err();
            assert_eq!(error, NotARecord::Time(time.to_owned()), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_upsets_the_parser(text in "\\PC{0,80}", hex in "[0-9A-F\" {}=a\u{1d}]{0,60}") {
            for fields in [&text, &hex] {
                let line = format!("type=EXECVE msg=audit(1.000:1): proctitle={fields}");
                let record = Record::from_line(&line).unwrap();
                let _ = (record.command_line(), record.arguments().count(), record.path("a0"));
                prop_assert!(record.pairs().count() <= line.len());
            }
        }
    }
}
