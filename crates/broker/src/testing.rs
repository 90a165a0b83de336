//! For tests of this crate: a broker on a folder of its own, a client that speaks frames, and the lines that are logged.

pub(crate) mod bearer;
pub(crate) mod scram;
pub(crate) mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use codec::frame::{RequestHeader, parse_response_header};
use codec::messages::StrBytes;
use codec::{Request, Response};
use parking_lot::Mutex;
use storage::DiskProbe;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber};

use crate::config::BrokerConfig;
use crate::services::admin::topics::{self, CreatedTopic};
use crate::services::admin::wanted::WantedTopic;
use crate::{Broker, StartError, StartOptions};

/// Longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Waits until this holds.
///
/// # Panics
/// It does not within [`SOON`].
pub(crate) async fn eventually(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.expect("it holds soon");
}

/// A broker, and its folder, which goes when this goes.
pub(crate) struct Running {
    pub(crate) broker: Broker,
    /// Of its first listener.
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Running {
    /// A broker on an empty folder, on every address and a port of its own, unless `pairs` say otherwise.
    pub(crate) async fn start(pairs: &[(&str, &str)]) -> Result<Self, StartError> {
        Self::start_in(tempfile::tempdir().unwrap(), pairs, StartOptions::default()).await
    }

    /// A broker on a disk that says of itself what `disk_space` says.
    pub(crate) async fn start_on_disk(disk_space: DiskProbe) -> Self {
        let options = StartOptions { disk_space: Some(disk_space), ..StartOptions::default() };
        Self::start_in(tempfile::tempdir().unwrap(), &[], options).await.unwrap()
    }

    /// A broker as [`Running::start`] makes it, with other options.
    pub(crate) async fn start_with(pairs: &[(&str, &str)], options: StartOptions) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), pairs, options).await.unwrap()
    }

    /// As [`Running::restart`], with other options.
    pub(crate) async fn restart_with(self, pairs: &[(&str, &str)], options: StartOptions) -> Self {
        self.broker.shutdown(SOON).await;
        Self::start_in(self.folder, pairs, options).await.unwrap()
    }

    async fn start_in(
        folder: tempfile::TempDir,
        pairs: &[(&str, &str)],
        options: StartOptions,
    ) -> Result<Self, StartError> {
        let own = [
            ("log.dirs", folder.path().to_str().unwrap()),
            ("listeners", "PLAINTEXT://:0"),
            ("http.listener", "127.0.0.1:0"),
        ];
        let config = BrokerConfig::from_pairs(&[own.as_slice(), pairs].concat()).unwrap();
        let broker = Broker::start(config, options).await?;
        let port = broker.addresses()[0].port();
        Ok(Self { address: SocketAddr::from(([127, 0, 0, 1], port)), broker, folder })
    }

    /// Its data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops it and starts it anew on the same folder.
    pub(crate) async fn restart(self, pairs: &[(&str, &str)]) -> Self {
        self.restart_on(pairs, |_| {}).await
    }

    /// As [`Running::restart`], on the folder as `change` leaves it.
    pub(crate) async fn restart_on(self, pairs: &[(&str, &str)], change: impl FnOnce(&Path)) -> Self {
        self.broker.shutdown(SOON).await;
        change(self.folder.path());
        Self::start_in(self.folder, pairs, StartOptions::default()).await.unwrap()
    }

    /// Creates a topic, or panics.
    pub(crate) async fn create_topic(&self, wanted: WantedTopic) -> CreatedTopic {
        let services = &self.broker.services;
        let created = topics::create(
            services.io.cluster(),
            &services.disk,
            &services.configs.broker(),
            &[wanted],
            false,
            &mut |_| Ok(()),
        )
        .await;
        created.into_iter().next().expect("one outcome a topic").unwrap()
    }

    /// A new connection.
    pub(crate) async fn client(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// A new connection from another address of this machine.
    pub(crate) async fn client_from(&self, address: [u8; 4]) -> Client<TcpStream> {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((address, 0))).unwrap();
        Client::new(socket.connect(self.address).await.unwrap())
    }
}

/// One connection, as a client has it.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    next_correlation_id: i32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Speaks over `stream`.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, next_correlation_id: 0 }
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.next_correlation_id += 1;
        let expected = self.next_correlation_id;
        self.stream.write_all(&frame(request, version, expected)).await.unwrap();
        let (correlation_id, response) = self.receive::<R>(version).await;
        assert_eq!(correlation_id, expected);
        response
    }

    /// Sends a request and reads nothing.
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.next_correlation_id += 1;
        self.stream.write_all(&frame(request, version, self.next_correlation_id)).await.unwrap();
    }

    /// The next answer and its correlation id.
    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let mut frame = self.receive_frame().await.unwrap();
        let correlation_id = parse_response_header(&mut frame, R::KEY, version).unwrap();
        (correlation_id, R::Response::decode(frame, version).unwrap())
    }

    /// The next frame, without its length prefix; `None` if the broker closed the connection.
    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        let read = async {
            let length = self.stream.read_u32().await.ok()?;
            let mut frame = vec![0; length as usize];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(Bytes::from(frame))
        };
        tokio::time::timeout(SOON, read).await.unwrap()
    }
}

/// A whole request frame, length prefix included.
pub(crate) fn frame<R: Request>(request: &R, version: i16, correlation_id: i32) -> BytesMut {
    let client_id = Some(StrBytes::from_static_str("test"));
    let header = RequestHeader { api_key: R::KEY, api_version: version, correlation_id, client_id };
    let mut body = BytesMut::new();
    header.encode(&mut body).unwrap();
    request.encode(version, &mut body).unwrap();
    let mut frame = BytesMut::new();
    frame.put_u32(u32::try_from(body.len()).unwrap());
    frame.extend_from_slice(&body);
    frame
}

/// Text that is written, for a test to look at. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// All of it so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A second subscriber beside that of a test. While there is only one, a line that another thread is the first to log is dropped for
/// all threads: tracing then asks that thread alone whether anybody wants the line.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// The lines that this thread logs, from INFO on, until this goes. Requests are served on the thread of their test.
pub(crate) struct Logged {
    written: Written,
    _guard: DefaultGuard,
}

impl Logged {
    /// Those from now on.
    pub(crate) fn by_this_thread() -> Self {
        Self::at(tracing::Level::INFO)
    }

    /// Those of this thread from now on, at that level and above.
    pub(crate) fn at(level: tracing::Level) -> Self {
        LazyLock::force(&SECOND);
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(level);
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        Self { written, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// All of them.
    pub(crate) fn text(&self) -> String {
        self.written.text()
    }

    /// Those that have this in them.
    pub(crate) fn lines(&self, needle: &str) -> Vec<String> {
        self.written.text().lines().filter(|line| line.contains(needle)).map(str::to_owned).collect()
    }
}
