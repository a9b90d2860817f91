use super::*;
use crate::test_link::private_link;
use link::DataplaneLink;

const REALS: u32 = 4;

/// Templates, and the link whose directory they count in.
fn templates(capacity: u32) -> (Templates, DataplaneLink) {
    let link = private_link(2, 2, REALS);
    (Templates::new(capacity, link.directory().reals.clone()), link)
}

fn counts(link: &DataplaneLink) -> [u32; REALS as usize] {
    std::array::from_fn(|slot| link.directory().reals[slot].persistent.load(Ordering::Relaxed))
}

fn key(client: u32) -> TemplateKey {
    TemplateKey { protocol: Some(Protocol::Tcp), client, service: 0xca67_6a05, port: 80 }
}

fn real(slot: u32) -> TemplateReal {
    let end = Endpoint { address: 0xac10_0002 + slot, port: 8080 };
    TemplateReal { slot, generation: slot + 7, end, method: ForwardMethod::Tunnel }
}

fn always(_: &TemplateReal) -> bool {
    true
}

/// A first connection of the client, at `now`.
fn begin(templates: &Templates, client: u32, slot: u32, now: u64) -> Result<Followed, NoRoom> {
    templates.remember(&key(client), &real(slot), 10_000, now, always)
}

#[test]
fn a_row_shows_what_the_template_was_made_with() {
    let (templates, link) = templates(100);
    let followed = begin(&templates, 5, 2, 1_000).unwrap();
    let row = templates.row(followed.position as usize, 3_000).unwrap();
    assert_eq!(
        (row.protocol, row.template, row.method),
        (Some(Protocol::Tcp), Some(Template::Fresh), ForwardMethod::Tunnel)
    );
    let ends = [row.client, row.service, row.real].map(|end| end.to_string());
    assert_eq!(ends, ["0.0.0.5:0", "202.103.106.5:80", "172.16.0.4:8080"]);
    assert_eq!((row.expires_in, counts(&link)), (8_000, [0, 0, 1, 0]));
    templates.assure(followed.position);
    assert_eq!(templates.row(followed.position as usize, 3_000).unwrap().template, Some(Template::Assured));
}

#[test]
fn keys_that_differ_in_one_thing_have_templates_of_their_own() {
    let (templates, _link) = templates(100);
    let plain = key(5);
    let others = [
        plain,
        TemplateKey { protocol: Some(Protocol::Udp), ..plain },
        TemplateKey { protocol: None, ..plain },
        TemplateKey { client: 6, ..plain },
        TemplateKey { service: 1, ..plain },
        TemplateKey { port: 0, ..plain },
    ];
    for (slot, key) in (0..).zip(&others) {
        templates.remember(key, &real(slot), 10_000, 0, always).unwrap();
    }
    let found = others.map(|key| templates.find(&key, 0).unwrap().slot);
    assert_eq!((found, templates.len()), ([0, 1, 2, 3, 4, 5], 6));
}

#[test]
fn the_timer_is_restarted_by_connections_and_runs_out_only_without_them() {
    let (templates, link) = templates(100);
    let first = begin(&templates, 5, 1, 0).unwrap();
    let at_4 = templates.follow(&key(5), 4_000, always).unwrap().unwrap();
    assert_eq!((at_4, templates.find(&key(5), 13_999)), (first, Some(real(1))));
    // At 14 s it is set to 74 s, since there are connections; the last ends at 50 s.
    templates.release(first.position, 20_000);
    templates.release(first.position, 50_000);
    assert_eq!(templates.row(first.position as usize, 60_000).unwrap().expires_in, 14_000);
    assert_eq!(templates.find(&key(5), 73_999), Some(real(1)));
    assert_eq!((templates.find(&key(5), 74_000), templates.row(first.position as usize, 74_000)), (None, None));
    assert_eq!((templates.follow(&key(5), 74_000, always), counts(&link), templates.len()), (Ok(None), [0; 4], 0));
}

