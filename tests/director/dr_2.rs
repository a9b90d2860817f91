//! DR-2: the real answers the client itself; the director sees requests only.

use lab::{DIRECT_VIP, Result};

use crate::support::{assert_answers_pass_by, paper};

#[test]
fn answers_of_a_directly_routed_service_do_not_pass_the_director() -> Result<()> {
    assert_answers_pass_by(&paper()?, "web-direct", DIRECT_VIP)
}
