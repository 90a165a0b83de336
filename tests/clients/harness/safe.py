"""An Ottla with two listeners: one without logins, for the test itself, and one that asks for a login."""

from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from .broker import Ottla
from .process import free_port
from .sasl import HASHES

_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


class Safe(Ottla):
    """`users` have that password, by PLAIN and after `add_scram_users` by SCRAM."""

    def __init__(self, users, password, overrides=()):
        self.safe_port = free_port()
        self.users, self.password = users, password
        jaas = " ".join(f'user_{user}="{password}"' for user in users)
        super().__init__(overrides=(
            "listener.security.protocol.map=OPEN:PLAINTEXT,SAFE:SASL_PLAINTEXT",
            f"listener.name.safe.sasl.enabled.mechanisms=PLAIN,{','.join(HASHES)}",
            f"listener.name.safe.plain.sasl.jaas.config={_MODULE} required {jaas};",
            *overrides,
        ))

    def argv(self):
        argv = super().argv()
        # `--listen` is for PLAINTEXT alone.
        at = argv.index("--listen")
        return [*argv[:at], *argv[at + 2:], "--override", f"listeners=OPEN://127.0.0.1:{self.port},SAFE://127.0.0.1:{self.safe_port}"]

    def add_scram_users(self):
        """Gives all users credentials of both mechanisms."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            wanted = [UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, 4096), self.password.encode()) for user in self.users]
            for done in admin.alter_user_scram_credentials(wanted).values():
                done.result(30)