#[test]
fn a_template_that_was_held_once_gives_60_seconds_from_then_on() {
    let (templates, _link) = templates(100);
    let first = begin(&templates, 5, 1, 0).unwrap();
    templates.follow(&key(5), 12_000, always).unwrap().unwrap();
    assert_eq!(templates.row(first.position as usize, 12_000).unwrap().expires_in, HELD_AGAIN);
}

#[test]
fn a_template_whose_real_cannot_be_used_is_retired_with_its_connections() {
    let (templates, link) = templates(100);
    let old = begin(&templates, 5, 1, 0).unwrap();
    assert_eq!(templates.follow(&key(5), 1_000, |real| real.slot != 1), Ok(None));
    let new = begin(&templates, 5, 2, 1_000).unwrap();
    assert_ne!(old.position, new.position);
    assert_eq!((templates.find(&key(5), 1_000), counts(&link)), (Some(real(2)), [0, 1, 1, 0]));
    let row = templates.row(old.position as usize, 1_000).unwrap();
    assert_eq!((row.service.port(), row.real.port(), row.expires_in), (0xffff, 0xffff, 9_000));
    templates.release(old.position, 2_000);
    (0..templates.buckets()).for_each(|bucket| templates.sweep(bucket, 10_000, never));
    assert_eq!((templates.len(), counts(&link)), (1, [0, 0, 1, 0]));
}

#[test]
fn of_two_workers_that_make_a_template_at_once_the_second_follows_the_first() {
    let (templates, link) = templates(100);
    let first = begin(&templates, 5, 1, 0).unwrap();
    let second = begin(&templates, 5, 2, 0).unwrap();
    assert_eq!((second, counts(&link)), (first, [0, 1, 0, 0]));
}

#[test]
fn a_full_bucket_gives_up_what_was_never_served_and_nothing_else() {
    let (templates, link) = templates(1);
    for client in 1..=WAYS as u32 {
        let made = begin(&templates, client, 0, u64::from(client)).unwrap();
        if client != 3 {
            templates.assure(made.position);
        }
        if client != 4 {
            templates.release(made.position, 100);
        }
    }
    // 3 is idle and was never served, 4 is held, the others were served.
    begin(&templates, 20, 1, 200).unwrap();
    assert_eq!((templates.find(&key(3), 200), templates.find(&key(20), 200)), (None, Some(real(1))));
    assert_eq!(begin(&templates, 21, 1, 200), Err(NoRoom));
    // Those whose time is up go all the same.
    assert!(begin(&templates, 21, 1, 15_000).is_ok());
    assert_eq!((templates.len(), counts(&link)), (WAYS, [5, 2, 0, 0]));
}

#[test]
fn when_pressed_a_template_that_was_never_served_goes_with_its_last_connection() {
    let (templates, link) = templates(100);
    let fresh = begin(&templates, 1, 0, 0).unwrap();
    templates.follow(&key(1), 0, always).unwrap().unwrap();
    templates.release(fresh.position, 10);
    templates.drop_unserved(fresh.position);
    assert_eq!(templates.find(&key(1), 10), Some(real(0)), "another connection is there");
    templates.release(fresh.position, 10);
    templates.drop_unserved(fresh.position);
    let served = begin(&templates, 2, 1, 0).unwrap();
    templates.assure(served.position);
    templates.release(served.position, 10);
    templates.drop_unserved(served.position);
    assert_eq!((templates.find(&key(1), 10), templates.find(&key(2), 10)), (None, Some(real(1))));
    assert_eq!(counts(&link), [0, 1, 0, 0]);
}

/// For a sweep that takes nothing out before its time.
fn never(_: &TemplateReal, _: bool) -> bool {
    false
}

#[test]
fn a_sweep_that_thins_out_keeps_what_was_served_or_has_connections() {
    let (templates, _link) = templates(100);
    let [idle, served, held] = [1, 2, 3].map(|client| begin(&templates, client, 0, 0).unwrap().position);
    templates.assure(served);
    [idle, served].into_iter().for_each(|position| templates.release(position, 5));
    (0..templates.buckets()).for_each(|bucket| templates.sweep(bucket, 10, |_, assured| !assured));
    let left = [idle, served, held].map(|position| templates.row(position as usize, 10).is_some());
    assert_eq!(left, [false, true, true]);
}

