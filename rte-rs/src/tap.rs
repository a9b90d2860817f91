//! TAP interfaces: frames to and from the kernel.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::zeroed;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

/// Bytes of an interface's name.
const NAME_BYTES: usize = libc::IFNAMSIZ - 1;

/// A TAP interface, non-blocking. It goes when this is dropped; when the process dies instead, it stays with its
/// addresses and routes, and [`Tap::open`] of the next process takes it over.
#[derive(Debug)]
pub struct Tap {
    device: File,
    name: String,
}

impl Tap {
    /// Makes the interface, in this thread's network namespace, with that MAC address (else one that the kernel
    /// chooses) and MTU, and brings it up. Needs CAP_NET_ADMIN.
    ///
    /// # Errors
    /// Names the interface and what failed: a name that can't be or is taken, a missing right or kernel module, a MAC
    /// address or MTU that the kernel refuses.
    pub fn open(name: &str, mac: Option<[u8; 6]>, mtu: u16) -> io::Result<Self> {
        let device = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")
            .map_err(|error| explain(name, "/dev/net/tun can't be opened (modprobe tun?)", &error))?;
        let mut request = Request::new(name)?;
        request.0.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as i16;
        request.call(&device, libc::TUNSETIFF).map_err(|error| {
            let reason = match error.raw_os_error() {
                Some(libc::EBUSY | libc::EINVAL) => {
                    "the name is taken by another interface; choose another or delete it"
                }
                Some(libc::EPERM) => "CAP_NET_ADMIN is missing; run as root",
                _ => "TUNSETIFF",
            };
            explain(name, reason, &error)
        })?;
        let tap = Self { device, name: name.to_owned() };
        tap.configure(mac, mtu)?;
        tap.set_persistent(true).map_err(|error| explain(name, "it can't be made to outlive a crash", &error))?;
        Ok(tap)
    }

    fn set_persistent(&self, persistent: bool) -> io::Result<()> {
        let value = libc::c_int::from(persistent);
        // SAFETY: the descriptor is open as long as self, and TUNSETPERSIST takes a number, no pointer.
        let result = unsafe { libc::ioctl(self.device.as_raw_fd(), libc::TUNSETPERSIST, value) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn configure(&self, mac: Option<[u8; 6]>, mtu: u16) -> io::Result<()> {
        let socket =
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(|error| explain(&self.name, "socket", &error))?;
        let failed = |what: &str, error: io::Error| explain(&self.name, what, &error);
        if let Some(mac) = mac {
            let mut request = Request::new(&self.name)?;
            // SAFETY: an ifr_ifru is plain bytes; a sockaddr of zeroes is a value of it.
            let mut address: libc::sockaddr = unsafe { zeroed() };
            address.sa_family = libc::ARPHRD_ETHER;
            for (to, from) in address.sa_data.iter_mut().zip(mac) {
                *to = from as libc::c_char;
            }
            request.0.ifr_ifru.ifru_hwaddr = address;
            let [a, b, c, d, e, f] = mac;
            let what = format!("MAC address {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x} can't be set");
            request.call(&socket, libc::SIOCSIFHWADDR).map_err(|error| failed(&what, error))?;
        }
        let mut request = Request::new(&self.name)?;
        request.0.ifr_ifru.ifru_mtu = libc::c_int::from(mtu);
        let what = format!("MTU {mtu} can't be set, allowed 68 to 65521");
        request.call(&socket, libc::SIOCSIFMTU).map_err(|error| failed(&what, error))?;
        let mut request = Request::new(&self.name)?;
        request.0.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_MULTICAST) as i16;
        request.call(&socket, libc::SIOCSIFFLAGS).map_err(|error| failed("it can't be brought up", error))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads one frame, from the Ethernet header on without a checksum; `None` if there is none now. What does not fit
    /// into `frame` is cut off.
    ///
    /// # Errors
    /// The kernel's; `EIO` or `EBADFD` if the interface is gone.
    pub fn read(&mut self, frame: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.device.read(frame) {
                Ok(length) => return Ok(Some(length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes one frame, from the Ethernet header on without a checksum; `false` if the kernel takes none now.
    ///
    /// # Errors
    /// The kernel's; `EINVAL` for a frame shorter than an Ethernet header, `EIO` while the interface is down.
    pub fn write(&mut self, frame: &[u8]) -> io::Result<bool> {
        loop {
            match self.device.write(frame) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // If it fails the interface stays, to be taken over or deleted by hand.
        let _ = self.set_persistent(false);
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// The kernel's structure for requests about an interface.
struct Request(libc::ifreq);

impl Request {
    fn new(name: &str) -> io::Result<Self> {
        if name.is_empty() || name.len() > NAME_BYTES || name.contains(['/', ' ', '\0', '%', ':']) {
            let text = format!("interface \"{name}\": a name has 1 to {NAME_BYTES} bytes and none of / : % space NUL");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        // SAFETY: an ifreq is plain bytes, for which zeroes are a value: an empty name and a union of numbers.
        let mut request: libc::ifreq = unsafe { zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        Ok(Self(request))
    }

    fn call(&mut self, file: &impl AsRawFd, number: libc::c_ulong) -> io::Result<()> {
        // SAFETY: the file is open; every request of this module takes an ifreq, whose name ends in NUL (`new`).
        let result = unsafe { libc::ioctl(file.as_raw_fd(), number, &raw mut self.0) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn explain(name: &str, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("interface \"{name}\": {what}: {error}"))
}
