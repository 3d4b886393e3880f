"""What a request may ask for in its CustomAttributes."""

import pytest

from hosting.options import AttributesError, Options


@pytest.mark.parametrize("attributes", ["", "c000b4f9-df62-4c85-a0bf-7c525f9104a4", "a=1,b,,="])
def test_what_is_not_ours_is_passed_over(attributes):
    """AWS suggests ids of the client's own; such a request asks for nothing more."""
    found = Options.parse(attributes)
    assert found == Options()
    assert not found


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("top_k=3", Options(top_k=3)),
        (f"top_k=1{'0' * 5000}", Options(top_k=100_000_000)),
        ("embedding=true", Options(embedding=True)),
        ("heatmap=true , trace=7, embedding=false", Options(heatmap=True)),
        ("embedding=true,heatmap=true,top_k=12", Options(12, embedding=True, heatmap=True)),
    ],
)
def test_options_are_read(attributes, expected):
    """In any order, beside anything else."""
    found = Options.parse(attributes)
    assert found == expected
    assert found


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ("top_k=0", "top_k=0: expected a whole number of at least 1"),
        ("top_k=³", "top_k=³: expected a whole number"),
        ("top_k", "top_k=: expected a whole number"),
        ("embedding=yes", "embedding=yes: expected true or false"),
        ("heatmap=", "heatmap=: expected true or false"),
    ],
)
def test_a_value_that_is_none_is_refused(attributes, said):
    """400: the client meant something by it."""
    with pytest.raises(AttributesError) as caught:
        Options.parse(attributes)
    assert said in caught.value.message
    assert (caught.value.status, caught.value.code) == (400, "bad_attributes")
