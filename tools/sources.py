"""Splits the files of this checkout into code, comments and docs, for words.py and figures.py."""

import collections
import io
import pathlib
import re
import subprocess
import tokenize

ROOT = pathlib.Path(__file__).resolve().parents[1]

# A comment, a docstring or a paragraph of Markdown; `text` keeps its line ends, so that a place in it can be traced to a line.
Prose = collections.namedtuple("Prose", "line is_doc text")

# Strings and characters come first: a comment cannot begin inside them.
_C_LIKE = re.compile(r"""b?r(\#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\.[^']*|[^'\\\n])'|`[^`]*`|/\*.*?\*/|//[^\n]*""", re.DOTALL)
_HASH = re.compile(r"(?:^|(?<=\s))#(?!!)[^\n]*", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
_MARKS = re.compile(r"^[ \t]*(?:///|//!|//|/\*\*?|\*/|\*(?= |$)|#+)?", re.MULTILINE)


def tracked(*paths):
    """The files of the checkout, below `paths` if any are given, that Git knows or would add."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths],
                            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [name for name in sorted(set(listed.split("\0"))) if name and (ROOT / name).is_file()]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def mask(text, spans):
    """`text` with the spans blanked, line ends kept."""
    for start, end in spans:
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text


def comments(text):
    """(start, end) of each comment of Rust, Java, Go or JavaScript, and of each string or character."""
    notes, strings = [], []
    for found in _C_LIKE.finditer(text):
        (notes if found[0].startswith("/") else strings).append(found.span())
    return notes, strings


def is_doc(comment):
    return re.match(r"//[/!](?!/)|/\*[*!](?!/)", comment) is not None


def prose(name, text):
    """Every piece of prose in a file, or none if it is of a kind without."""
    suffix, base = pathlib.PurePath(name).suffix, pathlib.PurePath(name).name
    if suffix == ".md":
        text = mask(text, [found.span() for found in _FENCE.finditer(text)])
        pieces = [(found.start(), False, found[0]) for found in re.finditer(r"\S[^\n]*(?:\n[^\n]*\S[^\n]*)*", text)]
    elif suffix in (".rs", ".java", ".go", ".js"):
        pieces = [(start, is_doc(text[start:end]), text[start:end]) for start, end in comments(text)[0]]
    elif suffix == ".py":
        return _python(text)
    elif suffix in (".sh", ".yaml", ".yml", ".toml", ".scene") or base in ("Makefile", "Dockerfile", "run"):
        pieces = [(found.start(), False, found[0]) for found in _HASH.finditer(text)]
    else:
        return []
    return _joined((text.count("\n", 0, start) + 1, doc, piece) for start, doc, piece in pieces)


def _python(text):
    pieces, first = [], True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            pieces.append((token.start[0], False, token.string))
        elif token.type == tokenize.STRING and first:
            pieces.append((token.start[0], True, token.string.strip("rbf\"'")))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            first = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
    return _joined(pieces)


def _joined(pieces):
    """Comments on successive lines become one, without their marks; an empty one ends a paragraph."""
    joined, next_line = [], None
    for line, doc, text in pieces:
        text = _MARKS.sub("", text)
        if joined and line == next_line and joined[-1].is_doc == doc and text.strip():
            joined[-1] = joined[-1]._replace(text=joined[-1].text + "\n" + text)
        elif text.strip():
            joined.append(Prose(line, doc, text))
        next_line = line + text.count("\n") + 1
    return joined
