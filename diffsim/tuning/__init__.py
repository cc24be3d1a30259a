"""The optimisation loop, on NumPy arrays only: optimizers, schedules, `tune`, and the files of a run."""

from diffsim.tuning.changes import Change
from diffsim.tuning.gauss_newton import GaussNewton
from diffsim.tuning.load import SavedRun, load_history, load_params, load_problem, load_run, save_rollouts
from diffsim.tuning.optimizers import LBFGS, SGD, Adam, NormalisedGradientDescent, Optimizer, RMSProp
from diffsim.tuning.parameter_matrix import clip_by_norm, global_norm
from diffsim.tuning.result import Result
from diffsim.tuning.run import Run
from diffsim.tuning.schedules import Constant, CosineDecay, ExponentialDecay, PiecewiseConstant, Schedule
from diffsim.tuning.tune import tune

__all__ = [
    "LBFGS",
    "SGD",
    "Adam",
    "Change",
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "GaussNewton",
    "NormalisedGradientDescent",
    "Optimizer",
    "PiecewiseConstant",
    "RMSProp",
    "Result",
    "Run",
    "SavedRun",
    "Schedule",
    "clip_by_norm",
    "global_norm",
    "load_history",
    "load_params",
    "load_problem",
    "load_run",
    "save_rollouts",
    "tune",
]
