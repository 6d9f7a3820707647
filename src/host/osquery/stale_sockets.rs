//! Sockets of extensions that were killed: osquery leaves `SOCKET.NUMBER` where it is, and numbers the
//! next one otherwise, so that they pile up.

use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use super::stream::connect;

const CONNECT_TIMEOUT: Duration = Duration::from_millis(100);

/// Removes the sockets beside osquery's `socket` that nobody listens on.
pub(super) fn remove(socket: &Path) {
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else { return };
    let prefix = format!("{}.", name.to_string_lossy());
    let entries = folder.read_dir().into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        let is_number = number.is_some_and(|number| number.parse::<u64>().is_ok());
        let is_socket = entry.file_type().is_ok_and(|file| file.is_socket());
        if is_number && is_socket && is_refused(&entry.path()) {
            // Somebody else may have removed it by now.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Of a socket that is only being made nobody says so: an extension binds and listens at once.
fn is_refused(socket: &Path) -> bool {
    let connected = connect(socket, CONNECT_TIMEOUT);
    connected.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn sockets_that_somebody_listens_on_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        let listening = ["o.em", "o.em.1"].map(|name| UnixListener::bind(path(name)).unwrap());
        for name in ["o.em.2", "o.em.77", "o.em.x", "other.3"] {
            drop(UnixListener::bind(path(name)).unwrap());
        }
        std::fs::write(path("o.em.5"), "a file").unwrap();
        remove(&path("o.em"));
        let mut left: Vec<_> = folder
            .path()
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["o.em", "o.em.1", "o.em.5", "o.em.x", "other.3"]);
        drop(listening);
    }
}
