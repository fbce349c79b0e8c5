"""Which workload may be which member, and what a layout model beside the paper's two changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.accuracy.request import (
    MEMBERS,
    USUAL,
    AccuracyRequest,
    check_content,
    check_families,
    check_members,
    member_request,
)
from shared import spec
from shared.errors import UserError
from shared.store import Store

ALL = AccuracyRequest(
    members=MEMBERS, layout_preset="quick", layout_weights="layout.safetensors", vocabulary="words.txt"
)


def test_the_usual_members_are_the_papers() -> None:
    assert AccuracyRequest().members == USUAL == ("image", "text")


def test_each_member_is_asked_for_with_its_own_settings() -> None:
    asked = {member: member_request(ALL, member) for member in MEMBERS}
    assert [each.workload for each in asked.values()] == ["effnet-b0", "bert-6l", "layoutlmv2-base"]
    assert [each.preset for each in asked.values()] == [None, None, "quick"]
    assert [each.vocab for each in asked.values()] == [None, "words.txt", "words.txt"]
    assert [each.weights for each in asked.values()] == [None, None, "layout.safetensors"]


def test_every_member_has_a_workload_of_its_kind() -> None:
    loaded = {member: spec.load(member_request(ALL, member).workload, "quick") for member in MEMBERS}
    check_families(loaded)


@pytest.mark.parametrize(
    ("member", "workload"),
    [
        ("image", "bert-6l"), ("image", "layoutlmv2-base"), ("text", "effnet-b0"), ("text", "layoutlmv2-base"),
        ("layout", "effnet-b0"), ("layout", "bert-6l"),
    ],
)  # fmt: skip
def test_a_workload_of_another_kind_is_refused(member: str, workload: str) -> None:
    with pytest.raises(UserError, match=rf"--{member}-workload {workload}: its model \(.*\) reads no {member}"):
        check_families({member: spec.load(workload, "quick")})


def test_a_task_of_other_labels_is_refused() -> None:
    with pytest.raises(UserError, match="it learns tagged words; the protocol needs one label each"):
        check_families({"layout": spec.load("layoutlmv2-base-tags", "quick")})


@pytest.mark.parametrize(
    ("members", "option"),
    [(USUAL, "--layout-weights is for the layout model"), (("image",), "--vocab is for the text")],
)
def test_an_option_of_a_member_that_is_not_trained_is_refused(members: tuple[str, ...], option: str) -> None:
    weights = None if "vocab" in option else "layout.safetensors"
    with pytest.raises(UserError, match=option):
        check_members(replace(ALL, members=members, layout_weights=weights))


def test_a_vocabulary_is_for_a_layout_model_too() -> None:
    check_members(replace(ALL, members=("layout",)))


def test_a_layout_model_needs_pages_with_words(noise: Store, scrawl: Store) -> None:
    with pytest.raises(UserError, match="holds no pages with words for the layout model"):
        check_content(noise, ["layout"])


def test_word_vectors_are_the_text_models() -> None:
    given = AccuracyRequest(text_workload="kim-cnn", vectors="vectors.bin")
    assert member_request(given, "text").vectors == "vectors.bin"
    assert member_request(given, "image").vectors is None
    with pytest.raises(UserError, match="--vectors is for the text model"):
        check_members(AccuracyRequest(members=("image",), vectors="vectors.bin"))
    words = spec.load("kim-cnn", "quick").overridden({"task": "classification"}, "test")
    check_families({"text": words})
    for member in ("image", "layout"):
        with pytest.raises(UserError, match=f"reads no {member}"):
            check_families({member: words})
