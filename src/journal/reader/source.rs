//! Where a journal's bytes come from: a file or standard input, gzip and zstd undone.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::lines::LONGEST_LINE;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const BUFFER: usize = 256 << 10;
/// So much is looked at to tell a journal's format.
const HEAD: u64 = 64 << 10;

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
        source.seekable = (!compressed).then_some(file);
        Ok(source)
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
        let (mut head, mut head_error) = read_ahead(&mut rest, HEAD);
        if head_error.is_none() && head.starts_with(b"{") && !head.contains(&b'\n') {
            // A batch of osquery's, say; what it is may stand at its end.
            head_error = (&mut rest).take(LONGEST_LINE as u64).read_until(b'\n', &mut head).err();
        }
        if head.starts_with(BYTE_ORDER_MARK) {
            head.drain(..BYTE_ORDER_MARK.len());
        }
        let source = Source { name, head: Cursor::new(head), head_error, rest, seekable: None };
        Ok((source, compression.is_some()))
    }

    /// What the user calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first bytes (64 KiB, a longer first line, or all of a shorter journal), without
    /// consuming them.
    pub(super) fn peek(&self) -> &[u8] {
        self.head.get_ref()
    }

    /// The error that ended the bytes of [`Source::peek`] early.
    pub(super) fn take_early_error(&mut self) -> Option<Error> {
        self.head_error.take()
    }

    /// The bytes as a file that can seek: the journal's own, or a temporary copy of them; and the
    /// error that ended the copy early, if one did.
    pub(super) fn into_seekable(mut self) -> Result<(File, Option<Error>)> {
        let (mut file, error) = match self.seekable.take() {
            Some(file) => (file, None),
            None => {
                let mut copy = tempfile::tempfile()?;
                let error = std::io::copy(&mut self, &mut copy).err();
                (copy, error)
            }
        };
        file.seek(SeekFrom::Start(0))?;
        Ok((file, error))
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
