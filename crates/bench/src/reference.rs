//! The machine's limit: the same bytes received and written, or read and sent, and nothing else.
//!
//! ```text
//! sender ──TCP──► recv ─► pwritev ─► file          file ─► pread ─► writev ──TCP──► receiver
//! ```
//! No protocol, no checksum, no index, one connection over loopback, one thread. A broker must do more, so these
//! figures bound its own. Processor time is that of the thread under measurement, without its peer's; the file lies
//! in the folder that was given and is removed. Without warm-up.

use std::fs::File;
use std::io::{IoSlice, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Args;
use rustix::time::{ClockId, clock_gettime};

use crate::print;

/// Bytes per system call: a batch of produce-1k for the writer, a fetch of catch-up for the reader.
const WRITE_BYTES: usize = 64 << 10;
const READ_BYTES: usize = 1 << 20;
/// Slices of a vectored call: a broker adds a head to each body.
const SLICES: usize = 2;

#[derive(Debug, Args)]
pub(crate) struct Reference {
    /// An existing folder on the disk in question.
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// MiB to receive and write, then to read and send.
    #[arg(long, default_value_t = 4096)]
    volume_mib: u32,
    /// Sync the file (fdatasync) after every that many MiB; 0: never.
    #[arg(long, default_value_t = 0)]
    sync_every_mib: u32,
}

/// Cost of moving bytes.
#[derive(Debug, Clone, Copy)]
struct Cost {
    bytes: u64,
    seconds: f64,
    cpu_s: f64,
}

/// Writes, then reads, and prints a line for each.
///
/// # Errors
/// The folder cannot be written, or a socket fails.
pub(crate) fn reference(arguments: &Reference) -> Result<()> {
    ensure!(arguments.volume_mib > 0, "volume-mib is at least 1");
    let bytes = u64::from(arguments.volume_mib) << 20;
    let path = arguments.folder.join(format!("reference-{}", std::process::id()));
    let written = write(&path, bytes, u64::from(arguments.sync_every_mib) << 20);
    let read = written.and_then(|written| {
        print(&line("recv, pwritev", written))?;
        read(&path)
    });
    let removed = std::fs::remove_file(&path);
    print(&line("pread, writev", read?))?;
    removed.with_context(|| path.display().to_string())
}

/// Receives that many bytes from a peer and writes them.
fn write(path: &Path, bytes: u64, sync_every: u64) -> Result<Cost> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    let (mut socket, mut peer) = pair()?;
    thread::scope(|scope| {
        let sender = scope.spawn(move || -> Result<()> {
            // Not zeros, which a file system might store as a hole.
            let block: Vec<u8> = (0..WRITE_BYTES).map(|at| (at % 251) as u8).collect();
            (0..bytes / WRITE_BYTES as u64).try_for_each(|_| peer.write_all(&block))?;
            Ok(())
        });
        let cost = measure(|| {
            let (mut at, mut synced) = (0, 0);
            let mut block = vec![0; WRITE_BYTES];
            while at < bytes {
                socket.read_exact(&mut block).context("the sender ended early")?;
                write_at(&file, &block, at)?;
                at += block.len() as u64;
                if sync_every > 0 && at - synced >= sync_every {
                    file.sync_data()?;
                    synced = at;
                }
            }
            Ok(at)
        });
        // A failure here closes the connection, which ends the sender.
        drop(socket);
        let sent = sender.join().map_err(|_| anyhow!("the sender panicked"))?;
        cost.and_then(|cost| sent.map(|()| cost))
    })
}

/// Writes all of a block by pwritev.
fn write_at(file: &File, block: &[u8], at: u64) -> Result<()> {
    let (head, body) = block.split_at(block.len() / SLICES);
    let wrote =
        rustix::io::pwritev(file, &[IoSlice::new(head), IoSlice::new(body)], at).context("pwritev")?;
    // A short write is rare; the rest need not be vectored.
    Ok(file.write_all_at(&block[wrote..], at + wrote as u64)?)
}

/// Reads the whole file and sends it to a peer.
fn read(path: &Path) -> Result<Cost> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let bytes = file.metadata()?.len();
    let (mut socket, mut peer) = pair()?;
    thread::scope(|scope| {
        let receiver = scope.spawn(move || -> Result<u64> {
            let (mut block, mut got) = (vec![0; READ_BYTES], 0);
            loop {
                match peer.read(&mut block)? {
                    0 => return Ok(got),
                    count => got += count as u64,
                }
            }
        });
        let cost = measure(|| {
            let (mut at, mut block) = (0, vec![0; READ_BYTES]);
            while at < bytes {
                let count = file.read_at(&mut block, at)?;
                ensure!(count > 0, "the file became shorter");
                let (head, body) = block[..count].split_at(count / SLICES);
                let sent = socket.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])?;
                socket.write_all(&block[sent..count])?;
                at += count as u64;
            }
            Ok(at)
        });
        drop(socket);
        let got = receiver.join().map_err(|_| anyhow!("the receiver panicked"))??;
        let cost = cost?;
        ensure!(got == cost.bytes, "{got} bytes arrived of {}", cost.bytes);
        Ok(cost)
    })
}

/// Both ends of a connection over loopback.
fn pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let socket = TcpStream::connect(listener.local_addr()?)?;
    socket.set_nodelay(true)?;
    Ok((socket, listener.accept()?.0))
}

/// Time and processor time of this thread for moving the bytes that `work` returns.
fn measure(work: impl FnOnce() -> Result<u64>) -> Result<Cost> {
    let cpu_s = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let (began, cpu_before) = (Instant::now(), cpu_s());
    let bytes = work()?;
    Ok(Cost { bytes, seconds: began.elapsed().as_secs_f64(), cpu_s: cpu_s() - cpu_before })
}

/// MB and GB are powers of ten, as in every report.
fn line(name: &str, Cost { bytes, seconds, cpu_s }: Cost) -> String {
    let bytes = bytes as f64;
    format!("{name:16} {:.1} MB/s, {:.2} cpu s/GB\n", bytes / 1e6 / seconds, cpu_s * 1e9 / bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_written_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let written = write(&path, 3 << 20, 1 << 20).unwrap();
        assert_eq!(written.bytes, 3 << 20);
        let content = std::fs::read(&path).unwrap();
        assert_eq!(content.len(), 3 << 20);
        assert!(content.chunks(WRITE_BYTES).all(|block| block[250..252] == [250, 0]));
        let read = read(&path).unwrap();
        assert_eq!(read.bytes, 3 << 20);
        assert!(read.seconds > 0.0 && read.cpu_s > 0.0 && written.cpu_s > 0.0, "{written:?} {read:?}");
    }

    #[test]
    fn the_line_counts_in_powers_of_ten() {
        let cost = Cost { bytes: 2_000_000_000, seconds: 4.0, cpu_s: 1.0 };
        assert_eq!(line("x", cost), format!("{:16} 500.0 MB/s, 0.50 cpu s/GB\n", "x"));
    }
}
