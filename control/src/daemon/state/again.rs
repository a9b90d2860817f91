//! Sending the running services again, because what follows from their reals' health has changed.

use super::{Daemon, Sent};
use crate::protocol::{Changed, Failure};

impl Daemon {
    /// Sends the running services again where what follows from their reals' health has changed.
    ///
    /// # Errors
    /// The dataplane refuses, or does not answer.
    pub(in crate::daemon) async fn refresh(&self) -> Result<(), Failure> {
        if !self.is_connected() {
            if self.gone_for().is_some() {
                // What is announced follows from health whether packets flow or not.
                self.publish_needs();
            }
            return Ok(());
        }
        let turn = self.changing.lock().await;
        let running = self.running();
        if !self.is_connected() || self.health.is_in_force(&running) {
            return Ok(());
        }
        self.send(&turn, (*running).clone()).await.map(drop)
    }

    /// Sends the running services as they are, since what follows from their reals' health has changed: `message` says
    /// what was done, `line` what that changes.
    ///
    /// # Errors
    /// As of [`Self::change`].
    pub(in crate::daemon) async fn send_again(&self, mut message: String, line: String) -> Result<Changed, Failure> {
        let turn = self.turn().await?;
        let running = (*self.running()).clone();
        let (in_force, generation) = match self.send(&turn, running).await? {
            Sent::InForce(generation) => (true, generation),
            Sent::Waiting => {
                message.push_str(" The dataplane is not running; it gets this when it starts.");
                (false, 0)
            }
        };
        log::info!("{message}");
        Ok(Changed { message, changes: vec![line], in_force, generation })
    }
}
