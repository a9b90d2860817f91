//! What runs on a real server: nginx, the echo server, and the decapsulator for tunnels.

use std::fs;
use std::net::Ipv4Addr;

use crate::director::program;
use crate::paper::{DIRECT_VIP, TUNNEL_VIP};
use crate::{Lab, LabError, Node, Process, Result};

/// The HTTP ports of a real.
const HTTP_PORTS: [u16; 2] = [80, 8000];
const ECHO_PORT: u16 = 7;
const FTP_PORT: u16 = 21;
/// IP-in-IP, RFC 2003.
const PROTOCOL_IPIP: u16 = 4;
/// The length of the body at `/large`, bytes.
const LARGE_BODY: usize = 1 << 20;

impl Lab {
    /// Starts the servers of one real and waits until they listen.
    pub(crate) fn start_servers(&self, real: &Node, address: Ipv4Addr) -> Result<Vec<Process>> {
        let mut nginx = self.start_nginx(real)?;
        let mut echo = start_echo(real, address)?;
        let decapsulate = program("lab-decapsulate")?;
        let mut decapsulator = real.spawn("decapsulate", &decapsulate.to_string_lossy(), ["--interface", "decap0"])?;
        for port in HTTP_PORTS {
            real.wait_for_socket(&mut nginx, "tcp", port)?;
        }
        real.wait_for_socket(&mut echo, "udp", ECHO_PORT)?;
        real.wait_for_socket(&mut echo, "tcp", FTP_PORT)?;
        real.wait_for_socket(&mut decapsulator, "raw", PROTOCOL_IPIP)?;
        Ok(vec![nginx, echo, decapsulator])
    }

    fn start_nginx(&self, real: &Node) -> Result<Process> {
        let home = self.folder().join(real.name());
        let write = |name: &str, text: String| {
            let path = home.join(name);
            fs::write(&path, text).map_err(LabError::io(format!("writing {}", path.display())))
        };
        fs::create_dir_all(&home).map_err(LabError::io(format!("making {}", home.display())))?;
        write("large", format!("{}\n", real.name()).repeat(LARGE_BODY / (real.name().len() + 1)))?;
        let home = home.to_string_lossy().into_owned();
        fs::write(format!("{home}/nginx.conf"), nginx_configuration(real.name(), &home))
            .map_err(LabError::io(format!("writing {home}/nginx.conf")))?;
        real.spawn("nginx", "nginx", ["-e", "stderr", "-p", &home, "-c", "nginx.conf"])
    }
}

fn start_echo(real: &Node, address: Ipv4Addr) -> Result<Process> {
    let echo = program("lab-echo")?;
    let mut arguments = vec!["serve".to_owned(), "--name".into(), real.name().into()];
    // One socket an address, so that an answer leaves from the address that was asked.
    for address in [address, TUNNEL_VIP, DIRECT_VIP] {
        arguments.extend(["--udp".into(), format!("{address}:{ECHO_PORT}")]);
    }
    arguments.extend(["--greet".into(), format!("0.0.0.0:{FTP_PORT}")]);
    real.spawn("echo", &echo.to_string_lossy(), arguments)
}

/// `/`: the real's name and the client's address as the real sees it. `/large`: [`LARGE_BODY`] bytes. Any body that a
/// client sends is read.
fn nginx_configuration(name: &str, home: &str) -> String {
    let listen: String = HTTP_PORTS.iter().map(|port| format!("listen {port}; ")).collect();
    format!(
        r#"daemon off;
master_process off;
worker_processes 1;
pid {home}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    client_max_body_size 0;
    server {{
        {listen}
        add_header X-Real {name};
        default_type text/plain;
        location / {{ return 200 "{name} $remote_addr $server_addr:$server_port\n"; }}
        location = /large {{ root {home}; }}
    }}
}}
"#
    )
}
