"""Logs from files: what is read, and what is refused, by file, column and line."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds


def written(folder, text, name="log.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


GOOD = "t,q1,tau\n0.0,0.1,1\n0.1,0.2,2\n0.25,0.3,3\n"


def test_columns_become_signals_and_inputs(tmp_path):
    log = ds.read_log(written(tmp_path, GOOD), time="t", columns={"shoulder": "q1"}, inputs={"motor": "tau"})
    np.testing.assert_array_equal(log.time, [0.0, 0.1, 0.25])
    np.testing.assert_array_equal(log.signals["shoulder"], [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(log.inputs["motor"], [1.0, 2.0, 3.0])
    assert log.name == "log.csv"


def test_without_columns_every_title_is_a_signal_but_those_of_time_and_inputs(tmp_path):
    log = ds.read_log(written(tmp_path, GOOD), time="t", inputs={"motor": "tau"})
    assert list(log.signals) == ["q1"]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_separators_marks_of_order_and_a_hash_before_the_titles(tmp_path, mark):
    text = "\ufeff# time,q1\n0.0,1.5\n\n0.1,\n0.2,nan\n0.3,2.5\n".replace(",", mark)
    log = ds.read_log(written(tmp_path, text))
    np.testing.assert_array_equal(log.time, [0.0, 0.1, 0.2, 0.3])
    np.testing.assert_array_equal(log.signals["q1"], [1.5, np.nan, np.nan, 2.5])
    assert log.rows.tolist() == [2, 4, 5, 6]  # the empty line 3 is none


def test_units_turn_columns_into_radians_metres_and_seconds(tmp_path):
    text = "ms,angle,way\n0,180,1000\n10,90,10\n"
    units = {"ms": "ms", "angle": "deg", "way": 2.0}
    log = ds.read_log(written(tmp_path, text), time="ms", units=units)
    np.testing.assert_allclose(log.time, [0.0, 0.01])
    np.testing.assert_allclose(log.signals["angle"], [np.pi, np.pi / 2])
    np.testing.assert_allclose(log.signals["way"], [2000.0, 20.0])


def test_time_counts_from_the_start_and_rows_outside_are_left_out(tmp_path):
    text = "time,q\n" + "".join(f"{100 + 0.5 * k},{k}\n" for k in range(10))
    path = written(tmp_path, text)
    np.testing.assert_allclose(ds.read_log(path).time, 0.5 * np.arange(10))
    part = ds.read_log(path, start=101.0, end=103.0)
    np.testing.assert_allclose(part.time, [0.0, 0.5, 1.0, 1.5, 2.0])
    np.testing.assert_array_equal(part.signals["q"], [2, 3, 4, 5, 6])


BAD = {
    "text in a column": ("time,q\n0,1\n0.1,x7\n0.2,3\n", {}, r"log\.csv, line 3: column 'q' holds 'x7'"),
    "a row without a time": ("time,q\n0,1\n,2\n0.2,3\n", {}, r"log\.csv, line 3: column 'time' holds no time"),
    "a column that is not there": ("time,q\n0,1\n1,2\n", {"columns": {"a": "q2"}}, r"no column 'q2'; it has time, q"),
    "no time": ("t,q\n0,1\n1,2\n", {}, r"no column 'time'; it has t, q"),
    "no input": ("time,q\n0,1\n1,2\n", {"inputs": {"m": "tau"}}, r"no column 'tau'"),
    "times that fall": ("time,q\n0,1\n0.2,2\n0.1,3\n", {}, r"log\.csv: time in line 4 is 0\.1 s after 0\.2 s"),
    "a time twice": ("time,q\n0,1\n0.2,2\n0.2,3\n", {}, r"time in line 4 is 0\.2 s after 0\.2 s, but it must rise"),
    "too short": ("time,q\n0,1\n", {}, r"log\.csv has 1 rows of samples"),
    "empty": ("", {}, r"log\.csv has 0 rows"),
    "cells missing": ("time,q\n0,1\n0.1\n", {}, r"log\.csv, line 3 has 1 cells, but there are 2 titles"),
    "a title twice": ("time,q,q\n0,1,1\n1,2,2\n", {}, r"two columns titled 'q'"),
    "a unit that is none": ("time,q\n0,1\n1,2\n", {"units": {"q": "grad"}}, r"unit of 'q' is 'grad'.*'deg'"),
    "a unit of what is not read": ("time,q\n0,1\n1,2\n", {"units": {"p": "deg"}}, r"units names 'p'"),
    "nothing but gaps": ("time,q\n0,\n1,\n", {}, r"column 'q' holds no sample"),
    "a gap in an input": ("time,q,u\n0,1,1\n1,2,\n", {"inputs": {"m": "u"}}, r"column 'u' in line 3 is nan"),
    "infinity": ("time,q\n0,1\n1,inf\n", {}, r"column 'q' in line 3 is inf"),
    "nothing between start and end": ("time,q\n0,1\n1,2\n", {"start": 5.0}, r"has 0 rows between start and end"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_name_file_column_and_line(tmp_path, case):
    text, options, message = BAD[case]
    with pytest.raises(ds.InputError, match=message):
        ds.read_log(written(tmp_path, text), **options)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ds.InputError, match=r"no file .*none\.csv"):
        ds.read_log(tmp_path / "none.csv")


def test_parquet_is_read_or_its_package_is_named(tmp_path):
    path = tmp_path / "log.parquet"
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(ImportError, match="pyarrow"):
            ds.read_log(path)
        return
    pq.write_table(pa.table({"time": [0.0, 0.1, 0.2], "q": [1.0, None, 3.0]}), path)
    np.testing.assert_array_equal(ds.read_log(path).signals["q"], [1.0, np.nan, 3.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signals": {}}, "no signals"),
        ({"signals": {"q": [1.0, 2.0]}}, r"q has shape \(2,\), but time has 3 samples"),
        ({"time": [0.0, 0.1, 0.1]}, r"time\[2\] is 0\.1 s"),
        ({"time": [-1.0, 0.0, 1.0]}, r"Log\.time\[0\] is -1"),
    ],
)
def test_logs_from_arrays_are_checked(change, message):
    with pytest.raises(ds.InputError, match=message):
        ds.Log(**{"time": [0.0, 0.1, 0.2], "signals": {"q": [1.0, 2.0, 3.0]}, **change})


def test_a_log_is_a_specification():
    log = ds.Log([0.0, 0.1], {"q": [1.0, np.nan]}, {"m": [0.0, 1.0]})
    assert type(log).from_dict(log.to_dict()) == log
