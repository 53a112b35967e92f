"""The page on readers says what the data says, and leaves no reader out."""

import re
import tomllib
from pathlib import Path

from overfit_monitor.readers import CATALOGUE, LAST_RESORT, SPREAD
from overfit_monitor.readers.conventions import DEFAULT, load, using
from overfit_monitor.readers.names_table import NamesTable
from overfit_monitor.readers.pairing import place
from overfit_monitor.readers.refused import FORMATS

PAGE = (Path(__file__).parents[2] / "docs" / "readers.md").read_text(encoding="utf-8")
MEANING = {
    "train": "words that say train",
    "val": "words that say validation, the preferred first",
    "fillers": "words that are no part of a metric's name",
    "aliases": "other spellings in the name of a metric",
    "rates": "names of a learning rate",
    "steps": "names of the column that counts, the preferred first",
    "index": "names of an index, which counts where nothing else does",
    "splits": "names of a column that says which split a row belongs to",
    "validation": "patterns of names measured on validation without saying so",
    "ignore": "patterns of names that are no curve",
    "directions": "directions that a name does not tell",
}


def written():
    """Return the rows of the table of writers."""
    return [f"| {row['by']} | `{row['train']}` | `{row['val']}` | `{row['metric']}` |" for row in DEFAULT.written]


def words():
    """Return the rows of the table of entries."""
    rows = []
    for entry, meaning in MEANING.items():
        known = getattr(DEFAULT, entry)
        told = [f"`{key}` = `{value}`" for key, value in known.items()] if isinstance(known, dict) else [
            f"`{word}`" if word else "no name" for word in known
        ]  # fmt: skip
        rows.append(f"| `{entry}` | {meaning} | {', '.join(told) or 'none'} |")
    return rows


def refused():
    """Return the rows of the table of formats that are not opened."""
    return [f"| {known.what} | {known.advice} `{known.code}` |".replace(" `` |", " |") for known in FORMATS]


def test_the_tables_are_those_of_the_data():
    for row in (*written(), *words(), *refused()):
        assert row in PAGE.splitlines()


def test_every_reader_has_its_row():
    rows = re.findall(r"^\| `([a-z-]+)` \|", PAGE.split("## Formats")[1].split("\n## ")[0], re.MULTILINE)
    names = {make(names=None).name for make in (*CATALOGUE, *SPREAD, *LAST_RESORT)}
    assert set(rows) == names - {"refused"} | {"tensorboard"}


def test_the_example_of_a_projects_own_names_is_valid_and_complete():
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    table = tomllib.loads(example)["tool"]["overfit-monitor"]["names"]
    assert table.keys() == NamesTable.model_fields.keys()
    with using(load(table)):
        assert place("fit_loss") == ("train", "loss", 0)
        assert place("probe_error_rate").metric == "error"