#[test]
fn a_sweep_takes_those_of_a_real_whose_connections_are_gone() {
    let (templates, _link) = templates(100);
    let [idle, held, other] =
        [(1, 0), (2, 0), (3, 1)].map(|(client, slot)| begin(&templates, client, slot, 0).unwrap());
    templates.assure(idle.position);
    [idle, other].into_iter().for_each(|followed| templates.release(followed.position, 5));
    (0..templates.buckets()).for_each(|bucket| templates.sweep(bucket, 10, |real, _| real.slot == 0));
    let left = [idle, held, other].map(|followed| templates.row(followed.position as usize, 10).is_some());
    assert_eq!(left, [false, true, true]);
}

#[test]
fn a_flush_takes_out_what_is_named_and_hides_what_has_connections() {
    let (templates, link) = templates(100);
    let held = begin(&templates, 1, 0, 0).unwrap();
    let idle = begin(&templates, 2, 1, 0).unwrap();
    begin(&templates, 3, 2, 0).unwrap();
    templates.release(idle.position, 5);
    let named = |row: &ConnectionRow| row.client.ip().to_bits() != 3;
    let flushed: u64 = (0..templates.buckets()).map(|bucket| templates.flush(bucket, 10, named)).sum();
    let found = [1, 2, 3].map(|client| templates.find(&key(client), 10).is_some());
    assert_eq!((flushed, found, counts(&link)), (2, [false, false, true], [1, 0, 1, 0]));
    assert_eq!(templates.row(held.position as usize, 10).unwrap().service.port(), RETIRED_PORT);
}

/// Ten million clients, one packet each: the table stays as large as it was made, and every template is in it, or went.
#[test]
fn a_flood_of_clients_takes_no_more_room_than_there_is() {
    let (templates, link) = templates(10_000);
    let served = begin(&templates, 0, 3, 0).unwrap();
    templates.assure(served.position);
    templates.release(served.position, 0);
    let places = templates.positions();
    let mut refused = 0;
    for client in 1..=10_000_000 {
        match begin(&templates, client, client % 3, u64::from(client / 2_000)) {
            Ok(made) => templates.release(made.position, u64::from(client / 2_000)),
            Err(NoRoom) => refused += 1,
        }
    }
    assert_eq!(templates.find(&key(0), 5_000), Some(real(3)), "who was served is remembered");
    assert_eq!((templates.positions(), refused), (places, 0));
    assert_eq!(counts(&link).iter().sum::<u32>() as usize, templates.len());
    assert!(templates.len() <= places, "{} in {places}", templates.len());
}

/// Workers begin and end connections of the same clients, while another sweeps: each client has one real at a time, and
/// in the end nothing is counted.
#[test]
fn workers_agree_on_the_real_of_each_client() {
    let (templates, link) = templates(64);
    std::thread::scope(|scope| {
        for worker in 0..3u32 {
            let templates = &templates;
            scope.spawn(move || {
                for round in 0..20_000u32 {
                    let client = round % 16;
                    let now = u64::from(round / 16);
                    let mine = templates.follow(&key(client), now, always).ok().flatten();
                    let mine = mine.map_or_else(|| begin(templates, client, worker, now), Ok);
                    let Ok(mine) = mine else { continue };
                    // While this connection counts, the template stays and leads to its real.
                    if let Some(real) = templates.find(&key(client), now) {
                        assert_eq!(real, mine.real);
                    }
                    templates.release(mine.position, now);
                }
            });
        }
        scope.spawn(|| {
            for round in 0..2_000u64 {
                (0..templates.buckets()).for_each(|bucket| templates.sweep(bucket, round, never));
            }
        });
    });
    (0..templates.buckets()).for_each(|bucket| templates.sweep(bucket, 1_000_000, never));
    assert_eq!((templates.len(), counts(&link)), (0, [0; 4]));
}
