//! OPS-4: adding or losing a real does not interrupt the connections of the others.

use std::net::SocketAddrV4;

use lab::{REALS, Result};

use crate::support::{METHODS, Session, in_all_methods, serve_on_all, with_services};

const PORT: u16 = 9000;

#[test]
fn long_connections_go_on_while_reals_come_and_go() -> Result<()> {
    let lab = with_services(&in_all_methods("tcp", PORT))?;
    let _servers = serve_on_all(&lab, PORT, "cat")?;
    for (method, vip) in METHODS {
        let address = SocketAddrV4::new(vip, PORT);
        let mut sessions = (0..REALS.len())
            .map(|number| Session::open(lab.client(), &format!("{method}{number}"), address))
            .collect::<Result<Vec<_>>>()?;
        for (real, removed) in ["real1", "real2"].into_iter().zip(REALS) {
            let removed = format!("{removed}:{PORT}");
            lab.sluice_ok(["real", "remove", method, &removed])?;
            for session in sessions.iter_mut().filter(|session| session.real() != real) {
                session.goes_on()?;
            }
            sessions.retain(|session| session.real() != real);
            lab.sluice_ok(["real", "add", method, &removed])?;
            sessions.iter_mut().try_for_each(Session::goes_on)?;
        }
        assert_eq!(sessions.iter().map(Session::real).collect::<Vec<_>>(), ["real3"], "{method}");
    }
    Ok(())
}
