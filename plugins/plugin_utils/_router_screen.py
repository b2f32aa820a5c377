# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The full-screen console of routers, on Textual. What it shows and does is given to it, so that it knows no cloud."""

from __future__ import annotations

import time

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._router import _router

try:
    from rich.text import Text
    from textual.app import App
    from textual.containers import Vertical
    from textual.screen import ModalScreen
    from textual.widgets import DataTable, Footer, Input, Label, Static
except ImportError as exc:
    App, ModalScreen, missing = object, object, exc
else:
    missing = None

_COLOURS = {
    "ok": "green", "degraded": "yellow", "down": "red", "ACTIVE": "green", "DOWN": "red", "ERROR": "red", "BUILD": "yellow", "ALLOCATING": "yellow",
}
_STATUS, _HEALTH, _DEBUG = (_router.COLUMNS.index(each) for each in ("status", "health", "debug"))


def require():
    """FaultlineError (missing_library) where Textual is not installed."""
    if missing is not None:
        raise FaultlineError(
            f"The Python library textual is not installed for the Python that runs this: {missing}.", code="missing_library", hint="pip install textual")


def matches(router, words):
    """Whether every word is somewhere in the row of a router, or in its id or reason."""
    text = " ".join((*_router.cells(router), router["id"], router["reason"])).lower()
    return all(word in text for word in words.lower().split())


def colour(column, text):
    """The colour of a cell, by its state; '' for the usual one."""
    if column in (_STATUS, _HEALTH):
        return _COLOURS.get(text, "")
    return "cyan" if column == _DEBUG and text != "-" else ""


class Question(ModalScreen):
    """A question with a line for the answer. The screen's result: the answer, or None when it was left."""

    CSS = "Question {align: center middle} Question Vertical {width: 76; height: auto; border: round $accent; padding: 1 2; background: $surface}"
    BINDINGS = [("escape", "leave", "leave")]

    def __init__(self, words):
        super().__init__()
        self.words = words

    def compose(self):
        with Vertical():
            yield Label(Text(self.words))
            yield Input()

    def on_input_submitted(self, event):
        self.dismiss(event.value.strip())

    def action_leave(self):
        self.dismiss(None)


