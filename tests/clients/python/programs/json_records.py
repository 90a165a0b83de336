"""Sends ten thousand JSON records to a topic, reads them back and prints each; ends with the last.

json_records.py [--broker HOST:PORT] [--topic NAME] [produce | consume]; without either word it does both, one after the other.
"""

import argparse
import json

from kafka import KafkaConsumer, KafkaProducer

COUNT = 10_000


def produce(broker, topic):
    # One request at a time, so that a request that is sent again is not overtaken by the next.
    producer = KafkaProducer(bootstrap_servers=broker, retries=5, max_in_flight_requests_per_connection=1,
                             value_serializer=lambda value: json.dumps(value).encode())
    results = [producer.send(topic, {"order": number, "cents": 100 + number % 900}) for number in range(COUNT)]
    for result in results:
        result.get(timeout=60)
    producer.close()


def consume(broker, topic):
    # A topic that does not exist yet is looked for every second, not every five minutes.
    consumer = KafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest", metadata_max_age_ms=1000,
                             value_deserializer=json.loads)
    for number, record in enumerate(consumer, start=1):
        print(json.dumps(record.value))
        if number == COUNT:
            break
    consumer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", default="localhost:9092")
    parser.add_argument("--topic", default="orders")
    parser.add_argument("half", nargs="?", choices=["produce", "consume"])
    options = parser.parse_args()
    if options.half != "consume":
        produce(options.broker, options.topic)
    if options.half != "produce":
        consume(options.broker, options.topic)


if __name__ == "__main__":
    main()
