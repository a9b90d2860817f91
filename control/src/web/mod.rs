//! HTTP, for looking only: metrics for Prometheus, a page for people, and what both need as JSON. A thread of its own,
//! so that no reader holds up the control loop: it asks the loop for a [`Snapshot`], at most twice a second for all
//! readers together, and does the rest itself.
//!
//! ```text
//!  Prometheus --- /metrics      --+
//!  page       --- /api/overview --+-- routes -- source ==(questions)== daemon::observe
//!                 /api/history  --+
//! ```

pub mod metrics;
mod overview;
mod page;
mod pulse;
mod routes;
mod server;
mod source;

pub use pulse::Pulse;
pub use server::{Web, WebError};
pub use source::{Question, Questions, Readiness, Snapshot, questions};
