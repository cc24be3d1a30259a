"""What a report says in words: the problem, where it was run, and the command that does it again. All of it escaped."""

from __future__ import annotations

import dataclasses
import html
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffsim.rollout import Rollout
from diffsim.spec import Spec
from diffsim.tuning.times import compiling

__all__ = ["command_of", "facts", "short", "sizes", "tables", "title_of", "tuned", "words_of"]

# Parts of a scene that are counted.
COUNTED = ("points", "springs", "bodies", "obstacles", "joints", "links", "geoms", "sites", "actuators")
SINGLE = {"bodies": "body"}

# What columns of the table of tuned numbers are called.
HEADS = {"shape": "numbers", "unit": "counted in"}

# Fields of a scene that are told elsewhere, or are nothing to be told in a line.
DULL = {*COUNTED, "dt", "poses", "exclude", "initial_position", "initial_velocity", "rest_length"}


def short(value: Any, digits: int = 4) -> str:
    """A number in few digits, with a proper minus; anything else as it prints."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, (int, float, np.number)):
        return re.sub(r"e([+-])0*", r"e\1", f"{value:.{digits}g}").replace("e+", "e").replace("-", "−")
    return str(value)


def words_of(value: Any) -> str:
    """A specification's dictionary, a list or a number, in one line; what is at its default is left out."""
    value = _plain(value)
    if isinstance(value, Mapping):
        if "type" not in value:
            return ", ".join(f"{key} {words_of(item)}" for key, item in value.items())
        if value["type"] == "Sum":
            return " + ".join(words_of(term) for term in value.get("terms", ()))
        weight = value.get("weight", 1.0)
        told = [f"{name}={words_of(item)}" for name, item in _given(value).items() if name != "weight"]
        factor = f"{short(weight)} × " if weight != 1.0 and isinstance(weight, (int, float)) else ""
        return f"{factor}{value['type']}({', '.join(told)})" if told else f"{factor}{value['type']}"
    if isinstance(value, (list, tuple)):
        shape = _shape(value)
        if len(value) == 1:
            return words_of(value[0])
        if int(np.prod(shape)) <= 4:
            return f"({', '.join(words_of(item) for item in value)})"
        return f"{' × '.join(map(str, shape))} numbers" if _numeric(value) else f"{len(value)} entries"
    return short(value) if not isinstance(value, str) else value


def sizes(params: Mapping[str, Any]) -> str:
    """Names of parameters with their shapes."""
    shapes = {name: " × ".join(map(str, np.shape(value))) for name, value in params.items()}
    return ", ".join(f"{name} ({shape or 'a number'})" for name, shape in shapes.items())


def title_of(about: Mapping[str, Any], rollout: Rollout | None) -> str:
    """After the script of the command, else the type of scene."""
    command = _environment(about).get("command")
    for word in command if isinstance(command, (list, tuple)) else ():
        name = str(word).replace("\\", "/").rsplit("/", 1)[-1]
        if name.endswith(".py") and name != "__main__.py" and len(name) < 80:
            return name[:-3].replace("_", " ").strip().capitalize() or name
    if (words := _own_words(command)) and words[0] == "run" and len(words) > 1:
        return words[1].replace("_", " ").strip().capitalize()
    scene = _problem(about, rollout).get("scene")
    kind = str(scene.get("type")) if isinstance(scene, Mapping) else "Optimisation"
    return {"MassSpring": "Mass-spring body", "RigidBodies": "Rigid bodies", "Articulated": "Robot"}.get(kind, kind)


def command_of(about: Mapping[str, Any]) -> str | None:
    """What to type to do it again."""
    command = _environment(about).get("command")
    if not isinstance(command, (list, tuple)) or not command:
        return None
    own = _own_words(command)
    return shlex.join(["diffsim", *own] if own else [str(word) for word in command])


def _own_words(command: Any) -> list[str]:
    """What followed ``diffsim`` or ``python -m diffsim``; nothing if the command was another."""
    words = [str(word).replace("\\", "/") for word in command] if isinstance(command, (list, tuple)) else []
    for k, word in enumerate(words[:3]):
        if word.rsplit("/", 1)[-1] in ("diffsim", "diffsim.exe") and (k == 0 or words[k - 1] == "-m" or k == 1):
            return [str(word) for word in command[k + 1 :]]
    return []


