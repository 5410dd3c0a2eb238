"""Previews of files: what is shown of each kind, how little is read for it, and what a liar gets."""

from __future__ import annotations

import base64
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tests.support.hostile import files, png

from holdall.runs.parquet_footer import check_pages, parse_footer
from holdall.runs.thrift import read_struct
from holdall.surfaces.web.markdown import as_html
from holdall.surfaces.web.previews.sample import BUDGET, NoPreview, Preview, Sample
from holdall.surfaces.web.previews.table import KINDS, preview_of
from holdall.surfaces.web.rendering import environment
from holdall.surfaces.web.sniffing import markup_of


class Given:
    """A file in memory, that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.read = data, 0

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.read += sum(stop - start for start, stop in ranges)
        return [self.data[start:stop] for start, stop in ranges]


def shown(data: bytes, path: str) -> Preview:
    """The preview of a file, of which not more than a mebibyte was read."""
    file = Given(data)
    found = preview_of(Sample(file, path, len(data)))
    assert file.read <= BUDGET
    return found


def _parquet(rows: int = 1000) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.table({"id": list(range(rows)), "name": [f"<b>{n}" for n in range(rows)]}), file)
    return file.getvalue()


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return file.getvalue()


def _tensors() -> bytes:
    head = json.dumps({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    return len(head).to_bytes(8, "little") + head + bytes(24)


@pytest.mark.parametrize(
    ("data", "path", "kind", "template"),
    [
        (b"print(1)\n", "train.py", "Python, utf-8", "text.html"),
        (b"a: 1\n", "conda.yaml", "YAML, utf-8", "text.html"),
        ("caf\xe9".encode("latin-1") * 9, "note.txt", "text, latin-1", "text.html"),
        (b"a,b\n1,2\n", "t.csv", "table", "table.html"),
        (b"a\tb\n1\t2\n", "t.tsv", "table", "table.html"),
        (b'{"a": [1]}', "c.json", "JSON", "json.html"),
        (b'{"a": 1}\n{"a": 2}\n', "c.jsonl", "JSON lines", "json.html"),
        (b"# Title", "README.md", "Markdown", "markdown.html"),
        (b'{"cells": []}', "n.ipynb", "notebook", "notebook.html"),
        (_parquet(), "t.parquet", "Parquet", "parquet.html"),
        (_tensors(), "m.safetensors", "1 tensors, 24 B", "tensors.html"),
        (png(8, 4), "any.txt", "PNG, 8 x 4", "picture.html"),
        (b"GIF89a\x03\x00\x02\x00", "a.gif", "GIF, 3 x 2", "picture.html"),
        (b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x02\0\0\x01\0\0", "a.webp", "WEBP, 3 x 2", "picture.html"),
        (b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x0b\x08\0\x02\0\x03\1\1\1\0", "a.jpg", "JPEG, 3 x 2", "picture.html"),
        (b"fLaC", "a.wav", "audio/flac", "media.html"),
        (b"%PDF-1.7\n", "a", "PDF 1.7", "none.html"),
        (b"<!doctype html><p>", "plot", "HTML", "sandboxed.html"),
        (b"<?xml version='1.0'?><svg/>", "plot.txt", "SVG", "sandboxed.html"),
        (_zip("a/b.txt"), "b.zip", "zip of 1", "table.html"),
        (pickle.dumps({"a": print}), "m.pkl", "pickle", "table.html"),
        (b"\0\1\2", "a.bin", "binary", "hex.html"),
        (b"", "a", "empty", "none.html"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_each_kind_is_told_by_content_first(data: bytes, path: str, kind: str, template: str) -> None:
    """A file is shown as what it is, whatever its name says; and by its name where content cannot tell."""
    found = shown(data, path)
    assert (found.kind, found.template) == (kind, template)


@pytest.mark.parametrize("path", sorted(files()))
def test_no_file_breaks_its_preview(path: str) -> None:
    """What lies about lengths, nests without end or is another kind is shown as what can be shown of it."""
    found = shown(files()[path], path)
    assert not [note for note in found.notes if "Error" in note and "JSON" not in note]
    assert environment().get_template(f"previews/{found.template}")


def test_a_long_file_is_read_as_far_as_it_is_shown() -> None:
    """A text, a table and lines of JSON of fifty megabytes are shown by their beginning, and that is said."""
    for path, line in (("a.txt", b"line\n"), ("a.csv", b"1,2\n"), ("a.jsonl", b'{"a": 1}\n'), ("a.json", b'[1,"\n"],')):
        found = shown(line * (5 << 20), path)
        assert found.notes, path


def test_a_picture_that_claims_much_is_not_drawn() -> None:
    """Ten thousand million points are not for a browser; nor is a file that only says that it is a picture."""
    assert shown(png(100_000, 100_000, b"0"), "a.png").template == "hex.html"
    assert shown(b"\x89PNG\r\n\x1a\nnothing", "a.png").template == "hex.html"


def test_cells_and_rows_are_bounded() -> None:
    """Of a table with three thousand columns some are shown, and how many there are is said."""
    found = shown(b",".join(b"%d" % n for n in range(3_000)) + b"\n1", "a.csv")
    columns: Any = found.facts["columns"]
    assert len(columns) == 50
    assert found.notes == ("these are the first 50 of 3000 columns",)


def test_values_are_bounded_in_depth_and_number() -> None:
    """JSON of ten thousand values, or fifty levels, is cut and says how much is missing."""
    wide: Any = shown(json.dumps(list(range(10_000))).encode(), "a.json").facts["values"]
    assert (len(wide[0].below), wide[0].more) == (300, 9_700)
    value: Any = 1
    for _ in range(50):
        value = [value]
    deep: Any = shown(json.dumps(value).encode(), "a.json").facts["values"][0]
    depth = 0
    while deep.below:
        deep, depth = deep.below[0], depth + 1
    assert (depth, deep.more) == (10, 1)


def test_a_notebook_shows_no_html() -> None:
    """Scripts and drawings among a cell's outputs are named, not shown; a picture is one by its bytes."""
    cells: Any = shown(files()["notes.ipynb"], "notes.ipynb").facts["cells"]
    assert [output.left_out for output in cells[1].outputs] == ["image/svg+xml, text/html", "image/png", "image/png"]
    assert cells[1].count == " "


