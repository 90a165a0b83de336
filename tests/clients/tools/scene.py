"""Scenes: commands in order, as a user would type them. A scene is a file of lines:

    # ...                      a comment
    $ kafka-topics --list      a command; what it prints is compared. `--bootstrap-server` is added unless the line
                               names {bootstrap}, or {logins}, the address for users who log in; {name.json} is the
                               path of a file of the scene
        text                   indented: the command's standard input, or what the file holds
    % file name.json           a file for the commands below
    % sorted                   about the next command: the order of its lines says nothing
    % all sorted               the same about all commands below, but an indented line stays with the heading above it
    % terminal                 about the next command: it runs on a terminal, in a process of its own, as tools that ask for a
                               confirmation read the answer there
    % as USER                  about the next command: run by this user, who logs in (logins.py)
    % keep NAME RE             about the next command: what the group of RE finds in what it prints is {NAME} below
    % replace RE => TEXT       about the next command: replaced in what it prints
    % until RE                 about the next command: run again until it prints this (at most 30 s)
    % background NAME RE       about the next command: it runs on once it has printed this ...
    % stop NAME                ... until it is stopped as by Ctrl-C; then what it printed is compared
    % transaction ID TOPIC     a program begins a transaction, writes a record, and leaves it open
    % hanging ID TOPIC         a program writes a record in a transaction that its coordinator is not told of
    % streams ID TOPIC         a program of Kafka Streams counts the words of the topic: it runs on ...
    % close ID                 ... until it is closed
"""

import dataclasses
import re
import shlex
import time

import logins
import programs

# Subcommands of argparse take the address after their name, other tools in any place.
_ADDRESS_LAST = {"kafka-cluster"}


@dataclasses.dataclass
class Step:
    text: str  # the line as it is written
    input: str = ""
    user: str = None
    keep: tuple = None
    terminal: bool = False
    sort: bool = False
    headed: bool = False
    replace: list = dataclasses.field(default_factory=list)
    until: re.Pattern = None
    background: str = None
    stop: str = None
    file: str = None
    program: str = None  # what it does, and with what

    @property
    def only_looks(self):
        """True if the command changes nothing, so that it may be run again."""
        return not self.stop and any(word in ("--describe", "describe", "--list", "list") for word in self.text.split())


def parse(text):
    steps, coming, last, always = [], {}, None, {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            last = None
        elif line.startswith("    "):
            last.input += line[4:] + "\n"
        elif line.startswith("$ "):
            last = Step(line[2:], **{**always, **coming})
            steps.append(last)
            coming = {}
        else:
            mark, word, *rest = line.split(" ", 2)
            rest = rest[0] if rest else ""
            assert mark == "%", line
            if word in ("file", "stop"):
                last = Step(line[2:], **coming, **{word: rest})
                steps.append(last)
                coming = {}
            elif word == "sorted":
                coming["sort"] = True
            elif (word, rest) == ("all", "sorted"):
                always = {"sort": True, "headed": True}
            elif word == "terminal":
                coming["terminal"] = True
            elif word == "as":
                coming["user"] = rest
            elif word == "keep":
                name, _, pattern = rest.partition(" ")
                coming["keep"] = (name, re.compile(pattern))
            elif word == "replace":
                pattern, _, by = rest.partition(" => ")
                coming.setdefault("replace", []).append((re.compile(pattern), by))
            elif word == "until":
                coming["until"] = re.compile(rest)
            elif word == "background":
                name, _, pattern = rest.partition(" ")
                coming.update(background=name, until=re.compile(pattern))
            elif word in ("transaction", "hanging", "streams", "close"):
                last = None
                steps.append(Step(line[2:], **coming, program=f"{word} {rest}"))
                coming = {}
            else:
                raise ValueError(line)
    assert not coming, f"nothing follows {coming}"
    return steps


class Stage:
    """One broker's side of a scene."""

    def __init__(self, jvm, broker, folder):
        self.jvm = jvm
        self.broker = broker
        self.folder = folder
        folder.mkdir()
        self._running = {}
        self._kept = {"bootstrap": broker.bootstrap, "logins": logins.address(broker)}

    def play(self, step):
        """Does a step; returns (exit status, printed), or None if there is nothing to compare."""
        if step.file:
            (self.folder / step.file).write_text(step.input)
            return None
        if step.program:
            self._run(*step.program.split())
            return None
        if step.stop:
            return self.jvm.stop(self._running.pop(step.stop))
        tool, arguments = self._command(step)
        if step.terminal:
            return self.jvm.on_terminal(tool, arguments, step.input)
        deadline = time.monotonic() + 30
        while True:
            number = self.jvm.start(tool, arguments, step.input)
            if step.background:
                self.jvm.wait_for(number, step.until)
                self._running[step.background] = number
                return None
            status, printed = self.jvm.finish(number)
            if step.until is None or step.until.search(printed) or time.monotonic() > deadline:
                self._keep(step, printed)
                return status, printed
            time.sleep(0.05)

    def _run(self, what, identity, topic=None):
        """Runs a program beside the tools. One with the id of another takes its place."""
        if what == "transaction":
            self._running[identity] = programs.open_transaction(self.broker, identity, topic)
        elif what == "hanging":
            programs.hang(self.broker, identity, topic)
        elif what == "streams":
            self._running[identity] = programs.count_words(self.broker, identity, topic, self.folder)
        else:
            programs.close(self._running.pop(identity))

    def _keep(self, step, printed):
        if step.keep:
            name, pattern = step.keep
            found = pattern.search(printed)
            assert found, f"{pattern.pattern} is not in:\n{printed}"
            self._kept[name] = found[1]

    def _command(self, step):
        tool, *words = shlex.split(step.text)
        if step.user:
            words = ["--bootstrap-server", logins.address(self.broker), "--command-config", logins.properties(self.folder, step.user), *words]
        elif not any("{bootstrap}" in word or "{logins}" in word for word in words):
            address = ["--bootstrap-server", "{bootstrap}"]
            words = words + address if tool in _ADDRESS_LAST else address + words
        return tool, [re.sub(r"\{([\w.-]+)\}", self._named, word) for word in words]

    def _named(self, found):
        return self._kept.get(found[1]) or str(self.folder / found[1])
