"""Text for people: the verdict line first, then tables, findings and what to do next.

Colour means state and nothing else. In a pipe nothing is ever cut.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal

VERDICT_WIDTH = 80
MIN_SHRUNK = 8
GAP = "  "


class Mark(StrEnum):
    """The state a glyph or colour stands for."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    DIM = "dim"


_GLYPHS: Final = {Mark.OK: "✓", Mark.WARN: "!", Mark.FAIL: "✗", Mark.UNKNOWN: "?", Mark.DIM: "·"}
_WORDS: Final = {
    Mark.OK: "OK",
    Mark.WARN: "WARN",
    Mark.FAIL: "FAIL",
    Mark.UNKNOWN: "?",
    Mark.DIM: "-",
}
_COLORS: Final = {
    Mark.OK: "32",
    Mark.WARN: "33",
    Mark.FAIL: "31",
    Mark.UNKNOWN: "33",
    Mark.DIM: "2",
}
_ASCII: Final = str.maketrans(
    {
        "─": "-",
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "·": "-",
        "→": "->",
        "…": "...",
        "≤": "<=",
        "≥": ">=",
    }
    | {_GLYPHS[mark]: _WORDS[mark] for mark in (Mark.OK, Mark.FAIL)},
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    A terminal too narrow for the table (never a pipe) leaves `spare` columns out, then cuts the
    cells of `shrink` columns.
    """

    title: str
    align: Literal["left", "right"] = "left"
    mark: Mark | None = None
    shrink: bool = False
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Tinted:
    """A cell in the colour of a state."""

    text: str
    mark: Mark


Cell = str | int | Decimal | Tinted | None


@dataclass(frozen=True, slots=True)
class Look:
    """How text may look where it goes. `width` is None in a pipe."""

    utf8: bool = True
    color: bool = False
    width: int | None = None
    quiet: bool = False
    verbose: bool = False


class Printer:
    """Writes one command's answer. `write` gets finished lines, masked and free of control codes.

    With --quiet only the verdict is written.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        look: Look,
        redact: Callable[[str], str],
    ) -> None:
        self._write = write
        self._look = look
        self._redact = redact

    @property
    def is_verbose(self) -> bool:
        """Whether wide detail is wanted (--verbose)."""
        return self._look.verbose

    def verdict(self, mark: Mark | None, words: str, detail: str = "", context: str = "") -> None:
        """The answer: a glyph, the words, what they rest on; `context` is dim, at the right."""
        glyph = f"{self._glyph(mark)} " if mark else ""
        head = f"{glyph}{self._plain(words)}"
        line = f"{head}   {self._plain(detail)}" if detail else head
        tail = self._plain(context)
        pad = max(3, VERDICT_WIDTH - len(line) - len(tail)) if tail else 0
        line = self._tint(head, mark) + line[len(head) :]
        self._write(line + " " * pad + self._tint(tail, Mark.DIM))

    def line(self, text: str = "", mark: Mark | None = None) -> None:
        """Evidence in prose, indented by two."""
        self._put(f"  {self._tint(self._plain(text), mark)}" if text else "")

    def detail(self, text: str) -> None:
        """A line that only --verbose shows."""
        if self._look.verbose:
            self.line(text, Mark.DIM)

    def hint(self, command: str) -> None:
        """The next step, as a command to paste."""
        self._put(f"    {self._plain(command)}")

    def finding(self, mark: Mark, text: str, next_command: str = "") -> None:
        """One fault (or remark) and the command that deals with it."""
        self._put(f"  {self._tint(self._glyph(mark), mark)} {self._plain(text)}")
        if next_command:
            self.hint(next_command)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        """A blank line, the header, a rule, the rows, a blank line. None is shown as a dash."""
        titles, texts, widths = self._measured(columns, rows)
        if self._over(widths) > 0 and any(column.spare for column in columns):
            kept = [index for index, column in enumerate(columns) if not column.spare]
            columns = [columns[index] for index in kept]
            rows = [[row[index] for index in kept] for row in rows]
            titles, texts, widths = self._measured(columns, rows)
        widths = self._fit(columns, widths)
        self._put("")
        header = GAP.join(map(_align, titles, widths, columns)).rstrip()
        self._put(f"  {header}")
        rule = self._plain("─") * (sum(widths) + len(GAP) * (len(widths) - 1))
        self._put(f"  {self._tint(rule, Mark.DIM)}")
        for row, text in zip(rows, texts, strict=True):
            self._put(f"  {self._row(columns, row, text, widths)}".rstrip())
        if not rows:
            self._put(f"  {self._tint('(none)', Mark.DIM)}")
        self._put("")

    def _measured(
        self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]
    ) -> tuple[list[str], list[list[str]], list[int]]:
        """Titles and cells as text, and how wide each column wants to be."""
        texts = [[self._cell(cell) for cell in row] for row in rows]
        titles = [self._plain(column.title) for column in columns]
        widths = [max(map(len, cells)) for cells in zip(titles, *texts, strict=True)]
        return titles, texts, widths

    def _over(self, widths: Sequence[int]) -> int:
        """By how much a table is too wide for the terminal; 0 in a pipe."""
        if self._look.width is None:
            return 0
        return sum(widths) + len(GAP) * len(widths) - self._look.width

    def _row(
        self,
        columns: Sequence[Column],
        row: Sequence[Cell],
        texts: Sequence[str],
        widths: Sequence[int],
    ) -> str:
        cells = []
        for column, cell, text, width in zip(columns, row, texts, widths, strict=True):
            shown = text if len(text) <= width else text[: width - 1] + self._plain("…")[:1]
            padding = " " * (width - len(shown))
            mark = cell.mark if isinstance(cell, Tinted) else column.mark
            tinted = self._tint(shown, mark)
            cells.append(padding + tinted if column.align == "right" else tinted + padding)
        return GAP.join(cells)

    def _fit(self, columns: Sequence[Column], widths: list[int]) -> list[int]:
        """On a terminal, take what is too wide from the columns that may be cut."""
        over = self._over(widths)
        for index, column in enumerate(columns):
            if column.shrink and over > 0:
                cut = min(over, max(0, widths[index] - max(MIN_SHRUNK, len(column.title))))
                widths[index] -= cut
                over -= cut
        return widths

    def _cell(self, cell: Cell) -> str:
        if cell is None:
            return self._plain("\N{EN DASH}")
        if isinstance(cell, Tinted):
            return self._plain(cell.text)
        return self._plain(cell if isinstance(cell, str) else str(cell))

    def _plain(self, text: str) -> str:
        text = visible(self._redact(text))
        return text if self._look.utf8 else text.translate(_ASCII)

    def _glyph(self, mark: Mark) -> str:
        return (_GLYPHS if self._look.utf8 else _WORDS)[mark]

    def _tint(self, text: str, mark: Mark | None) -> str:
        if mark is None or not text or not self._look.color:
            return text
        return f"\x1b[{_COLORS[mark]}m{text}\x1b[0m"

    def _put(self, line: str) -> None:
        if not self._look.quiet:
            self._write(line)


def counted(number: int, noun: str) -> str:
    """`1 key`, `1,200 keys`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def visible(text: str) -> str:
    """Control characters, which data from outside may carry, spelled out instead of obeyed."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _align(text: str, width: int, column: Column) -> str:
    return text.rjust(width) if column.align == "right" else text.ljust(width)