def facts(
    about: Mapping[str, Any], history: Sequence[Mapping[str, Any]], best: int | None, rollout: Rollout | None = None
) -> str:
    """The numbers that one looks for first, as HTML; ``rollout`` is that of the best iteration, if it is there."""
    losses = {int(entry.get("iteration", k)): _least(entry.get("loss")) for k, entry in enumerate(history)}
    fine = {k: loss for k, loss in losses.items() if loss is not None}
    found: list[tuple[str, str, str]] = []
    if fine:
        first = next(iter(fine))
        at = best if best in fine else min(fine, key=lambda k: fine[k])
        bests = [value for entry in history if (value := _least(entry.get("best"))) is not None]
        lowest = min([*bests, fine[at]])
        found.append(("loss at first", short(fine[first]), ""))
        words = rollout.words.replace("-", "−") if rollout is not None else ""
        found.append(("best loss", short(lowest), f"at iteration {at}{words and ': '}{words}"))
        found += _judged(history, at)
    if about.get("in_mujoco"):
        found.append(("in MuJoCo", str(about["in_mujoco"]), ""))
    if history:
        rejected = len(history) - len(fine)
        found.append(("iterations", str(len(history)), f"{rejected} rejected" if rejected else ""))
    if isinstance(about.get("seconds"), (int, float)):
        found.append(("wall time", duration(float(about["seconds"])), _time_apart(history)))
    rows = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)} <small>{html.escape(more)}</small></dd></div>"
        for name, value, more in found
    )
    return f'<dl class="facts">{rows}</dl>' if rows else ""


def _judged(history: Sequence[Mapping[str, Any]], best: int) -> list[tuple[str, str, str]]:
    """What the best policy of a run that learned one earns in whole episodes, here and in MuJoCo."""
    record = next((entry for entry in history if entry.get("iteration") == best), {})
    found = []
    for name, place in (("diffsim", "diffsim"), ("mujoco", "MuJoCo")):
        if record.get(name) is not None:
            more = f"± {short(record[f'{name}_spread'], 3)}, in {record[f'{name}_steps']:.0f} steps"
            found.append((f"earns in {place}", short(record[name]), more))
    return found


def _time_apart(history: Sequence[Mapping[str, Any]]) -> str:
    """Compiling apart from tuning; empty where the history does not tell."""
    found = compiling(history)
    if found is None:
        return ""
    return f"{duration(found.compiling)} compiling, {duration(found.tuning)} tuning"


