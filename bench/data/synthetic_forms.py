"""Synthetic forms: pages whose words are tagged and of which questions are asked, for the tasks of layout networks.

A form has a header, fields (a key and beside or below it a value) and small print. Words alone do not settle the tags:
dates, names, addresses, products and departments stand in the small print too, words of the keys in sentences.
"""

from __future__ import annotations

import random
import re
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image

from bench.data.annotations import AnnotatedText, Annotation, Question, TaggedWord
from bench.data.canvas import Canvas, font
from bench.data.source import Page, Source
from bench.data.splits import DEFAULT_SPLIT, assign_splits
from bench.data.synthetic import NOISE, OCR_SIZE
from bench.data.synthetic_layout import ENGINE
from shared.entities import OUTSIDE
from shared.errors import UserError

ENTITIES = HEADER, QUESTION, ANSWER = "header", "question", "answer"
NUM_FIELDS = (5, 8)  # of a form, at least and at most
NUM_QUESTIONS = (3, 5)
ARRANGEMENTS = ((1, False), (1, True), (2, False), (2, True))  # columns of fields; whether a value is below its key

STOCKS = {
    "first": "Anna Ben Clara David Emma Felix Grace Henry Ida Jack Laura Martin Nina Oliver Paula Robert Sarah Thomas",
    "last": "Adams Baker Carter Dixon Evans Foster Graham Harris Jensen Keller Lewis Miller Norton Palmer Shaw Turner",
    "street": "Mill Church Park Hill Station Garden Bridge River Forest Castle Abbey Market",
    "way": "Road Street Lane",
    "town": "Leeds Bristol Oxford York Derby Exeter Bath Lincoln Norwich Dover Durham Preston",
    "month": "January February March April May June July August September October November December",
    "material": "steel brass copper oak pine cotton linen glass rubber leather paper plastic",
    "goods": "bolts nails hinges handles pipes tiles lamps chairs shelves ropes gloves labels brushes filters",
    "trade": "Tools Timber Textiles Metals Supplies Hardware Trading Paper",
    "mark": "North Swift Eagle Harbor Coastal Summit Blue Rapid",
    "transport": "Express Freight Cargo Logistics",
    "department": "Sales Accounts Purchasing Research Marketing Production Engineering Storage",
    "unit": "pieces pairs cases crates rolls bags",
    "days": "14 30 45 60 90",
    "means": "net cash credit",
    "mailbox": "info office orders mail desk team contact service",
    "letters": "RK TX BD QL MV ZN HF PW",
    "area": "020 030 040 050 060 070 080 090",
    "cents": "00 20 25 50 75 80",
}
POOLS = {name: stock.split() for name, stock in STOCKS.items()}
# Numbers have two digits or are few, so that a small vocabulary holds them all and each is seen often.
POOLS |= {"day": [*map(str, range(1, 29))], "year": [*map(str, range(2015, 2025))], "pair": [*map(str, range(10, 100))]}
POOLS["host"] = [name.lower() for name in POOLS["last"]]

DATE, ADDRESS = "{day} {month} {year}", "{pair} {street} {way} {town}"
NAME, PRODUCT, DEPARTMENT = "{first} {last}", "{material} {goods}", "{department}"


class Field(NamedTuple):
    """What is filled in on a form."""

    keys: tuple[str, ...]  # how forms name it
    questions: tuple[str, ...]
    value: str  # with names of POOLS in braces; every field has values of a kind of its own


