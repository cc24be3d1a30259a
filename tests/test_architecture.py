"""The house: which part may import which, that there are no circles, and where Taichi is not imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = (
    ("errors", "lazy", "notebook", "waiting"),
    ("spec", "files", "events"),
    ("numbers", "paths", "adjoint", "least_squares", "meshes"),
    ("physics.base", "physics.checks", "physics.grids", "physics.mechanics", "physics.pictures", "physics.refraction"),
    ("physics.KIND",),  # its scene: what there is, without Taichi
    ("physics",),  # the registry
    ("problem",),
    ("rollout",),
    ("simulation", "stepper", "protocols"),
    ("bridges",),
    ("gradients",),
    ("tuning", "identification"),
    ("learning",),
    ("planning",),
    ("sweeps",),
    ("viewing",),
    ("cli",),
    ("__main__",),
)
"""A part imports from its own line and from those above. `simulation` and `stepper` build engines; nobody else may."""

TAICHI = ("engine", "physics.contact", "physics.interpolation", "physics.KIND.stages", "controllers", "objectives")
"""What is made of stages: it imports Taichi and the engine, besides what stands above `problem`."""

WITHOUT_TAICHI = (
    "physics.KIND",
    "problem",
    "adjoint",
    "rollout",
    "simulation",
    "stepper",
    "bridges",
    "gradients",
    "tuning",
    "learning",
    "identification",
    "planning",
    "sweeps",
    "viewing",
    "cli",
)

KINDS = sorted(path.name for path in (ROOT / "diffsim" / "physics").iterdir() if (path / "scene.py").exists())


def modules() -> dict[str, Path]:
    found = {}
    for path in (ROOT / "diffsim").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path, known: dict[str, Path], *, late: bool) -> set[str]:
    """What a file imports, at its top or, with ``late``, anywhere: modules of the package, and "taichi"."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if late else (node for top in tree.body for node in at_import(top))
    found = set()
    for node in nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports by a relative name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.partition(".")[0] == "taichi":
                found.add("taichi")
            elif name.partition(".")[0] == "diffsim":
                found.add(name if name in known else name.rpartition(".")[0])
    return found & {*known, "taichi"}


def at_import(node: ast.AST):
    """A statement and what is in it, but for what runs only when a function is called."""
    yield node
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            yield from at_import(child)


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Tarjan's strongly connected components with more than one member."""
    index, low, stack, found = {}, {}, [], []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in edges.get(name, ()):
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            members = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(members) > 1 or name in edges.get(name, ()):
                found.append(sorted(members))

    for name in edges:
        if name not in index:
            visit(name)
    return found


def part_of(module: str) -> str:
    """The part of the house, by its name in `LAYERS` and `TAICHI`."""
    names = module.split(".")[1:]
    if names[:1] == ["physics"] and len(names) > 1 and names[1] in KINDS:
        if imports_taichi(module):
            return "physics.KIND.stages"
        return "physics.KIND.look" if names[2:] in (["look"], ["series"]) else "physics.KIND"
    return ".".join(names[:2]) if names[:1] == ["physics"] else names[0]


KNOWN = modules()
TOP = {name: imports(path, KNOWN, late=False) for name, path in KNOWN.items() if name != "diffsim"}
ALL = {name: imports(path, KNOWN, late=True) for name, path in KNOWN.items() if name != "diffsim"}


