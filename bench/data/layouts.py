"""Sixteen kinds of page, one function each, told apart by their coarse structure as well as by their words."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from bench.data.canvas import Canvas


def letter(page: Canvas) -> None:
    """Letter-head in the middle, address, paragraphs with wide margins, a signature."""
    rng = page.rng
    page.line(0.3, 0.07, 0.7, 0.035, align="centre")
    page.line(0.36, 0.115, 0.64, 0.016, align="centre")
    page.line(0.62, 0.18, 0.85, 0.018)
    page.paragraph(0.15, 0.23, 0.38, 0.31)
    y = 0.37
    for _ in range(rng.randint(2, 3)):
        depth = rng.uniform(0.11, 0.14)
        page.paragraph(0.15, y, 0.85, y + depth)
        y += depth + 0.025
    page.line(0.15, 0.82, 0.3, 0.018)
    page.scrawl(0.15, 0.9, 0.15 + rng.uniform(0.2, 0.28), 0.04)


def form(page: Canvas) -> None:
    """Boxes to fill in, from edge to edge, a few of them filled by hand."""
    page.line(0.1, 0.06, 0.6, 0.03)
    rows = page.rng.randint(8, 9)
    depth = 0.8 / rows
    for row in range(rows):
        y = 0.13 + row * depth
        cuts = [0.08, *sorted(page.rng.sample((0.3, 0.5, 0.7), page.rng.randint(1, 2))), 0.92]
        for left, right in pairwise(cuts):
            page.frame(left, y, right, y + depth, 0.007)
            page.line(left + 0.01, y + 0.012, left + 0.14, 0.013)
            if page.rng.random() < 0.3:
                page.scrawl(left + 0.03, y + 0.8 * depth, right - 0.04, 0.02, 0.004)


def email(page: Canvas) -> None:
    """A header of short lines, a thick rule, a short text; the lower half is bare."""
    for row in range(4):
        page.line(0.06, 0.06 + 0.035 * row, 0.14, 0.02)
        page.line(0.18, 0.06 + 0.035 * row, page.rng.uniform(0.34, 0.5), 0.02)
    page.fill(0.05, 0.21, 0.95, 0.225)
    page.paragraph(0.06, 0.26, 0.72, page.rng.uniform(0.38, 0.46), 0.02)
    page.line(0.06, 0.49, 0.2, 0.02)


def handwritten(page: Canvas) -> None:
    """Uneven lines of strokes over the whole sheet."""
    y = 0.12
    while y < 0.92:
        page.scrawl(page.rng.uniform(0.06, 0.13), y, page.rng.uniform(0.7, 0.94), page.rng.uniform(0.045, 0.06), 0.008)
        y += page.rng.uniform(0.085, 0.11)


def advertisement(page: Canvas) -> None:
    """A picture over most of the sheet, a slogan in large letters, small print below."""
    bottom = page.rng.uniform(0.66, 0.72)
    page.picture(0.06, 0.05, 0.94, bottom)
    page.line(0.14, 0.1, 0.86, 0.09, grey=250, align="centre")
    page.line(0.1, bottom + 0.04, 0.9, 0.07, align="centre")
    page.paragraph(0.2, bottom + 0.16, 0.8, bottom + 0.22, 0.014)


def scientific_report(page: Canvas) -> None:
    """A title page: frame, title and authors in the middle of much white, a seal at the foot."""
    page.frame(0.07, 0.06, 0.93, 0.94, 0.014)
    for row in range(page.rng.randint(2, 3)):
        page.line(0.22, 0.27 + 0.06 * row, 0.78, 0.042, align="centre")
    page.rule(0.35, 0.47, 0.65, 0.47, 0.008)
    for row in range(page.rng.randint(2, 3)):
        page.line(0.36, 0.51 + 0.035 * row, 0.64, 0.02, align="centre")
    page.ring(0.5, 0.77, 0.08)
    page.ring(0.5, 0.77, 0.055, filled=True)


def scientific_publication(page: Canvas) -> None:
    """Title over two columns of small, dense text, a plot in one of them."""
    page.line(0.12, 0.05, 0.88, 0.034, align="centre")
    page.line(0.3, 0.1, 0.7, 0.016, align="centre")
    plot_column = page.rng.randint(0, 1)
    for column, (left, right) in enumerate(((0.07, 0.48), (0.52, 0.93))):
        if column != plot_column:
            page.paragraph(left, 0.15, right, 0.95, 0.015, 1.35)
            continue
        top = page.rng.uniform(0.4, 0.5)
        page.paragraph(left, 0.15, right, top, 0.015, 1.35)
        page.rule(left + 0.04, top + 0.02, left + 0.04, top + 0.19, 0.005)
        page.rule(left + 0.04, top + 0.19, right, top + 0.19, 0.005)
        heights = [top + 0.19 - 0.15 * page.rng.random() for _ in range(5)]
        for i, (y0, y1) in enumerate(pairwise(heights)):
            page.rule(left + 0.05 + 0.08 * i, y0, left + 0.13 + 0.08 * i, y1, 0.006)
        page.paragraph(left, top + 0.23, right, 0.95, 0.015, 1.35)


def specification(page: Canvas) -> None:
    """A head and a foot with cells, numbered clauses whose text hangs to the right of heavy numbers."""
    for top, bottom in ((0.05, 0.15), (0.87, 0.95)):
        page.frame(0.07, top, 0.93, bottom, 0.01)
        for x in (0.3, 0.68):
            page.rule(x, top, x, bottom, 0.008)
            page.line(x + 0.02, top + 0.03, x + 0.18, 0.018)
    y = 0.2
    while y < 0.8:
        depth = page.rng.uniform(0.06, 0.1)
        page.fill(0.08, y, 0.17, y + 0.025)
        page.paragraph(0.34, y, 0.92, y + depth)
        y += depth + 0.035


def file_folder(page: Canvas) -> None:
    """A sheet of grey card with a tab and a label, otherwise empty."""
    card = page.rng.randint(150, 185)
    page.fill(-0.1, 0.13, 1.1, 1.1, card)
    left = page.rng.choice((0.08, 0.38, 0.66))
    page.fill(left, 0.05, left + 0.26, 0.14, card)
    page.fill(left + 0.03, 0.065, left + 0.23, 0.115, 250)
    page.line(left + 0.04, 0.08, left + 0.22, 0.02)
    if page.rng.random() < 0.5:
        page.scrawl(0.3, page.rng.uniform(0.4, 0.7), 0.6, 0.04)
    page.rule(-0.1, 0.17, 1.1, 0.17, 0.006)


def news_article(page: Canvas) -> None:
    """A heavy headline over four narrow columns, a picture across the middle two."""
    page.fill(0.05, 0.05, 0.95, 0.062)
    for row in range(2):
        page.line(0.05, 0.085 + 0.085 * row, 0.95, 0.075, align="centre")
    bottom = page.rng.uniform(0.5, 0.58)
    for column in range(4):
        left = 0.05 + 0.23 * column
        top = bottom + 0.03 if column in (1, 2) else 0.28
        page.paragraph(left, top, left + 0.2, 0.95, 0.015, 1.35)
    page.picture(0.28, 0.28, 0.71, bottom)


def budget(page: Canvas) -> None:
    """A table over the whole sheet: names at the left, columns of figures, shaded head and total."""
    page.line(0.06, 0.04, 0.5, 0.026)
    page.fill(0.05, 0.1, 0.95, 0.15, 120)
    page.fill(0.05, 0.89, 0.95, 0.94, 120)
    columns = (0.46, 0.62, 0.78, 0.94)
    for right in columns:
        page.rule(right - 0.15, 0.1, right - 0.15, 0.94, 0.007)
    rows = page.rng.randint(17, 19)
    for row in range(rows):
        y = 0.165 + 0.715 * row / rows
        page.line(0.06, y, page.rng.uniform(0.18, 0.27), 0.018)
        for right in columns:
            if page.rng.random() < 0.9:
                page.amount(right - 0.015, y)


def invoice(page: Canvas) -> None:
    """A dark mark at the top left, addresses, a short list with amounts, the total in a dark box at the right."""
    page.fill(0.06, 0.05, 0.28, 0.17)
    page.line(0.6, 0.06, 0.94, 0.055, align="right")
    page.paragraph(0.06, 0.22, 0.36, 0.31)
    page.paragraph(0.6, 0.22, 0.92, 0.31)
    page.fill(0.06, 0.37, 0.94, 0.4, 90)
    for row in range(page.rng.randint(4, 7)):
        y = 0.425 + 0.045 * row
        page.line(0.07, y, page.rng.uniform(0.3, 0.5), 0.018)
        page.amount(0.7, y)
        page.amount(0.93, y)
        page.rule(0.06, y + 0.032, 0.94, y + 0.032, 0.003)
    page.fill(0.6, 0.79, 0.94, 0.88)
    page.line(0.63, 0.815, 0.92, 0.035, grey=250, align="right")
    page.line(0.06, 0.85, 0.4, 0.016)


def presentation(page: Canvas) -> None:
    """A dark slide: a large title, a rule, a few large points, all in white."""
    page.fill(-0.1, -0.1, 1.1, 1.1, page.rng.randint(20, 60))
    page.line(0.08, 0.09, 0.8, 0.085, grey=250)
    page.fill(0.08, 0.22, 0.92, 0.235, 200)
    for row in range(page.rng.randint(4, 5)):
        y = 0.32 + 0.125 * row
        page.fill(0.1, y + 0.012, 0.13, y + 0.042, 220)
        page.line(0.17, y, page.rng.uniform(0.55, 0.85), 0.05, grey=235)


def questionnaire(page: Canvas) -> None:
    """Questions at the left, a scale of circles beside each, one of them marked."""
    page.line(0.08, 0.06, 0.7, 0.03)
    page.paragraph(0.08, 0.11, 0.92, 0.15)
    rows = page.rng.randint(8, 9)
    for row in range(rows):
        y = 0.2 + 0.75 * row / rows
        page.paragraph(0.08, y, 0.48, y + 0.055)
        marked = page.rng.randrange(5)
        for choice in range(5):
            page.ring(0.58 + 0.085 * choice, y + 0.02, 0.026, filled=choice == marked)


def resume(page: Canvas) -> None:
    """A shaded column with a portrait at the left, headed sections at the right."""
    page.fill(0.04, 0.04, 0.32, 0.96, page.rng.randint(165, 195))
    page.picture(0.1, 0.08, 0.26, 0.25)
    for top in (0.31, 0.52, 0.73):
        page.line(0.07, top, 0.25, 0.024)
        page.paragraph(0.07, top + 0.04, 0.29, top + page.rng.uniform(0.11, 0.16), 0.016)
    page.line(0.38, 0.06, 0.8, 0.05)
    y = 0.16
    while y < 0.85:
        depth = page.rng.uniform(0.09, 0.14)
        page.line(0.38, y, 0.62, 0.026)
        page.rule(0.38, y + 0.036, 0.95, y + 0.036, 0.006)
        page.paragraph(0.38, y + 0.05, 0.93, y + 0.05 + depth)
        y += depth + 0.085


def memo(page: Canvas) -> None:
    """A dark band over the full width with the word in white, lines for to and from, widely spaced text."""
    page.fill(0.06, 0.05, 0.94, 0.16)
    page.line(0.1, 0.07, 0.6, 0.065, grey=250)
    for row in range(4):
        page.line(0.08, 0.2 + 0.045 * row, 0.16, 0.022)
        page.line(0.22, 0.2 + 0.045 * row, page.rng.uniform(0.4, 0.6), 0.022)
    page.rule(0.06, 0.385, 0.94, 0.385, 0.008)
    bottom = page.rng.uniform(0.78, 0.9)
    page.paragraph(0.08, 0.44, 0.92, bottom, 0.022, 2.4)


LAYOUTS: dict[str, Callable[[Canvas], None]] = {
    "letter": letter,
    "form": form,
    "email": email,
    "handwritten": handwritten,
    "advertisement": advertisement,
    "scientific report": scientific_report,
    "scientific publication": scientific_publication,
    "specification": specification,
    "file folder": file_folder,
    "news article": news_article,
    "budget": budget,
    "invoice": invoice,
    "presentation": presentation,
    "questionnaire": questionnaire,
    "resume": resume,
    "memo": memo,
}  # the order of RVL-CDIP: class numbers mean the same in both
