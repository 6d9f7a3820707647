//! Where a journal's bytes come from: a file or standard input, with gzip, zstd and UTF-16 undone.
//!
//! What comes out is text in UTF-8 (or nearly), without a byte order mark, or an event log file.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::bufread::MultiGzDecoder;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const BUFFER: usize = 256 << 10;
/// So much is looked at before the reading begins.
const HEAD: u64 = 64 << 10;

/// So much of a text tells its encoding.
const MAGIC_OF_TEXT: u64 = 4;

/// Compressions that are not undone, each with what undoes it.
const OTHER_COMPRESSIONS: [(&[u8], &str); 5] = [
    (b"\xfd7zXZ\0", "it is compressed with xz: undo it with xz -d"),
    (b"BZh", "it is compressed with bzip2: undo it with bzip2 -d"),
    (b"PK\x03\x04", "it is a ZIP archive: unpack it with unzip"),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7-Zip archive: unpack it with 7z x"),
    (b"\x04\x22\x4d\x18", "it is compressed with LZ4: undo it with lz4 -d"),
];

/// The decompressed bytes of one journal.
pub struct Source {
    name: String,
    /// The start, read ahead to tell the format.
    head: Cursor<Vec<u8>>,
    /// Met while reading ahead; due when the head is consumed.
    head_error: Option<Error>,
    rest: Box<dyn BufRead>,
    /// The file itself where it is not compressed, for formats that need to seek.
    seekable: Option<File>,
    /// The file, to read it once more.
    path: Option<PathBuf>,
    longest_line: Option<usize>,
}

impl Source {
    /// Opens a file, or standard input for `-`. `watch` may wrap the raw reader, to show progress.
    pub fn open(path: &Path, watch: impl FnOnce(Box<dyn Read>) -> Box<dyn Read>) -> Result<Source> {
        if path.as_os_str() == "-" {
            return Source::from_reader("standard input", watch(Box::new(std::io::stdin())));
        }
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let raw = watch(Box::new(file.try_clone()?));
        let (mut source, compressed) = Source::decompress(path.display().to_string(), raw)?;
        source.path = file.metadata()?.is_file().then(|| path.to_owned());
        source.seekable = (!compressed).then_some(file);
        Ok(source)
    }

    /// Holds no longer line or record than this, in bytes; at most a gigabyte.
    pub fn with_longest_line(mut self, bytes: usize) -> Source {
        self.longest_line = Some(bytes.clamp(1, 1 << 30));
        self
    }

    /// From any bytes; `name` is what messages call them.
    pub fn from_reader(name: impl Into<String>, raw: impl Read + 'static) -> Result<Source> {
        Source::decompress(name.into(), raw).map(|(source, _)| source)
    }

