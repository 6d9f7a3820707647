//! Connections to the sockets of osquery and its extensions, with bounds on how long they take.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::manager::{Manager, ManagerError};

/// Where the extension of this uuid listens.
pub(super) fn socket_of(socket: &Path, uuid: i64) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(format!(".{uuid}"));
    path.into()
}

/// Nobody listens, or there is no socket.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

/// A client of who listens on `socket`.
pub(super) fn open(socket: &Path, timeout: Duration) -> Result<Manager<UnixStream>, ManagerError> {
    Ok(Manager::new(connect(socket, timeout)?))
}

/// Connects, and bounds how long each read and write may take. A hanging osquery accepts no
/// connection once its queue is full, and std would wait for it.
pub(super) fn connect(socket: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let stream = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    stream.connect_timeout(&SockAddr::unix(socket)?, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(UnixStream::from(std::os::fd::OwnedFd::from(stream)))
}
