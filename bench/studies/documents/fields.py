"""The fields of a class as a table: pydantic models and dataclasses.

What a field means is its `description`, or the comment in the source: on its line, and in the lines directly above it.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import json
import re
import textwrap
import tokenize
import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bench.studies.documents.markdown import code, either, joined, prose, table
from bench.terminal.printable import markdown_text

HEADINGS = ("field", "type", "default", "meaning")
WORDS = {str: "text", int: "integer", float: "number", bool: "boolean", type(None): "None", Any: "anything"}
# comments that head several fields and say nothing of the one below them
GROUPS = ("what was asked for", "what came of it")
SHARE = (0, 1)
PRAGMA = re.compile(r"\s*(?:type: ignore|noqa).*")  # for tools alone


@dataclasses.dataclass(frozen=True)
class Documented:
    """A field for a reader."""

    name: str
    type: str
    default: str
    meaning: str
    group: str | None  # that begins with it; None: that of the field before


def documented(kind: type) -> list[Documented]:
    """The fields of a pydantic model or a dataclass that its own body declares, in their order."""
    hints, sources = get_type_hints(kind, include_extras=True), comments(kind)
    found = []
    for name, default, description in declared(kind):
        if name not in sources:
            continue  # of a class that it is derived from
        above, beside = sources[name]
        group = above if above in GROUPS else None
        meaning = description or sentence(None if group else above, beside)
        found.append(Documented(name, in_words(hints[name]), default, meaning, group))
    return found


def declared(kind: Any) -> Iterator[tuple[str, str, str | None]]:
    """Name, default and description of each field, those of the classes that it is derived from too."""
    if issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield name, shown(field.default, PydanticUndefined), field.description
    else:
        for each in dataclasses.fields(kind):
            yield each.name, shown(each.default, dataclasses.MISSING), None


def sentence(above: str | None, beside: str | None) -> str:
    """A field's two comments in one."""
    if above and beside:
        return f"{above}{'' if above.endswith('.') else ';'} {beside}"
    return above or beside or ""


def shown(default: object, needed: object) -> str:
    """A default as JSON has it."""
    if default is needed:
        return "-"
    return "None" if default is None else code(json.dumps(default))


def comments(kind: type) -> dict[str, tuple[str | None, str | None]]:
    """Field that a class declares in its own body to the comment above it and the one on its line."""
    source = textwrap.dedent(inspect.getsource(kind))
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    beside: dict[int, str] = {}
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            is_alone = not token.line[: token.start[1]].strip()
            (alone if is_alone else beside)[token.start[0]] = PRAGMA.sub("", token.string.lstrip("# "))
    found = {}
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first = node.lineno
            while first - 1 in alone:
                first -= 1
            above = " ".join(alone[line] for line in range(first, node.lineno))
            found[node.target.id] = above or None, beside.get(node.end_lineno or node.lineno)
    return found


def in_words(kind: Any) -> str:
    """A type for a reader.

    >>> in_words(dict[str, list[float]]), in_words(Literal["a", "b"] | None)
    ('mapping of text to list of numbers', '`"a"` or `"b"`, or None')
    """
    origin, of = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return in_words(of[0]) + (" from 0 to 1" if limits(of[1:]) == SHARE else "")
    if origin is Literal:
        return either(code(json.dumps(each)) for each in of)
    if origin in (Union, types.UnionType):
        return union_text([in_words(each) for each in of])
    if origin is list:
        return f"list of {plural(in_words(of[0]))}"
    if origin is dict:
        return f"mapping of {in_words(of[0])} to {in_words(of[1])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return WORDS.get(kind) or code(getattr(kind, "__name__", kind))


def union_text(words: Sequence[str]) -> str:
    """Types of which a value has one."""
    return ", or ".join(words) if any(" " in word for word in words) else either(words)


def plural(word: str) -> str:
    """
    >>> plural("number"), plural("list of numbers"), plural("`x`")
    ('numbers', 'lists of numbers', '`x`')
    """
    noun, space, rest = word.partition(" ")
    return f"{noun}s{space}{rest}" if noun.isalpha() and noun != WORDS[Any] else word


def limits(metadata: Sequence[Any]) -> tuple[Any, Any]:
    """The least and the largest value that an annotation allows, both included; None: it names none."""
    marks = [mark for each in metadata for mark in (each.metadata if isinstance(each, FieldInfo) else [each])]
    least = next((mark.ge for mark in marks if hasattr(mark, "ge")), None)
    return least, next((mark.le for mark in marks if hasattr(mark, "le")), None)


def models(kind: Any) -> Iterator[type[BaseModel]]:
    """The pydantic models that a type is made of."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from models(part)


def with_parts(kind: type[BaseModel]) -> list[type[BaseModel]]:
    """A model, and those that are the types of its fields, and so on; each once."""
    found = [kind]
    for model in found:
        hints = get_type_hints(model)
        inner = [part for name in model.model_fields for part in models(hints[name])]
        found += [part for part in dict.fromkeys(inner) if part not in found]
    return found


def about(kind: type) -> str:
    """The docstring of a class, its paragraphs as they are."""
    return "\n\n".join(map(prose, (inspect.getdoc(kind) or "").split("\n\n")))


def fields_text(kind: type) -> str:
    """The table of a class's own fields, or one for each group of them; empty where it has none."""
    groups: list[tuple[str | None, list[Documented]]] = []
    for field in documented(kind):
        if field.group or not groups:
            groups.append((field.group, []))
        groups[-1][1].append(field)
    parts = []
    for group, fields in groups:
        rows = [(code(each.name), each.type, each.default, markdown_text(each.meaning)) for each in fields]
        parts += [f"*{group[0].upper()}{group[1:]}:*" if group else "", table(HEADINGS, rows)]
    return joined(parts)
