"""Heads that are fitted in one go: by the categories' mean directions, or by a regression."""

import numpy as np
import pytest

from training.linear_heads import class_means, regression


def logits(head, features):
    return features @ head.weight.T + head.bias


@pytest.fixture(scope="module")
def fitted():
    """(features, labels): three categories around directions of their own, of no photo the second."""
    random = np.random.default_rng(5)
    labels = np.repeat([0, 2, 3], [30, 6, 20])
    centres = random.uniform(0, 1, (4, 12))
    return (centres[labels] + random.uniform(0, 0.3, (56, 12))).astype(np.float32), labels


def test_means_name_the_category_of_the_greatest_cosine(fitted):
    """Of photos never seen as well, and whatever the length of their features."""
    features, labels = fitted
    head = class_means(features, labels)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    means = np.stack([unit[labels == each].mean(axis=0) for each in (0, 2, 3)])
    others = np.random.default_rng(6).uniform(0, 1, (200, 12))
    cosines = others @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    for length in (0.1, 1, 50):
        found = logits(head, others * length).argmax(axis=1)
        np.testing.assert_array_equal(found, cosines.argmax(axis=1))
    assert head.classes.tolist() == [0, 2, 3]


def test_means_know_nothing_of_how_many_photos_a_category_has(fitted):
    """The same photos once more, and the head is the same."""
    features, labels = fitted
    more = np.concatenate([features, features[labels == 0]])
    found = class_means(more, np.concatenate([labels, labels[labels == 0]]))
    expected = class_means(features, labels)
    directions = [each.weight / np.linalg.norm(each.weight) for each in (found, expected)]
    np.testing.assert_allclose(*directions, atol=1e-5)


def test_means_of_features_that_are_all_zero_are_numbers():
    """A photo in which no unit of the last layer fires is nothing to fail on."""
    head = class_means(np.array([[0, 0], [0, 3], [4, 0]], np.float32), np.array([0, 0, 1]))
    assert np.isfinite(head.weight).all()


def test_a_regression_answers_unscaled_features_as_scikit_learn_scaled_ones(fitted):
    """Mean and deviation are in the weights."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    features, labels = fitted
    features = features * np.geomspace(1, 20, 12)
    head = regression(features, labels, balanced=False, should_stop=lambda: False)
    scaled = StandardScaler().fit_transform(features)
    expected = LogisticRegression(C=0.01, max_iter=1000).fit(scaled, labels)
    np.testing.assert_allclose(
        logits(head, features), expected.decision_function(scaled), atol=1e-3
    )
    assert head.accuracy(features, labels) == expected.score(scaled, labels)


def test_a_regression_of_two_categories_has_two_logits(fitted):
    """Whose difference is scikit-learn's one."""
    features, labels = fitted
    head = regression(
        features[labels != 2], labels[labels != 2], balanced=True, should_stop=lambda: False
    )
    assert head.weight.shape == (2, 12)
    assert head.classes.tolist() == [0, 3]
    np.testing.assert_allclose(head.weight[0], -head.weight[1])