FIELDS = (
    Field(
        ("Invoice number:", "Invoice no:"),
        ("what is the invoice number?", "which number has the invoice?"),
        "{letters}-{pair}-{pair}",
    ),
    Field(("Date:", "Date of issue:"), ("what is the date?", "when was the form issued?"), DATE),
    Field(("Ship to:", "Deliver to:"), ("where are the goods shipped?", "what is the address for the goods?"), ADDRESS),
    Field(
        ("Phone:", "Phone number:"),
        ("what is the phone number?", "which phone number is given?"),
        "{area} {pair} {pair}",
    ),
    Field(("Total due:", "Amount due:"), ("what is the total due?", "how much is due in total?"), "{pair}.{cents} USD"),
    Field(("Customer:", "Customer name:"), ("who is the customer?", "what is the name of the customer?"), NAME),
    Field(("Product:", "Item:"), ("what is the product?", "which product was ordered?"), PRODUCT),
    Field(("Quantity:", "Units ordered:"), ("what is the quantity?", "how many were ordered?"), "{pair} {unit}"),
    Field(
        ("Terms:", "Payment terms:"),
        ("what are the payment terms?", "which terms of payment are given?"),
        "{days} days {means}",
    ),
    Field(
        ("Carrier:", "Shipped by:"),
        ("who is the carrier?", "by which carrier are the goods shipped?"),
        "{mark} {transport}",
    ),
    Field(
        ("Email:", "Email address:"),
        ("what is the email address?", "which email is given?"),
        "{mailbox}@{host}.com",
    ),
    Field(("Department:", "Ordered by:"), ("what is the department?", "which department has ordered?"), DEPARTMENT),
)
TITLES = (
    *("Invoice", "Purchase Order", "Delivery Note", "Order Confirmation"),
    *("Sales Record", "Customer Statement", "Shipping Order"),
)
COMPANY = "{last} {trade}"
# A vocabulary is trained on the text of the pages: all words of the questions stand on some of them.
SENTENCES = (
    "Questions? Say which form it is.",
    "Say who ordered and what it was.",
    "See where and when goods are shipped.",
    "Check how many were ordered.",
    "Pay how much is due in total.",
    "Keep the product in the box given.",
    "The customer has issued this order.",
    "Write to our address or email us.",
    "Terms of payment are on the back.",
    "The carrier goes by the name given.",
    "Phone the department for a quantity.",
    "Each invoice has a date and number.",
)
NOTES = (  # below the fields: what there is an answer
    *(f"Form revised {DATE}", f"Office {ADDRESS}", f"Printed for {NAME}"),
    *(f"Sold with {PRODUCT}", f"Copy for {DEPARTMENT}"),
)


def worded(template: str, rng: random.Random) -> str:
    """A text with a word of POOLS for each name in braces."""
    return re.sub(r"{(\w+)}", lambda name: rng.choice(POOLS[name[1]]), template)


def write(page: Canvas, text: str, x: float, y: float, height: float, entity: str = "") -> list[TaggedWord]:
    """Write a text in one line; its words are one entity, or none.

    Args:
        x, y: top left corner, units of the page. height: of the letters (font size), likewise.
    """
    pixels = round(height * page.size)
    face, left, top = font(pixels), page.x(x), int(page.y(y))
    words = []
    for place, word in enumerate(text.split()):
        corner = (int(left), top)
        page.draw.text(corner, word, fill=page.ink, font=face)
        tag = f"{'I' if place else 'B'}-{entity}" if entity else OUTSIDE
        words.append(TaggedWord(word, page.draw.textbbox(corner, word, font=face), tag))
        left += face.getlength(word) + 0.3 * pixels
    return words


