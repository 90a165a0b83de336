"""The output of a tool with two brokers: made comparable, compared line by line, differences looked up in the list."""

import dataclasses
import datetime
import difflib
import re

_DROPPED = re.compile(r"SLF4J|\tat |\t\.\.\. \d+ more")

def _from_now(found):
    """A time of day without seconds, as hours from now: how long tokens live is compared, too."""
    hours = (datetime.datetime.fromisoformat(f"{found[1]} {found[2]}") - datetime.datetime.now()).total_seconds() / 3600
    return f"NOW{round(hours):+}h"


# What is bound to differ between two runs of one and the same broker, and nothing else.
_BOUND = [
    (re.compile(r"\b1[6-9]\d{11}\b"), "TIME"),
    (re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,:]\d+)?(Z|[+-]\d\d:?\d\d)?"), "TIME"),
    (re.compile(r"\b(20\d\d-\d\d-\d\d)T(\d\d:\d\d)\b"), _from_now),
    (re.compile(r"[A-Za-z0-9+/]{86}=="), "HMAC"),
    (re.compile(r"\b[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"((?:Id|ID): )[\w-]{22}(?![\w-])"), r"\1ID"),
    (re.compile(r"(?<![\w.-])(?=[\w-]*[A-Z])([\w-]*[a-z])[\w-]*(?<=[\w-]{22})(?<![\w-]{23})(?![\w(-])|\bA{22}\b"), "ID"),
    (re.compile(r"\b(adminclient|console-consumer|perf-consumer|consumer|producer)-\d+\b"), r"\1-N"),
    # Tables are as wide as their longest value.
    (re.compile(r" {2,}"), " "),
    (re.compile(r"-{3,}"), "---"),
]


def lines_of(status, printed, stage, step):
    """The output without the parts that differ by nature; the exit status is a line of its own."""
    broker = stage.broker
    port = "|".join(map(str, [broker.port, *broker.ports.values()]))
    for pattern, by in [(re.compile(rf"\b(localhost|127\.0\.0\.1):({port})\b"), "HOST:PORT"),
                        (re.compile(rf"\b({port})\b"), "PORT"),
                        (re.compile(rf"{re.escape(str(stage.folder))}/"), ""),
                        (re.compile(rf"{re.escape(str(broker.home))}/"), "HOME/"), *step.replace]:
        printed = pattern.sub(by, printed)
    lines, heading = [], ""
    for line in printed.splitlines():
        if not line.strip() or _DROPPED.match(line):
            continue
        for pattern, by in _BOUND:
            line = pattern.sub(by, line)
        if not line[0].isspace():
            heading = line.strip()
        elif step.headed:
            line = f"{heading} {line.strip()}"
        lines.append(line.strip())
    return (sorted(lines) if step.sort else lines) + [f"[exit status {status}]"]


@dataclasses.dataclass
class Lines:
    """Whole lines that only one of the two prints, and why. In all patterns `*` stands for anything, the rest for itself."""

    command: str  # or several
    kafka: tuple = ()
    ottla: tuple = ()
    kind: str = "intended"  # or "not served yet", "fault"
    reason: str = ""

    def __post_init__(self):
        assert self.reason, self.command
        self.unmet = {f"{side}: {one}" for side in ("kafka", "ottla") for one in getattr(self, side)}

    def explains(self, command, side, line):
        if not _matches(self.command, command):
            return False
        met = {f"{side}: {one}" for one in getattr(self, side) if _matches(one, line)}
        self.unmet -= met
        return bool(met)


@dataclasses.dataclass
class Words:
    """Words within a line (no pattern) in the place of which Ottla has others, or none."""

    command: str
    kafka: str
    ottla: str
    kind: str = "intended"
    reason: str = ""

    def __post_init__(self):
        assert self.reason, self.command
        self.unmet = {f"kafka: {self.kafka}"}

    def translate(self, command, lines):
        if not _matches(self.command, command) or not any(self.kafka in line for line in lines):
            return lines
        self.unmet.clear()
        return [line.replace(self.kafka, self.ottla).rstrip() for line in lines]


def _matches(pattern, text):
    if isinstance(pattern, tuple):
        return any(_matches(one, text) for one in pattern)
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text) is not None


def unexplained(command, kafka, ottla, differences):
    """The lines that differ and that no entry of the list explains, by the side that prints them."""
    for one in differences:
        if isinstance(one, Words):
            kafka = one.translate(command, kafka)
    listed = [one for one in differences if isinstance(one, Lines)]
    left = []
    for tag, k1, k2, o1, o2 in difflib.SequenceMatcher(None, kafka, ottla, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for side, lines in (("kafka", kafka[k1:k2]), ("ottla", ottla[o1:o2])):
            # A list and not a generator: every entry that fits has been met.
            left += [f"  {side}: {line}" for line in lines
                     if not any([one.explains(command, side, line) for one in listed])]
    return left
