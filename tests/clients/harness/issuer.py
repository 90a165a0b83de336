"""An issuer of bearer tokens (RSA, by the program openssl), and a file in which there is always a fresh one."""

import base64
import json
import os
import pathlib
import subprocess
import threading
import time

ISSUER = "https://issuer.test/realms/shop"
AUDIENCE = "kafka"


def _url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """One key; its set of keys is in the file `keys`."""

    def __init__(self, folder, kid="one"):
        self.folder, self.kid = pathlib.Path(folder), kid
        self._key = self.folder / f"{kid}.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self._key)],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.keys = self.folder / f"{kid}.json"
        self.keys.write_text(json.dumps({"keys": [self.jwk()]}), encoding="utf-8")

    def jwk(self):
        """As Keycloak writes it."""
        shown = subprocess.run(["openssl", "rsa", "-in", str(self._key), "-noout", "-modulus"], check=True, capture_output=True, text=True)
        modulus = bytes.fromhex(shown.stdout.strip().split("=", 1)[1])
        return {"kid": self.kid, "kty": "RSA", "alg": "RS256", "use": "sig", "n": _url(modulus), "e": "AQAB"}

    def token(self, user, life=60, **claims):
        now = int(time.time())
        header = {"alg": "RS256", "typ": "JWT", "kid": self.kid}
        body = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + life, "scope": "profile email", **claims}
        text = ".".join(_url(json.dumps(part).encode()) for part in (header, body))
        signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(self._key)], input=text.encode(), check=True, capture_output=True)
        return f"{text}.{_url(signed.stdout)}"

    def settings(self, listener):
        """The broker's keys for a listener that takes these tokens."""
        prefix = f"listener.name.{listener}"
        return (f"{prefix}.sasl.enabled.mechanisms=OAUTHBEARER",
                f"{prefix}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url=file:{self.keys}",
                f"{prefix}.oauthbearer.sasl.oauthbearer.expected.issuer={ISSUER}",
                f"{prefix}.oauthbearer.sasl.oauthbearer.expected.audience={AUDIENCE}",
                f"{prefix}.oauthbearer.sasl.oauthbearer.clock.skew.seconds=0")


class TokenFile:
    """A file that holds a token of `life` seconds, replaced by a new one each second."""

    def __init__(self, issuer, user, life):
        self.path = issuer.folder / f"{user}-{life}.token"
        self._issuer, self._user, self._life = issuer, user, life
        self._end = threading.Event()
        self._write()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _write(self):
        other = self.path.with_suffix(".new")
        other.write_text(self._issuer.token(self._user, self._life), encoding="utf-8")
        os.replace(other, self.path)

    def _run(self):
        while not self._end.wait(1):
            self._write()

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
