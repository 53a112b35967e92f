"""Divide the logits of a trained classifier by one number, fitted on validation."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation


@final
class Temperature(Rule):
    """Advised against over-confidence: validation loss up while accuracy stays.

    It repairs the probabilities of the model that is there and changes no decision. Silent unless the
    loss is known to be one of a classification.
    """

    id: ClassVar[str] = "temperature"
    against: ClassVar[tuple[str, ...]] = ("confidence_overfitting",)

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where nothing shows over-confidence of a classifier."""
        if not self.may_speak(diagnosis, facts) or facts.loss is None or facts.loss.classification is not True:
            return None
        finding = diagnosis.finding("confidence_overfitting")
        return Recommendation(
            id=self.id,
            title="Fit a temperature for the logits on the validation set, after training",
            why=f"{'' if finding is None else finding.message + ' '}One number, fitted on validation, gives the "
            "probabilities back most of what over-confidence took from them; the predicted classes stay as they are, "
            "and nothing is trained again.",
            change={"temperature": "fitted"},
            code=_code(facts),
            caution="It repairs probabilities, not decisions: accuracy is the same. A temperature fitted on "
            "the validation set makes the loss on that set look a little better than it is.",
            source="Guo et al. 2017 (arXiv 1706.04599).",
        )


def _code(facts: Facts) -> str:
    return code_for(
        facts.framework,
        torch="""
            import torch

            model.eval()
            with torch.no_grad():
                batches = [(model(x), y) for x, y in val_loader]
            logits, labels = (torch.cat(part) for part in zip(*batches))
            log_temperature = torch.zeros((), requires_grad=True, device=logits.device)
            search = torch.optim.LBFGS([log_temperature], line_search_fn="strong_wolfe")


            def loss_at_temperature():
                search.zero_grad()
                loss = torch.nn.functional.cross_entropy(logits / log_temperature.exp(), labels)
                loss.backward()
                return loss


            search.step(loss_at_temperature)
            temperature = log_temperature.exp().item()  # predict with softmax(logits / temperature)
        """,
        keras="""
            import numpy as np
            from scipy.optimize import minimize_scalar
            from scipy.special import log_softmax

            outputs = model.predict(x_val, verbose=0)
            is_logits = getattr(model.loss, "from_logits", False)
            logits = outputs if is_logits else np.log(np.clip(outputs, 1e-12, None))
            labels = np.asarray(y_val).reshape(-1).astype(int)


            def loss_at(log_temperature):
                return -log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(labels)), labels].mean()


            temperature = float(np.exp(minimize_scalar(loss_at, bounds=(-3, 3)).x))  # softmax(logits / temperature)
        """,
    )
