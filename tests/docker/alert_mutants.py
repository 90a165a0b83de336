"""alert_mutants.py RULES FOLDER: breaks each alert of RULES, one way at a time; the tests in FOLDER, GROUP.test.yml for each group, must notice.

A rule is broken by turning a comparison round, by a number that is ten times as large or as small, by windows of time that are six
times as long, and by leaving out `for`. A rule without a comparison of its own, or one that no test fires, is noticed too.
"""
import concurrent.futures
import copy
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

OPPOSITE = {">": "<=", "<": ">=", "==": "!=", "!=": "=="}
# Labels and words of PromQL are left as they are.
COMPARISON = re.compile(r"\{[^}]*\}|(?P<it>==|!=|>|<)")
NUMBER = re.compile(r"\{[^}]*\}|\[[^\]]*\]|offset \w+|(?P<it>\b[1-9]\d*(?:\.\d+)?\b|\b0\.\d+\b)")
WINDOW = re.compile(r"(?:\[|offset )(?P<it>\d+)(?=[mh])")


def replaced(text, pattern, change):
    """The text with one match replaced, for each match."""
    for match in pattern.finditer(text):
        if match["it"]:
            yield text[: match.start("it")] + change(match["it"]) + text[match.end("it"):]


def broken(rule):
    """Each broken form of a rule."""
    expressions = [
        *replaced(rule["expr"], COMPARISON, OPPOSITE.__getitem__),
        *replaced(rule["expr"], NUMBER, lambda number: str(float(number) * 10)),
        *replaced(rule["expr"], NUMBER, lambda number: str(float(number) / 10)),
        *replaced(rule["expr"], WINDOW, lambda number: str(int(number) * 6)),
    ]
    assert expressions, rule
    for expression in expressions:
        yield {**rule, "expr": expression}
    if "for" in rule:
        yield {name: value for name, value in rule.items() if name != "for"}


def passes(group, tests):
    """True if the tests pass with those rules."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "rules.yml").write_text(yaml.safe_dump({"groups": [group]}), encoding="utf-8")
        (path / "tests.yml").write_text(yaml.safe_dump({**tests, "rule_files": ["rules.yml"]}), encoding="utf-8")
        return subprocess.run(["promtool", "test", "rules", path / "tests.yml"], capture_output=True, check=False).returncode == 0


def main(rules, folder):
    groups = yaml.safe_load(pathlib.Path(rules).read_text(encoding="utf-8"))["groups"]
    work = []
    for group in groups:
        name = group["name"].removeprefix("ottla-")
        tests = yaml.safe_load((pathlib.Path(folder) / f"{name}.test.yml").read_text(encoding="utf-8"))
        assert passes(group, tests), f"the tests of {name} fail without a fault"
        for at, rule in enumerate(group["rules"]):
            # Those of the other alerts say nothing about this one.
            own = [case for case in tests["tests"] if any(one["alertname"] == rule["alert"] for one in case["alert_rule_test"])]
            for mutant in broken(rule):
                changed = copy.deepcopy(group)
                changed["rules"][at] = mutant
                work.append((mutant, changed, {**tests, "tests": own}))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        unnoticed = [one[0] for one, passed in zip(work, pool.map(lambda one: passes(*one[1:]), work)) if passed]
    for rule in unnoticed:
        print(f"no test notices: {rule['alert']}: for {rule.get('for', 'nothing')}: {rule['expr']}", file=sys.stderr)
    print(f"   {len(work) - len(unnoticed)} of {len(work)} broken alerts noticed", file=sys.stderr)
    sys.exit(bool(unnoticed))


if __name__ == "__main__":
    main(*sys.argv[1:])
