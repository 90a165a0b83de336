//! Admits clients to the endpoints: a layer before all routes, by `http.authentication`.
//!
//! Guarantees that a request without good credentials reaches no route but those of probes, which then show no detail, and that
//! guessing is slow: a failed login is answered late, two passwords at most are hashed at a time, off the async threads and in turn by
//! address, and the work is the same for known and unknown users. `authentication/known.rs` judges the credentials.

mod known;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::Response;
use known::{Known, Tokens, Users};
use security::{Principal, Secret};

use super::answer::text;
use super::health::{self, Detail};
use super::slots::Asked;
use super::{Endpoints, HTTP};
use crate::config::HttpAccess;
use crate::session::credentials::Credentials;
use crate::session::tls;
use crate::session::turns::Turns;
use crate::tasks::Tasks;
use crate::telemetry::audit::{self, Audit};
use crate::telemetry::line_limit::LineLimit;

/// A failed login is answered after this time, as on Kafka's listeners.
const DELAY: Duration = Duration::from_millis(200);
/// Passwords that are hashed at a time: hashing takes up to a second of a core.
const HASHING: usize = 2;

/// The client, which `server.rs` gives each request.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) certificate: Certificate,
}

/// The certificate of a client.
#[derive(Clone)]
pub(super) enum Certificate {
    /// It needs none.
    NotDemanded,
    /// It needs one and shows none.
    Missing,
    /// It shows a good one, of this principal.
    Of(Principal),
}

/// Users of SCRAM, who are known once the data folder is open. Until then no login of theirs is good.
#[derive(Clone, Default)]
pub struct ScramUsers(Arc<OnceLock<Arc<Credentials>>>);

impl ScramUsers {
    /// They are these from now on.
    pub(crate) fn are(&self, credentials: Arc<Credentials>) {
        // Set once, by the one start of this process.
        let _ = self.0.set(credentials);
    }
}

/// See the module.
pub(super) struct Guard {
    /// `None`: no login is needed.
    known: Option<Arc<Known>>,
    hashing: Arc<Turns>,
    audit: Audit,
    tasks: Tasks,
    lines: LineLimit,
}

impl Guard {
    /// By the configuration. Hashing runs on the blocking threads of `tasks`.
    pub(super) fn new(endpoints: &Endpoints, tasks: &Tasks) -> Self {
        let Endpoints { access, scram_users: scram, audit, .. } = endpoints;
        let known = match access {
            // Which clients need one, and have one, is found by the handshake.
            HttpAccess::Open | HttpAccess::Certificate => None,
            HttpAccess::ScramUsers => Some(Known::Users(Users::of_scram(scram.clone()))),
            HttpAccess::UsersOf(file) => Some(Known::Users(Users::of_file(file.clone()))),
            HttpAccess::TokensOf(file) => Some(Known::Tokens(Tokens::new(file.clone()))),
        };
        let (hashing, lines) = (Turns::new(HASHING), LineLimit::new());
        let (audit, tasks) = (audit.clone(), tasks.clone());
        Self { known: known.map(Arc::new), hashing, audit, tasks, lines }
    }

    /// Returns true if the header has good credentials. Takes as long for an unknown user as for a wrong password.
    async fn admits(&self, known: &Arc<Known>, header: &HeaderValue, address: IpAddr) -> bool {
        let header = Secret::new(header.as_bytes());
        if known.remembers(&header) {
            return true;
        }
        let turn = self.hashing.take(address).await;
        // Another request may have shown the same credentials meanwhile.
        if known.remembers(&header) {
            return true;
        }
        let known = Arc::clone(known);
        let work = move || {
            // The work keeps its turn: it goes on when the client has gone.
            let _turn = turn;
            known.admits(&header)
        };
        self.tasks.blocking("http-login", work).await == Some(true)
    }

    /// Tells log and audit of a refused login.
    fn refused(&self, login: &Login<'_>, path: &str, reason: &str) {
        let Login { peer, mechanism, .. } = login;
        if let Some(suppressed) = self.lines.take("login") {
            let peer = peer.address;
            tracing::warn!(%peer, path = %path.escape_debug(), mechanism, reason, suppressed, "HTTP login failed");
        }
        self.audit.login_refused(&login.client(), Some(mechanism), reason);
    }
}

/// A login as log and audit tell it.
struct Login<'a> {
    peer: &'a Peer,
    mechanism: &'static str,
    /// The principal that the client claims to be.
    principal: Option<String>,
}

impl Login<'_> {
    fn client(&self) -> audit::Client<'_> {
        let principal = self.principal.as_deref();
        audit::Client { principal, address: self.peer.address, listener: HTTP, client_id: None }
    }
}

/// The layer.
pub(super) async fn authenticate(
    State(guard): State<Arc<Guard>>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_guarded = guard.known.is_some() || !matches!(peer.certificate, Certificate::NotDemanded);
    if is_guarded && health::is_open(request.uri()) {
        request.extensions_mut().insert(Detail(false));
        return next.run(request).await;
    }
    let (path, header) = (request.uri().path(), request.headers().get(AUTHORIZATION));
    if let Err(refusal) = guard.login(&peer, path, header).await {
        return refusal;
    }
    if let Some(asked) = request.extensions().get::<Asked>() {
        asked.progress();
    }
    request.extensions_mut().insert(Detail(true));
    next.run(request).await
}

impl Guard {
    /// Judges certificate and credentials.
    ///
    /// # Errors
    /// The answer to a client that may not ask.
    async fn login(&self, peer: &Peer, path: &str, header: Option<&HeaderValue>) -> Result<(), Response> {
        let principal = match &peer.certificate {
            Certificate::NotDemanded => None,
            Certificate::Of(principal) => Some(principal.to_string()),
            Certificate::Missing => {
                let login = Login { peer, mechanism: tls::MECHANISM, principal: None };
                self.refused(&login, path, "the client shows no certificate");
                // It costs the client nothing to ask again, and each time is a line of the audit.
                tokio::time::sleep(DELAY).await;
                return Err(text(StatusCode::FORBIDDEN, "show a client certificate\n".to_owned()));
            }
        };
        let Some(known) = &self.known else {
            if principal.is_some() {
                let login = Login { peer, mechanism: tls::MECHANISM, principal };
                self.audit.login_accepted(&login.client(), login.mechanism);
            }
            return Ok(());
        };
        // No delay and no line: clients ask without credentials first, and learn from the answer what to send.
        let Some(header) = header else { return Err(challenge(known)) };
        let claimed = security::http::basic(header.as_bytes()).map(|(user, _)| format!("User:{user}"));
        let login = Login { peer, mechanism: known.scheme(), principal: claimed };
        if self.admits(known, header, peer.address.ip()).await {
            self.audit.login_accepted(&login.client(), login.mechanism);
            return Ok(());
        }
        self.refused(&login, path, "wrong credentials");
        tokio::time::sleep(DELAY).await;
        Err(challenge(known))
    }
}

/// The refusal that says how to log in (RFC 9110, 15.5.2).
fn challenge(known: &Known) -> Response {
    let mut refused = text(StatusCode::UNAUTHORIZED, format!("log in by {}\n", known.scheme()));
    refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(known.challenge()));
    refused
}
