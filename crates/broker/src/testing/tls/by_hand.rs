//! Records of TLS 1.3 by hand, for what no client library sends. After the handshake, from the client to the broker, without the way back.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk};
use rustls::KeyLog;
use rustls::crypto::ring::cipher_suite;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{TlsBroker, config_of_suite};

/// Content types (RFC 8446, 5.1).
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;
/// A handshake message: KeyUpdate, one byte, and the peer is to update its own keys as well.
pub(crate) const KEY_UPDATE_REQUESTED: [u8; 5] = [24, 0, 0, 1, 1];

/// A client after its handshake.
pub(crate) struct ByHand {
    pub(crate) socket: TcpStream,
    secret: Vec<u8>,
    /// Records sent with this secret.
    sent: u64,
}

impl ByHand {
    pub(crate) async fn connect(broker: &TlsBroker) -> Self {
        let secret = Arc::new(Traffic::default());
        let suite = cipher_suite::TLS13_AES_128_GCM_SHA256;
        let mut made = config_of_suite(&broker.authority.pem, suite);
        made.key_log = Arc::clone(&secret) as _;
        let (mut socket, _) = broker.connect(made).await.unwrap().into_inner();
        // The begin of a ticket: the broker has ended its handshake, so that it takes none of the records after it for a part of that.
        socket.read_u8().await.unwrap();
        let secret = secret.0.lock().clone();
        Self { socket, secret, sent: 0 }
    }

    /// Sends a record.
    pub(crate) async fn send(&mut self, kind: u8, content: &[u8]) -> std::io::Result<()> {
        let mut sealed = [content, &[kind]].concat();
        let length = u16::try_from(sealed.len() + AES_128_GCM.tag_len()).unwrap();
        let head = [&[APPLICATION_DATA, 3, 3][..], &length.to_be_bytes()].concat();
        let key = UnboundKey::new(&AES_128_GCM, &expand(&self.secret, "key", 16)).unwrap();
        let mut nonce: [u8; 12] = expand(&self.secret, "iv", 12).try_into().unwrap();
        for (byte, number) in nonce.iter_mut().skip(4).zip(self.sent.to_be_bytes()) {
            *byte ^= number;
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        LessSafeKey::new(key).seal_in_place_append_tag(nonce, Aad::from(&head), &mut sealed).unwrap();
        self.sent += 1;
        self.socket.write_all(&[head, sealed].concat()).await
    }

    /// The records after it are sent with the next keys, as after a KeyUpdate.
    pub(crate) fn update_keys(&mut self) {
        self.secret = expand(&self.secret, "traffic upd", 32);
        self.sent = 0;
    }
}

/// HKDF-Expand-Label without a context (RFC 8446, 7.1).
fn expand(secret: &[u8], label: &str, length: u8) -> Vec<u8> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let label = format!("tls13 {label}");
    let count = [u8::try_from(label.len()).unwrap()];
    let info = [&[0, length][..], &count, label.as_bytes(), &[0]];
    let mut made = vec![0; usize::from(length)];
    let secret = Prk::new_less_safe(HKDF_SHA256, secret);
    secret.expand(&info, Length(made.len())).unwrap().fill(&mut made).unwrap();
    made
}

/// The secret of what the client sends after the handshake.
#[derive(Default)]
struct Traffic(Mutex<Vec<u8>>);

impl KeyLog for Traffic {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        if label == "CLIENT_TRAFFIC_SECRET_0" {
            *self.0.lock() = secret.to_vec();
        }
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traffic")
    }
}
