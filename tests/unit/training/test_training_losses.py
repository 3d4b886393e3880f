"""Losses: equal to MXNet's own where it has one, and to the papers' formulas elsewhere."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from training.hyperparameters import Hyperparameters
from training.losses import Loss, mixed

LABELS = np.array([0, 0, 0, 1, 2, 2])


@pytest.fixture
def logits():
    """Of four photos and three classes."""
    return mx.nd.array(np.random.default_rng(1).normal(0, 3, (4, 3)))


def loss_of(labels=LABELS, classes=3, **settings):
    """The loss of a job with these settings."""
    return Loss(Hyperparameters(**settings), labels, classes)


def of(loss, logits, labels):
    """The losses of a batch, as NumPy."""
    return loss(logits, loss.targets(mx.nd.array(labels))).asnumpy()


def test_cross_entropy_is_mxnets(logits):
    """To seven digits, gradients included."""
    labels, loss = mx.nd.array([2, 0, 1, 1]), loss_of()
    gradients = []
    for function in (
        lambda x: loss(x, loss.targets(labels)),
        lambda x: gluon.loss.SoftmaxCrossEntropyLoss()(x, labels),
    ):
        logits.attach_grad()
        with autograd.record():
            value = function(logits)
        value.backward()
        gradients.append((value.asnumpy(), logits.grad.asnumpy()))
    np.testing.assert_allclose(gradients[0][0], gradients[1][0], rtol=1e-5)
    np.testing.assert_allclose(gradients[0][1], gradients[1][1], rtol=1e-4, atol=1e-6)


def test_label_smoothing_spreads_its_share_evenly():
    """The label's own class has its part of it."""
    shares = loss_of(label_smoothing=0.3).targets(mx.nd.array([1])).asnumpy()
    np.testing.assert_allclose(shares, [[0.1, 0.8, 0.1]], rtol=1e-6)


def test_focal_loss_discounts_what_is_easy(logits):
    """(1 - p)^gamma of the cross-entropy."""
    probabilities = mx.nd.softmax(logits).asnumpy()[np.arange(4), [2, 0, 1, 1]]
    expected = -((1 - probabilities) ** 2) * np.log(probabilities)
    focal = of(loss_of(loss="focal"), logits, [2, 0, 1, 1])
    np.testing.assert_allclose(focal, expected, rtol=1e-4)


@pytest.mark.parametrize("gamma", [0.5, 1.5, 2.0, 2.5])
@pytest.mark.parametrize("multi_label", [False, True])
def test_focal_loss_of_sure_answers_is_finite(gamma, multi_label):
    """And its gradient, whatever the power: where nothing is left to learn there is none."""
    labels = np.eye(3, dtype=np.uint8) if multi_label else LABELS
    loss = loss_of(labels, loss="focal", focal_gamma=gamma, multi_label=multi_label)
    sure = mx.nd.array([[200, 0, -200], [0, 30, 0], [-200, 150, 1]])
    sure.attach_grad()
    with autograd.record():
        losses = loss(sure, loss.targets(mx.nd.array(np.eye(3) if multi_label else [0, 1, 2])))
    losses.backward()
    assert np.isfinite(losses.asnumpy()).all()
    assert np.isfinite(sure.grad.asnumpy()).all()
    assert losses[1].asscalar() == pytest.approx(0, abs=0.5 if multi_label else 1e-5)


def test_balanced_weights_make_all_classes_count_alike(logits):
    """A class of half the photos counts two thirds each, one of a sixth twice; a mean of 1."""
    plain = of(loss_of(), logits, [0, 1, 2, 0])
    weighted = of(loss_of(class_weights="balanced"), logits, [0, 1, 2, 0])
    np.testing.assert_allclose(weighted / plain, [2 / 3, 2, 1, 2 / 3], rtol=1e-5)


def test_a_class_without_photos_does_not_upset_the_weights(logits):
    """No division by nothing."""
    weighted = of(loss_of(np.array([0, 0, 1]), class_weights="balanced"), logits, [0, 1, 2, 0])
    assert np.isfinite(weighted).all()


def test_multi_label_is_the_mean_of_the_classes_log_losses(logits):
    """MXNet's own sigmoid loss, and finite for logits of any size."""
    labels = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
    loss = loss_of(labels, multi_label=True)
    expected = gluon.loss.SigmoidBinaryCrossEntropyLoss()(logits, mx.nd.array(labels)).asnumpy()
    np.testing.assert_allclose(of(loss, logits, labels), expected, rtol=1e-5)
    assert np.isfinite(of(loss, logits * 1000, labels)).all()


def test_weighted_multi_label_makes_rare_classes_count():
    """A class on one photo of four counts three times where it is shown."""
    labels = np.array([[1, 1], [0, 1], [0, 0], [0, 0]])
    flat = mx.nd.zeros((1, 2))
    shown = mx.nd.array([[1, 1]])
    plain = loss_of(labels, 2, multi_label=True)(flat, shown).asscalar()
    weighted = loss_of(labels, 2, multi_label=True, use_weighted_loss=True)(flat, shown).asscalar()
    assert weighted / plain == pytest.approx((3 + 1) / 2)


def test_a_class_on_every_photo_is_learnt_too():
    """Weighted by its noes alone, of which there are none, its yes would not count."""
    loss = loss_of(np.array([[1, 1], [1, 0]]), 2, multi_label=True, use_weighted_loss=True)
    assert loss(mx.nd.array([[-9, 9]]), mx.nd.array([[1, 1]])).asscalar() > 1


def test_mixed_blends_photos_and_targets_alike():
    """The first with the last, by the same share."""
    data = mx.nd.array([1.0, 2, 3]).reshape((3, 1, 1, 1))
    blended, targets = mixed(data, mx.nd.one_hot(mx.nd.array([0, 1, 2]), 3), 0.75)
    np.testing.assert_allclose(blended.asnumpy().ravel(), [1.5, 2, 2.5])
    np.testing.assert_allclose(targets.asnumpy()[0], [0.75, 0, 0.25])
