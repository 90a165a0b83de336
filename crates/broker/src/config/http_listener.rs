//! The address of HTTP (`http.listener`), with or without TLS.

use super::listener::{host_port, split_host_port};

/// The address on which HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpListener {
    /// `None`: every interface, IPv4 and IPv6 alike. May be a name, such as `localhost`.
    pub host: Option<String>,
    /// 0 lets the system choose.
    pub port: u16,
    /// Clients speak TLS (`https://`).
    pub tls: bool,
}

impl HttpListener {
    /// Reads a value of `http.listener`; the inner `None` turns HTTP off.
    ///
    /// # Errors
    /// It is no address.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let secure = text.strip_prefix("https://");
        let address = secure.or_else(|| text.strip_prefix("http://")).unwrap_or(text).trim_end_matches('/');
        let Some((host, port)) = split_host_port(address) else {
            return Err(format!(
                "{text} is not HOST:PORT, such as localhost:8080, :8080 or https://:8443; empty turns it off"
            ));
        };
        let host = (!matches!(host.as_str(), "" | "::")).then_some(host);
        Ok(Some(Self { host, port, tls: secure.is_some() }))
    }
}

impl std::fmt::Display for HttpListener {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&host_port(self.host.as_deref().unwrap_or(""), self.port))
    }
}
