"""HEIC and HEIF, as iPhones make them, through libheif: unpacked once, then handed on in bands.

Its size is known and held against the bounds before anything is decoded; libheif's own security limits stay on; two
threads; thumbnails, depth maps and whatever else is in the file are never looked at. What a hostile file does in spite
of that ends with the process that decodes.
"""

from __future__ import annotations

import io
from types import TracebackType
from typing import Self

import pillow_heif
from PIL import Image
from pillow_heif import options

options.DECODE_THREADS = 2
options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False


class HeifPicture:
    """The primary image. libheif has turned it upright; what EXIF says beside that is not obeyed, as in viewers."""

    format = "HEIF"

    def __init__(self, data: bytes) -> None:
        file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True, remove_stride=False)
        self._image = file[file.primary_index]
        self.size: tuple[int, int] = self._image.size
        self.mode: str = self._image.mode
        profile = self._image.info.get("icc_profile")
        self.info: dict[str, bytes] = {"icc_profile": profile} if isinstance(profile, bytes) else {}

    def load(self) -> None:
        """Raises ValueError where it turns out to be of another size than it was said to be."""
        told = self.size
        self._image.load()
        if self._image.size != told:
            raise ValueError(f"{self._image.size}, not {told}")

    @property
    def has_transparency_data(self) -> bool:
        return self.mode in ("RGBA", "RGBa", "LA", "La")

    @property
    def width(self) -> int:
        return self.size[0]

    @property
    def height(self) -> int:
        return self.size[1]

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """Whole rows of it."""
        _, top, _, bottom = box
        stride = self._image.stride
        rows = memoryview(self._image.data)[top * stride : bottom * stride]
        shape = (self.size[0], bottom - top)
        band = Image.frombuffer(self.mode, shape, rows, "raw", self.mode, stride, 1)  # type: ignore[arg-type] # any buffer
        return band.convert("RGBA") if self.has_transparency_data else band

    def resize(self, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
        """From every so manieth row: a sample, no more."""
        width, height = size
        sample = Image.new("RGBA", size)
        for row in range(height):
            at = row * self.height // height
            band = self.crop((0, at, self.width, at + 1)).convert("RGBA")
            sample.paste(band.resize((width, 1), resample), (0, row))
        return sample

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del self._image
