//! The page of a director that carries traffic, in a real browser: live rates, and alive through a restart of the
//! dataplane.

use std::fs::File;
use std::path::Path;

use lab::{Lab, NAT_VIP, PAPER_SERVICES, Result, Signal};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;

use crate::browser::Browser;
use crate::support::{LIMIT, url};

const ADDRESS: &str = "127.0.0.1:9106";

/// Where the picture of the page goes that the README shows: `SLUICE_PICTURE=$PWD/docs/page.png cargo nextest run -p sluice
/// --test director --no-capture the_page` takes it after some minutes of traffic, and prints what the README shows of
/// `sluice top` and of a drain.
const PICTURE: &str = "SLUICE_PICTURE";

#[test]
fn the_page_shows_live_rates_and_outlives_the_dataplane() -> Result<()> {
    let mut lab = Lab::paper_example()?;
    let machine = lab.machine().to_string().replace("[control]", &format!("[control]\nhttp = {ADDRESS:?}"));
    lab.start_director(&machine, &checked())?;
    lab.client().wait_for_answer(&url(NAT_VIP), LIMIT)?;
    // sluiced serves this machine only, which is the director's namespace; this thread alone goes there.
    let namespace = File::open(Path::new("/run/netns").join(lab.director().namespace())).expect("its namespace");
    let watch = std::thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).expect("entered");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(watch(lab))
    });
    watch.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The paper's services, those of HTTP with a check.
fn checked() -> String {
    const CHECK: &str =
        "[service.check]\ntype = \"http\"\ninterval = \"1s\"\ntimeout = \"500ms\"\nrise = 2\nfall = 2\n";
    let services = PAPER_SERVICES.split("\n\n[[service]]\n").map(|service| match service.contains("name = \"web") {
        true => service.replacen("[[service.real]]", &format!("{CHECK}\n[[service.real]]"), 1),
        false => service.to_owned(),
    });
    services.collect::<Vec<_>>().join("\n\n[[service]]\n")
}

/// nginx of the second real hangs, or goes on.
fn signal(lab: &Lab, name: &str) -> Result<()> {
    let pid = lab.folder().join("real2/nginx.pid");
    lab.require_real(2)?.shell(&format!("kill -{name} $(cat {})", pid.display())).map(drop)
}

