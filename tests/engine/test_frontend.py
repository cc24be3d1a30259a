"""What diffsim replaces in Taichi's reader of Python code: the answers must stay the same."""

import gc
import importlib.util
import linecache

import pytest
import taichi as ti
from taichi.lang import kernel_impl, util

from diffsim.engine import frontend, reading, runtime

BROKEN = """
import taichi as ti


@ti.func
def helper(x):
    return x + unheard_of(
        x,
    )


@ti.kernel
def broken():
    helper(1.0)
"""


class Owner:
    """The test compiles in Taichi as `Simulation` starts it, and keeps it there."""


@pytest.fixture
def started():
    owner = Owner()
    runtime.attach(owner, "cpu")
    yield
    runtime.detach(owner)


def load(path, text):
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_in_place():
    assert kernel_impl._inside_class is frontend._inside_class


def test_functions_of_classes_are_told_from_others(started):
    @ti.data_oriented
    class Scale:
        def __init__(self, factor):
            self.factor = factor

        @ti.func
        def by(self, x):
            return self.factor * x

        @ti.kernel
        def twice(self, x: ti.f64) -> ti.f64:
            return self.by(self.by(x))

    @ti.func
    def alone(x):
        return x + 1.0

    @ti.kernel
    def once(x: ti.f64) -> ti.f64:
        return alone(x)

    assert Scale(3.0).twice(2.0) == 18.0
    assert once(2.0) == 3.0
    assert Scale.by.func.classfunc
    assert not alone.func.classfunc


def test_errors_name_the_place_in_each_of_two_files_with_the_same_code(started, tmp_path):
    for name in ("first", "second"):
        module = load(tmp_path / f"{name}.py", BROKEN)
        with pytest.raises(ti.TaichiNameError) as error:
            module.broken()
        text = str(error.value)
        assert f'{name}.py", line 7, in helper:\n    return x + unheard_of(\n               ^^^^^^^^^^\n' in text
        assert f'{name}.py", line 14, in broken:\n    helper(1.0)\n    ^^^^^^^^^^^\n' in text
        assert 'Name "unheard_of" is not defined' in text


def test_kernels_of_stages_name_the_place_though_their_statements_do_not_know_it(started, tmp_path):
    helper = load(tmp_path / "third.py", BROKEN).helper
    for _ in range(2):
        with runtime.precision("f32"), pytest.raises(ti.TaichiNameError, match=r'third\.py", line 7, in helper'):
            reading.kernel((), 1, lambda pools, numbers: reading.loop(numbers[0], helper), reverse=False)


def test_a_function_that_is_defined_anew_is_read_anew(started, tmp_path):
    path = tmp_path / "changing.py"
    text = "import taichi as ti\n\n\n@ti.kernel\ndef number() -> ti.i32:\n    return {}\n"
    assert load(path, text.format(1)).number() == 1
    module = load(path, text.format(23))
    linecache.checkcache(str(path))
    assert module.number() == 23


@pytest.mark.parametrize("collects", [True, False])
def test_the_collector_is_as_it_was_after_a_kernel_that_does_not_compile(started, tmp_path, collects):
    before = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        with pytest.raises(ti.TaichiNameError):
            load(tmp_path / "broken.py", BROKEN).broken()
        assert gc.isenabled() == collects
    finally:
        (gc.enable if before else gc.disable)()


def test_where_a_field_was_declared_is_told_as_taichi_does():
    def places():
        both = util.get_traceback(), frontend._traceback()
        return both, (util.get_traceback(2), frontend._traceback(2))

    for own, other in places():  # the two calls of a pair stand in the same line
        assert own == other
        assert own.count("\n") > 20
