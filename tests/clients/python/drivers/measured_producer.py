"""Sends records of 10 000 bytes by kafka-python as fast as it may; prints the seconds from the first to the last answer.

    measured_producer.py BOOTSTRAP TOPIC CLIENT-ID RECORDS
"""

import sys
import time

from kafka import KafkaProducer

bootstrap, topic, client_id, records = sys.argv[1:]
producer = KafkaProducer(bootstrap_servers=bootstrap, client_id=client_id, acks=1, linger_ms=5, max_block_ms=120_000)
producer.partitions_for(topic)
value = b"x" * 10_000
begin = time.monotonic()
for _ in range(int(records)):
    producer.send(topic, value)
producer.flush(120)
print(time.monotonic() - begin)
