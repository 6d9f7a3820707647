//! A netlink socket to the kernel's audit: messages one by one, and requests.
//!
//! rustix is in the tree anyhow and has all that is needed; `netlink-sys` would be another crate for
//! the same calls. The header of a message is 16 bytes, and its length says less than that of the
//! datagram: what kernels write there differs, each record comes in a datagram of its own.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{AUDIT, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, sendto,
    socket_with, sockopt,
};

/// `struct nlmsghdr`: length, type, flags, sequence number, port id.
const HEADER: usize = 16;
/// A record has at most 8,970 bytes (`MAX_AUDIT_MESSAGE_LENGTH`).
const LONGEST_MESSAGE: usize = 16 << 10;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
const KERNEL: SocketAddrNetlink = SocketAddrNetlink::new(0, 0);

/// A socket, and what came last on it.
pub(super) struct AuditSocket {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

/// What waiting for a message came to.
pub(super) enum Received<'a> {
    /// A message: its type (`AUDIT_*`, `NLMSG_*`) and what follows the header.
    Message(u16, &'a [u8]),
    /// The kernel has dropped messages, for nobody had read them in time.
    Overrun,
    /// There is none yet.
    Nothing,
}

impl AuditSocket {
    /// Opens a socket that is a member of the multicast groups in the bits of `groups`.
    pub(super) fn open(groups: u32) -> Result<AuditSocket, Errno> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(AUDIT),
        )?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(AuditSocket { socket, buffer: vec![0; LONGEST_MESSAGE] })
    }

    /// Asks for room for this many bytes of messages that nobody has read yet; without
    /// CAP_NET_ADMIN the kernel gives less.
    pub(super) fn set_room(&self, bytes: usize) -> Result<(), Errno> {
        sockopt::set_socket_recv_buffer_size_force(&self.socket, bytes)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&self.socket, bytes))
    }

    /// Sends a request of this type, without a payload.
    pub(super) fn request(&self, message_type: u16) -> Result<(), Errno> {
        let mut message = [0; HEADER];
        message[..4].copy_from_slice(&(HEADER as u32).to_ne_bytes());
        message[4..6].copy_from_slice(&message_type.to_ne_bytes());
        message[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
        sendto(&self.socket, &message, SendFlags::empty(), &KERNEL).map(drop)
    }

    /// Waits up to `wait` for a message. What another process has sent is passed over.
    pub(super) fn receive(&mut self, wait: Duration) -> io::Result<Received<'_>> {
        let deadline = Instant::now() + wait;
        loop {
            match recvfrom(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _, from)) => {
                    let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
                    if length >= HEADER && from.is_some_and(|from| from.pid() == 0) {
                        let (header, payload) = self.buffer[..length].split_at(HEADER);
                        let message_type = u16::from_ne_bytes([header[4], header[5]]);
                        return Ok(Received::Message(message_type, payload));
                    }
                }
                Err(Errno::NOBUFS) => return Ok(Received::Overrun),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(Received::Nothing);
                    }
                    let left = Timespec::try_from(left).map_err(io::Error::other)?;
                    match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&left)) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
