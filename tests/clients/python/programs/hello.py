"""Sends a greeting to Kafka and reads the topic until it comes back: hello.py [BROKER [TOPIC]]."""

import sys

from kafka import KafkaConsumer, KafkaProducer

broker, topic = (sys.argv[1:] + ["localhost:9092", "greetings"][len(sys.argv) - 1:])[:2]

producer = KafkaProducer(bootstrap_servers=broker, retries=5)
sent = producer.send(topic, b"Hello, Kafka!").get(timeout=30)
print("sent at offset", sent.offset)
producer.close()

consumer = KafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest")
for record in consumer:
    print("read at offset", record.offset, record.value.decode())
    if record.offset == sent.offset:
        break
consumer.close()
