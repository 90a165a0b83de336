"""Logs in by SASL with one library, writes records and reads them as a member of a group; prints one line of JSON.

    login.py LIBRARY BOOTSTRAP MECHANISM USER PASSWORD TOPIC

{"read": [...]}, or {"error": "Type: message", "seconds": ...} with the library's own exception.
"""

import asyncio
import json
import sys
import time

RECORDS = [b"record %d" % number for number in range(20)]
SECONDS = 60


def kafka_python(bootstrap, mechanism, user, password, topic):
    from kafka import KafkaConsumer, KafkaProducer

    login = dict(bootstrap_servers=bootstrap, security_protocol="SASL_PLAINTEXT", sasl_mechanism=mechanism,
                 sasl_plain_username=user, sasl_plain_password=password)
    producer = KafkaProducer(max_block_ms=20_000, **login)  # a minute by default, which 2.x waits through after a wrong password
    for future in [producer.send(topic, record) for record in RECORDS]:
        future.get(SECONDS)
    producer.close()
    consumer = KafkaConsumer(topic, group_id="group-" + topic, auto_offset_reset="earliest", consumer_timeout_ms=SECONDS * 1000, **login)
    read = []
    for message in consumer:
        read.append(message.value)
        if len(read) == len(RECORDS):
            break
    consumer.commit()
    consumer.close()
    return read


def confluent(bootstrap, mechanism, user, password, topic):
    from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

    errors = []
    login = {"bootstrap.servers": bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism,
             "sasl.username": user, "sasl.password": password, "error_cb": errors.append}
    producer = Producer(login)
    for record in RECORDS:
        producer.produce(topic, record)
    deadline = time.monotonic() + SECONDS
    while len(producer) and time.monotonic() < deadline:
        producer.poll(0.1)
        for error in errors:
            if error.code() == KafkaError._AUTHENTICATION:
                raise KafkaException(error)
    consumer = Consumer({**login, "group.id": "group-" + topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    read = []
    while len(read) < len(RECORDS) and time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is not None and message.error() is None:
            read.append(message.value())
    consumer.commit()
    consumer.close()
    return read


def aiokafka(bootstrap, mechanism, user, password, topic):
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    login = dict(bootstrap_servers=bootstrap, security_protocol="SASL_PLAINTEXT", sasl_mechanism=mechanism,
                 sasl_plain_username=user, sasl_plain_password=password)

    async def run():
        producer = AIOKafkaProducer(**login)
        try:
            await producer.start()
            for record in RECORDS:
                await producer.send_and_wait(topic, record)
        finally:
            await producer.stop()
        consumer = AIOKafkaConsumer(topic, group_id="group-" + topic, auto_offset_reset="earliest", **login)
        await consumer.start()
        try:
            return [(await asyncio.wait_for(consumer.getone(), SECONDS)).value for _ in RECORDS]
        finally:
            await consumer.stop()

    return asyncio.run(run())


def main():
    library, *arguments = sys.argv[1:]
    began = time.monotonic()
    try:
        read = {"kafka-python": kafka_python, "confluent-kafka": confluent, "aiokafka": aiokafka}[library](*arguments)
        print(json.dumps({"read": sorted(record.decode() for record in read)}))
    except Exception as error:  # whatever the library raises is the answer
        print(json.dumps({"error": "%s: %s" % (type(error).__name__, error), "seconds": time.monotonic() - began}))


main()
