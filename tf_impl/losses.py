"""The tasks' losses by name (`shared.task.Task.loss`). Mirror: `pt_impl/losses.py`."""

from __future__ import annotations

import tensorflow as tf

from shared.store import NO_LABEL


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Mean over samples. Logits (N, K), labels (N)."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def binary_cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Mean over samples and labels. Logits (N, K), labels (N, K): 1 where a sample has a label."""
    truth = tf.cast(labels, logits.dtype)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=truth, logits=logits))


def distilled_cross_entropy(
    logits: tf.Tensor, labels: tf.Tensor, *, weight: float, direction: str, temperature: float, form: str
) -> tf.Tensor:
    """`cross_entropy` plus the weighted divergence from a teacher (`shared.distillation`). Logits (N, K), labels (N,
    1 + K): the class, the teacher's logits."""
    apart = _divergence(logits, labels[:, 1:], direction, temperature, form)
    return cross_entropy(logits, tf.cast(labels[:, 0], tf.int32)) + weight * apart


def distilled_binary_cross_entropy(
    logits: tf.Tensor, labels: tf.Tensor, *, weight: float, direction: str, temperature: float, form: str
) -> tf.Tensor:
    """`binary_cross_entropy` plus the weighted divergence from a teacher (`shared.distillation`). Logits (N, K), labels
    (N, 2 K): 1 where a sample has a label, the teacher's logits."""
    own, teacher = tf.split(labels, 2, 1)
    return binary_cross_entropy(logits, own) + weight * _divergence(logits, teacher, direction, temperature, form)


def token_cross_entropy(logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Mean over samples of the sum over labelled tokens, times the sample's factor. Logits (N, T, K), labels (N, T;
    NO_LABEL: none), weights (N, 1)."""
    of_sample = tf.reduce_sum(_by_token(logits, labels), 1, keepdims=True)
    return tf.reduce_mean(of_sample * tf.cast(weights, logits.dtype))


def span_cross_entropy(logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Mean over samples and over both ends of the answer, times the sample's factor. Logits (N, T, 2), labels (N, 2;
    NO_LABEL: none), weights (N, 1)."""
    of_sample = tf.reduce_mean(_by_token(tf.transpose(logits, [0, 2, 1]), labels), 1, keepdims=True)
    return tf.reduce_mean(of_sample * tf.cast(weights, logits.dtype))


def pretraining(
    tokens: tf.Tensor, alignment: tf.Tensor, matching: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """The sum of three means over samples: of masked tokens, of covered ones, of the page's own image.

    Logits (N, P, V), (N, T, 2), (N, 1, 2), labels (N, P + T + 1; NO_LABEL: none), weights (N, 3).
    """
    most = tokens.shape[1]
    parts = ((tokens, labels[:, :most]), (alignment, labels[:, most:-1]), (matching, labels[:, -1:]))
    sums = tf.stack([tf.reduce_sum(_by_token(logits, of_part), 1) for logits, of_part in parts], 1)
    return tf.reduce_mean(tf.reduce_sum(sums * tf.cast(weights, sums.dtype), 1))


def _divergence(student: tf.Tensor, teacher: tf.Tensor, direction: str, temperature: float, form: str) -> tf.Tensor:
    """Mean over samples of `shared.distillation.divergence`. Logits (N, K) of both."""
    teacher = tf.cast(teacher, student.dtype)
    if form == "mse":
        return tf.reduce_mean(tf.square(student - teacher))
    student, teacher = student / temperature, teacher / temperature
    if form == "softmax":
        parts = [(tf.nn.log_softmax(student, 1), tf.nn.log_softmax(teacher, 1))]
    else:  # both outcomes of each label, so that no two large numbers are taken from each other
        parts = [(tf.math.log_sigmoid(sign * student), tf.math.log_sigmoid(sign * teacher)) for sign in (1.0, -1.0)]
    terms = [tf.exp(p) * (p - q) if direction == "student" else tf.exp(q) * (q - p) for p, q in parts]
    of_sample = tf.reduce_sum(terms[0], 1) if form == "softmax" else tf.reduce_mean(terms[0] + terms[1], 1)
    return temperature**2 * tf.reduce_mean(of_sample)


def _by_token(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Logits (N, T, K), labels (N, T) to (N, T), 0 where nothing is labelled."""
    labelled = labels != NO_LABEL
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.where(labelled, labels, 0), logits=logits)
    return tf.where(labelled, loss, tf.zeros_like(loss))
