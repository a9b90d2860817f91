//! Programs that are told of changes, one after another.

use super::probe::Group;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// How many may wait for their turn; of more than these the newest are not told.
pub(super) const WAITING: usize = 1024;

/// How long one may take; then it is killed with its children.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program, its arguments, and what is added to its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Name and value.
    pub environment: Vec<(&'static str, String)>,
}

pub(super) async fn run(mut hooks: Receiver<Hook>) {
    while let Some(hook) = hooks.recv().await {
        let shown = hook.command.join(" ");
        let told = async {
            let mut group = Group::start(&hook.command, &hook.environment)?;
            group.end().await
        };
        match timeout(PATIENCE, told).await {
            Ok(Ok((status, _))) if status.success() => log::info!("hook {shown}: done"),
            Ok(Ok((status, text))) => log::warn!("hook {shown}: {status} {text}; see [service.hooks]"),
            Ok(Err(text)) => log::warn!("hook {shown}: {text}; see [service.hooks]"),
            Err(_) => log::warn!(
                "hook {shown}: not done in {} s, killed; a hook that takes longer has to go on by itself",
                PATIENCE.as_secs()
            ),
        }
    }
}
