"""What the data checker and the doctor say, and how it is printed. Chapter 21 and the error clinic."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
INDENT = 9  # columns for the severity
SHOWN = 3  # so many examples of a fault are kept


@dataclass(frozen=True)
class Finding:
    """One thing that was seen: where, what, how often, and the mend. Explained in chapter 21.

    An `error` stops training or makes its result wrong; a `warning` is true and wants a look; a `note` is
    only worth knowing. `code` names the symptom for good, so that programs and the error clinic can.
    """

    severity: Severity
    code: str
    file: str
    field: str
    what: str
    mend: str = ""
    count: int = 1
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line: severity, file, field, what is wrong, how often, what to do."""
        some = "e.g." if self.count > len(self.examples) else "namely"
        often = f"{self.count} times, {some} " if self.count > 1 and self.examples else ""
        seen = f" ({often}{'; '.join(self.examples)})" if self.examples else ""
        where = ": ".join(word for word in (self.file, self.field) if word)
        line = f"{where}: {self.what}{seen}. {self.mend}"
        line = " ".join(line.encode("utf-8", "backslashreplace").decode().split())  # a name may hold anything
        return f"{self.severity:<{INDENT - 2}}  {line}"


class Findings(list[Finding]):
    """A list of findings about one file, which `add` and `each` fill. Chapter 21."""

    def __init__(self, file: str = "") -> None:
        super().__init__()
        self.file = file

    def add(
        self, severity: Severity, code: str, field: str, what: str, mend: str = "", file: str | None = None
    ) -> None:
        """One thing that is so, once."""
        self.append(Finding(severity, code, self.file if file is None else file, field, what, mend))

    def each(
        self, severity: Severity, code: str, field: str, places: Sequence[str], what: str, mend: str = ""
    ) -> None:
        """One thing that is so at each of these places; nothing if there are none."""
        if len(places):
            shown = tuple(str(place)[:120] for place in places[:SHOWN])
            self.append(Finding(severity, code, self.file, field, what, mend, len(places), shown))


def report(findings: Sequence[Finding], width: int | None = None) -> str:
    """All findings, the worst first, a line each, and a line that sums up. Chapter 21.

    `width`: wrap the lines to so many columns, what follows the first indented.
    """
    lines = [str(finding) for kind in SEVERITIES for finding in findings if finding.severity == kind]
    if width:
        hang = {"subsequent_indent": INDENT * " ", "break_on_hyphens": False}
        lines = [textwrap.fill(line, max(width, 40), **hang) for line in lines]
    counts = {kind: sum(finding.severity == kind for finding in findings) for kind in SEVERITIES}
    sums = ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items())
    verdict = "nothing stands in the way"
    if counts["error"]:
        verdict = "mend the errors first"
    elif counts["warning"]:
        verdict = f"look at the warning{'' if counts['warning'] == 1 else 's'}"
    return "\n".join([*lines, f"{sums}: {verdict}"])


def to_json(findings: Sequence[Finding]) -> str:
    """The findings as a JSON list of objects. Chapter 21."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)


def has_errors(findings: Sequence[Finding]) -> bool:
    """Whether an error is among them. Chapter 21."""
    return any(finding.severity == "error" for finding in findings)