    /// The source, and whether its bytes were compressed.
    fn decompress(name: String, mut raw: impl Read + 'static) -> Result<(Source, bool)> {
        let (magic, error) = read_ahead(&mut raw, ZSTD_MAGIC.len() as u64);
        if let Some(error) = error {
            return Err(error);
        }
        let compression =
            [GZIP_MAGIC, ZSTD_MAGIC].into_iter().find(|known| magic.starts_with(known));
        let raw = BufReader::with_capacity(BUFFER, Cursor::new(magic).chain(raw));
        let mut rest: Box<dyn BufRead> = match compression {
            Some(GZIP_MAGIC) => {
                Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw)))
            }
            Some(_) => Box::new(BufReader::with_capacity(BUFFER, zstd::Decoder::with_buffer(raw)?)),
            None => Box::new(raw),
        };
        let (mut head, mut head_error) = read_ahead(&mut rest, MAGIC_OF_TEXT);
        if let Some(encoding) = encoding_of(&head) {
            rest = decode(Cursor::new(std::mem::take(&mut head)).chain(rest), encoding);
        }
        if head_error.is_none() {
            let (more, error) = read_ahead(&mut rest, HEAD - head.len() as u64);
            head.extend(more);
            head_error = error;
        }
        if head.starts_with(BYTE_ORDER_MARK) {
            head.drain(..BYTE_ORDER_MARK.len());
        }
        let source = Source {
            name,
            head: Cursor::new(head),
            head_error,
            rest,
            seekable: None,
            path: None,
            longest_line: None,
        };
        Ok((source, compression.is_some()))
    }

    /// The same journal from its start; `None` of a stream, which is gone.
    pub(super) fn again(&self) -> Option<Source> {
        let again = Source::open(self.path.as_deref()?, |raw| raw).ok()?;
        Some(Source { longest_line: self.longest_line, ..again })
    }

    /// Whether [`Source::peek`] shows all of it.
    pub(super) fn is_short(&self) -> bool {
        (self.peek().len() as u64) < HEAD
    }

    /// The longest line that is to be held, in bytes, if one was asked for.
    pub(super) fn longest_line(&self) -> Option<usize> {
        self.longest_line
    }

    /// Which compression it is in, if it is one that is not undone here.
    pub(super) fn other_compression(&self) -> Option<&'static str> {
        let is_it = |(magic, _): &&(&[u8], &str)| self.peek().starts_with(magic);
        OTHER_COMPRESSIONS.iter().find(is_it).map(|(_, advice)| *advice)
    }

    /// What the user calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first bytes (64 KiB, or all of a shorter journal), without consuming them.
    pub(super) fn peek(&self) -> &[u8] {
        self.head.get_ref()
    }

    /// The error that ended the bytes of [`Source::peek`] early.
    pub(super) fn take_early_error(&mut self) -> Option<Error> {
        self.head_error.take()
    }

    /// The bytes as a file that can seek: the journal's own, or a temporary one that `copy` writes
    /// them to; and the error that ended the copy early, if one did.
    pub(super) fn into_seekable(
        mut self,
        copy: impl FnOnce(&mut Source, &mut File) -> Result<()>,
    ) -> Result<(File, Option<Error>)> {
        let (mut file, error) = match self.seekable.take() {
            Some(file) => (file, None),
            None => {
                let mut file = tempfile::tempfile()?;
                let error = copy(&mut self, &mut file).err();
                (file, error)
            }
        };
        file.seek(SeekFrom::Start(0))?;
        Ok((file, error))
    }
}

/// `raw` in UTF-8, with what stands for no character replaced.
fn decode(raw: impl Read + 'static, encoding: &'static Encoding) -> Box<dyn BufRead> {
    let decoder = DecodeReaderBytesBuilder::new().encoding(Some(encoding)).build(raw);
    Box::new(BufReader::with_capacity(BUFFER, decoder))
}

/// UTF-16, by its byte order mark or, without one, by the zeros beside the first two letters;
/// `None` if it is something else.
fn encoding_of(start: &[u8]) -> Option<&'static Encoding> {
    let is_text = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    match *start {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        [a, 0, b, 0, ..] if is_text(a) && is_text(b) => Some(UTF_16LE),
        [0, a, 0, b, ..] if is_text(a) && is_text(b) => Some(UTF_16BE),
        _ => None,
    }
}

/// Up to `length` bytes, and the error that ended them early, if one did.
fn read_ahead(reader: &mut impl Read, length: u64) -> (Vec<u8>, Option<Error>) {
    let mut bytes = Vec::new();
    let error = reader.take(length).read_to_end(&mut bytes).err();
    (bytes, error)
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut available = self.fill_buf()?;
        let read = available.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.head.fill_buf()?.is_empty() {
            match self.head_error.take() {
                Some(error) => Err(error),
                None => self.rest.fill_buf(),
            }
        } else {
            self.head.fill_buf()
        }
    }

    fn consume(&mut self, amount: usize) {
        if self.head.fill_buf().is_ok_and(|head| !head.is_empty()) {
            self.head.consume(amount);
        } else {
            self.rest.consume(amount);
        }
    }
}
