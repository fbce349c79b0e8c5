"""What dropout drops: pinned, the same whoever asks and however wide, in the right share, without correlations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2

from shared.dropout import drop_keys, hash32, kept, noise, position_hashes, scale, threshold, words_a_token

SAMPLES, TOKENS, FEATURES = np.arange(64), 32, 64  # 131,072 draws a place
KEYS = drop_keys(seed=3, epoch=1, samples=SAMPLES, num_places=8)
SIGMAS = 5.0  # of a difference that chance alone makes once in a million
RATE = 0.1


def drawn(place: int = 0, keys: np.ndarray = KEYS) -> np.ndarray:
    """Bytes, texts x tokens x features."""
    return noise(keys[:, place], TOKENS, FEATURES)


def correlation_in_sigmas(left: np.ndarray, right: np.ndarray) -> float:
    """Of what is dropped at RATE: about normal with variance 1 where the two are independent."""
    a, b = (((each < threshold(RATE)) - each_share).ravel() for each, each_share in ((left, SHARE), (right, SHARE)))
    return float((a * b).sum() / (SHARE * (1 - SHARE) * math.sqrt(a.size)))


SHARE = threshold(RATE) / 256


def test_known_values() -> None:
    """Another value here means that every published training dropped other features: do not change it."""
    keys = drop_keys(3, 1, np.array([5, 0]), 2)
    assert keys.tolist() == [
        [[-1854899457, -1579669949], [1077596872, 1809727023]],
        [[-1812771882, 1970701603], [-1753185015, 1128770521]],
    ]
    assert noise(keys[:1, 0], 1, 8).tolist() == [[[103, 226, 218, 232, 40, 97, 85, 201]]]


def test_the_hash_is_the_published_one() -> None:
    assert hash32(np.array([0, 1, 2], np.uint32)).tolist() == [0, 1753845952, 3507691905]


@pytest.mark.parametrize(
    ("rate", "bytes_below"), [(0.0, 0), (0.001, 0), (0.1, 26), (0.2, 51), (0.5, 128), (0.9, 230), (0.99, 253)]
)
def test_a_rate_is_a_number_of_bytes(rate: float, bytes_below: int) -> None:
    assert threshold(rate) == bytes_below
    assert scale(rate) == 256 / (256 - bytes_below)


def test_a_text_drops_the_same_whoever_asks() -> None:
    for row, sample in enumerate(SAMPLES[:5]):
        assert np.array_equal(drop_keys(3, 1, np.array([sample]), 8)[0], KEYS[row])
    assert np.array_equal(drawn(2, KEYS[7:8])[0], drawn(2)[7])


def test_fewer_places_are_the_first_of_more() -> None:
    assert np.array_equal(drop_keys(3, 1, SAMPLES, 3), KEYS[:, :3])


@pytest.mark.parametrize("features", [1, 12, 13, 64])
def test_a_wider_text_drops_the_same_of_the_tokens_it_had(features: int) -> None:
    narrow, wide = noise(KEYS[:, 0], 5, features), noise(KEYS[:, 0], 9, features)
    assert narrow.shape == (64, 5, features)
    assert np.array_equal(wide[:, :5], narrow)
    assert position_hashes(5, features).shape == (5, words_a_token(features))


def test_what_is_kept_is_what_is_not_below_the_threshold() -> None:
    assert np.array_equal(kept(KEYS[:, 0], TOKENS, FEATURES, 0.3), drawn() >= 77)


def test_every_rate_has_its_mean_and_its_variance() -> None:
    """All 255 multiples of 1/256, the mean of a kept feature with its scale, and the spread of texts' shares."""
    found = np.stack([drawn(place) for place in range(8)])  # a million draws
    texts = found.reshape(8 * 64, -1)
    for below in range(1, 256):
        share = below / 256
        dropped = texts < below
        spread = math.sqrt(share * (1 - share) / dropped.size)
        assert abs(dropped.mean() - share) < SIGMAS * spread, below
        assert abs((~dropped).mean() * scale(share) - 1) < SIGMAS * spread * scale(share), below
        of_texts = dropped.mean(1)
        expected = share * (1 - share) / texts.shape[1]
        assert of_texts.var() / expected == pytest.approx(1, abs=SIGMAS * math.sqrt(2 / len(texts))), below


