"""Clients on listeners with TLS and logins; many cases in one process, all at the same time.

    session.py LIBRARY <cases >answers

A case is a line of JSON: `case` (its name), `bootstrap`, `protocol`, `topic`, `group`, `steps` (of create, produce, consume, and traffic, which
traffic.py describes), `patience` (seconds that a step waits), and as far as they apply `ca`, `cert`, `key`, `mechanism`, `user`, `password`, `token`
(files of PEM and a token), `duration` and `life_ms` (seconds of traffic, and how long a login lasts). Its answer is
{"case": ..., "read": [...], "seconds": ...}, or with "error" ("Type: message", the library's own) and "step" in place of "read". A value longer
than 100 bytes is shown by its length.
"""

import asyncio
import importlib
import json
import os
import queue
import ssl
import subprocess
import sys
import threading
import time

from traffic import Traffic

# The last one is longer than TLS takes at a time.
RECORDS = [*(b"record %d" % number for number in range(19)), bytes(300_000)]


def _token(path):
    with open(path) as file:
        return file.read()


def _provider(base, path, is_async=False):
    """A provider of tokens, as kafka-python and aiokafka want one."""

    class Provider(base):
        def token(self):
            return _token(path)

    class AsyncProvider(base):
        async def token(self):
            return _token(path)

    return AsyncProvider() if is_async else Provider()


def _kafka_python_tokens():
    """The class to extend has moved twice."""
    try:
        from kafka.sasl.oauth import AbstractTokenProvider
    except ImportError:
        try:
            from kafka.net.sasl.oauth import AbstractTokenProvider
        except ImportError:
            from kafka.oauth import AbstractTokenProvider
    return AbstractTokenProvider


class KafkaPython:
    def __init__(self, case):
        from kafka import KafkaProducer

        self.case = case
        self.settings = dict(bootstrap_servers=case["bootstrap"], security_protocol=case["protocol"])
        if "api_version_auto_timeout_ms" in KafkaProducer.DEFAULT_CONFIG:
            self.settings["api_version_auto_timeout_ms"] = 30_000  # 2 s by default, too short for twenty clients on a busy machine
        if case["protocol"].endswith("SSL"):
            self.settings.update(ssl_cafile=case["ca"], ssl_certfile=case.get("cert"), ssl_keyfile=case.get("key"), ssl_check_hostname=True)
        if case.get("mechanism") == "OAUTHBEARER":
            self.settings.update(sasl_mechanism="OAUTHBEARER", sasl_oauth_token_provider=_provider(_kafka_python_tokens(), case["token"]))
        elif "mechanism" in case:
            self.settings.update(sasl_mechanism=case["mechanism"], sasl_plain_username=case["user"], sasl_plain_password=case["password"])

    def create(self):
        from kafka.admin import KafkaAdminClient, NewTopic

        from kafka.errors import KafkaConnectionError

        admin = KafkaAdminClient(**self.settings)
        try:
            for last in (False, False, True):
                try:
                    return admin.create_topics([NewTopic(self.case["topic"], 1, 1)]) and None
                except KafkaConnectionError:
                    # 2.3.3 closes a connection that has something to read before a request: tickets of TLS 1.3.
                    if last:
                        raise
        finally:
            admin.close()

    def produce(self):
        from kafka import KafkaProducer

        # A minute by default, which 2.x waits through after a wrong password.
        producer = KafkaProducer(max_block_ms=self.case["patience"] * 1000, **self.settings)
        for future in [producer.send(self.case["topic"], record) for record in RECORDS]:
            future.get(self.case["patience"])
        producer.close()

    def consume(self):
        from kafka import KafkaConsumer

        consumer = KafkaConsumer(self.case["topic"], group_id=self.case["group"], auto_offset_reset="earliest",
                                 consumer_timeout_ms=self.case["patience"] * 1000, **self.settings)
        try:
            read = []
            for message in consumer:
                read.append(message.value)
                if len(read) == len(RECORDS):
                    break
            consumer.commit()
            return read
        finally:
            consumer.close()

    def traffic(self, traffic):
        from kafka import KafkaConsumer, KafkaProducer

        producer = KafkaProducer(acks="all", **self.settings)
        consumer = KafkaConsumer(self.case["topic"], group_id=self.case["group"], auto_offset_reset="earliest", **self.settings)

        def poll():
            # FINDINGS.md tells why not shorter.
            return [message.value for messages in consumer.poll(timeout_ms=2000).values() for message in messages]

        traffic.run(lambda value: producer.send(self.case["topic"], value).get(self.case["patience"]), poll)

        def close():
            producer.close()
            consumer.close()

        # Without a timeout; that of 1.4.7 was seen not to return after its login had ended. All that is judged is known by now.
        closing = threading.Thread(target=close, daemon=True)
        closing.start()
        closing.join(self.case["patience"])


