//! `late-proxy LISTEN BROKER [LONGEST_MS [ONE_IN]]`: the proxy of late requests, for clients of any language. The broker has to advertise LISTEN.
//!
//! It disturbs one of ONE_IN (8) requests of transactions, and delivers them at most LONGEST_MS (400) later. A line of input ends that: what waits is
//! delivered, the counts are printed, and all requests pass. The next line, or the end of the input, ends the proxy.

use std::env;
use std::io::{Write as _, stdin, stdout};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ottla_tests::proxy::{Plan, Proxy};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [listen, broker, rest @ ..] = &arguments[..] else {
        bail!("late-proxy LISTEN BROKER [LONGEST_MS [ONE_IN]]");
    };
    let number = |place: usize, default: u64| rest.get(place).map_or(Ok(default), |text| text.parse());
    let plan = Plan {
        seed: rand::random(),
        longest: Duration::from_millis(number(0, 400).context("LONGEST_MS")?),
        one_in: number(1, 8).context("ONE_IN")?.try_into()?,
    };
    let proxy = Proxy::start_on(listen.parse().context("LISTEN")?, broker.parse().context("BROKER")?, plan)?;
    say(&format!("seed {}, {} to {broker}", plan.seed, proxy.address()))?;
    // The first line ends the disturbance, the second the proxy.
    stdin().read_line(&mut String::new())?;
    proxy.calm()?;
    say(&proxy.counts().report())?;
    stdin().read_line(&mut String::new())?;
    proxy.stop()
}

fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
