//! APP-1: FTP through NAT, with a real server behind another port and real clients, in all four ways in which a data
//! connection is arranged. Two workers: data connections are of the other one as often as not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lab::{Lab, LabError, NAT_VIP, Process, Result, wait_until};

use crate::support::{LIMIT, ask, connections, number};

/// Where the servers listen; the service is on 21.
const PORT: u16 = 2121;
/// Large enough for many segments in both directions.
const LARGE: usize = 4 << 20;
const FILES: usize = 12;

const SERVICES: &str = r#"
[[service]]
name = "ftp"
protocol = "tcp"
address = "202.103.106.5:21"
scheduler = "rr"
method = "nat"
[[service.real]]
address = "172.16.0.2:2121"
[[service.real]]
address = "172.16.0.3:2121"
"#;

/// The ways, as curl is told them: PASV, EPSV, PORT, EPRT.
const WAYS: [(&str, &[&str]); 4] = [
    ("PASV", &["--disable-epsv"]),
    ("EPSV", &[]),
    ("PORT", &["--ftp-port", "-", "--disable-eprt"]),
    ("EPRT", &["--ftp-port", "-"]),
];

/// A laboratory with an FTP server on two reals, and a director with two workers.
struct Site {
    lab: Lab,
    homes: Vec<PathBuf>,
    _servers: Vec<Process>,
}

impl Site {
    fn start() -> Result<Self> {
        let mut lab = Lab::paper_example()?;
        let mut machine = lab.machine();
        machine.workers = vec![1, 2];
        machine.eal = vec!["--lcores=0@0,1@1,2@0".into()];
        let homes: Vec<PathBuf> = (1..=2).map(|real| lab.folder().join(format!("ftp{real}"))).collect();
        let mut servers = Vec::new();
        for (number, home) in (1..).zip(&homes) {
            servers.push(serve(&lab, number, home)?);
        }
        lab.start_director(&machine.to_string(), SERVICES)?;
        let site = Self { lab, homes, _servers: servers };
        wait_until("FTP through the director", LIMIT, || Ok(site.curl(&[], "name").ok()))?;
        Ok(site)
    }

    /// What curl prints for a file of the service. In active mode it gives up (exit code 8, "Ctrl conn has data while
    /// waiting for data conn") where the server's 226 on the control connection comes before the end of the data
    /// connection's handshake. The two connections are of two workers, and TCP promises no order between connections: on
    /// a loaded machine, where the data connection's worker waits a millisecond for its core, frames were captured that
    /// left the server as ACK, 150, data, 226 and reached the client as 150, 226, ACK, data. So curl has five tries, and
    /// of several transfers the first that fails ends them all: its exit code would be the last one's.
    fn curl(&self, options: &[&str], file: &str) -> Result<String> {
        let url = format!("ftp://{NAT_VIP}/{file}");
        let always = ["--silent", "--show-error", "--fail-early", "--max-time", "20"];
        let once = || self.lab.client().run("curl", always.iter().chain(options).copied().chain([url.as_str()]));
        let is_overtaken =
            |error: &LabError| matches!(error, LabError::Failed { status, .. } if status == "exit code 8");
        let again = |ran: Result<_>, _| ran.or_else(|error| if is_overtaken(&error) { once() } else { Err(error) });
        Ok((1..5).fold(once(), again)?.stdout)
    }

    fn lftp(&self, commands: &str) -> Result<String> {
        let settings = "set net:timeout 10; set net:max-retries 1; set ftp:ssl-allow no; set ftp:auto-passive-mode no";
        let script = format!("{settings}; open {NAT_VIP}; {commands}; bye");
        Ok(self.lab.client().run("lftp", ["--norc", "-c", &script])?.stdout)
    }

    fn counted(&self, counter: &str) -> Result<u64> {
        let stats = ask(&self.lab, "stats")?;
        let workers = stats["totals"]["workers"].as_array().expect("a list").iter();
        Ok(workers.map(|worker| number(&worker[counter])).sum())
    }
}

/// Starts vsftpd on a real: anybody may read, and write into `incoming`.
fn serve(lab: &Lab, number: usize, home: &Path) -> Result<Process> {
    let real = lab.require_real(number)?;
    let make = || -> std::io::Result<()> {
        for folder in ["empty", "files/incoming", "files/many"] {
            fs::create_dir_all(home.join(folder))?;
        }
        fs::set_permissions(home.join("files/incoming"), fs::Permissions::from_mode(0o777))?;
        fs::write(home.join("files/name"), format!("real{number}\n"))?;
        fs::write(home.join("files/large"), large())?;
        for file in 0..FILES {
            fs::write(home.join(format!("files/many/{file}")), format!("{file}\n").repeat(100 * file))?;
        }
        fs::write(home.join("vsftpd.conf"), configuration(number, home))
    };
    make().unwrap_or_else(|error| panic!("{}: {error}", home.display()));
    let mut server = real.spawn("vsftpd", "vsftpd", [home.join("vsftpd.conf")])?;
    real.wait_for_socket(&mut server, "tcp", PORT)?;
    Ok(server)
}

