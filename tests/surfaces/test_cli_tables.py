"""What tables, values and times look like."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.shell import Shell

from holdall.sizes import format_size
from holdall.surfaces.cli.table import columns, counted, cut, lasted, number, table_lines
from holdall.terminal import printable

texts = st.text(max_size=40)
cells = st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=5)


@given(cells, st.integers(40, 100))
def test_a_table_is_as_wide_as_the_terminal(rows: list[tuple[str, str, str]], width: int) -> None:
    """No line is longer, whatever the cells hold, and there is one line for each row."""
    lines = table_lines(rows, width)
    assert len(lines) == len(rows)
    assert all(columns(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)


@given(cells)
def test_nothing_is_cut_where_there_is_no_terminal(rows: list[tuple[str, str, str]]) -> None:
    """Written to a pipe, each cell is whole."""
    for line, row in zip(table_lines(rows, None), rows, strict=True):
        assert all(printable(cell) in f"{line} " or not cell.strip() or cell.rstrip() in line for cell in row)


@given(texts, st.integers(3, 50))
def test_cutting_keeps_both_ends(text: str, width: int) -> None:
    """What is cut is not wider than asked for, and begins and ends as before."""
    shown = cut(text, width)
    assert columns(shown) <= width
    if shown != text:
        head, _, tail = shown.rpartition("...")
        assert text.startswith(head)
        assert text.endswith(tail)


def test_the_widest_columns_give_way_and_fixed_ones_do_not() -> None:
    """A path is cut in its middle, an id never."""
    rows = [["0123456789abcdef", "a/very/long/path/to/a/file.txt", "short"]]
    (line,) = table_lines(rows, 40, fixed=[0])
    assert line.startswith("0123456789abcdef  a/very")
    assert line.endswith("short")
    assert "..." in line


def test_wide_characters_count_twice() -> None:
    """Columns stay aligned under Chinese names."""
    assert table_lines([["数据", "x"], ["abcd", "y"]], None) == ["数据  x", "abcd  y"]


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (1048575, "1.0 MiB"),
        (3.2e6, "3.1 MiB"),
        (5e15, "4547.5 TiB"),
    ],
)
def test_sizes_are_for_people(count: float, shown: str) -> None:
    """Powers of a thousand, one digit behind the point."""
    assert format_size(count) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(1, "0.0 s"), (59_900, "59.9 s"), (61_000, "1 min 1 s"), (3_660_000, "1 h 1 min"), (90_000_000, "1 d 1 h")],
)
def test_durations_are_for_people(ms: int, shown: str) -> None:
    """The two largest units."""
    assert lasted(0, ms) == shown


def test_one_is_not_several() -> None:
    """A number and its noun agree."""
    assert [counted(n, "problem") for n in (0, 1, 2)] == ["0 problems", "1 problem", "2 problems"]


def test_numbers_have_six_digits() -> None:
    """As many as tell a measurement, and NaN by its name."""
    assert [number(x) for x in (0.1, 1 / 3, 1e-9, 12345678.0, float("nan"))] == [
        "0.1",
        "0.333333",
        "1e-09",
        "1.23457e+07",
        "nan",
    ]


def test_on_a_real_terminal_lines_fit_and_ids_are_short(tmp_path: Path) -> None:
    """A table is cut to the terminal's width, and what is shown of an id names the run."""
    shell = Shell(tmp_path)
    (tmp_path / "a.txt").write_text("a")
    run_id = shell.log("a.txt", "--name", "a name that is rather long " * 8, "-e", "an experiment")
    ours, theirs = pty.openpty()
    env = os.environ | {"COLUMNS": "80", "HOLDALL_CACHE": "off"}
    command = [sys.executable, "-m", "holdall", "--store", "./store", "run", "list"]
    subprocess.run(command, cwd=tmp_path, stdout=theirs, stderr=theirs, env=env, check=True)
    os.close(theirs)
    lines = os.read(ours, 10_000).decode().splitlines()
    os.close(ours)
    assert len(lines) == 2
    assert all(len(line) <= 80 for line in lines)
    shown = lines[1].split()[0]
    assert len(shown) < 32
    assert shell.json("run", "show", shown)["run_id"] == run_id
