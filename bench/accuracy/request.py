"""What `bench accuracy` was asked for, checked as far as the request, the workloads and the documents allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.accuracy.protocol import Protocol, load_protocol, smallest_class
from bench.run.plan import Request
from shared.errors import UserError
from shared.families import family_of
from shared.frameworks import KEYS
from shared.modalities import Boxes, Pages, Tokens, Words
from shared.spec import Workload
from shared.store import Store
from shared.tasks import task_of, task_of_store
from shared.words import read_words

MEMBERS = ("image", "text", "layout")
USUAL = MEMBERS[:2]  # the paper's two
# what a member's network has to read
READS: dict[str, set[type]] = {"image": {Pages}, "text": {Tokens}, "layout": {Tokens, Boxes}}
SYNTHETIC_SHARE = 2 / 3  # of the smallest class of the stand-in pages trains and validates

Training = Literal["full", "classifier"]


@dataclass(frozen=True)
class AccuracyRequest:
    """What `bench accuracy` was asked for, as typed; None: the protocol's or the workload's own."""

    protocol: str = "small-tobacco"
    frameworks: tuple[str, ...] = KEYS
    members: tuple[str, ...] = USUAL
    image_workload: str = "effnet-b0"
    text_workload: str = "bert-6l"
    layout_workload: str = "layoutlmv2-base"
    preset: str | None = None
    text_preset: str | None = None
    layout_preset: str | None = None
    data: str | None = None
    vocabulary: str | None = None
    vectors: str | None = None
    image_weights: str | None = None
    text_weights: str | None = None
    layout_weights: str | None = None
    pretrain: str | None = None
    pretrain_epochs: int | None = None
    image_training: Training | None = None
    epochs: int | None = None
    device: str = "auto"
    replicas: int = 1
    per_class: int | None = None
    val_share: float | None = None
    splits: int | None = None
    seed: int = 0


def check_members(request: AccuracyRequest) -> None:
    """Options that need or exclude each other.

    Raises:
        UserError: the first pair that does not fit.
    """
    image_options = {
        "--pretrain": request.pretrain, "--image-weights": request.image_weights,
        "--image-training": request.image_training,
    }  # fmt: skip
    given = [option for option, value in image_options.items() if value is not None]
    if given and "image" not in request.members:
        raise UserError(f"{given[0]} is for the image model: add image to --members")
    for member, option, value in (
        ("text", "--text-weights", request.text_weights),
        ("layout", "--layout-weights", request.layout_weights),
    ):
        if value is not None and member not in request.members:
            raise UserError(f"{option} is for the {member} model: add {member} to --members")
    if request.vocabulary is not None and not {"text", "layout"} & set(request.members):
        raise UserError("--vocab is for the text model: add text to --members")
    if request.vectors is not None and "text" not in request.members:
        raise UserError("--vectors is for the text model: add text to --members")
    if request.pretrain_epochs is not None and request.pretrain is None:
        raise UserError("--pretrain-epochs is of stage 1: name its documents with --pretrain STORE")
    if request.image_training == "classifier" and not (request.pretrain or request.image_weights):
        raise UserError("--image-training classifier needs a trained network: give --pretrain or --image-weights")


def member_request(request: AccuracyRequest, member: str) -> Request:
    """What `bench run` would be asked for, to train a member."""
    workloads = {"image": request.image_workload, "text": request.text_workload, "layout": request.layout_workload}
    presets = {"text": request.text_preset, "layout": request.layout_preset}
    weights = {"image": request.image_weights, "text": request.text_weights, "layout": request.layout_weights}
    return Request(
        frameworks=request.frameworks,
        replicas=(request.replicas,),
        workload=workloads[member],
        preset=presets.get(member) or request.preset,
        data=request.data,
        vocab=None if member == "image" else request.vocabulary,
        vectors=request.vectors if member == "text" else None,
        device=request.device,
        epochs=request.epochs if training_of(request, member) == "full" else None,
        seed=request.seed,
        weights=weights[member],
    )


def training_of(request: AccuracyRequest, member: str) -> Training:
    """How a member is trained on the splits: a pre-trained image model gets the paper's second stage."""
    if member != "image":
        return "full"
    pretrained = request.pretrain or request.image_weights
    return request.image_training or ("classifier" if pretrained else "full")


def kinds_of(workload: Workload) -> set[type]:
    """The kinds of modalities that a workload's model reads."""
    return {type(modality) for modality in family_of(workload).modalities(workload)}


def check_families(workloads: dict[str, Workload]) -> None:
    """Whether each member has a workload of its kind.

    Raises:
        UserError: pages for the text model, text for the image model, or a workload of other labels than one each.
    """
    for member, workload in workloads.items():
        read = kinds_of(workload)
        of_text = member == "text" and Words in read  # in place of tokens
        if not ((READS[member] <= read or of_text) and (member == "layout") == (Boxes in read)):
            raise UserError(
                f"--{member}-workload {workload.name}: its model ({workload.model.family}) reads no {member}"
            )
        if not task_of(workload).single:
            raise UserError(
                f"--{member}-workload {workload.name}: it learns {task_of(workload).labelled}; the protocol needs one "
                "label each"
            )


def check_content(store: Store, members: Sequence[str]) -> None:
    """Whether the store holds what the members read.

    Raises:
        UserError: no pages, or no text.
    """
    if "image" in members and store.pixels is None:
        raise UserError(f"{store.path}: holds no pages for the image model; use --members text")
    if "text" in members and store.text is None:
        raise UserError(
            f"{store.path}: holds no text for the text model; prepare it again with `bench data prepare --ocr`, "
            "or use --members image"
        )
    if "layout" in members and (store.pixels is None or read_words(store) is None):
        raise UserError(
            f"{store.path}: holds no pages with words for the layout model; prepare it again with `bench data prepare "
            "--ocr`, or leave layout out of --members"
        )


def scaled_protocol(request: AccuracyRequest, store: Store) -> tuple[Protocol, list[str]]:
    """The protocol as asked for; on the pages that stand in where no data is named, as large as they allow."""
    per_class, notes = request.per_class, []
    if request.data is None and per_class is None and task_of_store(store).single:
        published = load_protocol(request.protocol).per_class
        per_class = min(published, int(smallest_class(store.labels, len(store.classes)) * SYNTHETIC_SHARE))
        if per_class < published:
            notes.append(f"synthetic documents stand in: {per_class} a class train and validate, not {published}")
    if request.data is None and len(request.members) > 1:
        notes.append("a synthetic document's page and its text are of one class, but not one another's")
    return load_protocol(request.protocol, per_class, request.val_share, request.splits), notes
