# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text to intent. Pure; knows the grammar (_sentence.lark) and nothing of any cloud.

It fails closed: what is not understood to the last word is a SentenceError that points at the word.
"""

from __future__ import annotations

import functools
import pathlib
import re
import sys
from dataclasses import asdict, dataclass, field

from ..module_utils._check import kind_of
from ..module_utils._fault._errors import FaultlineError
from ..module_utils._nearest import nearest

try:
    import lark
    import lark.lexer
except ImportError:
    lark = None

GRAMMAR = pathlib.Path(__file__).with_name("_sentence.lark")
LONGEST_TEXT = 1000
LONGEST_DURATION = 7 * 24 * 3600
STRESS_SECONDS = 10

# What a duration can end: the action, and what undoes it at the end.
UNDO_OF = {
    "terminate": "start",
    "freeze": "unfreeze",
    "unplug": "plug",
    "mask": "start",
    "crash_loop": "start",
    "poweroff": "poweron",
    "shutdown": "poweron",
    "disconnect": "connect",
    "delay": "end of the delay",
    "lose": "end of the loss",
    "corrupt": "end of the corruption",
    "duplicate": "end of the duplication",
    "reorder": "end of the reordering",
    "limit": "end of the limit",
    "partition": "end of the partition",
    "stress": "end of the stress",
}
# What to say instead of an action that a duration cannot end.
INSTEAD = {
    "kill": "terminate",
    "restart": "terminate",
    "start": "terminate",
    "unfreeze": "freeze",
    "plug": "unplug",
    "reboot": "poweroff",
    "reset": "poweroff",
    "crash": "poweroff",
    "oom": "poweroff",
    "poweron": "poweroff",
    "connect": "disconnect",
}
PROCESS_ACTIONS = (
    "start", "terminate", "restart", "kill", "freeze", "unfreeze", "unplug", "plug", "mask", "crash_loop", "crash-loop",
)
_SECONDS = {"h": 3600, "m": 60, "s": 1}
CHANCES = ("lose", "corrupt", "duplicate", "reorder")
LONGEST_DELAY = 3600 * 1000  # milliseconds
_KBIT = {"k": 1, "m": 1000, "g": 1000000}
LEAST_RATE, GREATEST_RATE = 8, 32 * 1000000  # kbit


class SentenceError(FaultlineError):
    """A sentence that is refused: the word, its column (from 1), what was expected, the nearest known names."""

    def __init__(self, message, sentence="", column=1, word="", expected=(), suggestions=(), code="sentence", hint=""):
        self.sentence, self.column, self.word = sentence, column, word
        self.expected, self.suggestions = list(expected), list(suggestions)
        self.caret = f"    {sentence}\n    {' ' * (column - 1)}{'^' * max(1, len(word))}" if sentence else ""
        if suggestions:
            hint = f"Did you mean {' or '.join(suggestions)}? {hint}".strip()
        details = {
            "sentence": sentence,
            "column": column,
            "word": word,
            "expected": self.expected,
            "suggestions": self.suggestions,
        }
        super().__init__(message, code=code, hint=hint, details=details)

    @property
    def text(self):
        """Message and hint, and below them the sentence with the word underlined."""
        return super().text + (f"\n{self.caret}" if self.caret else "")


@dataclass(frozen=True)
class Selector:
    """Which nodes. mode: all, count (n), percent (n), names; group narrows the first three, exclude all but names."""

    mode: str = "all"
    n: int | None = None
    names: tuple = ()
    group: str | None = None
    exclude: tuple = ()


@dataclass(frozen=True)
class Intent:
    """What a sentence asks for. Names are as they were written; _plan.py finds what they mean."""

    kind: str  # service, container, node, network, partition, stress
    action: str
    subject: str | None  # the service, container or network; what is stressed; None for a node
    selector: Selector = Selector()
    with_service: str | None = None
    duration: int | None = None  # seconds
    direction: str | None = None  # ingress, egress
    peer: str | None = None  # the service at the other end of a direction
    amount: float | None = None  # of what impairs packets: milliseconds, per cent or kbit
    others: Selector | None = None  # the other side of a partition
    others_with: str | None = None
    text: str = field(default="", compare=False, repr=False)
    columns: dict = field(default_factory=dict, compare=False, repr=False)  # name -> column in text

    def as_dict(self):
        """JSON-able, without what belongs to the text alone."""
        known = asdict(self)
        del known["text"], known["columns"]
        for name, selector in (("selector", self.selector), ("others", self.others)):
            if selector is not None:
                known[name] = {**known[name], "names": list(selector.names), "exclude": list(selector.exclude)}
        # what only some sentences have
        return {name: value for name, value in known.items() if value is not None or name not in ("amount", "others", "others_with")}


def parse(text):
    """The intent of a sentence, or SentenceError."""
    text, parser = _plain(text), _parser()
    try:
        tree = parser.parse(text)
    except lark.exceptions.UnexpectedToken as exc:
        raise _unexpected(text, exc) from exc
    return _Reading(text, tree).intent()


def render(intent):
    """The canonical sentence of an intent: parse(render(intent)) == intent."""
    nodes, length = _render_nodes(intent.selector), ""
    with_service = f" with {intent.with_service} service" if intent.with_service else ""
    if intent.duration is not None:
        length = f" for {intent.duration} seconds"
    if intent.kind == "node":
        return f"{intent.action} {nodes}{with_service}{length}"
    if intent.kind == "partition":
        others_with = f" with {intent.others_with} service" if intent.others_with else ""
        return f"partition {nodes}{with_service} from {_render_nodes(intent.others)}{others_with}{length}"
    if intent.amount is not None:
        on, network = f"on {nodes}{with_service}{length}", f"{intent.subject} network"
        if intent.action in CHANCES:
            return f"{intent.action} {intent.amount:g}% of packets on {network} {on}"
        how = f"by {intent.amount} ms" if intent.action == "delay" else f"to {intent.amount} kbit"
        return f"{intent.action} {network} {how} {on}"
    if intent.kind == "stress":
        return f"stress {intent.subject}{length} on {nodes}{with_service}"
    link = f" {intent.direction} {'from' if intent.direction == 'ingress' else 'to'} {intent.peer} service" if intent.direction else ""
    return f"{intent.action} {intent.subject} {intent.kind}{link} on {nodes}{with_service}{length}"


def warm_up():
    """Build the parser now: a process that forks workers calls this before, so that none of them has to."""
    if lark is not None:
        _parser()


def _render_nodes(selector):
    if selector.mode == "names":
        return f"{' and '.join(selector.names)} {'node' if len(selector.names) == 1 else 'nodes'}"
    count = "one node" if selector.n == 1 else f"{selector.n} nodes"
    nodes = {"all": "all nodes", "count": count, "percent": f"{selector.n}% of nodes"}[selector.mode]
    nodes += f" in {selector.group}" if selector.group else ""
    return nodes + (f" except {' and '.join(selector.exclude)}" if selector.exclude else "")


def _plain(text):
    """A str of printable ASCII, without the markers that Ansible puts on strings."""
    if not isinstance(text, str):
        raise SentenceError(f"A sentence is text, not {kind_of(text)}.", code="sentence_type")
    text = "".join(text).removesuffix("\n")  # a YAML block ends with one
    strange = re.search(r"[^ -~]", text)
    if strange:
        shown = re.sub(r"[^ -~]", "?", text)
        raise SentenceError(
            f"The character U+{ord(strange[0]):04X} at column {strange.start() + 1} cannot be part of a sentence.",
            sentence=shown[:LONGEST_TEXT],
            column=strange.start() + 1 if strange.start() < LONGEST_TEXT else 1,
            word="?",
            expected=["printable ASCII characters"],
            hint="Sentences are plain ASCII on one line.",
        )
    if len(text) > LONGEST_TEXT:
        raise SentenceError(f"The sentence is {len(text)} characters long; the limit is {LONGEST_TEXT}.", code="sentence_length")
    if not text.strip():
        raise SentenceError("The sentence is empty.", expected=_actions(), hint="For example: kill nova-api service on one node")
    return text


# ---- the parser -------------------------------------------------------------------------------------------------


@functools.cache
def _parser():
    if lark is None:
        raise FaultlineError(
            "Sentences need the Python library lark, which is not installed for the Python that runs Ansible.",
            code="missing_library",
            hint=f"Install it with: {sys.executable} -m pip install lark",
            details={"library": "lark", "python": sys.executable},
        )
    return lark.Lark(
        GRAMMAR.read_text(encoding="ascii"), start="sentence", parser="lalr", lexer=_word_lexer(), maybe_placeholders=False
    )


def _word_lexer():
    class WordLexer(lark.lexer.Lexer):
        """One token is one whole word (or a comma), so that nothing can match in the middle of a word."""

        def __init__(self, conf):
            shapes = sorted(conf.terminals, key=lambda terminal: -terminal.priority)
            self.words = {t.pattern.value.lower(): t.name for t in shapes if isinstance(t.pattern, lark.lexer.PatternStr)}
            self.shapes = [(t.name, re.compile(t.pattern.to_regexp())) for t in shapes if isinstance(t.pattern, lark.lexer.PatternRE)]

        def lex(self, text):
            text = getattr(text, "text", text)  # a TextSlice, in later versions of lark
            for found in re.finditer(r",|[^ ,]+", text):
                word = found[0]
                kind = self.words.get(word.lower()) or next((name for name, shape in self.shapes if shape.fullmatch(word)), "STRANGE")
                yield lark.Token(kind, word, start_pos=found.start(), line=1, column=found.start() + 1, end_pos=found.end())

    return WordLexer


# ---- errors -----------------------------------------------------------------------------------------------------


def _actions():
    return [*(a for a in INSTEAD if a not in UNDO_OF), *UNDO_OF]


def _unexpected(text, exc):
    """The parser's complaint, as a person would put it."""
    token, ended = exc.token, exc.token.type == "$END"
    before = text.split() if ended else text[: token.column - 1].replace(",", " , ").split()
    previous = before[-1].lower() if before else ""
    literals = {t.name: t.pattern.value for t in _parser().terminals if t.pattern.type == "str"}
    accepts = exc.accepts or exc.expected
    words = sorted(literals[name] for name in accepts if name in literals and name != "COMMA")
    expected = _expected(accepts, words, before, previous)
    column, word = (len(text.rstrip()) + 2, "") if ended else (token.column, str(token))
    if ended:
        message = f"The sentence ends too early, after {before[-1]!r}: expected {_either(expected)}."
        text = text.rstrip()
    elif not before:
        message = f"Unknown action {word!r}: expected {_either(expected)}."
    else:
        message = f"{word!r} is not understood after {before[-1]!r}: expected {_either(expected)}."
    hint = ""
    first = text.split()[0].lower()
    if word.lower() in ("service", "container") and first in ("reboot", "poweroff", "poweron", "reset", "shutdown", "oom", "crash"):
        hint = f"{first} is done to nodes: {first} one node with {before[-1]} service."
    elif "$END" in accepts:
        hint = "Every word must be understood, so nothing is done."
    return SentenceError(
        message, sentence=text, column=column, word=word, expected=expected, suggestions=nearest(word, words, 2) if word else [], hint=hint
    )


