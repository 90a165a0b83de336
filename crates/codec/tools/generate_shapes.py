#!/usr/bin/env python3
"""Writes crates/codec/src/shape/generated.rs: the layout of every request that a broker may get.

The layouts are facts taken from the message definitions inside the kafka-clients jars: the newest
jar defines the versions that it still has, the older one those that Kafka 4.0 dropped (KIP-896).

    generate_shapes.py NEWEST.jar OLDER.jar > crates/codec/src/shape/generated.rs
"""
import json
import re
import sys
import zipfile

FIXED = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8,
         "float64": 8, "uuid": 16}
NEVER = 32767
# What a field takes in memory once decoded: a slice of the frame, a Vec, a map of tagged fields.
SLICE, VECTOR, TAGS = 32, 24, 24


def versions(text):
    """The range a definition gives as "3", "2+", "0-7" or "none", as (first, last)."""
    if text is None or text == "none":
        return None
    match = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text)
    first = int(match[1])
    return first, NEVER if match[2] else int(match[3] or first)


def overlap(a, b):
    if a is None or b is None:
        return None
    both = max(a[0], b[0]), min(a[1], b[1])
    return both if both[0] <= both[1] else None


def definitions(jar):
    """All request definitions of a jar that a broker listens to, by API key."""
    found = {}
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if re.fullmatch(r"common/message/\w+Request\.json", name):
                text = re.sub(r"^\s*//.*$", "", archive.read(name).decode(), flags=re.M)
                message = json.loads(text)
                if "broker" in message.get("listeners", []) and versions(message["validVersions"]):
                    found[message["apiKey"]] = message
    return found


class Layout:
    """One definition, cut down to a range of versions."""

    def __init__(self, message, valid):
        self.valid = valid
        self.name = message["name"].removesuffix("Request")
        self.flexible = versions(message["flexibleVersions"]) or (NEVER, NEVER)
        self.common = {s["name"]: s["fields"] for s in message.get("commonStructs", [])}
        self.fields = message["fields"]
        self.key = message["apiKey"]

    def members(self, kind, field):
        return field.get("fields") or self.common[kind]

    def flexible_everywhere(self):
        return self.flexible[0] <= self.valid[0]

    def min_size(self, kind, field):
        """The fewest bytes a value takes at any of the versions: a bound for counts."""
        if kind in FIXED:
            return FIXED[kind]
        nullable = field.get("nullableVersions")
        if kind == "string":
            return 1 if self.flexible[0] <= self.valid[1] else 2
        if kind in ("bytes", "records") or kind.startswith("[]"):
            return 1 if self.flexible[0] <= self.valid[1] else 4
        return 1 if nullable else self.min_struct(self.members(kind, field))

    def min_struct(self, fields):
        """As min_size, for a struct: only fields that are there at all versions count."""
        total = 1 if self.flexible_everywhere() else 0
        for field in fields:
            there = overlap(versions(field["versions"]), self.valid)
            tagged = overlap(versions(field.get("taggedVersions")), self.valid)
            if there == self.valid and not tagged:
                total += self.min_size(field["type"], field)
        return total

    def memory(self, kind, field):
        """An upper bound of what a value takes in memory, its content elsewhere not counted."""
        if kind in FIXED:
            return FIXED[kind]
        if kind in ("string", "bytes", "records"):
            return SLICE
        if kind.startswith("[]"):
            return VECTOR
        return self.memory_of_struct(self.members(kind, field)) + 8

    def memory_of_struct(self, fields):
        total = TAGS + sum(self.memory(f["type"], f) for f in fields)
        return (total + 7) // 8 * 8

    def kind(self, kind, field, indent):
        if kind in FIXED:
            return f"Fixed({FIXED[kind]})"
        if kind in ("string", "bytes"):
            return kind.capitalize()
        if kind == "records":
            return "Bytes"
        if kind.startswith("[]"):
            element = kind[2:]
            memory = self.memory(element, field)
            smallest = max(self.min_size(element, field), 1)
            inner = self.kind(element, field, indent)
            return f"Array(&Element {{ min_bytes: {smallest}, memory_bytes: {memory}, kind: {inner} }})"
        return f"Struct({self.struct(self.members(kind, field), indent)})"

    def struct(self, fields, indent):
        lines = [self.field(field, indent + "    ") for field in fields]
        lines = [line for line in lines if line]
        if not lines:
            return "&[]"
        return "&[\n" + "\n".join(lines) + f"\n{indent}]"

    def field(self, field, indent):
        there = overlap(versions(field["versions"]), self.valid)
        if not there:
            return None
        kind = self.kind(field["type"], field, indent)
        text = f'{indent}field("{field["name"]}", {there[0]}, {there[1]}, {kind})'
        nullable = overlap(versions(field.get("nullableVersions")), there)
        if nullable:
            text += f".nullable({nullable[0]}, {nullable[1]})"
        tagged = overlap(versions(field.get("taggedVersions")), there)
        if tagged:
            assert tagged == there, f"{self.name}.{field['name']}: tagged in some versions only"
            text += f".tagged({field['tag']})"
        return text + ","

    def message(self):
        first, last = self.valid
        flexible = "NEVER" if self.flexible[0] == NEVER else self.flexible[0]
        return (f'    Message {{\n        key: {self.key},\n        name: "{self.name}",\n'
                f"        versions: ({first}, {last}),\n        flexible_from: {flexible},\n"
                f"        fields: {self.struct(self.fields, '        ')},\n    }},")


def main():
    newest, older = (definitions(jar) for jar in sys.argv[1:3])
    layouts = []
    for key in sorted(newest.keys() | older.keys()):
        dropped = None
        if key in newest:
            valid = versions(newest[key]["validVersions"])
            dropped = overlap(versions(older[key]["validVersions"]), (0, valid[0] - 1)) if key in older else None
        else:
            dropped = versions(older[key]["validVersions"])
        if dropped:
            layouts.append(Layout(older[key], dropped))
        if key in newest:
            layouts.append(Layout(newest[key], valid))
    print("//! Generated by tools/generate_shapes.py from the message definitions of Apache Kafka; `make generate`.")
    print("//! The layout of every request a broker may get, sorted by key and version.")
    print()
    print("use super::Kind::{Array, Bytes, Fixed, String, Struct};")
    print("use super::{Element, Message, NEVER, field};")
    print()
    print("#[rustfmt::skip]")
    print("pub(super) static MESSAGES: &[Message] = &[")
    for layout in layouts:
        print(layout.message())
    print("];")


main()
