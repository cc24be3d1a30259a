"""Combinations that a sampler of Optuna asks for, of what came of the ones before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import whole

__all__ = ["Study"]

PLAIN = (bool, int, float, str, type(None))
"""What Optuna keeps of choices in a database."""


class Study:
    """A study of Optuna whose trials are asked for and told in batches, so that no time of a run decides anything.

    Args:
        over: a distribution of Optuna, or a list of choices, by name.
        sampler: of Optuna.
        trials: how many in all.

    Attributes:
        trials: likewise.

    Raises:
        InputError: naming what does not fit; Optuna is not installed.
    """

    def __init__(self, over: Mapping[str, Any], sampler: Any, trials: Any):
        try:
            import optuna
        except ImportError:
            raise InputError("sweep(sampler) needs Optuna: pip install 'diffsim[sweep]'") from None
        if not isinstance(sampler, optuna.samplers.BaseSampler):
            raise InputError(f"sweep(sampler) is {sampler!r}, but a sampler of Optuna is needed")
        if trials is None:
            raise InputError("sweep(sampler) needs a number of trials: sweep(..., sampler=sampler, trials=40)")
        if not over:
            raise InputError("sweep(sampler) has nothing to choose; name something in sweep(over)")
        self.trials = whole("sweep(trials)", trials)
        self._optuna, self._sampler = optuna, sampler
        self._study: Any = None
        self._done: set[int] = set()
        self._over = {name: self._distribution(name, given) for name, given in over.items()}

    def _distribution(self, name: str, given: Any) -> Any:
        known = self._optuna.distributions
        if isinstance(given, known.BaseDistribution):
            return given
        if isinstance(given, str) or not isinstance(given, (Sequence, np.ndarray)) or not len(given):
            raise InputError(f"sweep(over) gives {given!r} for {name}, but a list or a distribution is needed")
        choices = [value.item() if isinstance(value, np.generic) else value for value in given]
        for k, value in enumerate(choices):
            if not isinstance(value, PLAIN):
                raise InputError(
                    f"sweep(over) gives {value!r} for {name}[{k}], but a sampler chooses among numbers and words only"
                )
        return known.CategoricalDistribution(choices)

    @property
    def example(self) -> dict[str, Any]:
        """Values that may be asked for."""
        return {name: own.choices[0] if hasattr(own, "choices") else own.low for name, own in self._over.items()}

    def plain(self) -> dict[str, Any]:
        """For JSON: the same for the same study, whatever the number of its trials."""
        return {
            "over": {name: repr(own) for name, own in self._over.items()},
            "sampler": type(self._sampler).__name__,
        }

    def open(self, storage: str, name: str) -> None:
        """Begin the study, or go on with it."""
        told = self._optuna.logging.get_verbosity()
        self._optuna.logging.set_verbosity(self._optuna.logging.WARNING)
        try:
            self._study = self._optuna.create_study(
                storage=storage, study_name=name, sampler=self._sampler, load_if_exists=True
            )
        finally:
            self._optuna.logging.set_verbosity(told)
        if self._study.trials:  # or it would draw what it drew before
            self._sampler.reseed_rng()

    def ask(self, count: int) -> dict[int, dict[str, Any]]:
        """Values of up to so many trials by number, first of those that were asked for before; none at the end."""
        held = [trial for trial in self._study.get_trials(deepcopy=False) if trial.number not in self._done]
        found = {trial.number: dict(trial.params) for trial in held[: max(count, 1)]}
        while len(found) < count and len(self._done) + len(found) < self.trials:
            trial = self._study.ask(dict(self._over))
            found[trial.number] = dict(trial.params)
        return found

    def tell(self, number: int, losses: Sequence[float]) -> None:
        """The best losses of a trial's runs, nan where one failed."""
        self._done.add(number)
        known = [loss for loss in losses if math.isfinite(loss)]
        if self._study.get_trials(deepcopy=False)[number].state.is_finished():
            return
        if known:
            self._study.tell(number, float(np.median(known)))
        else:
            self._study.tell(number, state=self._optuna.trial.TrialState.FAIL)
