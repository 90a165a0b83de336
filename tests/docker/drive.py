"""drive.py send|read|check ADDRESS COUNT: what the container test does with kafka-python.

send: COUNT records to the topic; read: as a member of a group, which commits; check: without a group. All records must
be there, each once, in order.
"""
import sys

from kafka import KafkaConsumer, KafkaProducer

TOPIC = GROUP = "container-test"


def send(address, count):
    producer = KafkaProducer(bootstrap_servers=address, acks="all")
    sent = [producer.send(TOPIC, b"record %d" % number) for number in range(count)]
    producer.flush()
    assert [future.get(timeout=30).offset for future in sent][-1] >= count - 1
    producer.close()


def read(address, count, group):
    consumer = KafkaConsumer(
        TOPIC, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
        consumer_timeout_ms=60_000,
    )
    values = []
    for record in consumer:
        values.append(record.value)
        if len(values) == count:
            break
    if group:
        consumer.commit()
    # A record too many would show up here.
    extra = consumer.poll(timeout_ms=500)
    consumer.close()
    assert values == [b"record %d" % number for number in range(count)], f"{len(values)} records, or not in order"
    assert not extra, f"records beyond those sent: {extra}"


if __name__ == "__main__":
    what, where, how_many = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if what == "send":
        send(where, how_many)
    else:
        read(where, how_many, GROUP if what == "read" else None)