def test_the_rows_of_parquet_are_those_that_were_written() -> None:
    found = shown(_parquet(), "a.parquet").facts
    assert found["footer"].rows == 1000
    assert list(found["rows"])[:2] == [["0", "<b>0"], ["1", "<b>1"]]
    assert found["schema"] == [("id", "int64"), ("name", "string")]


def test_a_page_of_parquet_that_claims_much_is_not_unpacked() -> None:
    """A page's own header says how large it is; pyarrow would take that for true."""
    lying = bytes([0x15, 0x00, 0x15]) + bytes([0x80, 0x80, 0x80, 0x80, 0x08]) + bytes([0x15, 0x00, 0x00])
    assert read_struct(lying)[0][2] > 16 << 20
    with pytest.raises(ValueError, match="unpacked"):
        check_pages(lying)


def _written(table: Any, **options: Any) -> bytes:
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def test_a_row_of_parquet_with_very_many_values_is_not_made() -> None:
    """A few bytes say that a list has two million numbers; of a short one the numbers are shown."""
    import pyarrow as pa

    numbers = pa.array(np.zeros(2_000_000, "i4"))
    found = shown(_written(pa.table({"a": pa.ListArray.from_arrays([0, len(numbers)], numbers)})), "a.parquet")
    assert not found.facts["rows"]
    assert "too large" in found.notes[0]
    assert shown(_written(pa.table({"a": [[1, 2]]})), "a.parquet").facts["rows"] == [["[1, 2]"]]


def test_rows_of_parquet_end_where_they_are_large() -> None:
    """A text of eight mebibytes stands in the dictionary once, and each of a hundred rows has it."""
    import pyarrow as pa

    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100, "i4")), ["x" * (8 << 20)])
    data = _written(pa.table({"a": texts}), compression="zstd", dictionary_pagesize_limit=64 << 20)
    assert len(data) < 100_000
    found = shown(data, "a.parquet").facts["rows"]
    assert 0 < len(found) <= 4
    lists = pa.table({"a": pa.ListArray.from_arrays([0, 100], texts)})
    assert not shown(
        _written(lists, compression="zstd", dictionary_pagesize_limit=64 << 20, store_schema=False), "a.parquet"
    ).facts["rows"]


