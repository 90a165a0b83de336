"""Prints DIFFERENCES.md: the list of differences as a page to read. `python listing.py > DIFFERENCES.md` after a change of the list."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from compare import Words  # noqa: E402
from differences import DIFFERENCES  # noqa: E402

PAGE = pathlib.Path(__file__).parent / "DIFFERENCES.md"
_HEAD = """\
# Differences in the output of Kafka's command-line tools
<!-- Printed by listing.py from differences/; a test compares them. -->

Every command of `scenes/` prints the same with Apache Kafka 4.3.0 and with Ottla, except for these lines. `*` stands for any text.
"""
_KINDS = [("fault", "Faults of Ottla's", "To be fixed."),
          ("not served yet", "Not served yet", "What users see until then."),
          ("intended", "Intended", "")]


def _cell(texts):
    return "<br>".join("`" + text.replace("|", "\\|").replace("`", "'").replace("\t", " ") + "`" for text in texts)


def page():
    parts = [_HEAD]
    for kind, title, about in _KINDS:
        entries = [one for one in DIFFERENCES if one.kind == kind]
        if not entries:
            continue
        parts.append(f"\n## {title}\n{about}\n\n| command | Kafka | Ottla | why |\n| --- | --- | --- | --- |\n".replace("\n\n\n", "\n\n"))
        above = ""
        for one in entries:
            if not one.reason.startswith("As above"):
                above = one.reason.rstrip(".")
            reason = one.reason.replace("As above", above)
            commands = one.command if isinstance(one.command, tuple) else (one.command,)
            kafka, ottla = ([one.kafka], [one.ottla]) if isinstance(one, Words) else (one.kafka, one.ottla)
            parts.append(f"| {_cell(commands)} | {_cell(filter(None, kafka))} | {_cell(filter(None, ottla))} | {reason} |\n")
    return "".join(parts)


if __name__ == "__main__":
    print(page(), end="")
