//! What a director without a kernel interface on a port does there itself: answer ARP for its addresses.

use super::Pipeline;
use super::output::Fate;
use crate::arp;
use rte_rs::Mbuf;

impl Pipeline {
    /// With a kernel interface, ARP is the kernel's: it has the addresses, and the VIPs.
    #[cold]
    pub(super) fn arp(&self, mbuf: &mut Mbuf) -> Fate {
        let port = mbuf.port();
        let Some(facts) = self.settings.ports.get(usize::from(port)).filter(|facts| !facts.has_kernel_interface) else {
            return Fate::Kernel;
        };
        let is_ours = |address: u32| facts.addresses.contains(&address) || self.tables.services.is_virtual(address);
        if arp::answer(mbuf.data_mut(), facts.mac, is_ours) {
            // What the asker padded its frame with is not ours to send back.
            mbuf.truncate(arp::FRAME_LEN);
            Fate::Answer { port, reason: None }
        } else {
            Fate::Kernel
        }
    }
}
