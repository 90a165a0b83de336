//! The files that keys name, read once: a change of other keys does not read them again.

use super::jaas_file::JaasFile;
use super::logins::JwksFiles;
use super::setting::Settings;
use super::tls::TlsFiles;

/// Their contents, or the reasons why there are none.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) jaas: JaasFile,
    pub(super) jwks: JwksFiles,
    pub(super) tls: TlsFiles,
}

impl Files {
    /// Reads the files that the settings name.
    pub(super) fn read(settings: &Settings) -> Self {
        let (jaas, jwks) = (JaasFile::read(settings), JwksFiles::read(settings));
        Self { jaas, jwks, tls: TlsFiles::read(settings) }
    }
}
