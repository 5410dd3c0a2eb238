"""Objects in memory as the bytes of a file, and back.

Text, dictionaries, figures and images are logged under the names and by the
rules that users of MLflow know. The same object gives the same bytes wherever
its library allows, so that logging it twice is no conflict and costs nothing:

    text, JSON, YAML                 always
    matplotlib  png svg pdf jpg webp always: dates and versions are left out, ids are not drawn at random
                eps ps svgz          never: there it writes down the second in which they were made
    plotly      html                 always
                png svg pdf ...      as its browser draws them
    images                           always, for one version of Pillow

A figure that arranges itself while it is drawn (`layout="constrained"`) moves a
little each time: to draw it twice is to draw two figures.

Nothing here touches a run, a disk or the network. Libraries are imported when
an object asks for them, and an object's own library is loaded already.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from holdall.errors import ContentError
from holdall.format.digest import sha256
from holdall.libraries import library
from holdall.runs.plain_yaml import load_yaml

if TYPE_CHECKING:
    import PIL.Image

_YAML: Final = (".yml", ".yaml")
_PLOTLY: Final = (".html", ".png", ".jpeg", ".webp", ".svg", ".pdf")
_UNDATED: Final[dict[str, dict[str, None]]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_KEY: Final = re.compile(r"[a-zA-Z0-9_\-./ ]+")
_SMALL: Final = 256  # pixels on the longer side of a compressed image
_salting = threading.Lock()


def suffix(path: str) -> str:
    """Return the extension of a path in lower case, with its dot; "" where there is none."""
    return PurePosixPath(path).suffix.lower()


# --- text and dictionaries ---


def text_bytes(text: str) -> bytes:
    """Encode text as UTF-8.

    Raises:
        TypeError: It is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"text is a str, not a {_kind(text)}")
    return text.encode()


def dict_bytes(dictionary: Any, artifact_file: str) -> bytes:
    """Encode a dictionary or another JSON value: as YAML in `.yml` and `.yaml` files, as JSON in all others.

    In JSON, what it does not know becomes text, by `str`. In YAML, Python's own
    types get tags that `parse_dict` refuses, since to follow them is to run code.
    """
    if suffix(artifact_file) in _YAML:
        yaml = library("yaml", "writing YAML", "pyyaml")
        return bytes(yaml.dump(dictionary, indent=2, default_flow_style=False, encoding="utf-8"))
    return json.dumps(dictionary, indent=2, default=str).encode()


def parse_text(data: bytes, path: str) -> str:
    """Decode the text of a UTF-8 file.

    Raises:
        ContentError: It is none.
    """
    with _readable(path, "UTF-8 text", UnicodeDecodeError):
        return data.decode()


def parse_dict(data: bytes, path: str) -> Any:
    """Parse a file of JSON, or of YAML by its extension.

    Raises:
        ContentError: It is neither.
    """
    if suffix(path) in _YAML:
        return load_yaml(data, path)
    with _readable(path, "JSON", ValueError, RecursionError):
        return json.loads(data)


# --- figures ---


def figure_bytes(figure: Any, artifact_file: str, save_kwargs: Mapping[str, Any] | None = None) -> bytes:
    """Draw a figure of matplotlib or plotly in the format of the file's extension.

    Args:
        figure: The figure.
        artifact_file: Its extension tells the format.
        save_kwargs: What else `savefig`, `write_html` or `write_image` takes.

    Raises:
        TypeError: It is no figure of these, or plotly knows no such format.
        ValueError: matplotlib knows no such format.
        MissingLibraryError: plotly needs kaleido for all but `.html`.
    """
    options = dict(save_kwargs or {})
    if _is_a(figure, "matplotlib.figure", "Figure"):
        return _matplotlib_bytes(figure, suffix(artifact_file)[1:], options)
    if not _is_a(figure, "plotly.basedatatypes", "BaseFigure"):
        raise TypeError(f"a figure is one of matplotlib (matplotlib.figure.Figure) or plotly, not a {_kind(figure)}")
    if suffix(artifact_file) not in _PLOTLY:
        raise TypeError(f"a {_kind(figure)} can be logged as {', '.join(_PLOTLY)}, not as {artifact_file!r}")
    if suffix(artifact_file) == ".html":
        return _plotly_page(figure, options)
    library("kaleido", f"drawing a plotly figure as {suffix(artifact_file)}")
    return bytes(figure.to_image(**{"format": suffix(artifact_file)[1:]} | options))


def _matplotlib_bytes(figure: Any, extension: str, options: dict[str, Any]) -> bytes:
    form = options.setdefault("format", extension)
    if form in _UNDATED:
        options["metadata"] = _UNDATED[form] | dict(options.get("metadata") or {})
    drawn = io.BytesIO()
    with _steady_ids():
        figure.savefig(drawn, **options)
    return drawn.getvalue()


@contextmanager
def _steady_ids() -> Iterator[None]:
    """Make the ids in SVG follow from what is drawn, unless the user chose otherwise."""
    settings = sys.modules["matplotlib"].rcParams
    with _salting:
        before = settings["svg.hashsalt"]
        settings["svg.hashsalt"] = before or "holdall"
        try:
            yield
        finally:
            settings["svg.hashsalt"] = before


