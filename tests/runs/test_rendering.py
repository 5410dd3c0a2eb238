"""Objects become files by MLflow's rules, and the same object the same bytes."""

from __future__ import annotations

import datetime
import json
import pickle
import re
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.figure
import numpy as np
import PIL.Image
import plotly.graph_objects
import pytest
import yaml

from holdall.errors import ContentError, HoldallError, MissingLibraryError
from holdall.libraries import library
from holdall.runs.rendering import (
    compressed_bytes,
    compressed_path,
    dict_bytes,
    figure_bytes,
    image_bytes,
    image_path,
    parse_dict,
    parse_image,
    text_bytes,
)


def drawn(layout: Any = None) -> matplotlib.figure.Figure:
    """A figure with all that gets an id: clips, hatches, markers, images and text."""
    figure = matplotlib.figure.Figure(layout=layout)
    axes = figure.subplots()
    axes.plot([1, 2, 3], [3, 1, 2], marker="o", label="é $x^2$")
    axes.fill_between([1, 2], [1, 2], hatch="//")
    axes.imshow(np.arange(12).reshape(3, 4))
    axes.legend()
    return figure


def plotted() -> plotly.graph_objects.Figure:
    """A figure of plotly."""
    return plotly.graph_objects.Figure(plotly.graph_objects.Scatter(x=[0, 1], y=[2, 3]))


# --- text and dictionaries ---


def test_text_is_utf8() -> None:
    """Text is kept as UTF-8, and only text."""
    assert text_bytes("naïve → ☃\r\n").decode() == "naïve → ☃\r\n"
    with pytest.raises(TypeError, match="not a bytes"):
        text_bytes(b"raw")  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["config.json", "config", "notes.txt", "deep/config.cfg"])
def test_a_dictionary_is_json_by_default(path: str) -> None:
    """Any extension but YAML's means JSON of indent 2, and what JSON does not know becomes text."""
    body = {"b": 1, "a": [1.5, None, "é"], "when": datetime.date(2024, 1, 2)}
    assert dict_bytes(body, path) == json.dumps(body, indent=2, default=str).encode()
    assert parse_dict(dict_bytes(body, path), path) == {**body, "when": "2024-01-02"}


@pytest.mark.parametrize("path", ["config.yml", "config.yaml", "CONFIG.YAML"])
def test_a_dictionary_is_yaml_in_yaml_files(path: str) -> None:
    """The extensions of YAML mean block style, indent 2, as MLflow writes it."""
    body = {"b": {"c": [1, 2]}, "a": "é"}
    assert dict_bytes(body, path).decode() == yaml.dump(body, indent=2, default_flow_style=False)
    assert parse_dict(dict_bytes(body, path), path) == body


@pytest.mark.parametrize(
    ("path", "data", "reason"),
    [
        ("c.json", b'{"a": }', "'c.json' is not JSON: Expecting value: line 1 column 7"),
        ("c.json", b"\xff\xfe\xfa", "'c.json' is not JSON"),
        ("c.json", b"[" * 100_000, "'c.json' is not JSON: maximum recursion"),
        ("c.yml", b"a: [1, 2", "'c.yml' is not plain YAML: while parsing"),
        ("c.yml", b"\xff", "'c.yml' is not plain YAML: 'utf-8' codec"),
        ("c.yml", b"!!python/object/apply:os.system [exit]", "could not determine a constructor"),
    ],
)
def test_what_is_no_dictionary_is_named(path: str, data: bytes, reason: str) -> None:
    """The error names the artifact and the place in it, and chains its cause; nothing is ever run."""
    with pytest.raises(ContentError, match=re.escape(reason)) as caught:
        parse_dict(data, path)
    assert caught.value.__cause__ is not None
    assert isinstance(caught.value, ValueError)
    assert pickle.loads(pickle.dumps(caught.value)).path == path


# --- figures ---


