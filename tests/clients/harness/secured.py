"""An Ottla with a listener of each kind, an authorizer, and users; and the cases by which clients use it.

alice may do everything, by any mechanism or by her certificate. mallory may read topics, and so see them, and may do nothing else.
"""

import pathlib
import shutil
import tempfile

from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType,
                                   ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion)

from .broker import Ottla
from .certificates import Authority
from .issuer import Issuer

_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
PASSWORD = "alice's, =secret"
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
LOGINS = ("SASL_SSL", "SASL_PLAINTEXT")
_LISTENERS = {"TLS": ("SSL", "localhost"), "CERT": ("SSL", "localhost"), "MISNAMED": ("SSL", "localhost"),
              "SAFE": ("SASL_SSL", "localhost"), "BARE": ("SASL_PLAINTEXT", "127.0.0.1")}
AUTHORIZER = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"


def _of(entries, principal, as_):
    for kind, name, operation in entries:
        pattern = ResourcePatternType.PREFIXED if name.endswith("*") and len(name) > 1 else ResourcePatternType.LITERAL
        name = name[:-1] if pattern == ResourcePatternType.PREFIXED else name
        # librdkafka calls the cluster a broker.
        yield as_(ResourceType["BROKER" if kind == "CLUSTER" else kind], name, pattern, principal, "*", AclOperation[operation], AclPermissionType.ALLOW)


def grant(admin, principal, *entries):
    """Allows the principal each (kind, name, operation); a name that ends with `*` is a prefix."""
    for done in admin.create_acls(list(_of(entries, principal, AclBinding))).values():
        done.result(30)


def withdraw(admin, principal, *entries):
    """Removes entries that `grant` added."""
    for done in admin.delete_acls(list(_of(entries, principal, AclBindingFilter))).values():
        assert len(done.result(30)) == 1


def add_scram(bootstrap, user):
    """Gives the user credentials of both mechanisms, with PASSWORD."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        one = UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
        for done in admin.alter_user_scram_credentials([one]).values():
            done.result(30)


class Secured(Ottla):
    """`users` log in by PLAIN with PASSWORD, beside alice and mallory. The listener OPEN is for the tests' own hand, a super user."""

    def __init__(self, users=(), overrides=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="secured-"))
        authority = Authority("ca")
        (self.folder / "ca.pem").write_text(authority.pem, encoding="utf-8")
        (self.folder / "other.pem").write_text(Authority("other").pem, encoding="utf-8")
        authority.server("localhost", "127.0.0.1").write(self.folder, "broker")
        authority.server("elsewhere.example").write(self.folder, "misnamed")
        authority.client("alice").write(self.folder, "alice")
        issuer = Issuer(self.folder)
        for name, token in {"token": issuer.token("alice", 3600), "foreign.token": issuer.token("alice", 3600, aud="shop")}.items():
            (self.folder / name).write_text(token, encoding="utf-8")
        jaas = " ".join(f'user_{user}="{PASSWORD}"' for user in ("alice", "mallory", *users))
        logins = []
        for name in ("safe", "bare"):
            logins += [*issuer.settings(name), f"listener.name.{name}.sasl.enabled.mechanisms=PLAIN,OAUTHBEARER,{','.join(SCRAM)}",
                       f"listener.name.{name}.plain.sasl.jaas.config={_MODULE} required {jaas};"]
        super().__init__(listeners=_LISTENERS, overrides=(
            f"ssl.keystore.location={self.folder}/broker.pem",
            f"listener.name.misnamed.ssl.keystore.location={self.folder}/misnamed.pem",
            "listener.name.cert.ssl.client.auth=required", f"listener.name.cert.ssl.truststore.location={self.folder}/ca.pem",
            *logins, AUTHORIZER, "super.users=User:ANONYMOUS;User:alice;User:CN=alice,O=shop", *overrides))

    def start(self, **more):
        seconds = super().start(**more)
        self.add_scram("alice")
        grant(AdminClient({"bootstrap.servers": self.bootstrap}), "User:mallory", ("TOPIC", "*", "READ"))
        return seconds

    def add_scram(self, user):
        add_scram(self.bootstrap, user)

    def remove(self):
        super().remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def file(self, name):
        return str(self.folder / name)

    def case(self, listener, mechanism=None, user="alice", password=PASSWORD, token="token", ca="ca.pem", cert=None, **more):
        """A case on that listener; the files are those of this broker."""
        protocol, host = _LISTENERS[listener]
        case = {"bootstrap": f"{host}:{self.ports[listener]}", "protocol": protocol, **more}
        if protocol.endswith("SSL"):
            case["ca"] = self.file(ca)
        if cert:
            case.update(cert=self.file(f"{cert}.crt"), key=self.file(f"{cert}.key"))
        if mechanism == "OAUTHBEARER":
            case.update(mechanism=mechanism, token=self.file(token))
        elif mechanism:
            case.update(mechanism=mechanism, user=user, password=password)
        return case
