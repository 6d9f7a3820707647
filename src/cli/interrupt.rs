//! Ctrl-C, and being told to end: a signal ends a process without dropping anything.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

/// Held by the thread that ends the process.
static ENDING: Mutex<()> = Mutex::new(());

/// The right to end the process. Where a signal has it, this never returns: the process ends once
/// all is tidied away, and what failed by that is not worth a word.
pub fn end() -> MutexGuard<'static, ()> {
    ENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `tidy` before the process ends by a signal, with the status that shells count for it.
#[cfg(unix)]
pub fn on_interrupt(tidy: impl FnOnce() + Send + 'static) -> Result<()> {
    use anyhow::Context;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot handle signals")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _end = end();
            tidy();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Windows ends the process by itself.
#[cfg(not(unix))]
pub fn on_interrupt(_tidy: impl FnOnce() + Send + 'static) -> Result<()> {
    Ok(())
}
