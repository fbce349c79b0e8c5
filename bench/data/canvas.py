"""A small square page to draw a document on, in units of the page (0 to 1, from the top left), at any pixel size."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from bench.data.vocabulary import words

SMALLEST_FONT = 6  # pixels; below it glyphs are mush and a word is drawn as a bar
NUM_LINES = 24  # ready-made lines of text a class and font size; drawing glyphs afresh would take most of the time
FIGURES = "figures"  # amounts of money, in place of a class's words
LINE_EMS = 60  # length of a ready-made line, in font sizes


class Line(NamedTuple):
    """A line of text as a mask, its words, and the x positions (pixels) where each begins and ends."""

    mask: Image.Image
    words: list[str]
    word_starts: list[int]
    word_ends: list[int]


class Drawn(NamedTuple):
    """A word on a page."""

    text: str
    box: tuple[float, float, float, float]  # left, top, right, bottom, pixels


@lru_cache(maxsize=64)
def font(pixels: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's built-in font."""
    return ImageFont.load_default(pixels)


@lru_cache(maxsize=8192)
def text_line(stock_name: str, pixels: int, number: int) -> Line:
    """The `number`-th ready-made line of a class's words, or of FIGURES, at a font size; the same in every process."""
    rng = random.Random(f"{stock_name}/{number}")
    stock = [f"{n:,}" for n in range(120, 99_999, 7_717)] if stock_name == FIGURES else words(stock_name)
    face = font(pixels)
    mask = Image.new("L", (LINE_EMS * pixels, round(1.3 * pixels)))
    draw = ImageDraw.Draw(mask)
    x = 0.0
    words_of_line, starts, ends = [], [], []
    while x < mask.width:
        word = rng.choice(stock)
        draw.text((x, 0), word, fill=255, font=face)
        words_of_line.append(word)
        starts.append(int(x))
        x += face.getlength(word)
        ends.append(int(x))
        x += 0.3 * pixels
    return Line(mask, words_of_line, starts, ends)


