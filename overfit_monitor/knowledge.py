"""What becomes of what is known of a run when more of it is told."""

from __future__ import annotations

from overfit_monitor.facts import Facts
from overfit_monitor.records import AppliedChange, NotJudged


def updated(known: Facts, told: Facts) -> Facts:
    """Return what is told, with what only the run itself knows: duplicates, changes, what could not be measured."""
    duplicates = known.data.duplicates if told.data.duplicates is None else told.data.duplicates
    data = told.data.model_copy(update={"duplicates": duplicates})
    applied = tuple(dict.fromkeys((*told.applied, *known.applied)))
    kept = {"unmeasured": known.unmeasured, "changes": known.changes}
    return told.model_copy(update={"data": data, "applied": applied, **kept})


def changed(known: Facts, change: AppliedChange) -> Facts:
    """Return what is known after a change of the training, or after it was undone."""
    others = tuple(c for c in known.changes if (c.id, c.step) != (change.id, change.step))
    ids = tuple(id for id in known.applied if id != change.id)
    applied = ids if change.undone_step is not None else (*ids, change.id)
    return known.model_copy(update={"changes": (*others, change), "applied": applied})


def unmeasured(known: Facts, id: str, reason: str | None) -> Facts:
    """Return what is known when something could not be measured, for a reason, or could after all, for None."""
    others = tuple(item for item in known.unmeasured if item.id != id)
    told = others if reason is None else (*others, NotJudged(id=id, reason=reason))
    return known if told == known.unmeasured else known.model_copy(update={"unmeasured": told})
