"""secure_client.py topics|read ADDRESS CA USER PASSWORD: kafka-python within TLS, with a login by SCRAM-SHA-512. Prints what it finds, or the name of its error."""
import logging
import sys

from kafka import KafkaConsumer
from kafka.errors import KafkaError

TOPIC = "sample"


def main(what, address, ca, user, password):
    logging.disable(logging.CRITICAL)
    consumer = KafkaConsumer(
        bootstrap_servers=address, security_protocol="SASL_SSL", ssl_cafile=ca, sasl_mechanism="SCRAM-SHA-512", sasl_plain_username=user,
        sasl_plain_password=password, auto_offset_reset="earliest", consumer_timeout_ms=20_000,
    )
    if what == "topics":
        print(*sorted(consumer.topics()))
        return
    consumer.subscribe([TOPIC])
    for record in consumer:
        print(record.value.decode())
        return


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KafkaError as error:
        print(type(error).__name__)
        sys.exit(1)
