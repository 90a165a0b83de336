//! Further connections that tell causes apart which look the same: a port with or without TLS, a listener with or without a login.

use codec::frame;

use crate::client::{Address, ClientError, Connection, Settings, Stream, connect};

/// A failed handshake: was it the port?
pub(super) fn explain_tls(error: ClientError, address: &Address, settings: &Settings) -> ClientError {
    let may_be_plain = matches!(
        &error,
        ClientError::TlsClosed { .. }
            | ClientError::TooLate { .. }
            | ClientError::Tls { error: rustls::Error::InvalidMessage(_), .. }
    );
    if may_be_plain && speaks_plain_kafka(address, settings) {
        let protocol = if settings.login.is_some() { "SASL_PLAINTEXT" } else { "PLAINTEXT" };
        return ClientError::Other(format!("{address} speaks no TLS: set security.protocol={protocol}"));
    }
    error
}

/// No versions: was it the port, or a missing client certificate?
pub(super) fn explain_versions(error: ClientError, address: &Address, settings: &Settings) -> ClientError {
    let is_closed = matches!(
        error,
        ClientError::Closed { .. } | ClientError::TooLate { .. } | ClientError::SpeaksTls { .. }
    );
    if is_closed && settings.tls.is_none() && speaks_tls(address, settings) {
        let protocol = if settings.login.is_some() { "SASL_SSL" } else { "SSL" };
        return ClientError::Other(format!(
            "{address} speaks TLS: set security.protocol={protocol}, and ssl.truststore.location to its authority's certificate"
        ));
    }
    error
}

/// No metadata: does the listener ask for a login?
pub(super) fn explain_metadata(error: ClientError, address: &Address, settings: &Settings) -> ClientError {
    if !matches!(error, ClientError::Closed { .. }) || settings.login.is_some() {
        return error;
    }
    // Of a mechanism that no broker has: the answer lists those that it has.
    let offered = match Connection::open(address, settings)
        .map(|mut connection| connection.choose_mechanism("OTTLA-PROBE"))
    {
        Ok(Err(ClientError::Mechanism { offered, .. })) => offered,
        _ => return error,
    };
    let protocol = if settings.tls.is_some() { "SASL_SSL" } else { "SASL_PLAINTEXT" };
    ClientError::Other(format!(
        "{address} asks for a login: set security.protocol={protocol}, sasl.mechanism to one of {}, and sasl.jaas.config",
        offered.join(", ")
    ))
}

/// Without TLS an answer to ApiVersions says that the port has none.
fn speaks_plain_kafka(address: &Address, settings: &Settings) -> bool {
    let Ok(socket) = connect(address, settings.timeout) else { return false };
    Connection::over(Stream::Plain(socket), address, settings).ask_versions().is_ok()
}

/// A TLS server answers a handshake by a record of TLS, whatever it thinks of the client.
fn speaks_tls(address: &Address, settings: &Settings) -> bool {
    use std::io::{Read as _, Write as _};
    /// Handshake and alert, of TLS 1.0 to 1.3 on the wire.
    const RECORDS: [u8; 2] = [0x16, 0x15];
    let Ok(mut socket) = connect(address, settings.timeout) else { return false };
    let Ok(hello) = crate::client::client_hello(&address.host) else { return false };
    // The length of a frame must not be mistaken for a record: 0x16 is one of 369 MB.
    let mut answer = [0; 5];
    let is_answered = socket.write_all(&hello).and_then(|()| socket.read_exact(&mut answer)).is_ok();
    is_answered
        && RECORDS.contains(&answer[0])
        && answer[1] == 3
        && frame::frame_length([answer[0], answer[1], answer[2], answer[3]], 100 << 20).is_err()
}
