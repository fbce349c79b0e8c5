from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from bench.data.vocabulary_files import Vocabulary, load_vocabulary, train_vocabulary
from bench.host.locations import PROJECT_ROOT
from shared.errors import UserError
from shared.wordpiece import SPECIAL_TOKENS

TOKENS = (
    *SPECIAL_TOKENS,
    "the",
    "##s",
    "日",
    "\u2028",
)  # the last is a line's end to str.splitlines, not to a vocab.txt
BERT = PROJECT_ROOT.parent / "shared" / "data" / "vocab" / "bert-base-uncased" / "vocab.txt"


@pytest.fixture
def vocab_file(tmp_path: Path) -> Path:
    path = tmp_path / "model" / "vocab.txt"
    path.parent.mkdir()
    path.write_bytes("".join(f"{token}\n" for token in TOKENS).encode())
    return path


def tokenizer_json(**changes: object) -> str:
    model = {"type": "WordPiece", "vocab": {token: index for index, token in reversed(list(enumerate(TOKENS)))}}
    normalizer = {"type": "BertNormalizer", "lowercase": True}
    pre_tokenizer = {"type": "BertPreTokenizer"}
    return json.dumps({"normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "model": model} | changes)


def refusal(spec: object) -> str:
    with pytest.raises(UserError) as caught:
        load_vocabulary(str(spec))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_a_folder_and_a_tokenizer_json_hold_the_same(vocab_file: Path) -> None:
    from_file = load_vocabulary(str(vocab_file))
    assert from_file == Vocabulary(TOKENS, "vocab.txt")
    assert from_file.ids["the"] == 5
    assert load_vocabulary(str(vocab_file.parent)) == Vocabulary(TOKENS, "model")
    vocab_file.unlink()
    (vocab_file.parent / "tokenizer.json").write_text(tokenizer_json())
    assert load_vocabulary(str(vocab_file.parent)).tokens == TOKENS
    assert load_vocabulary(str(vocab_file.parent / "tokenizer.json")).digest == from_file.digest


def test_lines_that_end_as_on_windows_and_a_last_one_without_an_end(vocab_file: Path) -> None:
    vocab_file.write_bytes("\r\n".join(TOKENS).encode())
    assert load_vocabulary(str(vocab_file)).tokens == TOKENS


def test_the_digest_is_of_the_tokens_in_their_order_alone() -> None:
    assert Vocabulary(TOKENS, "a").digest == Vocabulary(TOKENS, "b").digest
    assert Vocabulary(TOKENS, "a").digest != Vocabulary(TOKENS[::-1], "a").digest


@pytest.mark.parametrize("missing", ["[CLS]", "[SEP]", "[UNK]", "[PAD]"])
def test_without_a_token_that_bert_needs(vocab_file: Path, missing: str) -> None:
    vocab_file.write_text("\n".join(token for token in TOKENS if token != missing))
    assert f"without {missing};" in refusal(vocab_file)


def test_every_missing_token_is_named(vocab_file: Path) -> None:
    vocab_file.write_text("the\nand\n")
    assert "without [PAD], [UNK], [CLS], [SEP];" in refusal(vocab_file)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        ("\n".join([*TOKENS, "the"]).encode(), "'the' stands there twice (tokens 6 and 10); rename the later one"),
        ("\n".join(["[PAD]", "", "x"]).encode(), "token 2 is empty"),
        (b"[PAD]\n\xff\xfe\n", "not UTF-8 text at byte 6"),
        (pickle.dumps({"vocab": list(TOKENS)}), "pickle"),
        (pickle.dumps({"vocab": list(TOKENS)}, protocol=0), "without [PAD]"),
        (b"PK\x03\x04" + bytes(30), "empty or binary"),
        (b"x" * 1000, "over 255 bytes"),
    ],
)
def test_what_is_no_vocabulary(vocab_file: Path, content: bytes, expected: str) -> None:
    vocab_file.write_bytes(content)
    assert expected in refusal(vocab_file)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        (tokenizer_json(model={"type": "BPE", "vocab": {}}), "not a WordPiece"),
        (tokenizer_json(model={"type": "WordPiece", "vocab": {"[PAD]": 0, "x": 2}}), "not 0 to 1"),
        (tokenizer_json(model={"type": "WordPiece", "vocab": {"[PAD]": 0, "x": "1"}}), "not 0 to 1"),
        ('{"model": {}, "model": {}}', "the key 'model' is there twice"),
        ("[" * 100_000, "not JSON"),
        (tokenizer_json(model={"type": "WordPiece", "vocab": {"x": 0}}), "without [PAD]"),
    ],
)
def test_what_is_no_tokenizer_json(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    assert expected in refusal(tmp_path)


def test_folders_without_one_or_of_a_cased_model(vocab_file: Path, tmp_path: Path) -> None:
    assert "neither vocab.txt nor tokenizer.json" in refusal(tmp_path)
    (vocab_file.parent / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert "do_lower_case is False" in refusal(vocab_file.parent)


def test_a_byte_order_mark_is_no_token(vocab_file: Path) -> None:
    vocab_file.write_bytes(b"\xef\xbb\xbf" + vocab_file.read_bytes())
    assert load_vocabulary(str(vocab_file)).tokens == TOKENS


@pytest.mark.parametrize("spec", ["absent.txt", "some/absent/folder/vocab.txt", "./bert", "org/model.bin"])
def test_what_is_not_there_and_no_hub_name_is_not_looked_for(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *arguments: pytest.fail("asked the hub"))
    monkeypatch.chdir(PROJECT_ROOT / "tests")
    assert "no such vocabulary" in refusal(spec)


def test_a_hub_name(vocab_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (vocab_file.parent / "tokenizer.json").write_text(tokenizer_json())

    def download(name: str, file: str) -> str:
        if file != "tokenizer.json":
            raise EntryNotFoundError("404")
        return str(vocab_file.parent / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert load_vocabulary("org/some-model") == Vocabulary(TOKENS, "org/some-model")


@pytest.mark.parametrize("error", [LocalEntryNotFoundError("offline"), ConnectionError("refused"), OSError("disk")])
def test_a_hub_name_without_a_network(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(name: str, file: str) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert "no network, or no such model" in refusal("org/some-model")


def test_a_model_on_the_hub_without_a_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(name: str, file: str) -> str:
        raise EntryNotFoundError("404")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert "neither vocab.txt nor tokenizer.json" in refusal("some-model")


def corpus() -> list[str]:
    """Many equally frequent words and characters: what an order that is left to chance would show in."""
    words = [f"{a}{b}ing{c}" for a in "abcdefgh" for b in "ijklm" for c in "xyz"]
    rare = [f"x{chr(0x400 + i)}y {chr(0x4E00 + i)}" for i in range(200)]
    return [" ".join(words), *words, *rare, "Été ÉTÉ naïve Naive"]


def test_a_trained_vocabulary() -> None:
    vocabulary = train_vocabulary(corpus(), 2000)
    assert vocabulary.origin == "trained"
    assert vocabulary.tokens[:5] == SPECIAL_TOKENS
    assert {"ete", "naive", "a", "##a", chr(0x4E00)} <= set(vocabulary.ids)
    assert f"##{chr(0x4E00)}" not in vocabulary.ids  # always a word of its own
    assert not any(token != token.lower() for token in vocabulary.tokens[5:])
    assert len(vocabulary.tokens) <= 2000


def test_training_is_the_same_in_another_process() -> None:
    """The trainer's hash maps have another order in every process; also where the alphabet has to be cut."""
    program = (
        "import sys\n"
        "from bench.data import vocabulary_files as v; from tests.bench.data.test_vocabulary_files import corpus\n"
        "v.MAX_ALPHABET = int(sys.argv[1])\n"
        "print(v.train_vocabulary(corpus(), 900).digest)"
    )
    for alphabet in (1000, 60):
        command = [sys.executable, "-c", program, str(alphabet)]
        digests = {subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, check=True).stdout for _ in range(3)}
        assert len(digests) == 1


def test_words_that_no_text_can_use_are_not_learned() -> None:
    vocabulary = train_vocabulary(["a" * 150 + " b"] * 50, 400)
    assert max(map(len, vocabulary.tokens)) <= 100


def test_what_nothing_can_be_trained_on() -> None:
    with pytest.raises(UserError, match="have no text"):
        train_vocabulary(["", " \n"], 100)
    with pytest.raises(UserError, match="characters alone need"):
        train_vocabulary(corpus(), 100)


def test_the_published_vocabulary() -> None:
    if not BERT.is_file():
        pytest.skip("the vocabulary of bert-base-uncased is not there")
    vocabulary = load_vocabulary(str(BERT))
    assert len(vocabulary.tokens) == 30522
    assert [vocabulary.ids[token] for token in SPECIAL_TOKENS] == [0, 100, 101, 102, 103]