def test_pages_of_parquet_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """None claims too much, and all of them would be more than memory."""
    import pyarrow as pa

    table = pa.table({"a": ["x" * (1 << 20)] * 9, "b": list(range(9))})
    data = _written(table, compression="zstd", use_dictionary=False, write_batch_size=1, data_page_size=1)
    assert len(shown(data, "a.parquet").facts["rows"]) == 9
    monkeypatch.setattr("holdall.runs.parquet_sample._UNPACKED", 8 << 20)
    found = shown(data, "a.parquet")
    assert (found.kind, list(found.facts["rows"])) == ("Parquet", [])


def test_columns_of_parquet_are_those_of_its_schema() -> None:
    """They are checked by their names, and pyarrow reads them by their places."""
    assert shown(_parquet().replace(b"\x19\x18\x02id", b"\x19\x18\x02xx"), "a.parquet").kind == "binary"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_of_a_tar_have_their_names(form: int) -> None:
    """Long ones are said by a header of their own, of each format in its way."""
    names = ["a.txt", f"{'d' * 90}/{'f' * 90}"] + ["\xfc" * 90, "n" * 250] * (form != tarfile.USTAR_FORMAT)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name in names:
            made = tarfile.TarInfo(name)
            made.size = 600
            archive.addfile(made, io.BytesIO(bytes(600)))
    assert shown(file.getvalue(), "a.tar").facts["rows"] == [[name, "600 B"] for name in names]


@pytest.mark.parametrize("size", [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"0x1", b"-1", b"00000000000\0"])
def test_a_tar_that_lies_about_sizes_comes_to_an_end(size: bytes) -> None:
    """Backwards, as far as numbers go, or nothing behind nothing."""
    block = b"a".ljust(124, b"\0") + size.ljust(12, b"\0")
    block = (block.ljust(156, b"\0") + b"x").ljust(257, b"\0") + b"ustar\x0000"
    rows = shown(block.ljust(512, b"\0") * 1000 + b"1" * 200_000, "a.tar").facts["rows"]
    assert rows == []


@pytest.mark.parametrize("end", [b"", b"<html>", b"<!--"])
def test_comments_in_front_of_a_document_are_looked_at_once(end: bytes) -> None:
    """Where a comment ends is not tried in all the ways there are, which double with each comment."""
    assert markup_of(b"<!-- -->" * 300 + end) == ("html" if end == b"<html>" else None)


def test_pictures_of_a_notebook_are_bounded_together() -> None:
    """Each is one that a browser draws, and all of them on one page are more than it has memory for."""
    data = base64.b64encode(png(4000, 4000)).decode()
    cell = {"cell_type": "code", "outputs": [{"output_type": "display_data", "data": {"image/png": data}}] * 3}
    cells: Any = shown(json.dumps({"cells": [cell]}).encode(), "a.ipynb").facts["cells"]
    assert [bool(output.picture) for output in cells[0].outputs] == [True, True, False]


@pytest.mark.parametrize("data", [b"", b"\x19", b"\x19\xfc\xff\xff\xff\xff\x0f", b"\x1c" * 500, b"\x19\x9c" * 300])
def test_a_footer_that_is_none_is_refused(data: bytes) -> None:
    """Lists without an end, and structures in structures, are errors before anything is allocated."""
    with pytest.raises(ValueError, match=r"it|a list"):
        parse_footer(data, 1000)


def test_markdown_runs_nothing() -> None:
    """Raw HTML is text; links lead to http, https and mail; pictures become links; cells have no styles."""
    html = as_html("<script>x</script> [a](javascript:x) ![b](http://evil.example/b.png)\n\n|a|\n|--:|\n|1|")
    assert not any(each in html for each in ("<script", "<img", "style="))
    assert 'href="javascript' not in html
    assert '<a rel="noopener noreferrer" href="http://evil.example/b.png">b</a>' in html
    assert as_html("[a](data:text/html,x) [b](file:///x) [c](\x01javascript:x)").count("<a") == 0


def test_no_more_than_the_budget_is_read() -> None:
    """A kind that would read more is refused, and another one is tried."""
    sample = Sample(Given(bytes(3 << 20)), "a", 3 << 20)
    sample.read(0, 1 << 19)
    with pytest.raises(NoPreview):
        sample.read(1 << 20, 2 << 20)


def test_every_kind_is_in_the_table() -> None:
    """A module of a kind that is not tried would never be used."""
    assert {kind.__name__.rpartition(".")[2] for kind in KINDS} >= {"tensors", "pickles", "texts", "binary"}
    assert KINDS[-1].fits(Sample(Given(b""), "a", 0))
