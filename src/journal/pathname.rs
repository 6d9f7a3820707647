//! Which pathnames are of Windows, for all who compare them.

/// A drive letter or a backslash: such paths do not tell case apart.
pub fn is_windows_path(pathname: &str) -> bool {
    let bytes = pathname.as_bytes();
    let has_drive = matches!(bytes, [letter, b':', ..] if letter.is_ascii_alphabetic());
    has_drive || bytes.contains(&b'\\')
}

#[cfg(test)]
mod tests {
    use super::is_windows_path;

    #[test]
    fn windows_paths_are_told_by_drive_or_backslash() {
        for path in ["C:\\Windows\\explorer.exe", "c:/x", "\\Device\\HarddiskVolume3\\a.exe"] {
            assert!(is_windows_path(path), "{path}");
        }
        for path in ["", "/usr/bin/curl", "Mozilla/5.0 (X11)", "4:x"] {
            assert!(!is_windows_path(path), "{path}");
        }
    }
}
