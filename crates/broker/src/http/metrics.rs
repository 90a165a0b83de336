//! `/metrics`: one scrape at a time, off the async threads, compressed for scrapers that offer gzip.
//!
//! A scrape walks the whole state of the broker, so it takes time and memory in proportion to topics,
//! partitions and groups. What it shows is decided by `telemetry/metrics.rs`; here it becomes an answer.

use std::io::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::Semaphore;

use super::answer::{answer, text};
use crate::tasks::Tasks;
use crate::telemetry::line_limit::FAULTS;
use crate::telemetry::metrics::{self, Metrics};

/// The routes of metrics. Scrapes run on the blocking threads of `tasks`.
pub(super) fn routes(metrics: Metrics, tasks: Tasks) -> Router {
    // With 8 000 partitions a scrape is 6 MB of text: those of several scrapers must not be in memory
    // together.
    let scraper = Scraper { metrics, tasks, scrapes: Semaphore::new(1) };
    Router::new().route("/metrics", get(serve)).with_state(Arc::new(scraper))
}

/// The state of the route.
struct Scraper {
    metrics: Metrics,
    tasks: Tasks,
    /// One permit: scrapes that come together wait for one another.
    scrapes: Semaphore,
}

/// Waits for its turn, then for the scrape. A failed scrape is 500 with a hint at the log, which has the
/// reason.
async fn serve(State(scraper): State<Arc<Scraper>>, headers: HeaderMap) -> Response {
    let compress = accepts_gzip(&headers);
    // Never closed; should it be, scrapes are merely not serialised.
    let _one_at_a_time = scraper.scrapes.acquire().await;
    let metrics = scraper.metrics.clone();
    match scraper.tasks.blocking("metrics-scrape", move || scrape(&metrics, compress)).await {
        Some(Ok(body)) => {
            let mut scraped = answer(StatusCode::OK, body);
            let headers = scraped.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
            // Without gzip as well: the plain answer depends on the request's header too (RFC 9110, 12.5.5).
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
            if compress {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            scraped
        }
        failed => {
            if let Some(Err(error)) = failed
                && let Some(suppressed) = FAULTS.take("scrape")
            {
                tracing::error!(%error, suppressed, "scrape failed");
            }
            text(StatusCode::INTERNAL_SERVER_ERROR, "the scrape failed; see the broker's log\n".to_owned())
        }
    }
}

/// Why there is no scrape.
#[derive(Debug, thiserror::Error)]
enum ScrapeFailure {
    /// The metrics cannot be written as text.
    #[error(transparent)]
    Scrape(#[from] metrics::ScrapeError),
    #[error("compressing it failed: {0}")]
    Compress(#[from] std::io::Error),
}

/// The metrics, compressed if that is wanted: names repeat so much that a tenth remains.
fn scrape(metrics: &Metrics, compress: bool) -> Result<Bytes, ScrapeFailure> {
    let text = metrics.scrape()?;
    if !compress {
        return Ok(text.into());
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?.into())
}

/// Returns true if the client takes answers in gzip (RFC 9110, 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let mut offers = values.flat_map(|value| value.split(','));
    offers.any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
        let quality = parts.find_map(|part| part.strip_prefix("q="));
        is_gzip && quality.is_none_or(|quality| quality.parse::<f32>().is_ok_and(|quality| quality > 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_for_those_who_take_it() {
        let accepts = |value: &'static str| {
            accepts_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]))
        };
        assert!(accepts("gzip") && accepts("deflate, GZIP;q=0.5") && accepts("zstd;q=1.0,gzip; q=0.2"));
        assert!(!accepts("identity") && !accepts("gzip;q=0") && !accepts("gzip;q=x") && !accepts(""));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