def _plotly_page(figure: Any, options: dict[str, Any]) -> bytes:
    options.pop("auto_open", None)  # nothing is opened on the way into a run
    name = f"figure-{sha256(figure.to_json().encode())[:8].hex()}"  # plotly would draw it at random
    page = figure.to_html(**{"include_plotlyjs": "cdn", "div_id": name} | options)
    return str(page).encode()


# --- images ---


def image_bytes(image: Any, artifact_file: str) -> bytes:
    """Encode an image in the format of the file's extension.

    Args:
        image: A Pillow image, or a numpy array of H x W, H x W x 1, 3 (RGB) or 4
            (RGBA): bool, integers in [0, 255] or floats in [0, 1].
        artifact_file: Its extension tells the format.

    Raises:
        TypeError: It is no image, or an array of another type.
        ValueError: Its shape, its range or the format cannot be.
    """
    picture = _picture(image)
    pillow = library("PIL.Image", "logging an image", "pillow")
    form = pillow.registered_extensions().get(suffix(artifact_file))
    if form not in pillow.SAVE:
        raise ValueError(f"{artifact_file!r} names no format for images; .png, .jpg, .webp, .gif and .tiff do")
    return _saved(picture, form)


def compressed_bytes(image: Any) -> bytes:
    """Encode the small copy that MLflow keeps beside an image: WebP, 256 pixels at most. Args: as `image_bytes`."""
    picture = _picture(image)
    longer = max(picture.size)
    size = (max(1, picture.width * _SMALL // longer), max(1, picture.height * _SMALL // longer))
    return _saved(picture.resize(size), "WEBP")


def as_picture(image: Any) -> PIL.Image.Image:
    """Return an image as one of Pillow's: as `image_bytes` takes it, nested lists of pixels, or the path of a file."""
    if isinstance(image, str | os.PathLike):
        return library("PIL.Image", "opening an image", "pillow").open(image)  # type: ignore[no-any-return]
    if isinstance(image, list):
        image = library("numpy", "making an image of lists").array(image)
    return _picture(image)


def image_path(key: str, step: int, timestamp: int, token: str) -> str:
    """Return the path of an image of a series, as MLflow names it.

    Args:
        key: Letters, digits and `_-./ `; what the series is called.
        step: Its place in the series.
        timestamp: When, in ms since 1970 UTC.
        token: A random UUID, so that no two images meet.

    Raises:
        ValueError: The key holds other characters.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"the key of an image holds letters, digits and any of '_-./ ', and {key!r} does not")
    return f"images/{key.replace('/', '~')}+step+{step}+timestamp+{timestamp}+{token}.png"


def compressed_path(path: str) -> str:
    """Return the path of the small copy of an image of a series, which is beside it."""
    return f"{path.removesuffix('.png')}+compressed.webp"


def parse_image(data: bytes, path: str) -> PIL.Image.Image:
    """Decode an image.

    Raises:
        ContentError: It is no image, or damaged, or so large that to decode it is a risk.
    """
    pillow = library("PIL.Image", "reading an image", "pillow")
    with _readable(path, "an image", Exception):  # each format of Pillow's has failures of its own
        image: PIL.Image.Image = pillow.open(io.BytesIO(data))
        image.load()
        return image


def _picture(image: Any) -> PIL.Image.Image:
    """Return the image as one of Pillow's."""
    pillow = library("PIL.Image", "logging an image", "pillow")
    if _is_a(image, "numpy", "ndarray"):
        return pillow.fromarray(_pixels(image))  # type: ignore[no-any-return]
    if hasattr(image, "to_pil"):  # mlflow.Image
        image = image.to_pil()
    if not isinstance(image, pillow.Image):
        raise TypeError(f"an image is a numpy array or a Pillow image, not a {_kind(image)}")
    return image  # type: ignore[no-any-return]


def _pixels(array: Any) -> Any:
    """Return an array as pixels of 8 bits, by MLflow's rules."""
    if array.dtype.kind not in "biuf":
        raise TypeError(f"pixels are bool, integers in [0, 255] or floats in [0, 1], not {array.dtype}")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or not array.size:
        raise ValueError(f"an image has the shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not {array.shape}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    most = 255 if array.dtype.kind in "iu" else 1
    if not (array.min() >= 0 and array.max() <= most):  # so that NaN is caught too
        name = "integer" if most == 255 else "float"
        raise ValueError(f"{name} pixels lie in [0, {most}], and these in [{array.min()}, {array.max()}]: scale them")
    return (array if most == 255 else array * 255).astype("uint8")


def _saved(picture: PIL.Image.Image, form: str) -> bytes:
    drawn = io.BytesIO()
    try:
        picture.save(drawn, form)
    except (OSError, ValueError) as error:
        raise ValueError(f"{form} cannot hold this image of mode {picture.mode}: {error}") from error
    return drawn.getvalue()


# --- inside ---


def _is_a(value: Any, module: str, name: str) -> bool:
    """Return whether a value is of a class, whose module must be loaded already if it is."""
    return module in sys.modules and isinstance(value, getattr(sys.modules[module], name))


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


@contextmanager
def _readable(path: str, wanted: str, *failures: type[Exception]) -> Iterator[None]:
    """Turn any failure in this block into an error that names the artifact and what it was taken for."""
    try:
        yield
    except failures as error:
        raise ContentError(path, wanted, str(error) or type(error).__name__) from error
