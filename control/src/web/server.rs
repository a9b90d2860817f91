//! The thread that serves HTTP: connections in, all of them bounded in number, size and time.

use super::pulse::Pulse;
use super::routes::{self, Site};
use super::source::{Question, Source};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

/// Connections at one time; more wait in the kernel.
const MOST_CONNECTIONS: usize = 64;
/// How long a client may take for the head of its request.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may take from beginning to end; each is for one request.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a request's head. There is no body that anybody reads.
const MOST_HEAD: usize = 16 * 1024;

/// Why the web server can't be started.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address can't be had.
    #[error(
        "[control] http {address}: {error}; see `ss -tlnp` for who has it, give another address, or remove the line to do without metrics and page"
    )]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// The reason.
        error: io::Error,
    },
    /// The thread can't be started.
    #[error(
        "[control] http {address}: its thread can't be started: {error}; check the limits of this user and machine"
    )]
    Thread {
        /// The address that was asked for.
        address: SocketAddr,
        /// The reason.
        error: io::Error,
    },
}

/// The web server, bound and not serving yet.
#[derive(Debug)]
pub struct Web {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl Web {
    /// Takes the address; port 0 takes any that is free.
    ///
    /// # Errors
    /// Where somebody else has it, or this machine does not.
    pub fn bind(address: SocketAddr) -> Result<Self, WebError> {
        let bound = std::net::TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .and_then(|listener| listener.local_addr().map(|address| (listener, address)));
        let (listener, address) = bound.map_err(|error| WebError::Bind { address, error })?;
        Ok(Self { listener, address })
    }

    /// Where it will serve.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until this process ends, on a thread of its own; asks `questions`. `with_reals`: the metrics have the
    /// reals too. The pulse goes on as long as the thread does.
    ///
    /// # Errors
    /// Where the thread or its runtime can't be made.
    pub fn start(self, questions: mpsc::Sender<Question>, with_reals: bool) -> Result<Pulse, WebError> {
        let Self { listener, address } = self;
        let failed = |error| WebError::Thread { address, error };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(failed)?;
        let site =
            Arc::new(Site { source: Source::new(questions), with_reals, local_only: address.ip().is_loopback() });
        let pulse = Pulse::default();
        let kept = pulse.clone();
        let serve = move || {
            let outcome = runtime.block_on(async {
                tokio::spawn(kept.keep());
                serve(TcpListener::from_std(listener)?, site).await
            });
            if let Err(error) = outcome {
                log::error!("http {address} is not served: {error}; restart sluiced, which costs no connection");
            }
        };
        std::thread::Builder::new().name("http".to_owned()).spawn(serve).map_err(failed)?;
        Ok(pulse)
    }
}

async fn serve(listener: TcpListener, site: Arc<Site>) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // Closed by nobody.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
        match listener.accept().await {
            Ok((stream, _)) => {
                let site = Arc::clone(&site);
                tokio::spawn(async move {
                    let _place = place;
                    converse(stream, site).await;
                });
            }
            Err(error) => {
                log::warn!("an HTTP client could not be accepted: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, site: Arc<Site>) {
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(routes::respond(&site, &request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(MOST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("an HTTP client left: {error}"),
        Err(_) => log::debug!("an HTTP client took more than {} s", CONNECTION_PATIENCE.as_secs()),
    }
}
