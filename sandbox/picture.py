"""The sample picture of the sandbox, drawn with shapes: a cat on a hill at sunset."""

import functools
import io
import itertools
import math

from PIL import Image, ImageDraw, ImageFilter

SIZE = (1080, 1350)
SCALE = 2  # drawn larger, then reduced: smooth edges

SKY = ((0.0, (46, 52, 108)), (0.35, (133, 80, 140)), (0.62, (240, 128, 110)), (0.8, (255, 190, 120)))
SUN_AT, SUN_RADIUS = (690, 700), 150
HILLS = (  # colour, height of the crest, how it swings, where it starts
    ((128, 84, 128), 830, 60, 0.4),
    ((88, 64, 108), 950, 80, 2.1),
    ((50, 44, 84), 1130, 70, -0.15),
)
CAT = (24, 22, 44)
Point = tuple[float, float]


@functools.cache
def sample_picture() -> bytes:
    """A JPEG, 1080x1350, always the same."""
    image = _sky()
    image.paste(_glow(), (0, 0), _glow_mask())
    draw = ImageDraw.Draw(image)
    _disc(draw, SUN_AT, SUN_RADIUS, (255, 236, 190))
    for star in range(1, 46):
        _disc(draw, (star * star * 389 % 1080, star * 617 % 431), 1.2 + star % 3 * 0.6, (235, 225, 245))
    for colour, crest, swing, phase in HILLS:
        _hill(draw, colour, crest, swing, phase)
    _cat(draw)
    smooth = image.resize(SIZE, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    smooth.save(file, "JPEG", quality=90)
    return file.getvalue()


def _sky() -> Image.Image:
    column = Image.new("RGB", (1, SIZE[1]))
    for y in range(SIZE[1]):
        column.putpixel((0, y), _sky_colour(y / SIZE[1]))
    return column.resize((SIZE[0] * SCALE, SIZE[1] * SCALE), Image.Resampling.BILINEAR)


def _sky_colour(height: float) -> tuple[int, int, int]:
    for (start, above), (end, below) in itertools.pairwise(SKY):
        if height <= end:
            share = (height - start) / (end - start)
            red, green, blue = (round(a + (b - a) * share) for a, b in zip(above, below, strict=True))
            return (red, green, blue)
    return SKY[-1][1]


def _glow() -> Image.Image:
    return Image.new("RGB", (SIZE[0] * SCALE, SIZE[1] * SCALE), (255, 222, 160))


def _glow_mask() -> Image.Image:
    mask = Image.new("L", (SIZE[0] // 4, SIZE[1] // 4))
    x, y, radius = SUN_AT[0] / 4, SUN_AT[1] / 4, SUN_RADIUS / 2.2
    ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=190)
    soft = mask.filter(ImageFilter.GaussianBlur(26))
    return soft.resize((SIZE[0] * SCALE, SIZE[1] * SCALE), Image.Resampling.BICUBIC)


def _hill(draw: ImageDraw.ImageDraw, colour: tuple[int, int, int], crest: int, swing: int, phase: float) -> None:
    line = [(x, crest - swing * math.sin(phase + x / 230)) for x in range(0, SIZE[0] + 10, 10)]
    _shape(draw, [*line, (SIZE[0], SIZE[1]), (0, SIZE[1])], colour)


def _cat(draw: ImageDraw.ImageDraw) -> None:
    """A sitting cat seen from behind, its tail curled round to the right."""
    _curve(draw, [(430 + 120 * math.cos(t / 20), 1082 + 46 * math.sin(t / 20)) for t in range(-22, 30)], 30)
    _oval(draw, (400, 1020), (116, 112))
    _oval(draw, (380, 800), (78, 66))
    _shape(draw, [(328, 840), (432, 840), (512, 1000), (288, 1000)], CAT)
    _shape(draw, [(318, 694), (303, 798), (366, 738)], CAT)
    _shape(draw, [(442, 694), (394, 738), (457, 798)], CAT)


def _oval(draw: ImageDraw.ImageDraw, centre: Point, radii: Point) -> None:
    (x, y), (across, down) = centre, radii
    draw.ellipse([v * SCALE for v in (x - across, y - down, x + across, y + down)], fill=CAT)


def _disc(draw: ImageDraw.ImageDraw, centre: Point, radius: float, colour: tuple[int, int, int]) -> None:
    (x, y) = centre
    draw.ellipse([v * SCALE for v in (x - radius, y - radius, x + radius, y + radius)], fill=colour)


def _curve(draw: ImageDraw.ImageDraw, points: list[Point], width: int) -> None:
    for x, y in points:
        _disc(draw, (x, y), width / 2, CAT)
    draw.line([(x * SCALE, y * SCALE) for x, y in points], fill=CAT, width=width * SCALE, joint="curve")


def _shape(draw: ImageDraw.ImageDraw, points: list[Point], colour: tuple[int, int, int]) -> None:
    draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=colour)
