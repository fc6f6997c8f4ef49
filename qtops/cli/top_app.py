"""The screen of `qtops top`. It shows views and takes keys; everything else is made elsewhere."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import ClassVar, Final, Literal

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static, TabbedContent, TabPane

from qtops.audits.top import Cell, Pane, TopView
from qtops.contracts.codec import fmt_instant
from qtops.contracts.health import Status
from qtops.errors import QtopsError

PANES: Final = ("gates", "streams", "positions", "switches", "decisions")
READ_LIMIT_S: Final = 5
_CLOCK: Final = slice(11, 19)  # hh:mm:ss of an instant
_STYLES: Final = {
    Status.OK: "green",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.UNKNOWN: "yellow",
}
_HELP: Final = """\
left, right, 1 to 5   another table
up, down              another row
p                     pause, and go on
r                     read now
q                     quit

gates      heartbeats, and what each gate decided in the last minute
streams    who reads what, and how far behind
positions  what is open, against the governor's caps
switches   what stops orders, and who honours it
decisions  the newest, with their reasons

any key closes this"""


class HelpScreen(ModalScreen[None]):
    """The keys."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen Static { width: auto; height: auto; padding: 1 2; border: round $primary; }
    """

    def compose(self) -> ComposeResult:
        yield Static(_HELP, markup=False)

    def on_key(self) -> None:
        _ = self.dismiss(None)  # awaiting it here would wait for itself


class TopApp(App[None]):
    """One status line, one table at a time. A reading that fails is said, and tried again."""

    CSS = """
    #status { height: 2; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    TabbedContent { height: 1fr; }
    TabPane { padding: 0; }
    .note { height: auto; padding: 0 1; color: $text-muted; }
    DataTable { height: 1fr; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("p", "pause", "Pause"),
        Binding("r", "read_now", "Read now"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("left", "turn(-1)", show=False, priority=True),
        Binding("right", "turn(1)", "Next table", key_display="←→", priority=True),
        *(Binding(str(n), f"turn_to({n - 1})", show=False) for n in range(1, len(PANES) + 1)),
    ]

    def __init__(
        self, views: Callable[[], Awaitable[TopView]], interval_s: float, source: str
    ) -> None:
        super().__init__()
        self._views = views
        self._interval_s = interval_s
        self._source = source
        self._is_paused = False
        self._wanted = asyncio.Event()
        self._view: TopView | None = None
        self._fault = ""

    def compose(self) -> ComposeResult:
        yield Static("reading …", id="status", markup=False)
        with TabbedContent():
            for name in PANES:
                with TabPane(name, id=name), Vertical():
                    yield Static("", id=f"{name}-note", classes="note", markup=False)
                    yield DataTable(id=f"{name}-table", cursor_type="row", zebra_stripes=True)
        yield Footer()

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit)
        self._focus_table()
        self.run_worker(self._watch(), exclusive=True)

    async def _watch(self) -> None:
        while True:
            await self._read()
            self._wanted.clear()
            try:
                async with asyncio.timeout(None if self._is_paused else self._interval_s):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(READ_LIMIT_S):
                self._view = await self._views()
            self._fault = ""
        except TimeoutError:
            self._fault = f"Redis did not answer in {READ_LIMIT_S} s"
        except QtopsError as error:
            self._fault = error.message
        self._show()

    def _show(self) -> None:
        self.query_one("#status", Static).update(self._status())
        for pane in self._view.panes if self._view else ():
            self._fill(pane)

    def _status(self) -> Text:
        """State and figures; the second line is where they come from, or what is wrong."""
        view, text = self._view, Text(no_wrap=True, overflow="ellipsis")
        if view is not None:
            text.append(view.state.text, _STYLES.get(view.state.status or Status.UNKNOWN, ""))
            text.append(f"  {view.summary}")
        text.append("\n")
        at = f"as of {fmt_instant(view.at_ms)[_CLOCK]}  " if view else ""
        if self._fault:
            text.append(f"AWAY  {at}{self._fault}", _STYLES[Status.FAIL])
        else:
            paused = "PAUSED  " if self._is_paused else ""
            text.append(f"{paused}{at}{self._source}", "dim")
        return text

    def _fill(self, pane: Pane) -> None:
        self.query_one(f"#{pane.name}-note", Static).update(pane.note)
        table = self.query_one(f"#{pane.name}-table", DataTable)
        row, offset = table.cursor_row, table.scroll_offset
        if not table.columns:
            for name in pane.columns:
                table.add_column(Text(name, justify=_side(pane, name)))
        table.clear()
        for cells in pane.rows:
            table.add_row(*(_text(pane, n, c) for n, c in zip(pane.columns, cells, strict=True)))
        table.move_cursor(row=row, scroll=False)
        table.scroll_to(offset.x, offset.y, animate=False, force=True)

    def action_pause(self) -> None:
        self._is_paused = not self._is_paused
        self._wanted.set()

    def action_read_now(self) -> None:
        self._wanted.set()

    async def action_help(self) -> None:
        await self.push_screen(HelpScreen())

    def action_turn(self, step: int) -> None:
        here = PANES.index(self.query_one(TabbedContent).active)
        self.action_turn_to((here + step) % len(PANES))

    def action_turn_to(self, number: int) -> None:
        self.query_one(TabbedContent).active = PANES[number]
        self._focus_table()

    def _focus_table(self) -> None:
        name = self.query_one(TabbedContent).active or PANES[0]
        self.query_one(f"#{name}-table", DataTable).focus()


def _side(pane: Pane, name: str) -> Literal["left", "right"]:
    return "right" if name in pane.right else "left"


def _text(pane: Pane, name: str, cell: Cell) -> Text:
    """What stands in Redis is text and nothing else: no markup, no control codes."""
    clean = "".join(c if c.isprintable() else "?" for c in cell.text)
    style = "" if cell.status is None else _STYLES[cell.status]
    return Text(clean, style, justify=_side(pane, name))
