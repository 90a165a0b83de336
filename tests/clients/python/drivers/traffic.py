"""The step `traffic` of session.py: one producer and one consumer of a group that work side by side, for `duration` seconds
from the first acknowledgement.

The producer writes the numbers 0, 1, 2 … and each is acknowledged before the next one is sent. What fails it sends again, as an
application would. The answer has `sent` (that many numbers were acknowledged), `read` (the numbers in the order in which the consumer
was given them), `errors` (what the library told the application: `producer: …` or `consumer: …`), and `again` (numbers that this
program, not the library, sent another time: these alone may be in the log twice).
"""

import threading
import time

# Between two records, and before what failed is sent again.
_EVERY, _BACKOFF = 0.07, 0.2


class Traffic:
    def __init__(self, case):
        self.duration, self.patience = case["duration"], case["patience"]
        # It begins when the first record is acknowledged, which must be soon.
        self.until = time.monotonic() + self.patience
        self.sent, self.read, self.errors, self.again = 0, [], [], []
        self._written = threading.Event()

    def failed(self, which, error):
        text = error if isinstance(error, str) else "%s: %s" % (type(error).__name__, error)
        self.errors.append("%s: %s" % (which, text))

    def take(self, value):
        self.read.append(int(value))

    def write(self, send, end=None):
        """Writes as long as the traffic lasts; send(value) returns once the record is acknowledged, or raises."""
        try:
            while time.monotonic() < self.until:
                self._acknowledged(send)
                if self.sent == 0:
                    self.until = time.monotonic() + self.duration
                self.sent += 1
                time.sleep(_EVERY)
            if end:
                end()
        finally:
            self._written.set()

    def _acknowledged(self, send):
        while True:
            try:
                return send(b"%d" % self.sent)
            except Exception as error:  # whatever the library raises is the answer
                self.failed("producer", error)
                if time.monotonic() > self.until + self.patience:
                    raise
                self.again.append(self.sent)
                time.sleep(_BACKOFF)

    def reads_on(self):
        """True until everything that was acknowledged is read, or it is late."""
        late = time.monotonic() > self.until + self.patience
        return not late and not (self._written.is_set() and len(set(self.read)) >= self.sent)

    def consume(self, poll):
        """Reads to the end by poll(), which returns values, or raises."""
        while self.reads_on():
            try:
                for value in poll():
                    self.take(value)
            except Exception as error:
                self.failed("consumer", error)
                time.sleep(_BACKOFF)

    def run(self, send, poll, end=None):
        """The producer in a thread, the consumer in this one."""
        writer = threading.Thread(target=self.write, args=(send, end))
        writer.start()
        self.consume(poll)
        writer.join()

    def answer(self):
        return {"sent": self.sent, "read": self.read, "errors": self.errors, "again": self.again}
