"""Every operation's input, as botocore's service models describe it, checked as AWS checks it."""

import re

import pytest
from sagemaker_operations import OFFERED, RUNTIME_OFFERED
from service_inputs import beyond_constraints, least, left_out, of_another_type, valid_requests

from infra.sagemaker.errors import SerializationException, ValidationException
from infra.sagemaker.service_model import check_input, operation_model

HEADERS_ALONE = [("sagemaker-runtime", name) for name in RUNTIME_OFFERED]
"""Operations of the runtime, whose body is no part of the check."""


def input_shape(service, operation):
    """The shape of an operation's input."""
    return operation_model(operation, service).input_shape


def refusal(service, operation, request):
    """What a request is refused with."""
    with pytest.raises(ValidationException) as refused:
        check_input(operation, request, service)
    return refused.value.message


@pytest.mark.parametrize(("service", "operation"), OFFERED)
def test_the_least_request_with_any_member_is_accepted(service, operation):
    """Required members, and each optional one beside them, at every depth."""
    shape = input_shape(service, operation)
    assert check_input(operation, least(shape, {}), service) == least(shape, {})
    for request in valid_requests(shape, {}):
        assert check_input(operation, request, service) == request


@pytest.mark.parametrize(("service", "operation"), OFFERED)
def test_a_required_member_that_is_left_out_is_named(service, operation):
    """At every depth, and nothing else is complained of."""
    for fault in left_out(input_shape(service, operation), {}):
        message = refusal(service, operation, fault.request)
        assert message == f"1 validation error detected: {fault.said[0]}"


@pytest.mark.parametrize(("service", "operation"), OFFERED)
def test_a_value_of_another_type_is_a_serialization_error(service, operation):
    """At every depth, in the words of AWS's parser, with the place behind them."""
    for fault in of_another_type(input_shape(service, operation), {}):
        with pytest.raises(SerializationException) as refused:
            check_input(operation, fault.request, service)
        assert refused.value.message == fault.said[0]


@pytest.mark.parametrize(("service", "operation"), OFFERED)
def test_a_value_beyond_its_constraint_is_refused_in_the_words_of_aws(service, operation):
    """Ranges, lengths, patterns and enumerations; of elements AWS speaks at their list or map."""
    for fault in beyond_constraints(input_shape(service, operation), {}):
        message = refusal(service, operation, fault.request)
        count = message.count("failed to satisfy constraint: ")
        plural = "errors" if count > 1 else "error"
        assert re.match(f"{count} validation {plural} detected: Value", message)
        assert all(part in message for part in fault.said)
