#!/usr/bin/env python3
"""Figures of the Rust code: lines per function and file, docs and comments per 100 lines of code.

    tools/figures.py [PATH...]    PATH: below crates/, for instance crates/broker

Tests are not counted: `#[cfg(test)]` modules, and files that only tests use. A line of code has more on it than a comment.
"""

import re
import statistics
import sys

import sources

_TEST_FILE = re.compile(r"(^|/)(tests?|\w+_tests|testing|golden)(\.rs|/)|/benches/|/examples/")
_TEST_MODULE = re.compile(r"#\[cfg\((?:test|all\(test[^\]]*)\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\(\w+\))? )?mod \w+ \{")
_FUNCTION = re.compile(r"\bfn (\w+)")


def main():
    paths = sys.argv[1:] or ["crates"]
    files = [name for name in sources.tracked(*paths) if name.endswith(".rs") and not _TEST_FILE.search(name)]
    functions, lengths, code, docs, comments = [], [], 0, 0, 0
    for name in files:
        text = sources.read(name)
        notes, strings = sources.comments(text)
        bare = sources.mask(text, notes + strings)
        tests = [(found.start(), closing(bare, found.end())) for found in _TEST_MODULE.finditer(bare)]
        bare, shown = sources.mask(bare, tests), sources.mask(text, tests)
        functions += [(length, f"{name}: {function}") for function, length in bodies(bare)]
        # With strings, as a line of a literal is a line of code.
        lines = sources.mask(shown, notes).splitlines()
        code += sum(1 for line in lines if line.strip())
        kept = [(start, end) for start, end in notes if not any(first <= start < last for first, last in tests)]
        docs += sum(text.count("\n", start, end) + 1 for start, end in kept if sources.is_doc(text[start:end]))
        comments += sum(text.count("\n", start, end) + 1 for start, end in kept if not sources.is_doc(text[start:end]))
        lengths.append((sum(1 for line in shown.splitlines() if line.strip()), name))
    show("lines per function", functions)
    show("lines per file", lengths)
    print(f"{code} lines of code; per 100 of them: {100 * docs / code:.1f} of docs, {100 * comments / code:.1f} of comments")


def closing(text, start):
    """Just after the brace that closes the one before `start`."""
    depth = 1
    for found in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return found.end()
    return len(text)


def bodies(text):
    """(name, lines from `fn` to the closing brace) of each function that has a body."""
    for found in _FUNCTION.finditer(text):
        opening = re.compile(r"[{;]").search(re.sub(r"\[[^\]{}]*\]", lambda array: " " * len(array[0]), text[found.end():found.end() + 2000]))
        if opening and opening[0] == "{":
            end = closing(text, found.end() + opening.end())
            yield found[1], text.count("\n", found.start(), end) + 1


def show(what, measured):
    values, (most, where) = [value for value, _ in measured], max(measured)
    p90 = statistics.quantiles(values, n=10, method="inclusive")[-1]
    print(f"{what}: {len(values)}, median {statistics.median(values):.0f}, p90 {p90:.0f}, max {most} ({where})")


if __name__ == "__main__":
    main()
