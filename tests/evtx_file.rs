//! A writer of small but whole `.evtx` files: no real one with Sysmon's events may be shared.
//!
//! The layout is that of libevtx's format documentation. Like Windows, each kind of event is a
//! template, defined where it is first used, and its values are typed.

use std::collections::HashMap;

const FILE_HEADER: usize = 4096;
const CHUNK: usize = 65_536;
const CHUNK_HEADER: usize = 512;
const RECORD_HEADER: usize = 24;
const STRING_TABLE: usize = 128;
const STRING_BUCKETS: u32 = 64;

/// When each event was written, as the log has it.
pub const TIME_CREATED: &str = "2026-05-04T08:00:00.250123Z";

/// An event to be written.
pub struct Event {
    pub id: u16,
    pub channel: String,
    pub computer: String,
    pub data: Vec<(String, String)>,
}

/// The events as a log of one chunk.
pub fn evtx(events: &[Event]) -> Vec<u8> {
    let mut chunk = Chunk { bytes: vec![0; CHUNK_HEADER], ..Chunk::default() };
    let mut last_record = CHUNK_HEADER;
    for (event, number) in events.iter().zip(1u64..) {
        last_record = chunk.bytes.len();
        chunk.record(event, number);
    }
    let free_space = chunk.bytes.len();
    assert!(free_space <= CHUNK, "more than a chunk of events");
    let mut chunk = chunk.bytes;
    chunk.resize(CHUNK, 0);
    let count = events.len() as u64;
    put(&mut chunk, 0, b"ElfChnk\0");
    // The first and last record by number, and by id.
    for (offset, number) in [(8, 1), (16, count), (24, 1), (32, count)] {
        put(&mut chunk, offset, &number.to_le_bytes());
    }
    for (offset, number) in [(40, STRING_TABLE), (44, last_record), (48, free_space)] {
        put(&mut chunk, offset, &(number as u32).to_le_bytes());
    }
    let checksum = crc32(&[&chunk[CHUNK_HEADER..free_space]]);
    put(&mut chunk, 52, &checksum);
    let checksum = crc32(&[&chunk[..120], &chunk[STRING_TABLE..CHUNK_HEADER]]);
    put(&mut chunk, 124, &checksum);

    let mut file = vec![0; FILE_HEADER];
    put(&mut file, 0, b"ElfFile\0");
    put(&mut file, 24, &(count + 1).to_le_bytes());
    // Header size, version 3.1, header block size, chunks.
    for (offset, number) in [(32, 128u16), (36, 1), (38, 3), (40, FILE_HEADER as u16), (42, 1)] {
        put(&mut file, offset, &number.to_le_bytes());
    }
    let checksum = crc32(&[&file[..120]]);
    put(&mut file, 124, &checksum);
    file.extend(chunk);
    file
}

fn put(bytes: &mut [u8], offset: usize, what: &[u8]) {
    bytes[offset..offset + what.len()].copy_from_slice(what);
}

fn crc32(parts: &[&[u8]]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum().to_le_bytes()
}

