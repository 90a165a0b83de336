"""Reads a topic as a member of a consumer group and prints every record: PARTITION OFFSET KEY VALUE.

group_consumer.py [--broker HOST:PORT] [--topic NAME] [--group NAME]; SIGTERM or Ctrl-C makes it commit, leave its group and end.
"""

import argparse
import signal

from kafka import KafkaConsumer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", default="localhost:9092")
    parser.add_argument("--topic", default="readings")
    parser.add_argument("--group", default="readers")
    options = parser.parse_args()

    stopped = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stopped.append(number))
    consumer = KafkaConsumer(bootstrap_servers=options.broker, group_id=options.group, auto_offset_reset="earliest",
                             key_deserializer=bytes.decode, value_deserializer=bytes.decode)
    consumer.subscribe([options.topic])
    while not stopped:
        # What a poll returned is committed by a later one at the earliest, so nothing is committed that was not printed.
        for records in consumer.poll(timeout_ms=2000).values():
            for record in records:
                print(record.partition, record.offset, record.key, record.value)
    consumer.close()


if __name__ == "__main__":
    main()
