"""Writes a record every 50 ms with one library, longer than a login lasts; prints one line of JSON.

    login_again.py LIBRARY BOOTSTRAP USER PASSWORD TOPIC SECONDS

With the user "token" the password is the name of a file with a bearer token, and the login is by OAUTHBEARER.
{"sent": ..., "errors": [...]}: records that the library acknowledged, and what it told the application of.
"""

import base64
import json
import sys
import time


def _token(path):
    with open(path) as file:
        return file.read()


def _end(token):
    """The claim `exp`, which librdkafka has to be told of."""
    claims = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]


def kafka_python(bootstrap, user, password, topic, until):
    from kafka import KafkaProducer

    login = dict(sasl_mechanism="SCRAM-SHA-256", sasl_plain_username=user, sasl_plain_password=password)
    if user == "token":
        try:
            from kafka.net.sasl.oauth import AbstractTokenProvider
        except ImportError:
            from kafka.sasl.oauth import AbstractTokenProvider

        class Provider(AbstractTokenProvider):
            def token(self):
                return _token(password)

        login = dict(sasl_mechanism="OAUTHBEARER", sasl_oauth_token_provider=Provider())
    producer = KafkaProducer(bootstrap_servers=bootstrap, security_protocol="SASL_PLAINTEXT", acks="all", **login)
    sent, errors = 0, []
    while time.monotonic() < until:
        try:
            producer.send(topic, b"record %d" % sent).get(20)
            sent += 1
        except Exception as error:
            errors.append(repr(error))
        time.sleep(0.05)
    producer.close()
    return sent, errors


def confluent(bootstrap, user, password, topic, until):
    from confluent_kafka import Producer

    acknowledged, errors = [], []

    def delivered(error, message):
        if error is None:
            acknowledged.append(message)
        else:
            errors.append(str(error))

    def fresh(_):
        token = _token(password)
        return token, _end(token)

    login = {"sasl.mechanism": "SCRAM-SHA-256", "sasl.username": user, "sasl.password": password}
    if user == "token":
        login = {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": fresh}
    producer = Producer({"bootstrap.servers": bootstrap, "security.protocol": "SASL_PLAINTEXT", "error_cb": lambda error: errors.append(str(error)),
                         **login})
    while time.monotonic() < until:
        producer.produce(topic, b"record", on_delivery=delivered)
        producer.poll(0.05)
    producer.flush(20)
    return len(acknowledged), errors


def main():
    library, bootstrap, user, password, topic, seconds = sys.argv[1:]
    run = {"kafka-python": kafka_python, "confluent-kafka": confluent}[library]
    sent, errors = run(bootstrap, user, password, topic, time.monotonic() + float(seconds))
    print(json.dumps({"sent": sent, "errors": errors}))


main()