async fn watch(mut lab: Lab) -> Result<()> {
    let browser = Browser::open(&lab.folder()).await;
    browser.client.goto(&format!("http://{ADDRESS}/")).await.expect("the page");
    let text = browser.shows("Forwarding, up").await;
    for part in ["web", "web-tunnel", "web-direct", "172.16.0.2:80", "serving", "sluiced", "wan", "lan"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    checks_have_their_words(&lab, &browser).await?;

    // Requests show as rates of the service and of the director, as load of the worker, and as packets of the ports.
    let load = lab.client().load(&url(NAT_VIP), 20)?;
    for what in [RATE_OF_WEB, RATE_OF_ALL, PACKETS_OF_WAN] {
        browser.comes_to(&format!("{what} above 0"), async |browser: &Browser| above_zero(browser, what).await).await;
    }
    let load_of_worker =
        browser.comes_to("the worker's load", async |browser: &Browser| above_zero(browser, LOAD).await);
    let percent = load_of_worker.await;
    assert!(percent < 100.0, "a worker with 20 requests a second is not busy: {percent} %");
    if let Some(file) = std::env::var_os(PICTURE) {
        take_picture(&lab, &browser, Path::new(&file)).await?;
    }

    // The dataplane dies; the page says so, and goes on by itself with the next one.
    let dataplane = lab.dataplane().expect("it was started");
    dataplane.signal(Signal::KILL)?;
    dataplane.wait(LIMIT)?;
    let text = browser.shows("Dataplane gone since").await;
    assert!(text.contains("The dataplane is not running, so nothing is forwarded."), "{text}");
    drop(load);
    lab.start_dataplane()?;
    let text = browser.shows("Forwarding, up").await;
    assert!(!text.contains("not running"), "{text}");
    lab.client().wait_for_answer(&url(NAT_VIP), LIMIT)?;
    let _load = lab.client().load(&url(NAT_VIP), 20)?;
    browser.comes_to("rates again", async |browser: &Browser| above_zero(browser, RATE_OF_WEB).await).await;
    Ok(())
}

/// Of a service how many serve, of a real whether it does, as one hangs and goes on.
async fn checks_have_their_words(lab: &Lab, browser: &Browser) -> Result<()> {
    states(browser, &["2 of 2", "3 of 3", "up"], "down").await;
    signal(lab, "STOP")?;
    states(browser, &["1 of 2", "2 of 3", "up", "down"], "2 of 2").await;
    signal(lab, "CONT")?;
    states(browser, &["2 of 2", "3 of 3", "up"], "down").await;
    Ok(())
}

const RATE_OF_ALL: &str = "document.getElementById('f-new').firstChild?.textContent";
const RATE_OF_WEB: &str = "document.querySelector('#service-table tbody tr').cells[5].textContent";
const PACKETS_OF_WAN: &str = "document.querySelector('#port-rows tr').cells[1]?.textContent";
const LOAD: &str = "document.querySelector('#worker-rows .load')?.textContent";

/// Waits until the states of services and reals are all of `these`, and not `without`.
async fn states(browser: &Browser, these: &[&str], without: &str) {
    let script = "[...document.querySelectorAll('#service-table .state')].map((state) => state.textContent.trim())";
    let look = async |browser: &Browser| {
        let Value::Array(shown) = browser.run(script).await else { return None };
        let has = |word: &str| shown.iter().any(|state| state.as_str().is_some_and(|state| state.ends_with(word)));
        (these.iter().all(|word| has(word)) && !has(without)).then_some(())
    };
    browser.comes_to(&format!("{these:?} without {without:?}"), look).await;
}

/// The number at the beginning of a text of the page, once it is above 0.
async fn above_zero(browser: &Browser, place: &str) -> Option<f64> {
    let Value::String(text) = browser.run(place).await else { return None };
    let number: String = text.trim().chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect();
    number.parse().ok().filter(|number| *number > 0.0)
}

/// With all services under load for some minutes, so that there is something in the charts.
async fn take_picture(lab: &Lab, browser: &Browser, file: &Path) -> Result<()> {
    let mut loads = Vec::new();
    for (minute, vip) in [lab::TUNNEL_VIP, lab::DIRECT_VIP, NAT_VIP, lab::TUNNEL_VIP].into_iter().enumerate() {
        loads.push(lab.client().load(&url(vip), 10 + 5 * minute as u32)?);
        tokio::time::sleep(std::time::Duration::from_secs(45)).await;
    }
    signal(lab, "STOP")?;
    states(browser, &["1 of 2", "2 of 3", "up", "down"], "2 of 2").await;
    lab.sluice_ok(["real", "drain", "web-tunnel", "172.16.0.4:80"])?;
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    println!("{}", lab.sluice_ok(["top", "--once"])?);
    browser.client.set_window_size(1360, 1250).await.expect("resized");
    let is_drawn = async |browser: &Browser| browser.run("innerHeight > 1000").await.as_bool()?.then_some(());
    browser.comes_to("the larger window", is_drawn).await;
    std::fs::write(file, browser.client.screenshot().await.expect("a picture")).expect("written");
    signal(lab, "CONT")?;
    states(browser, &["2 of 2", "up"], "down").await;
    // What the README shows beside it.
    println!("{}", lab.sluice_ok(["real", "drain", "web", "172.16.0.3:8000"])?);
    println!("{}", lab.sluice_ok(["connection", "list", "--real", "172.16.0.3:8000", "--limit", "2"])?);
    Ok(())
}
