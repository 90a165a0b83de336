"""Sends readings of several sensors, each under its sensor's name, so that those of one sensor stay in order.

keyed_producer.py [--broker HOST:PORT] [--topic NAME] [--readings N]; prints where each was stored: PARTITION OFFSET KEY VALUE.
"""

import argparse

from kafka import KafkaProducer

SENSORS = ["attic", "cellar", "garage", "garden", "kitchen", "roof", "stairs", "workshop"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", default="localhost:9092")
    parser.add_argument("--topic", default="readings")
    parser.add_argument("--readings", type=int, default=100, help="of each sensor")
    options = parser.parse_args()

    # One request at a time, so that a request that is sent again is not overtaken by the next.
    producer = KafkaProducer(bootstrap_servers=options.broker, acks="all", retries=5, max_in_flight_requests_per_connection=1,
                             key_serializer=str.encode, value_serializer=str.encode)
    sent = [(sensor, str(reading), producer.send(options.topic, key=sensor, value=str(reading)))
            for reading in range(options.readings) for sensor in SENSORS]
    for sensor, value, result in sent:
        stored = result.get(timeout=60)
        print(stored.partition, stored.offset, sensor, value)
    producer.close()


if __name__ == "__main__":
    main()
