//! Merges the routes of the parts, and answers what none of them takes.
//!
//! A part brings a `Router` of its own, with its state. A method that a path does not take is refused with the methods
//! that it does take; every body that a route reads is limited.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::http::header::{ALLOW, HeaderValue};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::answer::text;
use super::authentication::{Guard, authenticate};
use super::{Endpoints, health, metrics};
use crate::tasks::Tasks;

/// Bytes of a request's body, for routes that read one. A route that needs more has a `DefaultBodyLimit` of its own.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// All routes, ready to answer.
pub(super) struct Routes(TowerToHyperService<Router>);

impl Routes {
    /// The routes of every part.
    pub(super) fn new(endpoints: Endpoints, tasks: &Tasks) -> Self {
        let guard = Guard::new(&endpoints, tasks);
        let Endpoints { metrics, readiness, .. } = endpoints;
        let parts = [health::routes(readiness), metrics::routes(metrics, tasks.clone())];
        Self::merge(parts.into_iter().fold(Router::new().route("/", get(index)), Router::merge), guard)
    }

    /// These routes, and an answer for all other paths, for those whom `guard` lets in.
    pub(super) fn merge(routes: Router, guard: Guard) -> Self {
        // The fallback takes GET only, so that any other method is refused as such whatever the path is.
        let routes = routes.fallback_service(get(no_such_page));
        // Last, as a layer covers only the routes that are there before it.
        let routes = routes.layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
        // The outermost: nothing of a stranger's request is looked at but its head.
        let routes = routes.layer(from_fn_with_state(Arc::new(guard), authenticate));
        Self(TowerToHyperService::new(routes))
    }

    /// Answers a request, whatever its path and method.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response {
        match self.0.call(request).await {
            Ok(response) => explain(response),
            Err(never) => match never {},
        }
    }
}

/// `/`: where to go, for a person who opens the port in a browser.
async fn index() -> Response {
    text(StatusCode::OK, "Ottla: /metrics /livez /readyz?verbose\n".to_owned())
}

/// The answer to GET of any path that no part has.
async fn no_such_page() -> Response {
    text(StatusCode::NOT_FOUND, "no such page; try /metrics, /livez, /readyz\n".to_owned())
}

/// Gives the refusal of a method a body. Here and not in a layer, as axum adds `Allow` after all layers have run.
fn explain(response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    // A handler that refuses by itself may name no methods: its own answer stands.
    let Some(Ok(allowed)) = response.headers().get(ALLOW).map(HeaderValue::to_str) else { return response };
    let methods: Vec<&str> = allowed.split(',').map(str::trim).collect();
    // Joined from what was a header: if that fails, axum's own refusal is right as well.
    let Ok(allow) = HeaderValue::try_from(methods.join(", ")) else { return response };
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, format!("only {}\n", methods.join(" and ")));
    refused.headers_mut().insert(ALLOW, allow);
    refused
}
