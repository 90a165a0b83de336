//! A server that lets every client in without knowing any password: a client must not take it for its broker.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use bytes::Bytes;
use codec::frame::{RequestHeader, response_header};
use codec::messages::api_versions_response::ApiVersion;
use codec::messages::{ApiVersionsResponse, SaslHandshakeResponse};
use codec::{Chain, Request, Response};
use security::sasl::scram::Hash;

use super::*;
use crate::client::{Address, Settings};

/// Answers requests until the client leaves.
fn serve(mut stream: TcpStream) {
    let mut step = 0;
    loop {
        let mut length = [0; 4];
        if stream.read_exact(&mut length).is_err() {
            return;
        }
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame).unwrap();
        let mut frame = Bytes::from(frame);
        let header = RequestHeader::parse(&mut frame).unwrap();
        let (key, version) = (header.api_key, header.api_version);
        let mut chain = Chain::new();
        response_header(header.correlation_id, key, version, &mut chain);
        if key == SaslHandshakeRequest::KEY {
            SaslHandshakeResponse::default().encode(version, &mut chain).unwrap();
        } else if key == SaslAuthenticateRequest::KEY {
            let request = <SaslAuthenticateRequest as Request>::decode(frame, version).unwrap();
            let message = String::from_utf8(request.auth_bytes.to_vec()).unwrap();
            let nonce = message.split("r=").nth(1).unwrap_or_default();
            // The second answer should prove that the server knows the password.
            let answer = if step == 0 {
                format!("r={nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
            } else {
                String::new()
            };
            step += 1;
            let answer = SaslAuthenticateResponse::default().with_auth_bytes(answer.into_bytes().into());
            answer.encode(version, &mut chain).unwrap();
        } else {
            let api = |key, last| ApiVersion::default().with_api_key(key).with_max_version(last);
            let apis = vec![api(SaslHandshakeRequest::KEY, 1), api(SaslAuthenticateRequest::KEY, 2)];
            ApiVersionsResponse::default().with_api_keys(apis).encode(version, &mut chain).unwrap();
        }
        let body = chain.into_bytes();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length, body.as_ref()].concat()).unwrap();
    }
}

#[test]
fn a_server_that_does_not_know_the_password_is_refused() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = Address { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
    let login = Login::Scram {
        hash: Hash::Sha256,
        user: "alice".to_owned(),
        password: Secret::new("x"),
        is_token: false,
    };
    let timeout = std::time::Duration::from_secs(60);
    let settings = Settings { client_id: "test".to_owned(), timeout, tls: None, login: Some(login) };
    std::thread::scope(|scope| {
        scope.spawn(|| serve(listener.accept().unwrap().0));
        let opened = Connection::open(&address, &settings).map(|_| ());
        assert!(matches!(opened, Err(ClientError::Impostor { .. })), "{opened:?}");
    });
}
