"""What the pages quote of the benchmark is what is shipped, and every page is reached."""

import json
import re
from pathlib import Path

import overfit_monitor
from overfit_monitor.advice import CATALOGUE
from overfit_monitor.effects import DATA

PAGES = Path(__file__).parents[2] / "docs" / "recommendations"
INDEX = (PAGES / "README.md").read_text()
EFFECTS = json.loads(Path(overfit_monitor.__file__).with_name(DATA).read_text())["effects"]


def test_the_table_is_what_is_shipped():
    for id, found in EFFECTS.items():
        all_ = found["all"]
        share = f"{all_['helps']:.0%} | {all_['harms']:.0%} | {all_['ratio']:.3f}".replace("%", " %")
        (row,) = [line for line in INDEX.splitlines() if line.startswith("|") and f"({id}.md)" in line]
        assert f"| {all_['runs']} | {share} |" in row


def test_every_page_is_of_a_rule_and_has_all_parts():
    pages = {path.stem for path in PAGES.glob("*.md")} - {"README"}
    assert pages == {rule.id for rule in CATALOGUE}
    for page in pages:
        text = (PAGES / f"{page}.md").read_text()
        for part in ("When.", "Value.", "Change.", "When it would not help.", "What is known."):
            assert f"**{part}**" in text or part == "Value.", f"{page} has no {part}"


def test_links_lead_somewhere():
    for path in [*PAGES.glob("*.md"), PAGES.parent / "trying.md"]:
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text()):
            assert (path.parent / link).exists(), f"{path.name} links to {link}"
