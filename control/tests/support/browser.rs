//! Headless Chromium, driven by its driver (Debian's packages chromium and chromium-driver). For the tests of the page with
//! a dataplane of their own, and with the real one.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A browser with one window; ended when dropped.
pub struct Browser {
    driver: Child,
    /// To drive it.
    pub client: Client,
}

impl Browser {
    /// Starts one, in the network namespace of this thread; its files go to `folder`.
    pub async fn open(folder: &Path) -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|bound| bound.local_addr());
        let address = address.expect("a free port");
        let log = std::fs::File::create(folder.join("driver.log")).expect("a log");
        // What a browser that is killed leaves behind goes with the folder.
        let temporary = folder.join("tmp");
        std::fs::create_dir_all(&temporary).expect("a folder of its own");
        let mut driver = Command::new("chromedriver")
            .arg(format!("--port={}", address.port()))
            .env("TMPDIR", temporary)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("chromedriver of Debian's package chromium-driver: ./setup.sh installs it");
        let since = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(driver.try_wait().expect("its status").is_none(), "chromedriver ended");
            assert!(since.elapsed() < LIMIT, "chromedriver does not listen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let client = connect(address, folder).await;
        Self { driver, client }
    }

    /// The value of an expression.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(&format!("return ({script});"), Vec::new()).await.expect(script)
    }

    /// The text of the page, as it is seen.
    pub async fn text(&self) -> String {
        self.run("document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until this is on the page.
    pub async fn shows(&self, part: &str) -> String {
        self.comes_to(&format!("{part:?} on the page"), async |browser: &Self| {
            Some(browser.text().await).filter(|text| text.contains(part))
        })
        .await
    }

    /// Waits until this is not on the page.
    pub async fn loses(&self, part: &str) -> String {
        self.comes_to(&format!("{part:?} gone from the page"), async |browser: &Self| {
            Some(browser.text().await).filter(|text| !text.contains(part))
        })
        .await
    }

    /// Waits for `what`, which `look` returns once it is there.
    pub async fn comes_to<T>(&self, what: &str, look: impl AsyncFn(&Self) -> Option<T>) -> T {
        let since = Instant::now();
        loop {
            if let Some(found) = look(self).await {
                return found;
            }
            assert!(since.elapsed() < LIMIT, "waited in vain for {what}:\n{}", self.text().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver leaves its browser behind: both are of one process group, which is the driver's own.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.driver.id())]).status();
        let _ = self.driver.wait();
    }
}

async fn connect(driver: SocketAddr, folder: &Path) -> Client {
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--window-size=1360,900",
    ];
    let mut arguments: Vec<String> = flags.into_iter().map(str::to_owned).collect();
    arguments.push(format!("--user-data-dir={}", folder.join("profile").display()));
    let options = json!({"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}});
    let Value::Object(capabilities) = options else { unreachable!("an object") };
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(capabilities);
    builder.connect(&format!("http://{driver}")).await.expect("a browser")
}
