"""Docstrings as reStructuredText: plain text with equations, in which a star is a star.

The house writes docstrings for people who read the source: one sentence, an equation in plain characters, then `Args:`,
`Raises:` and the like. Of markup they hold double backticks and roles. All else that reStructuredText would take for markup
is escaped, and the sections become fields.
"""

import re
from collections.abc import Iterator

FIELDS = {"Args": "param", "Attributes": "ivar", "Raises": "raises", "Returns": "returns", "Yields": "yields"}
# literals and roles stay as they are
KEPT = re.compile(r"(``.+?``|:[a-z:]+:`[^`]+`)")
ITEM = re.compile(r"(\*{0,2}[\w., \[\]*]+?)(?: \([^)]*\))?: ?(.*)")
RULE = re.compile(r"=+( +=+)+")


def to_rst(lines: list[str]) -> list[str]:
    """A cleaned docstring's lines as reStructuredText."""
    return [line for block in _blocks(lines) for line in (*block, "")]


def described(doc: str) -> list[str]:
    """What a docstring says before its first section, as reStructuredText."""
    lines = doc.splitlines()
    ends = [i for i, line in enumerate(lines) if line.rstrip().removesuffix(":") in FIELDS]
    return to_rst(lines[: min(ends, default=len(lines))])


def escaped(text: str) -> str:
    """A line whose only markup are literals and roles."""
    parts = KEPT.split(text)
    parts[::2] = [re.sub(r"_(?!\w)", r"\\_", re.sub(r"([\\*|`])", r"\\\1", part)) for part in parts[::2]]
    # "T." at the beginning of a line would be the twentieth of a list
    return re.sub(r"^(\w{1,3})\.(?= |$)", r"\1\\.", "".join(parts))


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Paragraphs and sections, one after the other."""
    i, raw = 0, False
    while i < len(lines):
        if not lines[i].strip():
            i += 1
            continue
        if lines[i].rstrip().endswith(":") and lines[i].rstrip()[:-1] in FIELDS:
            end = next((j for j in range(i + 1, len(lines)) if lines[j] and not lines[j].startswith(" ")), len(lines))
            yield _fields(FIELDS[lines[i].rstrip()[:-1]], lines[i + 1 : end])
        else:
            end = next((j for j in range(i, len(lines)) if not lines[j].strip()), len(lines))
            block = lines[i:end]
            # code after "::" and doctests are markup already
            raw = (raw and block[0].startswith(" ")) or block[0].startswith(">>>")
            yield block if raw else _table(block) if RULE.fullmatch(block[0]) else _paragraph(block)
            raw = block[-1].endswith("::")
        i = end


def _paragraph(lines: list[str]) -> list[str]:
    """A paragraph; what is set in under its first line becomes a block of its own."""
    made: list[str] = []
    depth, inside = len(lines[0]) - len(lines[0].lstrip()), False
    for line in lines:
        indent = len(line) - len(line.lstrip())
        bullet = line.lstrip().startswith(("- ", "* "))
        if (bullet and not inside and made) or (indent > depth and not inside and not bullet):
            made.append("")
        inside = inside or bullet
        depth = indent
        text = line.lstrip()
        made.append(" " * indent + (f"- {escaped(text[2:])}" if bullet else escaped(text)))
    return made


def _table(lines: list[str]) -> list[str]:
    """A table whose last column is escaped; in the others that would move what follows."""
    last = lines[0].rindex(" ") + 1
    return [line if RULE.fullmatch(line) else line[:last] + escaped(line[last:]) for line in lines]


def _fields(kind: str, lines: list[str]) -> list[str]:
    """A section's items, a field each; of what is returned there is one."""
    depth = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    body = [line[depth:] for line in lines]
    if kind in ("returns", "yields"):
        first, *rest = [escaped(line) for line in body if line.strip()]
        return [f":{kind}: {first}", *(f"    {line.strip()}" for line in rest)]
    made = []
    for line in filter(str.strip, body):
        found = None if line.startswith(" ") else ITEM.fullmatch(line)
        if found:
            made += [f":{kind} {escaped(name.strip())}: {escaped(found[2])}" for name in [found[1]]]
        else:
            made.append(f"    {escaped(line.strip())}")
    return made