def _librdkafka(case):
    """Settings of librdkafka, without the token."""
    settings = {"bootstrap.servers": case["bootstrap"], "security.protocol": case["protocol"]}
    for key, name in {"ca": "ssl.ca.location", "cert": "ssl.certificate.location", "key": "ssl.key.location",
                      "mechanism": "sasl.mechanism", "user": "sasl.username", "password": "sasl.password"}.items():
        if key in case:
            settings[name] = case[key]
    return settings


class Confluent:
    def __init__(self, case):
        self.case, self.errors = case, []
        self.settings = {**_librdkafka(case), "error_cb": self.errors.append}
        if case.get("mechanism") == "OAUTHBEARER":
            self.settings["oauth_cb"] = lambda _: (_token(case["token"]), time.time() + 600)

    def _refused(self):
        """Raises what the library told the application of; _ALL_BROKERS_DOWN may come first, and says less."""
        from confluent_kafka import KafkaError, KafkaException

        for error in self.errors:
            if error.code() in (KafkaError._SSL, KafkaError._AUTHENTICATION):
                raise KafkaException(error)

    def create(self):
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient(self.settings)
        done = admin.create_topics([NewTopic(self.case["topic"], 1, 1)])[self.case["topic"]]
        while not done.done():
            admin.poll(0.1)  # it asks for a token then alone
            self._refused()
        done.result()

    def produce(self):
        from confluent_kafka import KafkaException, Producer

        refused = []
        producer = Producer(self.settings)
        for record in RECORDS:
            producer.produce(self.case["topic"], record, on_delivery=lambda error, _: error and refused.append(error))
        deadline = time.monotonic() + self.case["patience"]
        while len(producer) and time.monotonic() < deadline:
            producer.poll(0.1)
            self._refused()
        if refused:
            raise KafkaException(refused[0])
        if len(producer):
            raise KafkaException(self.errors[-1]) if self.errors else TimeoutError("not acknowledged")

    def consume(self):
        from confluent_kafka import Consumer, KafkaError, KafkaException

        consumer = Consumer({**self.settings, "group.id": self.case["group"], "auto.offset.reset": "earliest"})
        consumer.subscribe([self.case["topic"]])
        read, deadline = [], time.monotonic() + self.case["patience"]
        while len(read) < len(RECORDS) and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            self._refused()
            if message is not None and message.error() is None:
                read.append(message.value())
            elif message is not None and message.error().code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise KafkaException(message.error())
        consumer.commit(asynchronous=False)
        consumer.close()
        return read

    def traffic(self, traffic):
        from confluent_kafka import Consumer, KafkaException, Producer

        def told(which):
            return {**self.settings, "error_cb": lambda error: traffic.failed(which, str(error))}

        producer = Producer({**told("producer"), "acks": "all"})
        consumer = Consumer({**told("consumer"), "group.id": self.case["group"], "auto.offset.reset": "earliest"})
        consumer.subscribe([self.case["topic"]])

        def send(value):
            delivered = []
            producer.produce(self.case["topic"], value, on_delivery=lambda error, _: delivered.append(error))
            deadline = time.monotonic() + self.case["patience"]
            while not delivered and time.monotonic() < deadline:
                producer.poll(0.1)
            if not delivered or delivered[0]:
                raise KafkaException(delivered[0]) if delivered else TimeoutError("not acknowledged")

        def poll():
            message = consumer.poll(0.2)
            if message is not None and message.error():
                raise KafkaException(message.error())
            return [] if message is None else [message.value()]

        traffic.run(send, poll)
        consumer.close()


