"""The main line of scene scripts that learn a policy: the flags of `scene_main`, and the same files left behind."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diffsim.bridges.tasks import Task
from diffsim.cli.artifacts import leave_pictures
from diffsim.cli.flags import add_problem_flags, end_with, whole_number
from diffsim.cli.scene import ended, go_on, list_files, started, usual_folder
from diffsim.learning import SHAC, Learned, learn
from diffsim.learning.algorithms import Algorithm
from diffsim.simulation import Simulation
from diffsim.tuning import Run
from diffsim.tuning.progress import progress_for
from diffsim.tuning.run import NUMBERS
from diffsim.tuning.times import compiling

__all__ = ["policy_main"]


def policy_main(
    task: Callable[..., Task],
    *,
    policy: Any,
    algorithm: Algorithm = SHAC(),  # noqa: B008 (a frozen value)
    iterations: int = 500,
    envs: int = 64,
    start: Mapping[str, Any] | Callable[[Task], Mapping[str, Any]] | None = None,
    randomise: Mapping[str, tuple[float, float]] | None = None,
    pushes: Mapping[str, Any] | None = None,
    easier: Mapping[str, Any] | None = None,
    easier_iterations: int = 0,
    easier_pushes: Mapping[str, Any] | None = None,
    restart_after: int | None = None,
    judge_every: int | None = None,
    mujoco_episodes: int = 4,
    arguments: Sequence[str] | None = None,
) -> None:
    """Learn a policy for the task of a scene script as its command line says, and leave the run in a folder.

    Flags: ``--iterations --envs --seed --precision --output --no-video --resume --overwrite``, and one for each
    argument of ``task``, as in `scene_main`, whose exit statuses these are, too.

    Args:
        task: the script's function that makes the `Task`.
        policy: as in `learn`.
        algorithm: as in `learn`.
        iterations: default of ``--iterations``.
        envs: default of ``--envs``.
        start: as in `learn`.
        randomise: as in `learn`.
        pushes: as in `learn`.
        easier: as in `learn`.
        easier_iterations: as in `learn`; with other ``--iterations`` the same share of them.
        easier_pushes: as in `learn`.
        restart_after: as in `learn`.
        judge_every: as in `learn`.
        mujoco_episodes: as in `learn`.
        arguments: the command line; None is ``sys.argv``.
    """
    path = Path(inspect.getfile(task))
    started.append(path)
    given = _parser(task, path, iterations, envs).parse_args(arguments)
    own = {name: getattr(given, name) for name in inspect.signature(task).parameters}
    named = given.output is not None  # the run in that very folder is to go on
    folder = given.output if named else usual_folder(path)
    run = Run(folder, overwrite=given.overwrite or (given.resume and named))
    first = easier_iterations * given.iterations // iterations

    def search() -> int:
        learned = learn(
            task(**own),
            policy,
            algorithm=algorithm,
            envs=given.envs,
            iterations=given.iterations,
            seed=given.seed,
            precision=given.precision,
            start=start,
            randomise=randomise,
            pushes=pushes,
            easier=easier if first else None,
            easier_iterations=first,
            easier_pushes=easier_pushes if first else None,
            restart_after=restart_after,
            judge_every=judge_every,
            mujoco_episodes=mujoco_episodes,
            progress=progress_for(None, given.iterations, told=True),
            run=run,
            resume=given.resume,
        )
        return _leave(learned, run, folder, video=not given.no_video)

    end_with(search)


def _parser(task: Callable[..., Task], path: Path, iterations: int, envs: int) -> argparse.ArgumentParser:
    about = inspect.getmodule(task)
    parser = argparse.ArgumentParser(prog=path.name, description=(about.__doc__ if about else None))
    add = parser.add_argument
    add_problem_flags(parser, task)
    add("--iterations", type=whole_number(1), default=iterations, help="of the algorithm, default: %(default)s")
    add("--envs", type=whole_number(4), default=envs, help="copies that play at once, default: %(default)s")
    add("--seed", type=whole_number(0), default=0, help="of all that is drawn, default: %(default)s")
    add("--precision", default="f32", choices=("f32", "f64"), help="default: %(default)s")
    usual = str(usual_folder(path)).replace("%", "%%")
    add("--output", type=Path, help=f"folder of the run, with a number if it holds another, default: {usual}")
    add("--no-video", action="store_true", help="leave out the video")
    which = parser.add_mutually_exclusive_group().add_argument
    which("--resume", action="store_true", help="go on with the newest run of this scene, or the one in --output")
    which("--overwrite", action="store_true", help="replace the run in the output folder instead of taking a number")
    return parser


def _leave(learned: Learned, run: Run, folder: Path, *, video: bool) -> int:
    """Pictures and a summary; the exit status."""
    unsaved = [learned.unsaved] if learned.unsaved else []
    files = [path for name in NUMBERS if (path := run.folder / name).exists()] if not unsaved else []
    assert learned.problem is not None
    with Simulation(learned.problem) as simulation:
        try:
            files += leave_pictures(simulation, learned, run, video=video)
        except Exception as error:  # whatever it is, the search took longer than a picture: say what it found
            unsaved.append(f"a picture: {error}")
    times = compiling(learned.history)
    assert times is not None
    print(f"earns    {learned.words}, at iteration {learned.best_iteration}")
    print(f"took     {sum(times):.1f} s: {times.compiling:.1f} s compiling, {times.tuning:.1f} s learning")
    print(f"stopped  {learned.stopped}")
    for words in learned.findings:
        print(f"note     {words}")
    list_files(files)
    return ended(learned.stopped, go_on(None if run.folder == folder else run.folder) if files else "", unsaved)