def _expected(accepts, words, before, previous):
    """What could have stood there; nodes are described as a whole, not by each word that may begin them."""
    if not before:
        return words
    expected = []
    if "NODES" in accepts and "INT" in accepts:
        words = [w for w in words if w not in ("all", "one", "random", "some", "single", "node", "nodes")]
        expected = ["nodes", "all nodes", "one node", "2 nodes", "50% of nodes", "<name> node"]
    elif "NAME" in accepts:
        what = {
            "with": "service", "from": "service", "to": "service", "in": "group", "connect": "network", "disconnect": "network",
            "delay": "network", "limit": "network", "on": "network" if before[-2:-1] == ["packets"] else "node",
        }
        process = previous in PROCESS_ACTIONS
        expected = [f"the name of a {what.get(previous, 'service or container' if process else 'node')}"]
        words = [] if previous == "in" else words
    elif "SHORT_TIME" in accepts:
        expected = ["a time (100 ms, 1 second)"]
    elif "SHORT_RATE" in accepts:
        expected = ["a rate (500 kbit, 1 mbit)"]
    elif "SHARE" in accepts:
        expected = ["a percentage (30%, 0.5%)"]
    elif "SHORT_DURATION" in accepts:
        expected = ["a duration (30 seconds, 5 minutes, 1m30s)"]
    elif "INT" in accepts:
        expected = ["a number"]
    if "SECONDS" in accepts:
        expected, words = ["ms", "seconds"] if "MS" in accepts else ["seconds", "minutes", "hours"], []
    expected += words
    return expected + (["the end of the sentence"] if "$END" in accepts else [])