class Aiokafka:
    def __init__(self, case):
        self.case = case
        self.settings = dict(bootstrap_servers=case["bootstrap"], security_protocol=case["protocol"])
        if case["protocol"].endswith("SSL"):
            self.settings["ssl_context"] = ssl.create_default_context(cafile=case["ca"])
            if "cert" in case:
                self.settings["ssl_context"].load_cert_chain(case["cert"], case["key"])
        if case.get("mechanism") == "OAUTHBEARER":
            from aiokafka.abc import AbstractTokenProvider

            self.settings.update(sasl_mechanism="OAUTHBEARER",
                                 sasl_oauth_token_provider=_provider(AbstractTokenProvider, case["token"], is_async=True))
        elif "mechanism" in case:
            self.settings.update(sasl_mechanism=case["mechanism"], sasl_plain_username=case["user"], sasl_plain_password=case["password"])

    def create(self):
        from aiokafka.admin import AIOKafkaAdminClient, NewTopic

        async def run():
            admin = AIOKafkaAdminClient(**self.settings)
            await admin.start()
            try:
                answer = await admin.create_topics([NewTopic(self.case["topic"], 1, 1)])
                # It returns errors of topics, and raises none.
                from aiokafka.errors import for_code

                code = answer.topic_errors[0][1]
                if code:
                    raise for_code(code)(answer.topic_errors[0])
            finally:
                await admin.close()

        asyncio.run(run())

    def produce(self):
        from aiokafka import AIOKafkaProducer

        async def run():
            producer = AIOKafkaProducer(**self.settings)
            try:
                await producer.start()
                for record in RECORDS:
                    await asyncio.wait_for(producer.send_and_wait(self.case["topic"], record), self.case["patience"])
            finally:
                await producer.stop()

        asyncio.run(run())

    def consume(self):
        from aiokafka import AIOKafkaConsumer

        async def run():
            consumer = AIOKafkaConsumer(self.case["topic"], group_id=self.case["group"], auto_offset_reset="earliest", **self.settings)
            try:
                await consumer.start()
                return [(await asyncio.wait_for(consumer.getone(), self.case["patience"])).value for _ in RECORDS]
            finally:
                await consumer.stop()

        return asyncio.run(run())

    def traffic(self, traffic):
        from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()

        def wait(make):
            async def run():
                return await make()

            return asyncio.run_coroutine_threadsafe(run(), loop).result(self.case["patience"])

        async def clients():
            return (AIOKafkaProducer(acks="all", **self.settings),
                    AIOKafkaConsumer(self.case["topic"], group_id=self.case["group"], auto_offset_reset="earliest", **self.settings))

        producer, consumer = wait(clients)
        wait(producer.start)
        wait(consumer.start)

        def poll():
            taken = wait(lambda: consumer.getmany(timeout_ms=200))
            return [message.value for messages in taken.values() for message in messages]

        traffic.run(lambda value: wait(lambda: producer.send_and_wait(self.case["topic"], value)), poll)
        wait(producer.stop)
        # `stop` commits, and never returns if it finds the connection closed; this one then connects anew.
        wait(consumer.commit)
        wait(consumer.stop)


