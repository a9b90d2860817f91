//! Where `sluice top` has its numbers from: the control socket, asked by a thread of its own, so that a slow answer
//! does not hold up the keys.

use super::super::Stop;
use super::super::connection::Connection;
use crate::protocol::{Drops, History, Request, ServiceRow, Status, Totals};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// Services whose history is asked for.
const MOST_HISTORIES: usize = 256;

/// The director at one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) status: Status,
    pub(super) services: Vec<ServiceRow>,
    pub(super) totals: Totals,
    /// `None`: no dataplane.
    pub(super) drops: Option<Drops>,
    pub(super) history: History,
}

/// Samples, one after another.
pub(super) struct Feed {
    socket: PathBuf,
    interval: Duration,
    connection: Option<Connection>,
    news: Option<Receiver<Result<Sample, String>>>,
}

impl Feed {
    /// Connects.
    ///
    /// # Errors
    /// sluiced can't be reached.
    pub(super) fn open(socket: &Path, interval: Duration) -> Result<Self, Stop> {
        let connection = Some(Connection::open(socket)?);
        Ok(Self { socket: socket.to_owned(), interval, connection, news: None })
    }

    /// A sample now.
    ///
    /// # Errors
    /// sluiced does not answer.
    pub(super) fn first(&mut self) -> Result<Sample, Stop> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(&self.socket)?),
        };
        sample(connection)
    }

    /// From now on there are [`Feed::news`].
    pub(super) fn follow(&mut self) {
        let (sender, news) = mpsc::channel();
        let (socket, interval, mut connection) = (self.socket.clone(), self.interval, self.connection.take());
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(interval);
                let asked = match connection.take() {
                    Some(open) => Ok(open),
                    None => Connection::open(&socket),
                };
                let news = asked.and_then(|mut open| {
                    let sample = sample(&mut open)?;
                    connection = Some(open);
                    Ok(sample)
                });
                if sender.send(news.map_err(|stop| stop.to_string())).is_err() {
                    return;
                }
            }
        });
        self.news = Some(news);
    }

    /// What has come since: a sample, or why there is none.
    pub(super) fn news(&self) -> Option<Result<Sample, String>> {
        self.news.as_ref()?.try_recv().ok()
    }
}

fn sample(connection: &mut Connection) -> Result<Sample, Stop> {
    let status = connection.ask(&Request::Status)?;
    let (services, totals) = connection.list::<ServiceRow, Totals>(&Request::Stats { service: None })?;
    let drops = match connection.ask(&Request::Drops) {
        Ok(drops) => Some(drops),
        Err(Stop::Failed(_)) => None,
        Err(stop) => return Err(stop),
    };
    let names = services.iter().take(MOST_HISTORIES).map(|service| service.name.clone()).collect();
    let history = connection.ask(&Request::History { services: names, since: 0 })?;
    Ok(Sample { status, services, totals, drops, history })
}
