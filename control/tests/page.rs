//! The page in a real browser: headless Chromium, driven by its driver (Debian's packages chromium and chromium-driver).

#[path = "support/browser.rs"]
mod browser;
mod support;

use browser::Browser;
use std::time::{Duration, Instant};
use support::{FakeDataplane, PATIENCE, Site};

/// One browser for all of it: its start takes most of the time.
#[tokio::test]
async fn the_page_shows_the_director_live_and_outlives_dataplane_and_sluiced() {
    let mut site = Site::new();
    let address = site.serve_http("");
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    site.connected();
    let browser = Browser::open(&site.path("")).await;
    browser.client.goto(&format!("http://{address}/")).await.expect("the page");

    // All of it is there.
    let text = browser.shows("Forwarding, up").await;
    for part in ["web", "tcp 202.103.106.5:80", "172.16.0.3:8000", "serving", "2 of 2", "dns", "no reals", "main"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    fits_every_width(&browser).await;
    keyboard_and_markup(&browser).await;
    nothing_was_refused(&browser).await;

    // A change shows without reloading.
    site.ask(r#"{"command":"real_drain","service":"web","address":"172.16.0.3:8000"}"#);
    let text = browser.shows("drained").await;
    assert!(text.contains("1 of 2"), "{text}");
    eventually_charts(&browser).await;

    // The dataplane ends, and another begins.
    drop(dataplane);
    let text = browser.shows("Dataplane gone since").await;
    assert!(text.contains("The dataplane is not running, so nothing is forwarded."), "{text}");
    let _dataplane = FakeDataplane::start(&site.link());
    let text = browser.shows("Forwarding, up").await;
    assert!(text.contains("drained") && !text.contains("not running"), "{text}");

    // So does sluiced.
    sluiced.kill();
    browser.shows("sluiced does not answer").await;
    let _sluiced = site.start();
    browser.shows("Forwarding, up").await;

    // What is typed filters.
    browser.run("(() => { const f = document.getElementById('filter'); f.value = 'dns'; f.dispatchEvent(new Event('input')); })()").await;
    browser.loses("172.16.0.2:80").await;
}

/// Nothing sticks out on a telephone, a tablet, a desk.
async fn fits_every_width(browser: &Browser) {
    for (width, height) in [(500, 900), (800, 900), (1360, 900)] {
        browser.client.set_window_size(width, height).await.expect("resized");
        let overflow = browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(overflow, 0, "at {width} pixels");
    }
}

/// What those need who do not use a mouse, or do not see.
async fn keyboard_and_markup(browser: &Browser) {
    let fold = "document.querySelector('button.fold')";
    assert_eq!(browser.run(&format!("{fold}.getAttribute('aria-expanded')")).await, "true");
    browser.run(&format!("{fold}.focus()")).await;
    assert_eq!(browser.run("document.activeElement.textContent").await, "web");
    browser.run("document.activeElement.click()").await;
    assert_eq!(browser.run(&format!("{fold}.getAttribute('aria-expanded')")).await, "false");
    browser.loses("172.16.0.3:8000").await;
    browser.run("document.activeElement.click()").await;
    browser.shows("172.16.0.3:8000").await;
    for (what, selector) in [
        ("a heading cell without scope", "th:not([scope])"),
        ("a chart without a label", "svg:not([aria-label])"),
        ("an input without a label", "input:not(label input)"),
        ("a bar without a label", "progress:not([aria-label])"),
    ] {
        let count = browser.run(&format!("document.querySelectorAll({selector:?}).length")).await;
        assert_eq!(count, 0, "{what}");
    }
    // A state is told by its word, beside its colour.
    let states = "[...document.querySelectorAll('.state')].every((state) => state.textContent.trim().length > 2)";
    assert_eq!(browser.run(states).await, true);
}

/// The policy allows all that the page does, and no more: what is put in as text stays text.
async fn nothing_was_refused(browser: &Browser) {
    let script = "(() => { window.ran = false; const place = document.createElement('p'); document.body.append(place); \
                  place.innerHTML = '<img src=x onerror=\"window.ran = true\">'; return true; })()";
    browser.run(script).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(browser.run("window.ran").await, false, "an inline script was run");
    let styled = "getComputedStyle(document.querySelector('main')).display";
    assert_eq!(browser.run(styled).await, "grid", "the style sheet was refused");
}

/// The history has come, and is drawn.
async fn eventually_charts(browser: &Browser) {
    let since = Instant::now();
    let drawn = "document.querySelector('#c-new path.line')?.getAttribute('d').length ?? 0";
    while browser.run(drawn).await.as_u64() == Some(0) {
        assert!(since.elapsed() < PATIENCE, "no line in the chart");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
