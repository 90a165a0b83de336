"""Requests about users and ACLs as bytes, and what the answers say."""

import struct

from .sasl import request

DESCRIBE_ACLS, CREATE_ACLS, DELETE_ACLS, DESCRIBE_USERS, ALTER_USERS = 29, 30, 31, 50, 51
_ANY, _LITERAL, _ALLOW, _TOPIC, _READ = 1, 3, 3, 2, 3


class _Answer:
    """Reads an answer from its first byte after the correlation id on; strings and arrays of flexible versions if `compact`."""

    def __init__(self, body, compact):
        self.body, self.at, self.compact = body, 5 if compact else 4, compact

    def number(self, form):
        (value,) = struct.unpack_from(form, self.body, self.at)
        self.at += struct.calcsize(form)
        return value

    def length(self, form):
        return self.number(">B") - 1 if self.compact else self.number(form)

    def text(self):
        length = self.length(">h")
        value = self.body[self.at:self.at + max(length, 0)].decode()
        self.at += max(length, 0)
        return value

    def items(self, read):
        found = []
        for _ in range(self.length(">i")):
            found.append(read())
            self.at += self.compact  # no tagged fields
        return found


def _text(value):
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value)) + value.encode()


def _compact(value):
    return bytes([len(value) + 1]) + value


def create_acls(names):
    """Each principal of that name may read the topic of that name."""
    acls = [struct.pack(">b", _TOPIC) + _text(name) + struct.pack(">b", _LITERAL) + _text(f"User:{name}") + _text("*")
            + struct.pack(">bb", _READ, _ALLOW) for name in names]
    return request(CREATE_ACLS, 1, struct.pack(">i", len(acls)) + b"".join(acls))


def delete_acls(names):
    filters = [_filter(f"User:{name}") for name in names]
    return request(DELETE_ACLS, 1, struct.pack(">i", len(filters)) + b"".join(filters))


def _filter(principal):
    return struct.pack(">b", _ANY) + _text(None) + struct.pack(">b", _ANY) + _text(principal) + _text(None) + struct.pack(">bb", _ANY, _ANY)


def describe_acls():
    return request(DESCRIBE_ACLS, 1, _filter(None))


def acls(body):
    """Names of the topics with an entry, as described."""
    answer = _Answer(body, False)
    assert (answer.number(">i"), answer.number(">h")) == (0, 0), body
    answer.text()

    def entry():
        return answer.text(), answer.text(), answer.number(">b"), answer.number(">b")

    def resource():
        answer.number(">b")
        name = answer.text()
        answer.number(">b")
        assert answer.items(entry) == [(f"User:{name}", "*", _READ, _ALLOW)], body
        return name

    return set(answer.items(resource))


def acl_codes(body):
    """Codes of an answer to create_acls."""
    answer = _Answer(body, False)
    answer.number(">i")
    return answer.items(lambda: (answer.number(">h"), answer.text())[0])


def _flexible(key, body):
    plain = request(key, 0, b"\0" + body)  # the header's tagged fields come before the body
    return plain


def alter_users(iterations):
    """{user: iterations of its SCRAM-SHA-256 credential, None to delete it}."""
    deleted = [_compact(name.encode()) + b"\1\0" for name, count in iterations.items() if count is None]
    put = [_compact(name.encode()) + struct.pack(">bi", 1, count) + _compact(b"a salt") + _compact(bytes(32)) + b"\0"
           for name, count in iterations.items() if count is not None]
    return _flexible(ALTER_USERS, bytes([len(deleted) + 1]) + b"".join(deleted) + bytes([len(put) + 1]) + b"".join(put) + b"\0")


def user_codes(body):
    """{user: code} of an answer to alter_users."""
    answer = _Answer(body, True)
    answer.number(">i")
    return dict(answer.items(lambda: (answer.text(), answer.number(">h"), answer.text())[:2]))


def describe_users():
    return _flexible(DESCRIBE_USERS, b"\0\0")


def users(body):
    """{user: iterations}, as described."""
    answer = _Answer(body, True)
    answer.number(">i")
    assert answer.number(">h") == 0, body
    answer.text()

    def user():
        name, code, _ = answer.text(), answer.number(">h"), answer.text()
        assert code == 0, body
        (found,) = answer.items(lambda: (answer.number(">b"), answer.number(">i")))
        return name, found[1]

    return dict(answer.items(user))
