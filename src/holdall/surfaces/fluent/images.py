"""`holdall.Image`: an image as `log_image` and `log_table` take it, whatever it was made of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from holdall.store import as_picture

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image


class Image:
    """An image.

    Args:
        image: A numpy array (H x W, or H x W x 1, 3 or 4; bool, integers 0-255 or floats 0-1), the same as nested
            lists, a Pillow image, or the path of a file with one.

    Attributes:
        image: The Pillow image.
        size: Its width and height in pixels.

    Raises:
        TypeError: It is no image.
        ValueError: Its shape or the range of its values cannot be an image's.
        MissingLibraryError: Pillow is not installed.
    """

    def __init__(self, image: np.ndarray | PIL.Image.Image | str | os.PathLike[str] | list[Any]) -> None:
        self.image: PIL.Image.Image = as_picture(image)
        self.size = self.image.size

    def to_list(self) -> list[Any]:
        """Return the pixels, row after row: a number each, or a tuple of channels."""
        pixels = getattr(self.image, "get_flattened_data", self.image.getdata)  # the former since Pillow 12.1
        return list(pixels())

    def to_array(self) -> np.ndarray:
        """Return the pixels as a numpy array."""
        import numpy as np

        return np.array(self.image)

    def to_pil(self) -> PIL.Image.Image:
        """Return the Pillow image."""
        return self.image

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the image to a local file, in the format of its extension."""
        self.image.save(path)

    def resize(self, size: tuple[int, int]) -> Image:
        """Return a copy of another width and height."""
        return Image(self.image.resize(size))