def reached(module: str) -> set[str]:
    """Everything that is imported with a module, and the packages that it stands in."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name in found or name == "diffsim":
            continue
        found.add(name)
        waiting += TOP.get(name, ())
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return found


def imports_taichi(module: str) -> bool:
    return "taichi" in reached(module)


def test_the_tools_of_this_file_find_what_they_look_for(tmp_path):
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"e"}}) == [["a", "b", "c"], ["e"]]
    path = tmp_path / "one.py"
    path.write_text("import taichi as ti\nif True:\n    import diffsim.spec\ndef f():\n    from diffsim import files\n")
    assert imports(path, KNOWN, late=False) == {"taichi", "diffsim.spec"}
    assert imports(path, KNOWN, late=True) == {"taichi", "diffsim.spec", "diffsim.files"}
    assert imports_taichi("diffsim.engine.fields")
    assert len(KNOWN) > 100


def test_there_are_no_circles_of_imports():
    """Not by imports within functions either, nor by those that only type checkers see."""
    assert circles(ALL) == []


def test_imports_point_one_way():
    order = {part: k for k, line in enumerate(LAYERS) for part in line}
    wrong = []
    for module, others in ALL.items():
        part = part_of(module)
        for other in sorted(others - {"taichi"}):
            if other == "diffsim":  # the public names, each imported when it is used
                assert part in ("cli", "__main__"), f"{module} imports diffsim itself"
                continue
            target = part_of(other)
            if part in TAICHI:
                fine = target in TAICHI or order[target] < order["problem"]
            elif part == "physics.KIND.look":
                fine = target in ("viewing", "physics.KIND", part) or order[target] <= order["rollout"]
            elif target in TAICHI:
                fine = part in ("simulation", "stepper") or (part == "cli" and target == "engine")
            else:
                fine = target in order and order[target] <= order[part]
            if not fine:
                wrong.append(f"{module} -> {other}")
    assert wrong == []


def test_kinds_of_physics_do_not_import_each_other():
    homes = {kind: f"diffsim.physics.{kind}" for kind in KINDS}
    assert len(homes) >= 3
    for kind, home in homes.items():
        for module in (name for name in KNOWN if name.startswith(home)):
            others = {
                name for name in ALL[module] for other in homes if other != kind and name.startswith(homes[other])
            }
            assert not others, f"{module} imports {', '.join(sorted(others))}"


def test_viewing_knows_no_physics_by_name():
    for module in (name for name in KNOWN if name.startswith("diffsim.viewing")):
        known = {name for name in ALL[module] if name.startswith("diffsim.physics.")}
        assert not known, f"{module} imports {', '.join(sorted(known))}"


def test_scenes_problems_tuning_and_viewing_are_imported_without_taichi():
    for module in KNOWN:
        if module != "diffsim" and part_of(module) in WITHOUT_TAICHI:
            assert not imports_taichi(module), module


# As Python does it

HEAVY = ("taichi", "matplotlib", "mujoco", "torch", "jax", "tensorflow", "gymnasium")


def loaded(code: str, *arguments: str) -> list[str]:
    """Which of the heavy packages a process has loaded when it ends."""
    script = f"""
import sys
sys.argv[1:] = {list(arguments)!r}
try:
{chr(10).join("    " + line for line in code.splitlines())}
except SystemExit:
    pass
print("loaded:", *[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stderr.rpartition("loaded:")[2].split()


def test_heavy_packages_are_seen():
    assert loaded("import diffsim as ds; ds.Sine") == ["taichi"]
    assert loaded("import diffsim as ds; ds.plot_loss") == ["matplotlib"]


@pytest.mark.parametrize(
    "code",
    [
        "import diffsim",
        "import diffsim as ds; ds.Problem(ds.MassSpring([[0, 0], [1, 0]], [[0, 1]]), steps=1)",
        "import diffsim as ds; ds.RigidBodies, ds.Articulated, ds.Simulation, ds.tune, ds.check_gradients, ds.load_run",
        "from diffsim import MassSpring, FullTape, Adam",
    ],
)
def test_describing_waits_for_nothing_heavy(code):
    assert loaded(code) == []


COMMANDS = (
    "sweep",
    "run",
    "list",
    "check",
    "health",
    "estimate",
    "render",
    "show",
    "compare",
    "export",
    "replay",
    "bench",
    "info",
    "completion",
)


@pytest.mark.parametrize(
    "words",
    [["--version"], ["--help"], *([command, "--help"] for command in COMMANDS), ["run", "billiards", "--help"]],
    ids=" ".join,
)
def test_help_waits_for_nothing_heavy(words):
    assert loaded("from diffsim.cli import main\nmain()", *words) == []


def test_every_command_is_asked_for_its_help():
    import argparse

    from diffsim.cli.main import parser

    groups = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    assert sorted(groups[0].choices) == sorted(COMMANDS)


# Names


def test_editors_are_told_the_same_names_as_python():
    import diffsim

    tree = ast.parse((ROOT / "diffsim" / "__init__.pyi").read_text(encoding="utf-8"))
    stub = {
        alias.asname: f"{node.module}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    doors = {name: f"{home}.{name}" for name, home in stub.items() if home == "diffsim.bridges"}
    assert doors == diffsim._DOORS
    assert {name: home for name, home in stub.items() if name not in doors} == diffsim._HOME
    assert sorted(stub.keys() - doors) == diffsim.__all__
    for name in diffsim.__all__:
        assert getattr(diffsim, name) is not None
        assert name in dir(diffsim)
        assert f"diffsim.{name}" not in KNOWN, f"the module {name} would hide the name"
    for name, module in doors.items():
        assert module in KNOWN
        assert f"diffsim.{name}" not in KNOWN


def test_a_name_that_is_not_there_is_an_attribute_error():
    import diffsim

    with pytest.raises(AttributeError, match="no attribute 'MasSpring'"):
        diffsim.MasSpring  # noqa: B018


def test_taichi_does_not_greet_after_diffsim():
    done = subprocess.run(
        [sys.executable, "-c", "import diffsim as ds; import taichi as ti; ds.Sine"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == ""
