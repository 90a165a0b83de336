"""Drives kcat, the command: one process of it per request. It has neither timestamps of its own choosing nor admin calls."""

import json
import os
import signal
import subprocess
import sys
import threading

from lines import emit, leaves_at_end_of_input, packed_record, serve, unpack


def run(*arguments, data=b"", timeout=60):
    done = subprocess.run(["kcat", *arguments], input=data, capture_output=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError("kcat %s: %s" % (" ".join(arguments), done.stderr.decode(errors="replace")[-600:]))
    return done.stdout


class Operations:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def versions(self):
        return {"kcat": subprocess.run(["kcat", "-V"], capture_output=True).stdout.decode().split("Version ")[1].split("(")[0]}

    def produce(self, topic, partition, codec, acks, records, idempotent=False, linger_ms=20, bears_ms=30_000):
        """kcat takes one record per file: run once per record, its headers as options, -Z for null."""
        common = ["-P", "-b", self.bootstrap, "-t", topic, "-p", str(partition), "-z", codec,
                  "-X", "acks=" + acks, "-X", "enable.idempotence=%s" % str(idempotent).lower(),
                  "-X", "topic.metadata.propagation.max.ms=%d" % bears_ms]
        for r in records:
            key, value = unpack(r["key"]), unpack(r["value"])
            headers = [word for name, text in r["headers"]
                       for word in ("-H", name if text is None else name + "=" + unpack(text).decode())]
            # An empty line with -Z is a null value; without it an empty one.
            null = ["-Z"] if value is None or key is None else []
            keyed = [] if key is None else ["-K", "\\t"]
            line = b"" if key is None else key + b"\t"
            run(*common, *headers, *null, *keyed, data=line + (value or b"") + b"\n")
        return None

    def consume(self, topic, counts, timeout):
        """Lengths first, so that no byte of key or value can be taken for a separator. It reads one partition, or all."""
        one = ["-p", next(iter(counts))] if len(counts) == 1 else []
        out = run("-C", "-b", self.bootstrap, "-t", topic, *one, "-o", "beginning",
                  "-e", "-q", "-f", "%p %o %T %K %S %h\\n%k%s\\n", timeout=timeout)
        records = []
        while out:
            head, out = out.split(b"\n", 1)
            partition, offset, timestamp, key_length, length, headers = head.split(b" ", 5)
            key, out = take(out, int(key_length))
            value, out = take(out, int(length))
            out = out[1:]
            records.append(packed_record(int(partition), int(offset), key, value, parse_headers(headers), int(timestamp), None))
        return records

    def metadata(self):
        return json.loads(run("-L", "-J", "-b", self.bootstrap))

    def list_topics(self):
        return sorted(t["topic"] for t in self.metadata()["topics"])

    def partitions_for_topic(self, topic):
        return sorted(p["partition"] for t in self.metadata()["topics"] if t["topic"] == topic for p in t["partitions"])

    def offsets_for_times(self, topic, partition, timestamps):
        found = []
        for timestamp in timestamps:
            out = run("-Q", "-b", self.bootstrap, "-t", "%s:%d:%d" % (topic, partition, timestamp)).decode()
            offset = int(out.split("offset")[1].split()[0])
            found.append(None if offset < 0 else [offset, None])
        return found

    def ends(self, topic, partition):
        return [self.offsets_for_times(topic, partition, [at])[0][0] for at in (-2, -1)]

    def seek(self, topic, partition, to):
        return [int(run("-C", "-b", self.bootstrap, "-t", topic, "-p", str(partition), "-o", str(offset),
                        "-c", "1", "-e", "-q", "-f", "%o")) for offset in to]


    def read_at(self, topic, partition, offset, timeout):
        """One record from there on, none if nothing comes in time; a wrong offset is not mended."""
        try:
            return [int(run("-C", "-b", self.bootstrap, "-t", topic, "-p", str(partition), "-o", str(offset), "-c", "1", "-q", "-f", "%o",
                            "-X", "auto.offset.reset=error", timeout=timeout))]
        except subprocess.TimeoutExpired:
            return []


def take(data, length):
    return (None, data) if length < 0 else (data[:length], data[length:])


def parse_headers(text):
    """`%h` prints name=value, separated by commas; a null value prints as NULL. Good for headers without commas."""
    if not text:
        return []
    pairs = [pair.split(b"=", 1) for pair in text.split(b",")]
    return [(name.decode(), None if value == b"NULL" else value) for name, value in pairs]


def member(bootstrap, group, topic, session_ms, reset="earliest"):
    """kcat -G: its rebalances come on stderr, its records on stdout; it commits what it has printed, by itself.

    -E: without it kcat ends as soon as its only broker is away for a moment.
    """
    kcat = subprocess.Popen(
        ["kcat", "-G", group, "-b", bootstrap, "-u", "-E", "-f", "%p %o\\n", "-X", "auto.offset.reset=" + reset,
         "-X", "session.timeout.ms=%d" % session_ms, "-X", "heartbeat.interval.ms=500",
         "-X", "auto.commit.interval.ms=200", topic],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # kcat commits what it has printed. So its death must not lose what lies in the pipe: the loop reads that to its end.
    signal.signal(signal.SIGTERM, lambda *_: kcat.kill())
    leaving = leaves_at_end_of_input()
    threading.Thread(target=lambda: leaving.wait() and kcat.terminate(), daemon=True).start()
    for raw in kcat.stdout:
        line = raw.decode(errors="replace").strip()
        if line.startswith("%"):
            if "assigned:" in line:
                emit({"event": "assigned", "partitions": [int(p.split("]")[0]) for p in line.split("[")[1:]]})
            sys.stderr.write(line + "\n")
        elif line:
            partition, offset = line.split()
            emit({"event": "read", "offsets": {partition: [int(offset)]}})
    if not leaving.is_set():
        emit({"error": "kcat ended with %s" % kcat.wait()})


if __name__ == "__main__":
    mode, bootstrap, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if mode == "member":
        member(bootstrap, **settings)
    else:
        serve(Operations(bootstrap))
