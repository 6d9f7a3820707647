//! Folders that only administrators can write to: a program there is what its path says.
//!
//! Paths and patterns are given as `rule` folds them: with slashes, and Windows' in lower case.

/// On Windows, after the drive.
const WINDOWS: [&str; 4] = [
    "/windows/",
    "/program files/",
    "/program files (x86)/",
    "/programdata/microsoft/windows defender/platform/",
];
/// Folders of those that users can write to.
const WRITABLE_IN_WINDOWS: [&str; 18] = [
    "/windows/temp/",
    "/windows/tasks/",
    "/windows/debug/",
    "/windows/tracing/",
    "/windows/registration/crmlog/",
    "/windows/system32/spool/",
    "/windows/system32/tasks/",
    "/windows/system32/fxstmp/",
    "/windows/system32/com/dmp/",
    "/windows/system32/microsoft/crypto/rsa/machinekeys/",
    "/windows/syswow64/tasks/",
    "/windows/syswow64/fxstmp/",
    "/windows/syswow64/com/dmp/",
    "/windows/system32/tasks_migrated/",
    "/windows/servicing/packages/",
    "/windows/servicing/sessions/",
    "/windows/ccm/logs/",
    "/windows/ccm/inventory/",
];
const UNIX: [&str; 12] = [
    "/usr/",
    "/bin/",
    "/sbin/",
    "/lib/",
    "/lib32/",
    "/lib64/",
    "/libx32/",
    "/libexec/",
    "/opt/",
    "/snap/",
    "/System/",
    "/Library/",
];
const WRITABLE_IN_UNIX: [&str; 6] = [
    "/usr/tmp/",
    "/usr/local/Cellar/",
    "/opt/homebrew/",
    "/System/Volumes/",
    "/Library/Caches/",
    "/Library/Application Support/CrashReporter/",
];

/// Whether a program of this path can be trusted to be what the path says.
pub(super) fn holds(path: &str) -> bool {
    let begins_with_drive = without_drive(path);
    let mut parts = begins_with_drive.unwrap_or(path).split('/').skip(1);
    // What Windows takes for another name of a folder, or of a stream of it.
    let is_other_name = |part: &str| {
        part.is_empty()
            || part.ends_with(['.', ' '])
            || part.contains(':')
            || part.split('~').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if parts.any(is_other_name) {
        return false;
    }
    let begins =
        |folders: &[&str], path: &str| folders.iter().any(|folder| path.starts_with(folder));
    match begins_with_drive {
        Some(path) => begins(&WINDOWS, path) && !begins(&WRITABLE_IN_WINDOWS, path),
        None => begins(&UNIX, path) && !begins(&WRITABLE_IN_UNIX, path),
    }
}

/// Whether a pattern matches programs in such folders only, as far as its words before the first
/// wildcard tell; the drive may be one (`?:`).
pub(super) fn anchors(pattern: &str) -> bool {
    let drive = pattern.len() - without_drive(pattern).map_or(pattern.len(), str::len);
    let (drive, rest) = pattern.split_at(drive);
    let words = &rest[..rest.find(['*', '?', '[', '{']).unwrap_or(rest.len())];
    // A file in the last folder that is named in full.
    let folder = &words[..words.rfind('/').map_or(0, |slash| slash + 1)];
    holds(&format!("{drive}{folder}x"))
}

/// What follows a drive, a letter or `?`; `None` if there is none.
fn without_drive(path: &str) -> Option<&str> {
    let mut characters = path.chars();
    let drive = characters.next()?;
    let rest = characters.as_str().strip_prefix(':')?;
    (drive.is_ascii_alphabetic() || drive == '?').then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_can_write_to_is_not_protected() {
        for path in ["c:/windows/system32/svchost.exe", "d:/program files/a/b.exe", "/usr/bin/a"] {
            assert!(holds(path), "{path}");
        }
        for path in [
            "c:/windows/temp/svchost.exe",
            "c:/windows/system32/spool/drivers/x.exe",
            "c:/windows/../users/public/x.exe",
            "c:/windowsx/x.exe",
            "c:/users/public/x.exe",
            "c:/programdata/x.exe",
            "c:/windows//temp/x.exe",
            "c:/windows/temp./x.exe",
            "c:/windows/tasks:x.exe",
            "c:/windows/regist~1/crmlog/x.exe",
            "c:/windows/system32/tasks_migrated/x.exe",
            "/usr//tmp/a",
            "/opt/homebrew/bin/a",
            "/System/Volumes/Data/Users/a/b",
            "/tmp/a",
            "/home/a/usr/bin/a",
            "/usr/../tmp/a",
            "svchost.exe",
            "",
        ] {
            assert!(!holds(path), "{path}");
        }
    }

    #[test]
    fn a_pattern_is_anchored_by_its_words_before_the_first_wildcard() {
        for pattern in ["?:/windows/**", "c:/program files/*/a.exe", "/opt/**", "/usr/lib*/x/**"] {
            assert!(anchors(pattern), "{pattern}");
        }
        for pattern in [
            "**/svchost.exe",
            "?:/windows*/**",
            "?:/windows/temp/**",
            "*:/windows/**",
            "/o*/**",
            "/**",
        ] {
            assert!(!anchors(pattern), "{pattern}");
        }
    }
}
