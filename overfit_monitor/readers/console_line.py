"""What one line of a console says: the epoch, and values by name.

Lines come from Keras, Lightning, tqdm, Hugging Face and people, with prefixes of loggers in front.
A line is read as names and numbers in turn; what stands between them (``|``, ``,``, `` - ``) ends a
name, and a label (``Val:``, ``[valid]``) says what the names after it belong to.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from overfit_monitor.readers.conventions import Conventions, current
from overfit_monitor.readers.pairing import is_rate, metric_of, mode_of, place, split_of, words_of

ANSI: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_NUMBER: Final = r"[-+]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"
_TOKEN = re.compile(
    rf"(?P<number>(?<![\w.])(?<!\d:)(?i:{_NUMBER}))(?:/(?P<of>\d+(?:\.\d+)?))?(?P<percent>%?)(?![\w.]|:\d|-\d|/\w)"
    r"|(?P<junk>\d[\w.:/%,+-]*)"
    r"|(?P<word>[^\W\d][\w./@'+-]*)"
    r"|(?P<label>[:\]](?=[\s\[(]*[^\W\d])(?!\s*(?i:nan|inf)\b))"
    r"|(?P<end>[|,;•{}]|\s-\s)"
)
_DICT = re.compile(r"\{[^{}]{3,4000}\}")
_ITEM = re.compile(rf"""['"]([^'"]{{1,200}})['"]\s*:\s*['"]?((?i:{_NUMBER}))['"]?\s*(?=[,}}])""")
_BAR = re.compile(r"\d%\||it/s|s/it|\?it|s/step|\d\s*\[[=>.-]{5,}\]|[━█]{2,}")
_SHARE = re.compile(r":?\s*\d+%\|")
_RATIO = re.compile(r"(?<![\w.])(\d+)/(\d+)(?![\w.])")
_ROUND = re.compile(r"^\s*\[(\d{1,12})\]\s")
_EPOCH_WORDS: Final = frozenset({"epoch", "epochs", "ep"})
_TOTALS: Final = frozenset({"epochs", "steps", "iters", "iterations"})
_STEP_WORDS: Final = frozenset({"step", "steps", "iter", "iters", "iteration", "iterations", "global_step", "round"})
# What is said with them is a value of the past, or none.
_PAST: Final = (
    "improved improve reached from to best min lowest max highest saving saved patience wait since delta threshold "
    "baseline previous old was below above than did not"
)
_NO_VALUE: Final = frozenset(_PAST.split())
_SUMMARY: Final = "train_runtime"
LONGEST: Final = 4000
_MOST_WORDS: Final = 5


@dataclass(slots=True)
class Said:
    """What a line says.

    Attributes:
        epoch: The epoch it names, None for none.
        step: The step it names, None for none.
        values: Numbers by name; a name under a split it does not say itself is ``train/NAME``.
        bar: Whether it is a state of a progress bar, which a later state replaces.
        whole: Whether such a bar has reached its end.
        split: The split that its labels name.
        tells: Whether one of the values is a metric of known direction.
        total: Whether epoch or step may be how many there will be (``Epochs: 50``), which counts beside values only.
    """

    epoch: int | None = None
    step: int | None = None
    values: dict[str, float] = field(default_factory=dict)
    bar: bool = False
    whole: bool = True
    split: str | None = None
    tells: bool = False
    total: bool = False


def said(line: str) -> Said:
    """Return what a line says; colours must have been taken out."""
    text = line[:LONGEST]
    listed = _DICT.search(text)
    if listed is not None and (items := _ITEM.findall(listed[0])):
        return _of_dict(items)
    result = Said(bar=_BAR.search(text) is not None)
    _Walk(result).over(_SHARE.sub("|", text))
    if result.bar:
        ratios = _RATIO.findall(text)
        result.whole = not ratios or ratios[-1][0] == ratios[-1][1]
    if result.step is None and result.tells and (counted := _ROUND.match(text)):
        result.step = int(counted[1])
    return result


def header_split(line: str) -> str | None:
    """Return the split that a line heads (``> EVALUATION``, ``--> EVAL PERFORMANCE``), None where it heads none."""
    words = re.findall(r"[^\W\d_]+", line.partition("(")[0])
    if not 1 <= len(words) <= 2 or any(c.isdigit() for c in line.partition("(")[0]):
        return None
    return split_of(words[0])


def _of_dict(items: list[tuple[str, str]]) -> Said:
    result = Said()
    if any(name == _SUMMARY for name, _ in items):
        return result
    for name, text in items:
        value = float(text)
        if name.lower() in _EPOCH_WORDS and math.isfinite(value):
            result.epoch = math.ceil(value)  # 1.29 is in the second epoch, at whose end there is 2.0
        elif name.lower() in _STEP_WORDS and value.is_integer():
            result.step = int(value)
        elif name.lower() not in _EPOCH_WORDS:
            result.values[name] = value
            result.tells = result.tells or _is_metric(name, current())
    return result


class _Walk:
    """Goes over the tokens of a line, and puts what they say into a record."""

    def __init__(self, result: Said) -> None:
        self.result = result
        self.words: list[str] = []

    def over(self, text: str) -> None:
        for token in _TOKEN.finditer(text):
            kind = token.lastgroup
            if kind == "word":
                self.words.append(token["word"].removesuffix("'s").strip(".'-"))
            elif token["number"] is not None:
                self._number(float(token["number"]), token["of"])
                self.words = []
            else:
                if kind == "label" or (kind == "end" and len(self.words) == 1):
                    self._label()
                self.words = []

    def _label(self) -> None:
        self.result.split = next(filter(None, map(split_of, reversed(self.words))), self.result.split)

    def _number(self, value: float, of: str | None) -> None:
        words = self.words
        if not words or len(words) > 12:
            return
        last = words[-1].lower()
        if last in _EPOCH_WORDS or last in _STEP_WORDS or self._counts(words):
            self._count(value, epoch=last in _EPOCH_WORDS or self._counts(words))
            self.result.total |= last in _TOTALS and of is None
        elif not _NO_VALUE.intersection(word.lower() for word in words):
            self._value(words, value / float(of) if of is not None and float(of) else value)

    @staticmethod
    def _counts(words: list[str]) -> bool:
        """Return whether it is ``Epoch(train)``, with the split behind the word."""
        return len(words) > 1 and words[-2].lower() in _EPOCH_WORDS and split_of(words[-1]) is not None

    def _count(self, value: float, *, epoch: bool) -> None:
        self._label()
        if not value.is_integer() or abs(value) >= 2**53:
            return
        if epoch:
            self.result.epoch = int(value)
        else:
            self.result.step = int(value)

    def _value(self, words: list[str], value: float) -> None:
        at = next((i for i in range(len(words) - 1, -1, -1) if split_of(words[i])), None)
        if at is not None:
            self.result.split = split_of(words[at])
            words = words[at:]
        name = " ".join(words[-_MOST_WORDS:])
        if at is None and self.result.split and place(name) is None and not is_rate(name):
            name = f"{self.result.split}/{name}"
        self.result.values[name] = value
        self.result.tells = self.result.tells or _is_metric(name, current())


@lru_cache(4096)
def _is_metric(name: str, known: Conventions) -> bool:
    return not known.ignored(name) and mode_of(metric_of(words_of(name), known)) is not None
