#!/usr/bin/env python3
"""Gives every file of this checkout the time at which the cache first saw its present content.

    tools/stamp.py TABLE

Cargo compiles a crate again if a file of it is newer than what it made of it. In a new clone every file is new, although the
cache holds what was made of the same text; and in a clone older than the last build every file is old, although that build was
of another text. TABLE remembers path, checksum and time of what was built last: an unchanged file gets that time, any other
the time of now.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def sources():
    """The paths of all files that Git does not ignore."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True, capture_output=True)
    return [path for path in listed.stdout.decode().split("\0") if path and (ROOT / path).is_file()]


def main():
    table = pathlib.Path(sys.argv[1])
    try:
        known = json.loads(table.read_text())
    except (FileNotFoundError, ValueError):  # the first build, or one that was cut off: all is new
        known = {}
    now = time.time_ns()
    seen = {}
    for path in sources():
        checksum = hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
        before = known.get(path)
        seen[path] = before if before and before[0] == checksum else [checksum, now]
        os.utime(ROOT / path, ns=(seen[path][1],) * 2)
    written = table.with_suffix(".new")
    written.write_text(json.dumps(seen))
    written.replace(table)


if __name__ == "__main__":
    main()
