//! Command lines from /proc, within a bounded time.
//!
//! To read one, the kernel takes a lock of the process's memory, which a process can hold for as long as
//! it likes, by mapping a file that does not answer. Nobody may stop the collection that way, so another
//! thread reads, and is left behind where it hangs.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Bytes of a command line that are read, of which a process can have megabytes.
const MOST_BYTES: u64 = 2048;
/// Reading takes microseconds.
const PATIENCE: Duration = Duration::from_millis(100);
/// The most threads that may hang at a time. While this many do, command lines are not known.
const MOST_HANGING: usize = 8;

pub(super) struct CommandLines {
    /// The thread that reads; `None` before the first, and after one was left behind.
    reader: Option<Reader>,
    /// Held by each thread that has not ended.
    threads: Arc<()>,
}

struct Reader {
    asks: SyncSender<(u32, u32)>,
    answers: Receiver<String>,
}

impl CommandLines {
    pub(super) fn new() -> CommandLines {
        CommandLines { reader: None, threads: Arc::new(()) }
    }

    /// The arguments of a process, separated by spaces, by its pid and the id of a thread that runs; ''
    /// if it has none, or none can be had in time.
    pub(super) fn of(&mut self, pid: u32, thread: u32) -> String {
        if self.reader.is_none() && Arc::strong_count(&self.threads) <= MOST_HANGING {
            self.reader = Reader::start(Arc::clone(&self.threads));
        }
        let Some(reader) = &self.reader else { return String::new() };
        let asked = reader.asks.send((pid, thread)).ok();
        match asked.and_then(|()| reader.answers.recv_timeout(PATIENCE).ok()) {
            Some(answer) => answer,
            None => {
                log::debug!("the command line of process {pid} cannot be read in time");
                self.reader = None;
                String::new()
            }
        }
    }
}

impl Reader {
    fn start(alive: Arc<()>) -> Option<Reader> {
        let (asks, asked) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let begun = thread::Builder::new().name("command lines".to_owned()).spawn(move || {
            let _alive = alive;
            for (pid, thread) in asked {
                if answer.send(read(pid, thread).unwrap_or_default()).is_err() {
                    return; // left behind
                }
            }
        });
        begun.ok().map(|_| Reader { asks, answers })
    }
}

fn read(pid: u32, thread: u32) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let path = format!("/proc/{pid}/task/{thread}/cmdline");
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " "))
}
