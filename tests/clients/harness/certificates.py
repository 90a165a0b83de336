"""Authorities and certificates for the suites, made anew for each run. Keys are of ECDSA P-256, which every client of the suites reads."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates. `pem` is its own, for truststores."""

    def __init__(self, name):
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, subject, self._key).add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        # Python from 3.13 on asks for these three.
        signs = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False)
        builder = builder.add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **signs), True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), False)
        self.certificate = builder.sign(self._key, hashes.SHA256())
        self.pem = _pem(self.certificate)

    def server(self, *names, expired=False):
        """A broker's certificate for those names and addresses."""
        alternative = x509.SubjectAlternativeName([_general(name) for name in names])
        return self._certify("broker", ExtendedKeyUsageOID.SERVER_AUTH, alternative, ends=-_DAY / 2 if expired else _DAY)

    def client(self, name):
        """A client's: its principal is User:CN=name,O=shop."""
        return self._certify(name, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _certify(self, name, usage, *extensions, ends=_DAY):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "shop"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, self.certificate.subject, key, ends)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        for extension in (x509.ExtendedKeyUsage([usage]), issuer, *extensions):
            builder = builder.add_extension(extension, False)
        return Certified(key, builder.sign(self._key, hashes.SHA256()))


class Certified:
    """A certificate with its key."""

    def __init__(self, key, certificate):
        self.certificate = _pem(certificate)
        self.serial = certificate.serial_number
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        self.key = key.private_bytes(*form, serialization.NoEncryption()).decode()

    def write(self, folder, name):
        """Writes NAME.crt, NAME.key and both in NAME.pem, readable by this user alone."""
        for suffix, text in (("crt", self.certificate), ("key", self.key), ("pem", self.key + self.certificate)):
            path = folder / f"{name}.{suffix}"
            path.write_text(text, encoding="utf-8")
            path.chmod(0o600)


def _builder(subject, issuer, key, ends=_DAY):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + ends))


def _general(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