class Kcat:
    """The command. It has no admin calls and takes no tokens."""

    def __init__(self, case):
        self.case = case
        options = {name: value for name, value in _librdkafka(case).items() if name != "bootstrap.servers"}
        self.common = ["-b", case["bootstrap"], *(word for name, value in options.items() for word in ("-X", "%s=%s" % (name, value)))]

    def _run(self, *arguments, data=b""):
        done = subprocess.run(["kcat", *arguments, *self.common], input=data, capture_output=True, timeout=self.case["patience"])
        if done.returncode:
            raise RuntimeError("kcat: %s" % done.stderr.decode(errors="replace")[-600:])
        return done.stdout

    def produce(self):
        self._run("-P", "-t", self.case["topic"], data=b"\n".join(record.replace(b"\0", b"0") for record in RECORDS))

    def consume(self):
        read = self._run("-G", self.case["group"], "-c", str(len(RECORDS)), "-q", "-X", "auto.offset.reset=earliest", self.case["topic"])
        return read.rstrip(b"\n").split(b"\n")

    def traffic(self, traffic):
        """kcat polls for acknowledgements only when it has read a record: all are counted at the end, and none is sent again."""
        acknowledged, read = [], queue.Queue()

        def follow(lines, take):
            thread = threading.Thread(target=lambda: [take(line.decode(errors="replace").strip()) for line in lines], daemon=True)
            thread.start()
            return thread

        def said(which):
            def take(line):
                if "Message delivered" in line:
                    acknowledged.append(line)
                elif line.startswith(("% ERROR", "% Delivery failed")):
                    traffic.failed(which, line)
            return take

        def start(*arguments, **more):
            # -E: without it kcat ends as soon as its only broker is away for a moment.
            return subprocess.Popen(["kcat", "-E", *arguments, *self.common], stderr=subprocess.PIPE, **more)

        # -vv: it tells of each acknowledgement. With more than one request at a time librdkafka may change the order when it connects again.
        producer = start("-P", "-vv", "-t", self.case["topic"], "-X", "acks=all", "-X", "max.in.flight.requests.per.connection=1", stdin=subprocess.PIPE)
        consumer = start("-G", self.case["group"], "-u", "-X", "auto.offset.reset=earliest", self.case["topic"], stdout=subprocess.PIPE)
        told = follow(producer.stderr, said("producer"))
        follow(consumer.stderr, said("consumer"))
        follow(consumer.stdout, read.put)

        def send(value):
            # It reads 128 bytes at a time.
            producer.stdin.write(value.ljust(127) + b"\n")
            producer.stdin.flush()

        def end():
            producer.stdin.close()
            told.join(self.case["patience"])
            traffic.sent = len(acknowledged)

        def poll():
            try:
                return [read.get(timeout=0.2)]
            except queue.Empty:
                return []

        traffic.run(send, poll, end)
        consumer.terminate()
        for one in (producer, consumer):
            if one.wait(self.case["patience"]):
                traffic.failed("kcat", "ended with %d" % one.returncode)


LIBRARIES = {"kafka-python": KafkaPython, "confluent-kafka": Confluent, "aiokafka": Aiokafka, "kcat": Kcat}
# Imported before any thread runs: kafka-python's modules need each other.
MODULES = {"kafka-python": ["kafka", "kafka.admin"], "confluent-kafka": ["confluent_kafka.admin"], "aiokafka": ["aiokafka.admin"], "kcat": []}
_lock = threading.Lock()


def _shown(value):
    return "%d bytes" % len(value) if len(value) > 100 else value.decode()


def run(library, case):
    answer, began, step = {"case": case["case"]}, time.monotonic(), "start"
    try:
        client = LIBRARIES[library](case)
        for step in case["steps"]:
            if step == "traffic":
                traffic = Traffic(case)
                client.traffic(traffic)
                answer.update(traffic.answer())
                continue
            read = getattr(client, step)()
            if read is not None:
                answer["read"] = sorted(_shown(value) for value in read)
    except Exception as error:  # whatever the library raises is the answer
        answer.update(error="%s: %s" % (type(error).__name__, error), step=step)
    answer["seconds"] = time.monotonic() - began
    with _lock:
        print(json.dumps(answer), flush=True)


def main():
    library = sys.argv[1]
    for module in MODULES[library]:
        importlib.import_module(module)
    cases = [json.loads(line) for line in sys.stdin]
    running = [threading.Thread(target=run, args=(library, case)) for case in cases]
    for one in running:
        one.start()
    for one in running:
        one.join()
    # Clients that failed to connect may have threads that go on.
    os._exit(0)


main()