class Console(App):
    """look(): the described routers; act(action, router, reason): what was done, in words. Both may raise FaultlineError, and take their time."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "routers"
    CSS = """
    DataTable {height: 1fr}
    #head, #reason, #said {height: 1; padding: 0 1}
    #head {background: $primary-darken-2; color: $text}
    #filter {display: none; height: 3}
    """
    BINDINGS = [
        ("j", "down", "down"), ("k", "up", "up"), ("r", "rebuild", "rebuild"), ("u", "update", "update"), ("d", "debug", "debug"), ("m", "manage", "manage"),
        ("slash", "filter", "filter"), ("escape", "clear", "all"), ("g", "refresh", "look"), ("q", "quit", "quit"),
    ]

    def __init__(self, look, act, every=5):
        super().__init__()
        self.look, self.act, self.every = look, act, every
        self.routers, self.shown, self.words, self.looking, self.seen_at = [], [], "", False, None

    def compose(self):
        yield Static("asking the cloud ...", id="head")
        yield DataTable(cursor_type="row", zebra_stripes=False)
        yield Static("", id="reason")
        yield Static("", id="said")
        yield Input(placeholder="words that the row has to have", id="filter")
        yield Footer()

    def on_mount(self):
        self.table.add_columns(*_router.COLUMNS)
        self.set_focus(self.table)
        self.action_refresh()
        self.set_interval(self.every, self.action_refresh)

    @property
    def table(self):
        return self.query_one(DataTable)

    # ---- what is shown

    def action_refresh(self):
        if not self.looking:
            self.looking = True
            self.run_worker(self._look, thread=True)

    def _look(self):
        try:
            found, error = self.look(), None
        except FaultlineError as exc:
            found, error = None, exc.text
        self._tell(self._looked, found, error)

    def _tell(self, call, *told):
        """Have the console do something, from a thread. Once it is being closed there is nothing left to show it in."""
        self.call_from_thread(lambda: call(*told) if self.is_running else None)

    def _looked(self, found, error):
        self.looking = False
        if error is not None:
            since = time.strftime(" since %H:%M:%S", time.localtime(self.seen_at)) if self.seen_at else ""
            self.query_one("#head", Static).update(Text(f"not seen{since}: {error}", style="bold red"))
            return
        self.routers, self.seen_at = found, time.time()
        self.query_one("#head", Static).update(Text(f"{time.strftime('%H:%M:%S')}  {_router.counted(found)}"))
        self._fill()

    def _fill(self):
        """Show the routers that the filter lets through; the cursor stays on its router."""
        here = self.current["id"] if self.current else None
        before, self.shown = [each["id"] for each in self.shown], [each for each in self.routers if matches(each, self.words)]
        ids = [each["id"] for each in self.shown]
        if ids != before:
            self.table.clear()
            for each in self.shown:
                self.table.add_row(*self._row(each), key=each["id"])
            if here in ids:
                self.table.move_cursor(row=ids.index(here))
        else:
            for number, each in enumerate(self.shown):
                for column, cell in enumerate(self._row(each)):
                    self.table.update_cell_at((number, column), cell, update_width=True)
        self._explain()

    @staticmethod
    def _row(router):
        return [Text(text, style=colour(column, text)) for column, text in enumerate(_router.cells(router))]

    @property
    def current(self):
        """The router that the cursor is on; None in an empty table."""
        row = self.table.cursor_row
        return self.shown[row] if 0 <= row < len(self.shown) else None

    def on_data_table_row_highlighted(self, _event):
        self._explain()

    def _explain(self):
        router = self.current
        self.query_one("#reason", Static).update(Text(f"{router['id']}  {router['reason']}" if router else "", style="yellow"))

    def say(self, words, error=False):
        self.query_one("#said", Static).update(Text(words, style="bold red" if error else ""))

    # ---- keys

    def action_down(self):
        self.table.action_cursor_down()

    def action_up(self):
        self.table.action_cursor_up()

    def action_filter(self):
        line = self.query_one("#filter", Input)
        line.display = True
        # at once, unlike focus(): the next key may be on its way
        self.set_focus(line)

    def on_input_changed(self, event):
        if event.input.id == "filter":
            self.words = event.value
            self._fill()

    def on_input_submitted(self, event):
        if event.input.id == "filter":
            event.input.display = bool(event.value)
            self.set_focus(self.table)

    def action_clear(self):
        line = self.query_one("#filter", Input)
        line.value, line.display = "", False
        self.set_focus(self.table)

    def action_rebuild(self):
        self._asked("rebuild", "Rebuild {}? It is without service for some seconds. yes: ", lambda answer: answer.lower() in ("y", "yes"))

    def action_debug(self):
        self._asked("debug", "Why is {} taken out of automation? ", lambda answer: True)

    def action_update(self):
        self._begin("update", self.current)

    def action_manage(self):
        self._begin("manage", self.current)

    def _asked(self, action, words, agreed):
        """Do something with the current router once a question was answered."""
        router = self.current
        if router is None:
            return

        def answered(answer):
            if answer is None or not agreed(answer):
                self.say(f"{action}: left")
            else:
                self._begin(action, router, answer if action == "debug" else None)

        self.push_screen(Question(words.format(router["name"] or router["id"])), answered)

    def _begin(self, action, router, reason=None):
        if router is None:
            return
        self.say(f"{action} {router['name'] or router['id']} ...")

        def work():
            try:
                words, error = self.act(action, router, reason), False
            except FaultlineError as exc:
                words, error = exc.text, True
            self._tell(self.say, words, error)
            self._tell(self.action_refresh)

        self.run_worker(work, thread=True)
