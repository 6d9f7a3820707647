//! How far the reading of files is: on a terminal, and nothing of it is left behind.

use std::io::Read;
use std::path::Path;

use beacon_candidates::journal::printable;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One line on standard error, for one file after the other.
#[derive(Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    pub fn new() -> Progress {
        Progress(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()))
    }

    /// Begins with a file.
    pub fn begin(&self, file: &Path) {
        let Progress(bar) = self;
        let length = file.metadata().ok().filter(|file| file.is_file()).map(|file| file.len());
        let template = match length {
            Some(_) => "{wide_msg} {percent:>3} % of {decimal_total_bytes} [{bar:16}] {eta} left",
            None => "{spinner} {wide_msg} {decimal_bytes}, {decimal_bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        match length {
            Some(length) => bar.set_length(length),
            None => bar.unset_length(),
        }
        bar.set_message(printable(&file.display().to_string()));
        bar.reset();
    }

    /// Counts what is read.
    pub fn watch(&self, raw: Box<dyn Read>) -> Box<dyn Read> {
        Box::new(self.0.wrap_read(raw))
    }

    /// Does something that writes to the terminal.
    pub fn suspend(&self, action: impl FnOnce()) {
        self.0.suspend(action);
    }

    /// Ends with the file, and tells how many bytes of it were read.
    pub fn end(&self) -> u64 {
        let bytes = self.0.position();
        self.0.finish_and_clear();
        bytes
    }

    /// Ends for good, whoever still reads.
    pub fn end_for_good(&self) {
        self.0.finish_and_clear();
        self.0.set_draw_target(ProgressDrawTarget::hidden());
    }
}
