//! NAT-3: the paper's table of figure 3 works as printed: port 80 shared 1:2, port 21 on one real, one VIP.

use std::net::SocketAddrV4;

use lab::{NAT_VIP, Result};

use crate::support::{paper, shares, url};

#[test]
fn the_papers_example_is_balanced_as_its_table_says() -> Result<()> {
    let lab = paper()?;
    let web = lab.client().get(&url(NAT_VIP), 30)?;
    assert_eq!(shares(&web), [("real1", 10), ("real2", 20)].into());
    let ftp = lab.client().read_greetings(SocketAddrV4::new(NAT_VIP, 21), 10)?;
    assert_eq!(shares(&ftp), [("real2", 10)].into());
    Ok(())
}
