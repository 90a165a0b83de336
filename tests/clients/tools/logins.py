"""The listener on which the users of a scene log in, beside the open one: its settings for a broker, and the tools' for a user."""

_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
# root is a super user; the others may do nothing but what a scene allows them.
USERS = ("root", "alice", "bob", "carol")
LISTENERS = {"SAFE": ("SASL_PLAINTEXT", "127.0.0.1")}
SETTINGS = [
    "listener.name.safe.sasl.enabled.mechanisms=PLAIN",
    f"listener.name.safe.plain.sasl.jaas.config={_LOGIN} required " + " ".join(f'user_{user}="{user} pw"' for user in USERS) + ";",
]
# With these users, and an authorizer. Without a login the tools' user is a super user.
AUTHORIZER = ["authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS;User:root",
              "delegation.token.secret.key=a secret of tokens", *SETTINGS]


def address(broker):
    """None if the broker was started without the listener."""
    return f"127.0.0.1:{broker.ports['SAFE']}" if "SAFE" in broker.ports else None


def properties(folder, user):
    """The path of a file for `--command-config`."""
    path = folder / f"{user}.properties"
    path.write_text(f'security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={_LOGIN} required username="{user}" password="{user} pw";\n')
    return str(path)
