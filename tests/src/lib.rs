//! What the end-to-end tests share: a broker process under test and a raw client of the wire protocol.
