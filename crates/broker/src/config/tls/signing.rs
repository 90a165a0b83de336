//! Signatures of handshakes by slow keys: one by RSA-4096 takes some milliseconds, in which the other connections of its thread go on
//! by another thread.

use std::sync::Arc;

use rustls::crypto::KeyProvider;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use crate::tasks::in_place;

/// Keys as ring knows them. Those of RSA sign beside the tasks of their thread; others are faster than that is.
#[derive(Debug)]
pub(super) struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let key = any_supported_type(&key)?;
        match key.algorithm() {
            SignatureAlgorithm::RSA => Ok(Arc::new(SlowKey(key))),
            _ => Ok(key),
        }
    }
}

#[derive(Debug)]
struct SlowKey(Arc<dyn SigningKey>);

impl SigningKey for SlowKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(SlowSigner(self.0.choose_scheme(offered)?)))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[derive(Debug)]
struct SlowSigner(Box<dyn Signer>);

impl Signer for SlowSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        in_place(true, || self.0.sign(message))
    }

    fn scheme(&self) -> SignatureScheme {
        self.0.scheme()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::time::Duration;

    use parking_lot::Mutex;
    use rcgen::KeyPair;
    use rustls::pki_types::PrivatePkcs8KeyDer;

    use super::*;
    use crate::tasks::Tasks;

    /// Signs once another task of the runtime has run, or after ten seconds.
    #[derive(Debug)]
    struct Waiting(Mutex<Receiver<()>>);

    impl Signer for Waiting {
        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
            let waited = self.0.lock().recv_timeout(Duration::from_secs(10));
            Ok(vec![u8::from(waited.is_ok())])
        }

        fn scheme(&self) -> SignatureScheme {
            SignatureScheme::RSA_PSS_SHA256
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn other_tasks_go_on_beside_a_signature() {
        let (sender, receiver) = sync_channel(1);
        let signer = SlowSigner(Box::new(Waiting(Mutex::new(receiver))));
        let (done, outcome) = tokio::sync::oneshot::channel();
        let tasks = Tasks::new();
        let others = tasks.clone();
        tasks.spawn("handshake", async move {
            others.spawn("other", async move { sender.send(()).unwrap_or_default() });
            done.send(signer.sign(b"")).unwrap_or_default();
        });
        assert_eq!(outcome.await.unwrap(), Ok(vec![1]));
    }

    #[test]
    fn keys_of_rsa_are_slow() {
        let signer = |der: &[u8], scheme| {
            let key = PrivatePkcs8KeyDer::from(der.to_vec()).into();
            let signer = Keys.load_private_key(key).unwrap().choose_scheme(&[scheme]).unwrap();
            assert!(!signer.sign(b"message").unwrap().is_empty());
            format!("{signer:?}")
        };
        let rsa = signer(
            include_bytes!("../../../../security/src/stores/golden/rsa-2048.der"),
            SignatureScheme::RSA_PSS_SHA256,
        );
        assert!(rsa.starts_with("SlowSigner"), "{rsa}");
        let key = KeyPair::generate().unwrap().serialize_der();
        let elliptic = signer(&key, SignatureScheme::ECDSA_NISTP256_SHA256);
        assert!(!elliptic.starts_with("SlowSigner"), "{elliptic}");
    }
}
