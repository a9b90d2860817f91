//! The Unix socket: one process per socket, who may use it, and lines in and out. What requests mean is in
//! `handlers`.

use super::handlers;
use super::state::Daemon;
use crate::protocol::{Failure, MAX_REQUEST, decode_request, encode_end, encode_row};
use rustix::fs::{FlockOperation, Mode, flock};
use serde::Serialize;
use std::cell::Cell;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter, Interest};
use tokio::net::unix::{OwnedWriteHalf, UCred};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

/// Clients at one time; one more is told so and let go.
const MAX_CLIENTS: usize = 256;

/// How long a client that is refused has for the request that the refusal answers.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);

/// Why the socket can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another sluiced serves it.
    #[error(
        "socket {socket}: sluiced with pid {pid} serves it already; end that one first, or give this one another [control] socket"
    )]
    InUse {
        /// The socket.
        socket: PathBuf,
        /// The other's process id.
        pid: String,
    },
    /// Somebody holds its lock, and it is not the sluiced that the lock names.
    #[error(
        "socket {socket}: its lock is held, and names pid {pid}, but that process is gone; see `fuser {lock}`, and end what holds it"
    )]
    Held {
        /// The socket.
        socket: PathBuf,
        /// The lock file.
        lock: PathBuf,
        /// The process that was.
        pid: String,
    },
    /// Something that is not a socket has its name.
    #[error("socket {0}: a file that is not a socket has this name; move it away, or give another [control] socket")]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("socket {socket}: {what}: {error}; check the path and the permissions")]
    Io {
        /// The socket.
        socket: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The reason.
        error: io::Error,
    },
}

/// The socket, bound and owned: while this lives, no other sluiced gets it. Its file goes with it.
pub struct Server {
    socket: PathBuf,
    listener: UnixListener,
    owner: (u32, u32),
    _lock: File,
}

impl Server {
    /// Claims the socket: makes its directory (0755), takes `<socket>.lock`, replaces the socket of a dead sluiced,
    /// binds with mode 0660.
    ///
    /// # Errors
    /// Where another sluiced has it (named by pid), or something else its lock, or the file system refuses.
    pub fn bind(socket: &Path) -> Result<Self, ServeError> {
        let failed = |what| move |error| ServeError::Io { socket: socket.to_owned(), what, error };
        if let Some(parent) = socket.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o755).create(parent);
            made.map_err(failed("its directory can't be made"))?;
        }
        let lock = claim(socket)?;
        match fs::symlink_metadata(socket) {
            Ok(metadata) if !metadata.file_type().is_socket() => return Err(ServeError::NotASocket(socket.to_owned())),
            Ok(_) => fs::remove_file(socket).map_err(failed("the old one can't be removed"))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("it can't be looked at")(error)),
        }
        // The mode is right from the first moment: the process has one thread, nothing else makes files meanwhile.
        let mask = rustix::process::umask(Mode::from_raw_mode(0o117));
        let bound = UnixListener::bind(socket);
        rustix::process::umask(mask);
        let listener = bound.map_err(failed("it can't be bound"))?;
        let metadata = fs::metadata(socket).map_err(failed("it can't be looked at"))?;
        Ok(Self { socket: socket.to_owned(), listener, owner: (metadata.uid(), metadata.gid()), _lock: lock })
    }

    /// Serves clients for ever, each in its own task.
    pub async fn serve(self, daemon: Rc<Daemon>) {
        let clients = Rc::new(Cell::new(0));
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    log::warn!(
                        "a client could not be accepted: {error}; trying again (too many open files: raise LimitNOFILE)"
                    );
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let refusal = match stream.peer_cred() {
                Ok(peer) if !self.allows(&peer) => Some(format!(
                    "user {} may not control this director; allowed are root and the socket's owner ({}) and group ({}).",
                    peer.uid(),
                    self.owner.0,
                    self.owner.1
                )),
                Ok(_) if clients.get() >= MAX_CLIENTS => {
                    Some(format!("{MAX_CLIENTS} clients are connected already; end some and try again."))
                }
                Ok(_) => None,
                Err(error) => Some(format!("the client's user can't be told: {error}.")),
            };
            let here = Present::new(&clients);
            let daemon = Rc::clone(&daemon);
            tokio::task::spawn_local(async move {
                let _here = here;
                let outcome = match refusal {
                    Some(reason) => refuse(stream, reason).await,
                    None => converse(stream, daemon).await,
                };
                if let Err(error) = outcome {
                    log::debug!("a client left: {error}");
                }
            });
        }
    }

    fn allows(&self, peer: &UCred) -> bool {
        let (user, group) = self.owner;
        peer.uid() == 0 || peer.uid() == user || peer.gid() == group || in_group(peer, group)
    }
}

impl Drop for Server {
    /// While the lock is held: nobody else's is removed.
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.socket) {
            log::warn!("socket {} can't be removed: {error}; the next sluiced replaces it", self.socket.display());
        }
    }
}