def write_fields(page: Canvas, filled: list[tuple[str, str]]) -> list[list[TaggedWord]]:
    """Write keys and their values, arranged in one of several ways; their lines."""
    rng, lines = page.rng, []
    columns, below = rng.choice(ARRANGEMENTS)
    height, framed = rng.uniform(0.017, 0.019), rng.random() < 0.5
    right, down = (0.175 if columns == 2 else rng.uniform(0.18, 0.4)), 0.0
    if below:
        right, down = 0.0, 1.4 * height
    pitch = rng.uniform(0.056, 0.07) * columns
    for start in range(0, len(filled), columns):
        y = 0.25 + pitch * (start // columns)
        upper: list[TaggedWord] = []
        lower: list[TaggedWord] = []
        for column, (key, value) in enumerate(filled[start : start + columns]):
            x = 0.06 + 0.46 * column
            if framed:
                page.frame(x - 0.015, y - 0.006, x - 0.015 + 0.92 / columns, y - 0.006 + pitch, 0.002)
            upper += write(page, key, x, y, height, QUESTION)
            values = lower if below else upper
            values += write(page, value, x + right, y + down, height, ANSWER)
        lines += [line for line in (upper, lower) if line]
    return lines


def occurrences(answer: str, words: list[str]) -> int:
    """How often an answer's words stand in a row among words, whatever their case.

    >>> occurrences("12 May", ["Date:", "12", "May", "to", "12", "may"])
    2
    """
    wanted, there = answer.casefold().split(), [word.casefold() for word in words]
    return sum(there[place : place + len(wanted)] == wanted for place in range(len(there)))


def form(number: int, seed: int) -> tuple[Canvas, Annotation]:
    """A form before it is scanned, and what is known of it: the same for the same arguments in any process."""
    page = Canvas(OCR_SIZE, "form", random.Random(f"{seed}/{number}/form"))
    rng, lines = page.rng, []
    title = rng.choice(TITLES) + rng.choice(("", " {town}"))
    heads = [(title, rng.uniform(0.03, 0.036), HEADER), (COMPANY, rng.uniform(0.018, 0.024), "")]
    rng.shuffle(heads)
    y = 0.06
    for template, height, entity in heads:
        lines.append(write(page, worded(template, rng), rng.uniform(0.08, 0.3), y, height, entity))
        y += 1.5 * height
    page.rule(0.06, 0.165, 0.94, 0.165)
    sentence, at_the_top = rng.choice(SENTENCES), rng.random() < 0.5
    if at_the_top:
        lines.append(write(page, sentence, 0.08, 0.19, 0.015))
    fields = rng.sample(FIELDS, rng.randint(*NUM_FIELDS))
    values = [worded(field.value, rng) for field in fields]
    keys = [rng.choice(field.keys) for field in fields]
    lines += write_fields(page, list(zip(keys, values, strict=True)))
    if not at_the_top:
        lines.append(write(page, sentence, 0.08, 0.87, 0.015))
    left, right = (worded(note, rng) for note in rng.sample(NOTES, 2))
    lines.append(write(page, left, 0.08, 0.91, 0.015) + write(page, right, 0.54, 0.91, 0.015))
    words = [word.text for line in lines for word in line]
    # an answer that the small print or the header repeats by chance is not asked for: there would be two places for it
    asked = [pair for pair in zip(fields, values, strict=True) if occurrences(pair[1], words) == 1]
    asked = rng.sample(asked, min(len(asked), rng.randint(*NUM_QUESTIONS)))
    questions = tuple(Question(rng.choice(field.questions), (value,)) for field, value in asked)
    return page, Annotation(lines, (page.size, page.size), questions)


def annotation(number: int, seed: int) -> Annotation:
    """The words of a form with their places and tags, and what is asked of it."""
    return form(number, seed)[1]


def render(number: int, size: int, seed: int) -> np.ndarray:
    """The form, scanned and reduced: uint8, size x size, grey."""
    page, _ = form(number, seed)
    grain = np.frombuffer(page.rng.randbytes(page.size**2), np.uint8).reshape(page.size, page.size)
    grey = np.asarray(page.image).astype(np.int16) + grain.astype(np.int16) * NOISE // 256 - NOISE // 2
    full = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    return np.asarray(full.resize((size, size), Image.Resampling.BOX))


def source(num_pages: int, seed: int = 0, shares: tuple[float, ...] = DEFAULT_SPLIT) -> Source:
    """`num_pages` forms, of one class, with their words, tags and questions.

    Raises:
        UserError: no page.
    """
    if num_pages < 1:
        raise UserError(f"--pages {num_pages}: give at least one form")
    names = [f"form {number}" for number in range(num_pages)]
    splits = assign_splits(names, [0] * num_pages, shares, seed)
    return Source(
        name="synthetic",
        classes=["form"],
        pages=[Page(number, 0, splits[number], names[number]) for number in range(num_pages)],
        render=partial(render, seed=seed),
        arguments={"forms": num_pages, "seed": seed, "split": list(shares)},
        text=AnnotatedText(ENGINE, partial(annotation, seed=seed), ENTITIES, asks=True),
    )