fn configuration(number: usize, home: &Path) -> String {
    let home = home.display();
    format!(
        "listen=YES\nlisten_port={PORT}\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\nno_anon_password=YES\n\
         anon_root={home}/files\nsecure_chroot_dir={home}/empty\nwrite_enable=YES\nanon_upload_enable=YES\n\
         anon_umask=022\nftpd_banner=real{number}\nconnect_from_port_20=YES\nftp_data_port={}\nseccomp_sandbox=NO\n\
         isolate_network=NO\nisolate=NO\nuse_localtime=NO\n",
        PORT - 1
    )
}

/// Bytes that are not the same in any two places near each other.
fn large() -> Vec<u8> {
    (0..LARGE as u32 / 4).flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_be_bytes()).collect()
}

#[test]
fn curl_fetches_lists_and_stores_in_each_way() -> Result<()> {
    let site = Site::start()?;
    let kept = site.lab.folder().join("fetched");
    for (way, options) in WAYS {
        let fetched = |file: &str| -> Result<Vec<u8>> {
            let target = kept.to_string_lossy().into_owned();
            site.curl(&[options, &["--output", &target]].concat(), file)?;
            Ok(fs::read(&kept).expect("curl wrote it"))
        };
        // Each worker goes round the reals by itself.
        let mut names: Vec<String> = (0..12).map(|_| site.curl(options, "name")).collect::<Result<_>>()?;
        names.sort();
        names.dedup();
        assert_eq!(names, ["real1\n", "real2\n"], "{way}");
        assert!(fetched("large")? == large(), "{way}: what was fetched is not what was sent");
        assert_eq!(site.curl(options, "many/")?.lines().count(), FILES, "{way}");
        // Several transfers on one control connection.
        let many = site.curl(options, &format!("many/[1-{}]", FILES - 1))?;
        assert_eq!(many.lines().count(), (1..FILES).map(|file| 100 * file).sum::<usize>(), "{way}");

        let stored = format!("incoming/{way}");
        site.curl(&[options, &["--upload-file", &kept.to_string_lossy()]].concat(), &stored)?;
        let arrived = || site.homes.iter().find_map(|home| fs::read(home.join("files").join(&stored)).ok());
        let whole = wait_until("what was stored", LIMIT, || Ok(arrived().filter(|bytes| bytes.len() >= LARGE)))?;
        assert!(whole == large(), "{way}: what was stored is not what was sent");
    }
    let announced = site.counted("helper_announced")?;
    assert!(announced >= 4 * 26, "{announced}");
    // Each PASV is answered with a text that the director changes.
    let replaced = site.counted("helper_replaced")?;
    assert!(replaced >= 26 && replaced < announced / 2, "{replaced} of {announced}");
    assert_eq!((site.counted("helper_refused")?, site.counted("helper_exhausted")?), (0, 0));
    Ok(())
}

#[test]
fn lftp_mirrors_in_both_modes_over_one_session() -> Result<()> {
    let site = Site::start()?;
    for (mode, settings) in [
        ("passive", "set ftp:passive-mode on; set ftp:prefer-epsv no"),
        ("extended", "set ftp:passive-mode on; set ftp:prefer-epsv yes"),
        ("active", "set ftp:passive-mode off"),
    ] {
        let target = site.lab.folder().join(mode);
        site.lftp(&format!("{settings}; mirror --parallel=3 many {0}; get large -o {0}/large", target.display()))?;
        for file in 0..FILES {
            let got = fs::read_to_string(target.join(file.to_string())).expect("lftp wrote it");
            assert_eq!(got, format!("{file}\n").repeat(100 * file), "{mode}");
        }
        assert!(fs::read(target.join("large")).expect("lftp wrote it") == large(), "{mode}");
    }
    assert_eq!(site.counted("helper_refused")?, 0);
    // All control connections are over, and nothing is expected any more.
    wait_until("the end of the control connections", LIMIT, || {
        let listed = ask(&site.lab, "connection list --protocol tcp")?;
        let open = |row: &&serde_json::Value| row["state"] == "ESTABLISHED" || row["state"] == "LISTEN";
        Ok(listed.as_array().is_some_and(|rows| rows.iter().filter(open).count() == 0).then_some(()))
    })?;
    assert!(connections(&site.lab, "--service 202.103.106.5:21")? > 0);
    Ok(())
}
