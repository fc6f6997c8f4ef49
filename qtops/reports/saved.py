"""Any saved JSON document as Markdown or as one page. Computes nothing that is not in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qtops.errors import DecodeError
from qtops.reports.anything import label, sections_of
from qtops.reports.blocks import Section
from qtops.reports.exit_proof import exit_proof_html, exit_proof_markdown
from qtops.reports.exit_words import Finding
from qtops.reports.layouts import LAYOUTS, Layout
from qtops.reports.page import render_html, render_markdown

EXIT_PROOF: Final = "qtops.proof.exit/v1"
ENVELOPE: Final = ("schema", "timestamp", "status", "exit_code")
EXIT_WORDS: Final = {
    0: "done or healthy",
    1: "error",
    2: "degraded or missing",
    3: "no proof found",
    4: "refused by a safety rule",
    64: "usage",
    130: "interrupted",
}
_TELLING: Final = ("headline", "verdict", "message", "summary", "reason")


@dataclass(frozen=True, slots=True)
class Origin:
    """The file a document was read from and the hash of its bytes, or the command that made it."""

    name: str
    sha256: str = ""

    @property
    def words(self) -> str:
        """What a reader can hold the page against."""
        if not self.sha256:
            return "This page was made by the command itself, which can be run again"
        where = "a document read from a pipe" if self.name == "-" else "a file"
        return f"This page says what stands in {where}; its SHA-256 was {self.sha256}"


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document as the templates see it."""

    title: str
    over: str
    state: str
    headline: str
    sentence: str
    findings: Sequence[Finding]
    sections: Sequence[Section]
    exit_code: str
    origin: Origin


def saved_markdown(document: Mapping[str, Any], origin: Origin) -> str:
    """The report as Markdown. Raises DecodeError where an exit proof lacks something."""
    if document.get("schema") == EXIT_PROOF:
        return exit_proof_markdown(document)
    return render_markdown("saved.md", {"view": view_of(document, origin)})


def saved_html(document: Mapping[str, Any], origin: Origin) -> str:
    """The report as one self-contained page. Raises DecodeError like the Markdown."""
    if document.get("schema") == EXIT_PROOF:
        return exit_proof_html(document)
    return render_html("saved.html", {"view": view_of(document, origin)})


def view_of(document: Mapping[str, Any], origin: Origin) -> DocumentView:
    """Raises DecodeError when there is no schema: then it is no document of qtops."""
    schema = document.get("schema")
    if not isinstance(schema, str) or not schema:
        raise DecodeError("missing_field", "schema", "no schema: this is no document of qtops")
    layout = _layout(schema, document)
    skipped = {*ENVELOPE, *layout.claimed}
    rest = {name: value for name, value in document.items() if name not in skipped}
    code = document.get("exit_code")
    title = label(schema.removeprefix("qtops.").partition("/")[0].replace(".", " "))
    status = str(document.get("status") or "saved")
    return DocumentView(
        title=title,
        over=" · ".join(filter(None, [title, str(document.get("timestamp") or ""), schema])),
        state=layout.state or _state(code),
        headline=layout.headline or status.replace("_", " ").upper(),
        sentence=layout.sentence,
        findings=layout.findings,
        sections=[*layout.sections, *sections_of(rest, "Facts")],
        exit_code=_exit_words(code),
        origin=origin,
    )


def _layout(schema: str, document: Mapping[str, Any]) -> Layout:
    """The known layout; what does not fit it is shown as it is, and that is said."""
    known = LAYOUTS.get(schema)
    if known is None:
        return Layout(frozenset(), _sentence(document))
    try:
        return known(document)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        text = f"the document does not have the shape of {schema} ({error}); it is shown as it is"
        return Layout(frozenset(), _sentence(document), findings=[Finding("attention", text)])


def _sentence(document: Mapping[str, Any]) -> str:
    """What the document says of itself, else what its exit code means."""
    for name in _TELLING:
        if isinstance(said := document.get(name), str) and said:
            return said
    return _exit_words(document.get("exit_code"))


def _state(code: Any) -> str:
    if not isinstance(code, int):
        return "attention"
    return "fine" if code == 0 else "broken"


def _exit_words(code: Any) -> str:
    """The code and its meaning; events of commands that go on have none."""
    if not isinstance(code, int):
        return "no exit code"
    return f"exit code {code}: {EXIT_WORDS.get(code, 'unknown')}"