@pytest.mark.parametrize("extension", ["png", "svg", "pdf", "jpg", "webp"])
def test_the_same_figure_gives_the_same_bytes(extension: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the hour nor chance nor the library's version is in them."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    figure, path = drawn(), f"plot.{extension}"
    first, arranged = figure_bytes(figure, path), figure_bytes(drawn("constrained"), path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "2000000000")
    assert figure_bytes(drawn(), path) == figure_bytes(figure, path) == first
    assert figure_bytes(drawn("constrained"), path) == arranged
    assert mpl.__version__.encode() not in first


def test_a_figure_is_what_its_extension_says() -> None:
    """The extension, in upper case or lower, tells the format."""
    assert figure_bytes(drawn(), "plot.svg").startswith(b"<?xml")
    assert figure_bytes(drawn(), "deep/plot.PNG").startswith(b"\x89PNG")
    assert figure_bytes(drawn(), "plot.pdf").startswith(b"%PDF")


def test_a_users_own_options_win() -> None:
    """What `save_kwargs` says is passed on, and the settings of matplotlib are left as they were."""
    small = figure_bytes(drawn(), "plot.png", {"dpi": 10})
    assert parse_image(small, "plot.png").size == (64, 48)
    assert b"2001" in figure_bytes(drawn(), "plot.svg", {"metadata": {"Date": "2001"}})
    assert mpl.rcParams["svg.hashsalt"] is None


def test_a_plotly_page_is_the_same_each_time() -> None:
    """A page loads plotly from its CDN, and its id follows from what is drawn."""
    page = figure_bytes(plotted(), "plot.html", {"auto_open": True})
    assert page == figure_bytes(plotted(), "plot.html")
    assert b"cdn.plot.ly" in page
    assert len(page) < 20_000
    assert b"cdn.plot.ly" not in figure_bytes(plotted(), "plot.html", {"include_plotlyjs": False})


@pytest.mark.parametrize("extension", ["png", "jpeg", "webp", "svg", "pdf"])
def test_a_picture_of_plotly_needs_kaleido(extension: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, the error says what to install."""
    monkeypatch.setitem(sys.modules, "kaleido", None)  # as if it were not installed
    with pytest.raises(MissingLibraryError, match="kaleido") as caught:
        figure_bytes(plotted(), f"plot.{extension}")
    assert "pip install" in caught.value.hint


@pytest.mark.parametrize(
    ("make", "path", "error", "reason"),
    [
        (plotted, "plot.gif", TypeError, r"plotly.*Figure can be logged as \.html, .*, not as 'plot.gif'"),
        (drawn, "plot.xyz", ValueError, "Format 'xyz' is not supported .*png"),
        (drawn, "plot", ValueError, "Format '' is not supported .*png"),
        (dict, "plot.png", TypeError, r"matplotlib\.figure\.Figure.* or plotly, not a dict"),
    ],
)
def test_what_cannot_be_drawn_is_named(make: Callable[[], Any], path: str, error: type[Exception], reason: str) -> None:
    """The error says what it was given, and what it takes."""
    with pytest.raises(error, match=reason):
        figure_bytes(make(), path)


# --- images ---

WHOLE = np.arange(24 * 3, dtype=np.uint8).reshape(4, 6, 3)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
@pytest.mark.parametrize("kind", ["uint8", "int64", "float16", "float32", "float64"])
def test_pixels_survive(shape: tuple[int, ...], kind: str) -> None:
    """Whole numbers of [0, 255], and the same divided by 255, come back as they were."""
    pixels = np.linspace(0, 255, int(np.prod(shape))).astype("uint8").reshape(shape)
    given = (pixels / 255).astype(kind) if kind.startswith("float") else pixels.astype(kind)
    found = np.asarray(parse_image(image_bytes(given, "a.png"), "a.png"))
    assert np.array_equal(found, pixels[:, :, 0] if shape[2:] == (1,) else pixels)


def test_a_mask_is_black_and_white() -> None:
    """False is 0 and True is 255."""
    found = np.asarray(parse_image(image_bytes(np.array([[True, False]]), "mask.png"), "mask.png"))
    assert found.tolist() == [[255, 0]]


def test_floats_become_pixels_as_in_mlflow() -> None:
    """A float times 255 is cut, not rounded: both give one picture."""
    values = np.random.default_rng(1).random((8, 8))
    found = np.asarray(parse_image(image_bytes(values, "a.png"), "a.png"))
    assert np.array_equal(found, (values * 255).astype("uint8"))


def test_a_pillow_image_keeps_its_mode() -> None:
    """Images of Pillow, and those that say how to become one, are saved as they are."""
    image = PIL.Image.fromarray(WHOLE).convert("P")

    class Wrapped:
        def to_pil(self) -> PIL.Image.Image:
            return image

    assert parse_image(image_bytes(image, "a.png"), "a.png").mode == "P"
    assert image_bytes(Wrapped(), "a.png") == image_bytes(image, "a.png")


@pytest.mark.parametrize(("path", "form"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.webp", "WEBP"), ("a.bmp", "BMP")])
def test_an_image_has_the_format_of_its_extension(path: str, form: str) -> None:
    """The extension tells the format, and the same image gives the same bytes."""
    assert parse_image(image_bytes(WHOLE, path), path).format == form
    assert image_bytes(WHOLE, path) == image_bytes(WHOLE.copy(), path)


@pytest.mark.parametrize(
    ("image", "path", "error", "reason"),
    [
        (np.array([[256]]), "a.png", ValueError, r"integer pixels lie in \[0, 255\], and these in \[256, 256\]"),
        (np.array([[-1, 3]]), "a.png", ValueError, r"integer pixels .* these in \[-1, 3\]"),
        (np.array([[1.5, -2.0]]), "a.png", ValueError, r"float pixels lie in \[0, 1\], and these in \[-2.0, 1.5\]"),
        (np.array([[np.nan, 0.5]]), "a.png", ValueError, r"float pixels .*nan"),
        (np.array([["a"]]), "a.png", TypeError, "not <U1"),
        (np.array([[1j]]), "a.png", TypeError, "not complex128"),
        (np.zeros(3), "a.png", ValueError, r"not \(3,\)"),
        (np.zeros((3, 3, 2)), "a.png", ValueError, r"not \(3, 3, 2\)"),
        (np.zeros((0, 3)), "a.png", ValueError, r"not \(0, 3\)"),
        (np.zeros((2, 2, 4)), "a.jpg", ValueError, "JPEG cannot hold this image of mode RGBA"),
        (np.zeros((2, 2)), "a.xyz", ValueError, "'a.xyz' names no format for images; .png"),
        (np.zeros((2, 2)), "a", ValueError, "names no format"),
        ([[0, 1]], "a.png", TypeError, "numpy array or a Pillow image, not a list"),
    ],
)
def test_what_is_no_image_is_refused(image: Any, path: str, error: type[Exception], reason: str) -> None:
    """The error says what is wrong with it; no pixel is ever rescaled or wrapped around in silence."""
    with pytest.raises(error, match=reason):
        image_bytes(image, path)


@pytest.mark.parametrize(
    ("size", "small"), [((1000, 500), (256, 128)), ((500, 1000), (128, 256)), ((2000, 1), (256, 1))]
)
def test_the_small_copy_keeps_its_proportions(size: tuple[int, int], small: tuple[int, int]) -> None:
    """It is WebP, 256 pixels on its longer side and at least one on the other."""
    found = parse_image(compressed_bytes(PIL.Image.new("RGB", size)), "small.webp")
    assert (found.format, found.size) == ("WEBP", small)


def test_an_image_of_a_series_is_named_as_in_mlflow() -> None:
    """Key, step, time and a random name are in the path; slashes of the key make no directories."""
    token = str(uuid.UUID(int=7, version=4))
    path = image_path("dogs/big one", 3, 1_700_000_000_000, token)
    assert path == f"images/dogs~big one+step+3+timestamp+1700000000000+{token}.png"
    assert compressed_path(path) == path.removesuffix(".png") + "+compressed.webp"


@pytest.mark.parametrize("key", ["", "a+b", "naïve", "a\n", "a#b", "~"])
def test_a_key_of_other_characters_is_refused(key: str) -> None:
    """What MLflow refuses as a key, and a line's end, is refused."""
    with pytest.raises(ValueError, match="key of an image"):
        image_path(key, 0, 0, "token")


@pytest.mark.parametrize("damage", [lambda data: b"text", lambda data: data[: len(data) // 2], lambda data: b""])
def test_what_is_no_picture_is_named(damage: Callable[[bytes], bytes]) -> None:
    """The error names the artifact and chains what Pillow said."""
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3))
    with pytest.raises(ContentError, match=r"'deep/a.png' is not an image") as caught:
        parse_image(damage(image_bytes(noise, "a.png")), "deep/a.png")
    assert caught.value.__cause__ is not None


# --- libraries ---


def test_a_missing_library_is_named() -> None:
    """The error says what it was for, how to get it, and survives its way between workers."""
    with pytest.raises(MissingLibraryError) as caught:
        library("no_such_library", "juggling", "no-such")
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error).startswith("juggling needs no-such (pip install 'no-such'): No module named")
    assert error.hint == "pip install 'no-such'"
    assert isinstance(error, HoldallError)
    assert isinstance(error, ImportError)


@pytest.mark.parametrize("package", ["pandas", "pyarrow", "matplotlib", "plotly", "pillow"])
def test_a_missing_library_comes_with_an_extra(package: str) -> None:
    """Where holdall has an extra for it, that is what the error says to install; and the extra holds it."""
    error = MissingLibraryError(package, "this", "No module")
    (extra,) = re.findall(r"^pip install 'holdall\[(\w+)\]'$", error.hint)
    assert error.hint in str(error)
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert any(needed.startswith(package + ">=") for needed in project["optional-dependencies"][extra])
    assert extra in project["optional-dependencies"]["all"][0]


def test_rendering_imports_no_library() -> None:
    """Importing these modules, and logging text and JSON, loads nothing heavy."""
    code = (
        "import sys; from holdall.runs import differences, rendering, tables, columns\n"
        "rendering.dict_bytes({}, 'a.json'); rendering.parse_dict(b'{}', 'a.json')\n"
        "columns.json_table(columns.table_columns({'a': [1, 'x'], 'b': 2}))\n"
        "print({'matplotlib', 'numpy', 'pandas', 'PIL', 'plotly', 'pyarrow', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