/// Whether the group is among the supplementary ones of the process that connected.
fn in_group(peer: &UCred, group: u32) -> bool {
    let Some(pid) = peer.pid() else { return false };
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    groups.split_whitespace().any(|number| number.parse() == Ok(group))
}

/// Takes the lock file, with our pid in it for whoever comes second.
fn claim(socket: &Path) -> Result<File, ServeError> {
    let failed = |what| move |error| ServeError::Io { socket: socket.to_owned(), what, error };
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = open.map_err(failed("its lock file can't be opened"))?;
    // Who may open it may lock it, and so keep sluiced from starting: also one that is there already gets this mode.
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed("its lock file's mode can't be set"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).map_err(failed("its lock file can't be read"))?;
            let (socket, pid) = (socket.to_owned(), pid.trim().to_owned());
            if Path::new("/proc").join(&pid).exists() {
                return Err(ServeError::InUse { socket, pid });
            }
            return Err(ServeError::Held { socket, lock: path.into(), pid });
        }
        Err(error) => return Err(failed("its lock can't be taken")(error.into())),
    }
    let mut write = || -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write().map_err(failed("its lock file can't be written"))?;
    Ok(file)
}

/// Counts a client for as long as it lives.
struct Present(Rc<Cell<usize>>);

impl Present {
    fn new(clients: &Rc<Cell<usize>>) -> Self {
        clients.set(clients.get() + 1);
        Self(Rc::clone(clients))
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Answers the first request with a refusal. It is read before: closed with unread bytes, the socket would lose the answer.
async fn refuse(stream: UnixStream, reason: String) -> io::Result<()> {
    log::warn!("client refused: {reason}");
    let (reader, writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    // Whatever came of it, the answer is the same.
    let _ = timeout(REFUSAL_PATIENCE, read_line(&mut reader, &mut Vec::new())).await;
    Output::new(writer).end::<()>(Err(Failure::refused(reason))).await
}

async fn converse(stream: UnixStream, daemon: Rc<Daemon>) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    let mut output = Output::new(writer);
    let mut line = Vec::new();
    loop {
        match read_line(&mut reader, &mut line).await? {
            Incoming::End => return Ok(()),
            Incoming::TooLong => {
                let text = format!("The request is longer than the {MAX_REQUEST} bytes allowed; send less at a time.");
                output.end::<()>(Err(Failure::usage(text))).await?;
            }
            Incoming::Line => match decode_request(&line) {
                Ok(request) => handlers::handle(&daemon, request, &mut output).await?,
                Err(failure) => output.end::<()>(Err(failure)).await?,
            },
        }
        // A long request's buffer is not kept for the next one.
        line = Vec::new();
    }
}

enum Incoming {
    Line,
    TooLong,
    End,
}

/// Reads to the end of the line, which stays out of `line`. A line that is too long is read away.
async fn read_line<R: tokio::io::AsyncBufRead + Unpin>(reader: &mut R, line: &mut Vec<u8>) -> io::Result<Incoming> {
    let mut too_long = false;
    loop {
        let bytes = reader.fill_buf().await?;
        if bytes.is_empty() {
            // A last line without its end has been cut off: it is not a request.
            return Ok(Incoming::End);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        if line.len() + part.len() >= MAX_REQUEST {
            too_long = true;
            *line = Vec::new();
        } else if !too_long {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            return Ok(if too_long { Incoming::TooLong } else { Incoming::Line });
        }
    }
}

/// Where answers go: rows, then one end.
pub struct Output {
    writer: BufWriter<OwnedWriteHalf>,
}

impl Output {
    fn new(writer: OwnedWriteHalf) -> Self {
        Self { writer: BufWriter::with_capacity(64 * 1024, writer) }
    }

    /// A row of a list.
    ///
    /// # Errors
    /// The client has gone.
    pub async fn row<T: Serialize>(&mut self, row: &T) -> io::Result<()> {
        self.writer.write_all(&encode_row(row)?).await
    }

    /// Sends what has been written so far.
    ///
    /// # Errors
    /// The client has gone.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().await
    }

    /// Whether the client will send no more: it has shut its side of the connection, or has gone.
    pub async fn client_is_done(&self) -> bool {
        // A socket that can be neither read nor written now tells nothing; one that was shut is never such.
        let ready = self.writer.get_ref().ready(Interest::READABLE | Interest::WRITABLE);
        matches!(timeout(Duration::ZERO, ready).await, Ok(Ok(ready)) if ready.is_read_closed())
    }

    /// The end of the request.
    ///
    /// # Errors
    /// The client has gone.
    pub async fn end<T: Serialize>(&mut self, end: Result<T, Failure>) -> io::Result<()> {
        self.writer.write_all(&encode_end(&end)?).await?;
        self.writer.flush().await
    }
}