/// A value's type in binary XML and its bytes; Sysmon types its fields by their names.
fn typed(name: &str, text: &str) -> (u8, Vec<u8>) {
    match name {
        "ProcessId" => (0x08, text.parse::<u32>().unwrap().to_le_bytes().to_vec()),
        "SourcePort" | "DestinationPort" | "EventID" => {
            (0x06, text.parse::<u16>().unwrap().to_le_bytes().to_vec())
        }
        "Initiated" => (0x0d, u32::from(text == "true").to_le_bytes().to_vec()),
        "ProcessGuid" => (0x0f, guid(text)),
        _ => (0x01, utf16(text)),
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The first three groups of a GUID are numbers, the others bytes.
fn guid(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let number = u128::from_str_radix(&digits, 16).unwrap().to_be_bytes();
    [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map(|index| number[index]).to_vec()
}

/// A chunk from its first byte on, since binary XML points at offsets within it.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    names: HashMap<String, u32>,
    /// By what tells the kinds of events apart.
    templates: HashMap<String, u32>,
}

impl Chunk {
    fn record(&mut self, event: &Event, number: u64) {
        let start = self.bytes.len();
        self.raw(&[b'*', b'*', 0, 0]);
        self.raw(&[0; 4]); // the size, once it is known
        self.raw(&number.to_le_bytes());
        self.raw(&132_173_532_000_000_000u64.to_le_bytes()); // written 2019-11-04T15:00:00Z
        assert_eq!(self.bytes.len(), start + RECORD_HEADER);
        self.raw(&[0x0f, 1, 1, 0]);
        self.template_instance(event);
        let size = (self.bytes.len() - start + 4) as u32;
        self.raw(&size.to_le_bytes());
        put(&mut self.bytes, start + 4, &size.to_le_bytes());
    }

    fn template_instance(&mut self, event: &Event) {
        let id = event.id.to_string();
        let mut values = vec![typed("EventID", &id), typed("Computer", &event.computer)];
        values.extend(event.data.iter().map(|(name, value)| typed(name, value)));
        let names: Vec<_> = event.data.iter().map(|(name, _)| name.as_str()).collect();
        let kind = format!("{} {}", event.channel, names.join(" "));
        let known = self.templates.get(&kind).copied();
        let definition = known.unwrap_or(self.bytes.len() as u32 + 10);
        let number = self.templates.len() as u32;
        self.raw(&[0x0c, 1]);
        self.raw(&number.to_le_bytes());
        self.raw(&definition.to_le_bytes());
        if known.is_none() {
            self.templates.insert(kind, definition);
            self.raw(&[0; 4]); // no other template in its bucket
            self.raw(&guid(&format!("{number:032x}")));
            self.sized(|chunk| {
                chunk.raw(&[0x0f, 1, 1, 0]);
                chunk.event(event, &values);
                chunk.raw(&[0]);
            });
        }
        self.raw(&(values.len() as u32).to_le_bytes());
        for (kind, bytes) in &values {
            self.raw(&(bytes.len() as u16).to_le_bytes());
            self.raw(&[*kind, 0]);
        }
        values.iter().for_each(|(_, bytes)| self.raw(bytes));
    }

    /// The event as a template, with a place for each of `values`.
    fn event(&mut self, event: &Event, values: &[(u8, Vec<u8>)]) {
        let place = |chunk: &mut Chunk, index: usize| {
            chunk.raw(&[0x0d, index as u8, 0, values[index].0]);
        };
        let provider = event.channel.split('/').next().unwrap_or_default();
        self.element("Event", None, |chunk| {
            chunk.element("System", None, |chunk| {
                chunk.element("Provider", Some(("Name", provider)), |_| {});
                chunk.element("TimeCreated", Some(("SystemTime", TIME_CREATED)), |_| {});
                chunk.element("EventID", None, |chunk| place(chunk, 0));
                chunk.element("Channel", None, |chunk| chunk.text(&event.channel));
                chunk.element("Computer", None, |chunk| place(chunk, 1));
            });
            chunk.element("EventData", None, |chunk| {
                for (index, (name, _)) in event.data.iter().enumerate() {
                    chunk.element("Data", Some(("Name", name)), |chunk| place(chunk, index + 2));
                }
            });
        });
    }

    /// An element in a template, with one attribute at most.
    fn element(
        &mut self,
        name: &str,
        attribute: Option<(&str, &str)>,
        content: impl FnOnce(&mut Chunk),
    ) {
        self.raw(&[if attribute.is_some() { 0x41 } else { 0x01 }, 0xff, 0xff]);
        self.sized(|chunk| {
            chunk.name(name);
            if let Some((attribute, value)) = attribute {
                chunk.sized(|chunk| {
                    chunk.raw(&[0x06]);
                    chunk.name(attribute);
                    chunk.text(value);
                });
            }
            chunk.raw(&[0x02]);
            content(chunk);
            chunk.raw(&[0x04]);
        });
    }

    fn text(&mut self, text: &str) {
        self.raw(&[0x05, 0x01]);
        self.raw(&(text.encode_utf16().count() as u16).to_le_bytes());
        self.raw(&utf16(text));
    }

    /// A reference to a name, which stands right here where it is first used.
    fn name(&mut self, name: &str) {
        let here = self.bytes.len() as u32 + 4;
        let offset = *self.names.entry(name.to_owned()).or_insert(here);
        self.raw(&offset.to_le_bytes());
        if offset == here {
            let hash = name
                .encode_utf16()
                .fold(0u32, |hash, unit| hash.wrapping_mul(65_599).wrapping_add(u32::from(unit)))
                & 0xffff;
            let bucket = STRING_TABLE + 4 * (hash % STRING_BUCKETS) as usize;
            let next = self.bytes[bucket..bucket + 4].to_vec();
            put(&mut self.bytes, bucket, &here.to_le_bytes());
            self.raw(&next);
            self.raw(&(hash as u16).to_le_bytes());
            self.raw(&(name.len() as u16).to_le_bytes());
            self.raw(&utf16(name));
            self.raw(&[0; 2]);
        }
    }

    /// What `write` writes, after its length.
    fn sized(&mut self, write: impl FnOnce(&mut Chunk)) {
        let start = self.bytes.len();
        self.raw(&[0; 4]);
        write(self);
        let length = (self.bytes.len() - start - 4) as u32;
        put(&mut self.bytes, start, &length.to_le_bytes());
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}
