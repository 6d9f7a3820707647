//! A journal on its way into the cache, as the sink that readers and collectors hand events to.

use crate::cache::{CacheError, Writer};
use crate::journal::{ConnectionEvent, JournalSink, ProcessEvent, Rejection};

/// Hands events to the writer, and rejections to `on_rejection`.
pub struct Pass<'w, R> {
    writer: &'w mut Writer,
    on_rejection: R,
}

impl<'w, R: FnMut(Rejection)> Pass<'w, R> {
    /// Over a writer that is between two passes; ending the pass is up to the caller.
    pub fn new(writer: &'w mut Writer, on_rejection: R) -> Pass<'w, R> {
        Pass { writer, on_rejection }
    }
}

impl<R: FnMut(Rejection)> JournalSink for Pass<'_, R> {
    type Error = CacheError;

    fn connection(&mut self, event: &ConnectionEvent<'_>) -> Result<(), CacheError> {
        self.writer.connection(event)
    }

    fn process(&mut self, event: &ProcessEvent<'_>) -> Result<(), CacheError> {
        self.writer.process(event)
    }

    fn rejected(&mut self, rejection: Rejection) {
        (self.on_rejection)(rejection);
    }
}