def _either(things):
    things = list(dict.fromkeys(things))
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} or {things[-1]}"


# ---- from the tree to the intent --------------------------------------------------------------------------------


def _parts(node):
    """The inner nodes by the name of their rule."""
    return {str(child.data): child for child in node.children if isinstance(child, lark.Tree)}


class _Reading:
    """One tree, read into an intent; remembers in which column each name stands."""

    MODES = {"all_nodes": "all", "one_node": "count", "some_nodes": "count", "part_of_nodes": "percent", "named_nodes": "names"}

    def __init__(self, text, tree):
        self.text, self.columns = text, {}
        self.kind, self.parts = str(tree.data).removesuffix("_fault"), _parts(tree)

    def intent(self):
        action, subject, direction, peer, duration, amount = self.kind, None, None, None, None, None
        for rule, node in self.parts.items():
            if rule.endswith("_action"):
                action = self.word(node)
            elif rule == "stress_target":
                subject, duration = self.word(node), STRESS_SECONDS
            elif rule == "name":
                subject = self.name(node)
            elif rule in ("milliseconds", "chance", "rate"):
                amount = getattr(self, rule)(node)
        if "link" in self.parts:
            direction, peer = self.link(self.parts["link"], action)
        if "duration" in self.parts:
            duration = self.duration(self.parts["duration"], action)
        others = _parts(self.parts["others"]) if "others" in self.parts else {}
        return Intent(
            kind=self.kind,
            action=action,
            subject=subject,
            selector=self.nodes(self.parts) or Selector(),
            with_service=self.served(self.parts),
            duration=duration,
            direction=direction,
            peer=peer,
            amount=amount,
            others=self.nodes(others),
            others_with=self.served(others),
            text=self.text,
            columns=self.columns,
        )

    def word(self, node):
        return str(node.children[0]).lower().replace("crash-loop", "crash_loop")

    def name(self, node):
        token = node.children[0]
        self.columns[str(token)] = token.column
        return str(token)

    def names(self, node):
        return tuple(self.name(child) for child in node.children if isinstance(child, lark.Tree))

    def nodes(self, parts):
        """The selector among the parts of a sentence, or of its other side."""
        return next((self.selector(node) for rule, node in parts.items() if rule in self.MODES), None)

    def served(self, parts):
        return self.name(parts["with_service"].children[0]) if "with_service" in parts else None

    def milliseconds(self, node):
        number, unit = self.quantity(node, r"([0-9]+) ?([a-z]+)")
        number *= 1000 if unit.startswith("s") else 1
        return self.within(number, 1, LONGEST_DELAY, node, "1 ms to 1 hour")

    def chance(self, node):
        number = float(str(node.children[0]).rstrip("%"))
        return self.within(number if number % 1 else int(number), 0.001, 100, node, "more than 0% to 100%")

    def rate(self, node):
        number, unit = self.quantity(node, r"([0-9]+) ?([a-z]+)")
        return self.within(number * _KBIT[unit[0]], LEAST_RATE, GREATEST_RATE, node, "8 kbit to 32 gbit")

    @staticmethod
    def quantity(node, pattern):
        said = " ".join(str(child if isinstance(child, lark.Token) else child.children[0]) for child in node.children)
        number, unit = re.fullmatch(pattern, said.lower()).groups()
        return int(number), unit

    def within(self, number, least, most, node, wanted):
        token = node.children[0]
        if not least <= number <= most:
            raise self.error(f"{token} is too {'little' if number < least else 'much'}: expected {wanted}.", token, [wanted])
        return number

    def selector(self, node):
        mode, parts = self.MODES[node.data], _parts(node)
        return Selector(
            mode=mode,
            n=1 if node.data == "one_node" else self.number(node) if mode in ("count", "percent") else None,
            names=self.names(parts["names"]) if mode == "names" else (),
            group=self.name(parts["in_group"].children[0]) if "in_group" in parts else None,
            exclude=self.names(parts["except"].children[0]) if "except" in parts else (),
        )

    def number(self, node):
        token = node.children[0]
        number, percent = int(token.rstrip("%")), token.endswith("%")
        if number < 1 or (percent and number > 100):
            wanted = "1% to 100%" if percent else "1 or more"
            raise self.error(f"{str(token)} of the nodes cannot be chosen: expected {wanted}.", token, [wanted])
        self.columns[str(token)] = token.column
        return number

    def link(self, node, action):
        said, other = node.children
        if action not in ("plug", "unplug"):
            raise self.error(f"{action} has no direction: only plug and unplug have one.", said.children[0], ["on", "for"])
        return self.word(said), self.name(other)

    def duration(self, node, action):
        first = node.children[0]
        said = " ".join(str(child if isinstance(child, lark.Token) else child.children[0]) for child in node.children)
        pieces = [(int(number), unit.lower()) for number, unit in re.findall(r"([0-9]+) ?([hms])", said, re.IGNORECASE)]
        sizes = [_SECONDS[unit] for number, unit in pieces]
        seconds = sum(number * size for (number, unit), size in zip(pieces, sizes))
        if action not in UNDO_OF:
            message = f"{action} has no undo, so it cannot last for {said}."
            hint = f"Leave out the duration, or say {INSTEAD[action]} ... for {said}."
            raise self.error(message, first, ["the end of the sentence"], code="no_undo", hint=hint)
        if sizes != sorted(set(sizes), reverse=True):
            raise self.error("A duration names each unit once, the largest first.", first, ["1 hour 30 minutes"])
        if not 1 <= seconds <= LONGEST_DURATION:
            days = LONGEST_DURATION // 86400
            raise self.error(f"{said} is not a possible duration: expected 1 second to {days} days.", first, [f"1 second to {days} days"])
        return seconds

    def error(self, message, token, expected, **more):
        return SentenceError(message, self.text, token.column, str(token), expected, **more)
