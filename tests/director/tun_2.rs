//! TUN-2: the real answers the client itself, from the VIP; the director sees requests only.

use lab::{Result, TUNNEL_VIP};

use crate::support::{assert_answers_pass_by, paper};

#[test]
fn answers_of_a_tunnelled_service_do_not_pass_the_director() -> Result<()> {
    assert_answers_pass_by(&paper()?, "web-tunnel", TUNNEL_VIP)
}
