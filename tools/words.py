#!/usr/bin/env python3
"""Counts words that make this project's prose hard to read, in comments, docs and Markdown.

    tools/words.py [PATH...]          a table: areas of the tree down, words across
    tools/words.py --list [PATH...]   every occurrence, as FILE:LINE: RULE: text
    tools/words.py --check            lists the occurrences that are banned; fails if there are any
"""

import argparse
import collections
import re
import sys

import sources

NOWHERE, EVERYWHERE = (), ("",)
# Parts of the tree without any of these words; others join them once they are rid of theirs.
CLEAN = ("docs/", "docker/", "tests/", "tools/", "crates/bench/", "crates/broker/", "crates/cli/", "crates/codec/", "crates/coordinator/", "crates/ottla/", "crates/fuzz/",
         "crates/security/", "crates/storage/", "fuzz/", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile")
# Name, banned in, counted in, pattern. CONTRIBUTING.md says what to write instead.
RULES = [
    ("whoever", CLEAN, "prose", r"\b(?:whoever|nobody|somebody)\b"),
    ("not there", CLEAN, "prose", r"\bnot there\b|\bthere (?:is|are|was|were) not\b(?! (?:yet|enough))"),
    ("so many", CLEAN, "prose", r"\bso many\b"),
    ("but for", CLEAN, "prose", r"\bbut for\b"),
    ("gives back", CLEAN, "prose", r"\b(?:gives?|gave|given|giving) back\b"),
    ("to be had", EVERYWHERE, "prose", r"\bto be had\b"),
    ("behind", NOWHERE, "prose", r"\bbehind\b"),
    ("What …", CLEAN, "doc", r"\A\s*(?:What|Whether|Where|Who|Whom|Whose)\b"),
    ("coined", CLEAN, "prose", r"\b(?:chores?|worn[- ]out|parked|seats?|doors?|stretch(?:es)?|PLENTY)\b"),
    ("coined type", CLEAN, "code", r"\b(?:struct|enum|trait|type) (?:Door|Place|Seat|\w*Stretch\w*|Home|Told|Standing|Parked\w*|Chores?|Paper|Trouble)\b|\bconst PLENTY\b"),
]
# Code and quotations.
QUOTED = re.compile(r"`[^`]*`|“[^”]*”")
# Files that quote these words, or are not prose.
EXEMPT = ("LICENSE", "tools/words.py", "crates/bench/results/", "crates/security/src/stores/golden/")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("paths", nargs="*")
    options = parser.parse_args()
    found = [one for name in sources.tracked(*options.paths) if not name.startswith(EXEMPT) for one in occurrences(name)]
    if options.check:
        banned = {rule: parts for rule, parts, *_ in RULES}
        found = [one for one in found if one[0].startswith(banned[one[2]])]
    if options.list or options.check:
        for name, line, rule, text in found:
            print(f"{name}:{line}: {rule}: {text}")
        return 1 if options.check and found else 0
    table(found)
    return 0


def occurrences(name):
    """(file, line, rule, text) of each word that a rule finds in a file."""
    text = sources.read(name)
    found = [one._replace(text=sources.mask(one.text, [quote.span() for quote in QUOTED.finditer(one.text)])) for one in sources.prose(name, text)]
    pieces = {"prose": [(one.line, one.text) for one in found],
              "doc": [(one.line, one.text) for one in found if one.is_doc],
              "code": [(1, text)] if name.endswith(".rs") else []}
    for rule, _, where, pattern in RULES:
        for line, piece in pieces[where]:
            # A phrase may be broken over two lines.
            for hit in re.finditer(pattern.replace(" ", r"\s+"), piece, re.IGNORECASE if where == "prose" else 0):
                start = hit.start() + len(hit[0]) - len(hit[0].lstrip())
                yield name, line + piece.count("\n", 0, start), rule, around(piece, start)


def around(piece, start):
    first = max(piece.rfind("\n", 0, start) + 1, start - 60)
    return " ".join(piece[first:start + 60].split())


def area(name):
    parts = name.split("/")
    if parts[0] == "crates":
        deeper = parts[3:4] if parts[1] in ("broker", "storage") and len(parts) > 4 else []
        return "/".join(["crates", parts[1], *deeper])
    if parts[0] == "tests" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0] if len(parts) > 1 else "./"


def table(found):
    counts = collections.Counter((area(name), rule) for name, _, rule, _ in found)
    rules = [rule for rule, *_ in RULES]
    areas = sorted({area for area, _ in counts})
    width = max(map(len, areas), default=0)
    print(" " * width, *(f"{rule:>11}" for rule in rules), f"{'all':>6}")
    for row in areas:
        print(f"{row:{width}}", *(f"{counts[row, rule] or '':>11}" for rule in rules), f"{sum(counts[row, rule] for rule in rules):6}")
    print(f"{'all':{width}}", *(f"{sum(counts[row, rule] for row in areas):11}" for rule in rules), f"{len(found):6}")


if __name__ == "__main__":
    sys.exit(main())