def duration(seconds: float) -> str:
    """In the units that one would say."""
    if seconds < 120.0:
        return f"{seconds:.1f} s" if seconds < 10.0 else f"{seconds:.0f} s"
    minutes = round(seconds / 60.0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def tables(about: Mapping[str, Any], rollout: Rollout | None, best: Rollout | None = None) -> str:
    """Settings, environment, what the best loss is made of, and command, as HTML."""
    parts = [tuned(about.get("changes") or (), about.get("findings") or ())]
    parts += [_table("Problem", _settings(about, rollout)), _table("Run", _run(about))]
    parts.append(_table("Best loss, by term", _by_term(best)))
    command = command_of(about)
    if command:
        parts.append(
            '<section class="card command"><header><h2>Do it again</h2>'
            '<button type="button" data-copy="command">copy</button></header>'
            f'<pre id="command">{html.escape(command)}</pre></section>'
        )
    return f'<div class="tables">{"".join(parts)}</div>'


def _by_term(best: Rollout | None) -> list[tuple[str, str]]:
    """Of each term its part of the loss, and in words; nothing for a single term, which the loss itself tells."""
    terms = best.terms if best is not None else ()
    if len(terms) < 2:
        return []
    return [(term.name, f"{short(term.loss)}{term.words and ': '}{term.words}".replace("-", "−")) for term in terms]


def tuned(changes: Sequence[Any], findings: Sequence[str]) -> str:
    """What became of each parameter as a table with a line each, and what should be known of the run; as HTML.

    Args:
        changes: as of `diffsim.Result`.
        findings: likewise.
    """
    if not changes and not findings:
        return ""
    rows = [(change, change.words()) for change in changes]
    names = ["parameter", "shape", "start", "end", "moved by"]
    names += [name for name, usual in (("bounds", ""), ("unit", "1")) if any(words[name] != usual for _, words in rows)]
    head = "".join(f"<th>{HEADS.get(name, name)}</th>" for name in names)
    lines = []
    for change, words in rows:
        cells = [f"<th>{_broken(words['parameter'])}</th>"]
        cells += [f"<td>{html.escape(words[name].replace('-', '−').replace(' x ', ' × '))}</td>" for name in names[1:]]
        known = "still" if change.still else "limit" if any(change.at_bounds) else ""
        lines.append(f'<tr class="{known}">{"".join(cells)}</tr>')
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>" if rows else ""
    notes = "".join(f'<p class="finding">{html.escape(words.replace("-", "−"))}</p>' for words in findings)
    scroll = f'<div class="scroll" tabindex="0">{table}</div>'  # with the keyboard, too
    return f'<section class="card wide tuned"><h2>Tuned</h2>{scroll}{notes}</section>'


def _table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    if not rows:
        return ""
    lines = "".join(f"<tr><th>{html.escape(name)}</th><td>{_broken(value)}</td></tr>" for name, value in rows)
    return f'<section class="card"><h2>{html.escape(title)}</h2><table>{lines}</table></section>'


def _broken(words: str) -> str:
    """Escaped, with places where a line may end."""
    return re.sub(r"([(=,/])", r"\1<wbr>", html.escape(words, quote=False))


def _settings(about: Mapping[str, Any], rollout: Rollout | None) -> list[tuple[str, str]]:
    problem = _problem(about, rollout)
    scene = problem.get("scene")
    scene = scene if isinstance(scene, Mapping) else {}
    told = [f"{name.replace('_', ' ')} {words_of(value)}" for name, value in _given(scene).items() if name not in DULL]
    found = [("scene", f"{scene.get('type', '')}{_parts(scene)}"), ("", ", ".join(told))]
    found += [(name, words_of(problem[name])) for name in ("controller", "objective") if problem.get(name)]
    steps, dt = problem.get("steps"), scene.get("dt")
    if isinstance(steps, int):
        lasts = f" of {short(dt)} s, {short(steps * dt)} s in all" if isinstance(dt, (int, float)) else ""
        found.append(("steps", f"{steps}{lasts}"))
    if rollout is not None and rollout.params:
        found.append(("tuned", sizes(rollout.params)))
        count = sum(np.size(value) for value in rollout.params.values())
        found.append(("", f"{count} numbers in all" if count > 1 else ""))
    elif problem.get("tune"):
        found.append(("tuned", ", ".join(map(str, problem["tune"]))))
    if problem.get("bounds"):
        found.append(("bounds", words_of(problem["bounds"])))
    return [(name, value) for name, value in found if value]


def _run(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    settings, where = about.get("settings"), _environment(about)
    found = []
    for name, value in settings.items() if isinstance(settings, Mapping) else ():
        if value is not None and name not in ("start", "units"):
            found.append((str(name).replace("_", " "), words_of(value)))
    found += [(name, words_of(about[name])) for name in ("seed", "device", "precision") if about.get(name) is not None]
    versions = [f"{name} {where[name]}" for name in ("diffsim", "taichi", "numpy", "python") if where.get(name)]
    found.append(("versions", ", ".join(versions)))
    found.append(("machine", ", ".join(str(where[name]) for name in ("platform", "processor") if where.get(name))))
    found.append(("started", str(where.get("started") or "")))
    if isinstance(about.get("seconds"), (int, float)):
        found.append(("wall time", duration(float(about["seconds"]))))
    found.append(("stopped", str(about.get("stopped") or "")))
    return [(name, value) for name, value in found if value]


def _parts(scene: Mapping[str, Any]) -> str:
    counts = [(len(part), name) for name in scene if name in COUNTED and isinstance(part := _plain(scene[name]), list)]
    told = [f"{count} {name if count != 1 else SINGLE.get(name, name[:-1])}" for count, name in counts if count]
    return f" of {', '.join(told)}" if told else ""


def _given(value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a specification that are neither empty nor at their default."""
    kind = Spec._classes.get(str(value.get("type")))
    fields = dataclasses.fields(kind) if kind is not None else ()  # type: ignore[arg-type]
    usual = {field.name: field.default for field in fields}
    found = {name: _plain(item) for name, item in value.items() if name != "type"}
    return {
        name: item
        for name, item in found.items()
        if item is not None
        and item not in ([], {}, "")
        and not _same(item, usual.get(name))
        and not (usual.get(name) is None and _nothing(item))
    }


def _same(one: Any, other: Any) -> bool:
    if other is None or other is dataclasses.MISSING or isinstance(one, Mapping) or isinstance(other, Spec):
        return False
    try:
        return bool(np.array_equal(np.ravel(one), np.ravel(other)))
    except (TypeError, ValueError):
        return False


def _nothing(value: Any) -> bool:
    """Whether it is an array of zeros, as of velocities that nobody has set."""
    return isinstance(value, list) and _numeric(value) and not np.any(np.asarray(value))


def _plain(value: Any) -> Any:
    """Arrays and odd numbers of `Spec.to_dict` as lists and floats."""
    if isinstance(value, Mapping) and value.keys() == {"array", "shape", "dtype"}:
        return value["array"]
    if isinstance(value, Mapping) and value.keys() == {"number"}:
        return float(value["number"])
    return list(value) if isinstance(value, tuple) else value


def _shape(value: Any) -> tuple[int, ...]:
    try:
        return np.shape(value)
    except ValueError:  # of rows of several lengths
        return (len(value),)


def _numeric(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "if"
    except ValueError:
        return False


def _least(value: Any) -> float | None:
    """Of several losses the lowest; None if none is finite."""
    if value is None:
        return None
    numbers = np.ravel(np.asarray(value, dtype=float))
    numbers = numbers[np.isfinite(numbers)]
    return float(numbers.min()) if len(numbers) else None


def _environment(about: Mapping[str, Any]) -> Mapping[str, Any]:
    found = about.get("environment")
    return found if isinstance(found, Mapping) else {}


def _problem(about: Mapping[str, Any], rollout: Rollout | None) -> Mapping[str, Any]:
    found = about.get("problem")
    if isinstance(found, Mapping):
        return found
    if rollout is not None and hasattr(rollout.problem, "to_dict"):
        made: Mapping[str, Any] = rollout.problem.to_dict()
        return made
    return {}
