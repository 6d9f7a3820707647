//! Memory that is given back: the C library keeps an arena for each thread that allocates, and in each
//! what a large answer once took. A guest of osquery has one, which returns what is not used.
//!
//! The C library reads these settings before a program begins, so the program begins once more, in
//! the same process.

/// Has the rest of the process run with one arena. Where that fails it runs as it is.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn begin_with_one_arena() {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    /// Who sets this knows what they want; and it is set the second time.
    const ARENAS: &str = "MALLOC_ARENA_MAX";
    if std::env::var_os(ARENAS).is_some() {
        return;
    }
    let mut arguments = std::env::args_os();
    let (Ok(program), Some(name)) = (std::env::current_exe(), arguments.next()) else { return };
    let error = Command::new(program)
        .arg0(name)
        .args(arguments)
        .env(ARENAS, "1")
        // Otherwise it grows with the largest answer, up to 64 MB.
        .env("MALLOC_TRIM_THRESHOLD_", "131072")
        .exec();
    log::debug!("cannot limit the memory of threads: {error}");
}

/// Other systems' allocators have no such arenas.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn begin_with_one_arena() {}