def test_bytes_are_uniform_in_each_of_a_words_four() -> None:
    for lane in range(4):
        counts = np.bincount(np.concatenate([drawn(place)[..., lane::4].ravel() for place in range(8)]), minlength=256)
        statistic = float(((counts - counts.mean()) ** 2 / counts.mean()).sum())
        assert chi2.sf(statistic, 255) > 1e-6, lane
        assert chi2.cdf(statistic, 255) > 1e-6, f"{lane}: more even than chance"


@pytest.mark.parametrize("distance", [1, 2, 3, 4, 5, 8, 16, 32])
def test_neighbouring_features_are_independent(distance: int) -> None:
    found = drawn()
    assert abs(correlation_in_sigmas(found[..., distance:], found[..., :-distance])) < SIGMAS


@pytest.mark.parametrize("distance", [1, 2, 3, 8, 16])
def test_neighbouring_tokens_are_independent(distance: int) -> None:
    found = drawn()
    assert abs(correlation_in_sigmas(found[:, distance:], found[:, :-distance])) < SIGMAS


@pytest.mark.parametrize("distance", [1, 2, 7])
def test_neighbouring_texts_are_independent(distance: int) -> None:
    found = drawn()
    assert abs(correlation_in_sigmas(found[distance:], found[:-distance])) < SIGMAS


def test_places_are_independent() -> None:
    found = [drawn(place) for place in range(8)]
    scores = [correlation_in_sigmas(found[a], found[b]) for a in range(8) for b in range(a)]
    assert max(map(abs, scores)) < SIGMAS
    assert np.std(scores) == pytest.approx(1, abs=0.5)


def test_epochs_and_seeds_are_independent() -> None:
    found = [drawn(0, drop_keys(seed, epoch, SAMPLES, 1)) for seed in range(4) for epoch in range(4)]
    scores = [correlation_in_sigmas(found[a], found[b]) for a in range(16) for b in range(a)]
    assert max(map(abs, scores)) < SIGMAS
    assert np.std(scores) == pytest.approx(1, abs=0.25)


def test_two_texts_share_bits_no_more_than_chance() -> None:
    """Every pair out of 300 keys: the multiplication by a random odd number keeps them apart. With one multiplier for
    all, the scores' deviation was 2 and the largest 70."""
    keys = drop_keys(0, 0, np.arange(300), 1)[:, 0]
    dropped = (noise(keys, 256, 64) < threshold(RATE)).reshape(300, -1)
    centred = ((dropped - SHARE) / math.sqrt(SHARE * (1 - SHARE))).astype(np.float32)
    scores = (centred @ centred.T / math.sqrt(centred.shape[1]))[np.triu_indices(300, 1)]
    assert scores.std() == pytest.approx(1, abs=0.02)
    assert abs(scores).max() < 6.5


def test_avalanche() -> None:
    """A flipped bit of the position, or of the key that is xored, flips half of the word's upper byte."""
    positions = np.arange(1 << 14, dtype=np.uint32)
    first, odd = (KEYS[0, 0, part : part + 1].view(np.uint32) for part in (0, 1))

    def word(hashed: np.ndarray) -> np.ndarray:
        mixed = (hashed ^ first) * odd
        return mixed ^ (mixed >> np.uint32(16))

    whole = word(hash32(positions))
    for bit in range(14):
        flipped = whole ^ word(hash32(positions ^ np.uint32(1 << bit)))
        shares = [(flipped >> np.uint32(each) & 1).mean() for each in range(32)]
        assert np.abs(np.array(shares) - 0.5).max() < 0.05, bit
