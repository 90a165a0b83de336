//! Troubles of listeners while the broker runs, as `/readyz` shows them.

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::http::Readiness;
use crate::services::Services;

/// Shows in `/readyz?verbose` what is wrong, as the check of that name. The broker stays ready: a bad file must not take it out of a
/// balancer.
pub(super) fn follow(
    services: &Services,
    readiness: &Readiness,
    check: &'static str,
    mut problems: watch::Receiver<BTreeMap<String, String>>,
) {
    let (stop, readiness) = (services.tasks.token().clone(), readiness.clone());
    // What came before this is shown, too.
    problems.mark_changed();
    services.tasks.spawn("warnings", async move {
        // The check is shown from its first warning on.
        let mut is_shown = false;
        while let Some(Ok(())) = stop.run_until_cancelled(problems.changed()).await {
            let problems = problems.borrow_and_update().clone();
            let texts: Vec<String> = problems
                .into_iter()
                .map(|(listener, reason)| format!("listener {listener}: {reason}"))
                .collect();
            if !texts.is_empty() {
                readiness.warn(check, texts.join("; "));
                is_shown = true;
            } else if is_shown {
                readiness.pass(check);
            }
        }
    });
}
