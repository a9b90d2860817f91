use super::*;

fn identity(n: u32) -> Identity {
    Identity {
        protocol: Protocol::Tcp,
        method: ForwardMethod::Tunnel,
        client: Endpoint { address: n, port: n as u16 },
        service: Endpoint { address: n, port: n as u16 },
        real: Endpoint { address: n, port: n as u16 },
        real_slot: n,
        real_generation: n,
    }
}

#[test]
fn a_row_shows_what_was_filled_in_and_a_free_entry_has_none() {
    let entry = Connection::free();
    assert_eq!(entry.row(0, 0), None);
    entry.fill(&identity(7), ConnectionState::SynRecv, 1000, 100);
    let row = entry.row(400, 3).expect("live");
    assert_eq!((row.state, row.expires_in, row.worker), (ConnectionState::SynRecv, 700, 3));
    assert_eq!((row.method, row.real.port()), (ForwardMethod::Tunnel, 7));
    assert_eq!(entry.identity(), identity(7));
    entry.vacate();
    assert_eq!(entry.row(400, 3), None);
}

#[test]
fn a_row_read_with_an_older_clock_has_its_whole_time_left() {
    let entry = Connection::free();
    entry.fill(&identity(1), ConnectionState::Udp, 300_000, 5_000);
    assert_eq!(entry.row(4_990, 0).map(|row| row.expires_in), Some(300_000));
    assert_eq!(entry.row(6_000, 0).map(|row| row.expires_in), Some(299_000));
}

#[test]
fn idle_time_survives_the_wrap_of_the_stored_clock() {
    let entry = Connection::free();
    let late = (1u64 << 32) - 50;
    entry.fill(&identity(1), ConnectionState::Udp, 0, late);
    assert_eq!(entry.idle(late + 100), 100);
}

#[test]
fn a_reader_never_sees_half_of_one_connection_and_half_of_another() {
    let entry = std::sync::Arc::new(Connection::free());
    let writer = std::sync::Arc::clone(&entry);
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = std::sync::Arc::clone(&done);
    let thread = std::thread::spawn(move || {
        for n in 0..200_000 {
            writer.fill(&identity(n), ConnectionState::Udp, 0, 0);
            writer.vacate();
        }
        stop.store(true, Ordering::Release);
    });
    while !done.load(Ordering::Acquire) {
        if let Some(row) = entry.row(0, 0) {
            assert_eq!(row.client, row.real);
            assert_eq!(row.client.ip().to_bits() as u16, row.service.port());
        }
    }
    thread.join().expect("writer");
}