class Canvas:
    """Draws on a page; every choice comes from `rng`, so a page is a function of its seed."""

    def __init__(self, size: int, class_name: str, rng: random.Random) -> None:
        self.size = size
        self.class_name = class_name
        self.rng = rng
        self.paper = rng.randint(232, 255)
        self.ink = rng.randint(0, 60)
        self.image = Image.new("L", (size, size), self.paper)
        self.draw = ImageDraw.Draw(self.image)
        self.lines: list[list[Drawn]] = []  # of words that can be read, in the order of their drawing
        # the whole sheet lies a little elsewhere on every scan
        self.dx, self.dy = rng.uniform(-0.025, 0.025), rng.uniform(-0.025, 0.025)

    def x(self, x: float) -> float:
        """Page unit to pixels, across."""
        return (x + self.dx) * self.size

    def y(self, y: float) -> float:
        """Page unit to pixels, down."""
        return (y + self.dy) * self.size

    def box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        """A rectangle in pixels, at least one wide and high."""
        left, top = self.x(x0), self.y(y0)
        return left, top, max(left, self.x(x1)), max(top, self.y(y1))

    def width(self, units: float) -> int:
        """Thickness of a line in pixels, at least 1."""
        return max(1, round(units * self.size))

    def fill(self, x0: float, y0: float, x1: float, y1: float, grey: int | None = None) -> None:
        """A filled rectangle, in ink unless a grey (0 to 255) is given."""
        self.draw.rectangle(self.box(x0, y0, x1, y1), fill=self.ink if grey is None else grey)

    def frame(self, x0: float, y0: float, x1: float, y1: float, width: float = 0.004) -> None:
        """An empty rectangle."""
        self.draw.rectangle(self.box(x0, y0, x1, y1), outline=self.ink, width=self.width(width))

    def rule(self, x0: float, y0: float, x1: float, y1: float, width: float = 0.004) -> None:
        """A straight line."""
        self.draw.line((self.x(x0), self.y(y0), self.x(x1), self.y(y1)), fill=self.ink, width=self.width(width))

    def ring(self, x: float, y: float, radius: float, filled: bool = False) -> None:
        """A circle around a centre."""
        box = self.box(x - radius, y - radius, x + radius, y + radius)
        self.draw.ellipse(box, outline=self.ink, fill=self.ink if filled else None, width=self.width(0.004))

    def line(
        self,
        x0: float,
        y: float,
        x1: float,
        height: float,
        *,
        grey: int | None = None,
        align: str = "left",
        stock: str | None = None,
    ) -> None:
        """One line of words, whole words only, no longer than x1 - x0.

        Args:
            x0, x1: from where to where at most. y: top. height: of the letters (font size).
            grey: 0 to 255, by default the page's ink.
            align: left, centre or right between x0 and x1.
            stock: the class whose words are used, or FIGURES; by default the page's class.
        """
        ink = self.ink if grey is None else grey
        pixels = round(height * self.size)
        longest = (x1 - x0) * self.size
        if pixels < SMALLEST_FONT:
            self._bars(x0, y, x1, height, ink)
            return
        line = text_line(stock or self.class_name, pixels, self.rng.randrange(NUM_LINES))
        fitting = [end for end in line.word_ends if end <= longest]
        length = fitting[-1] if fitting else int(longest)
        slack = {"left": 0.0, "centre": 0.5, "right": 1.0}[align] * (longest - length)
        corner = (int(self.x(x0) + slack), int(self.y(y)))
        self.image.paste(ink, corner, line.mask.crop((0, 0, max(1, length), line.mask.height)))
        left, top = corner
        words_drawn = zip(line.words, line.word_starts, line.word_ends[: len(fitting)], strict=False)
        self.lines.append(
            [Drawn(word, (left + start, top, left + end, top + line.mask.height)) for word, start, end in words_drawn]
        )

    def _bars(self, x0: float, y: float, x1: float, height: float, ink: int) -> None:
        """Words as bars, for letters too small to be drawn; lighter than ink, as small print is."""
        grey = ink + (self.paper - ink) // 4 if ink < self.paper else ink
        right = self.x(x1)
        x = self.x(x0)
        top = self.y(y)
        bottom = top + max(0.0, 0.7 * height * self.size - 1)
        while x < right:
            word = self.rng.uniform(1.5, 4) * height * self.size
            self.draw.rectangle((x, top, min(right, x + word), bottom), fill=grey)
            x += word + max(1.5, 0.4 * height * self.size)

    def paragraph(
        self, x0: float, y0: float, x1: float, y1: float, height: float = 0.018, spacing: float = 1.6
    ) -> None:
        """Lines of text from y0 down to y1; the last is short."""
        pitch = spacing * height
        num_lines = max(1, int((y1 - y0) / pitch))
        for i in range(num_lines):
            last = i == num_lines - 1
            ragged = self.rng.uniform(0.3, 0.7) if last else self.rng.uniform(0.93, 1)
            self.line(x0, y0 + i * pitch, x0 + ragged * (x1 - x0), height)

    def amount(self, x1: float, y: float, height: float = 0.018) -> None:
        """A number, set flush right at x1."""
        self.line(x1 - self.rng.uniform(3.2, 4.5) * height, y, x1, height, align="right", stock=FIGURES)

    def picture(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """A half-tone picture: a dark ground with lighter and darker shapes on it."""
        self.fill(x0, y0, x1, y1, self.rng.randint(60, 110))
        for _ in range(self.rng.randint(4, 8)):
            left, right = sorted(self.rng.uniform(x0, x1) for _ in range(2))
            top, bottom = sorted(self.rng.uniform(y0, y1) for _ in range(2))
            shape = self.rng.choice((self.draw.ellipse, self.draw.rectangle))
            shape(self.box(left, top, right, bottom), fill=self.rng.randint(30, 170))

    def scrawl(self, x0: float, y: float, x1: float, height: float, width: float = 0.006) -> None:
        """Handwriting: joined strokes of uneven height along a line that rises and falls."""
        x = x0
        points = []
        drift = self.rng.uniform(-0.6, 0.6) * height
        while x < x1:
            up = self.rng.choice((0.3, 0.5, 1.0))
            share = (x - x0) / max(1e-6, x1 - x0)
            points.append((self.x(x), self.y(y + drift * share + height * self.rng.uniform(0, 0.3))))
            points.append((self.x(x + 0.25 * height), self.y(y + drift * share - up * height)))
            x += height * self.rng.uniform(0.35, 0.6)
            if self.rng.random() < 0.15 and len(points) > 4:
                self.draw.line(points, fill=self.ink, width=self.width(width), joint="curve")
                points = []
                x += 0.7 * height
        if len(points) > 1:
            self.draw.line(points, fill=self.ink, width=self.width(width), joint="curve")
