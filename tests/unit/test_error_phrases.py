"""Whom an error's words blame: texts as services say them, one row each, both ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.errors import VideoError, VideoOutcomeUnknown
from bot.models import FailureKind
from bot.providers import error_mapping, error_text
from bot.providers.responses import Answer

NOW = datetime(2026, 10, 21, 7, 0, tzinfo=UTC)

NOBODYS_FAULT = [
    "couldn't connect to Hugging Face to load this file",
    "We couldn't connect to 'https://huggingface.co' to load the face-restoration weights",
    "Too many people are using this model right now",
    "Too many people: new requests are rejected for now",
    "There are 12 people ahead of you",
    "The upstream did not return a human-readable message",
    "Internal error; a human will look at it",
    "Real people are working on this problem",
    "Contact a real person at support@example.com",
    "Your request has to be reviewed by a person first",
    "Inappropriate ioctl for device",
    "[Errno 25] Inappropriate ioctl for device: '/dev/nvidia0'",
    "OSError: inappropriate file type or format",
    "The request is time-sensitive and took too long",
    "time sensitive task expired in the queue",
    "Parameter names are case-sensitive",
    "The prompt field is case sensitive",
    "model ids are case-insensitive",
    "interface error on surface 3",
    "the typeface could not be loaded",
    "user interface is faced with an outage",
    "For safety reasons we shed load",
    "thread-safety violation in worker 4",
    "Type safety check of the scheduler raised AssertionError",
    "safetensors: header too large",
    "Error while deserializing header: SafetensorError",
    "The safety checker could not be loaded: CUDA out of memory",
    "The moderation service timed out",
    "moderation endpoint returned 500",
    "Request was rejected because the moderation service is unavailable",
    "content filter model failed to load",
    "Content moderation is overloaded, try again later",
    "content policy service: connection refused",
    "The content passed moderation; rendering crashed",
    "No content policy violation was found, but the worker died",
    "Invalid content-type: illegal content type",
    "illegal content length",
    "The image contains no data",
    "image with person_1 not found in bucket",
    "The input contains a face-detection graph that could not be parsed",
    "person of contact: admin@example.com",
    "CUDA out of memory",
    "worker died",
    "The video could not be generated",
    "Inpaint image must match the requested width and height",
    "expected one of '4', '8', or '12', but got an integer",
    "Your request was rejected: seconds must be 4, 8 or 12. See our usage guidelines",
    "Rate limited. Read our content policy and terms of service at https://example.com",
    "personnel change",
    "personalized voices are not supported",
    "peopleless queue",
    "request blocked by firewall rule 12",
    "The connection was reset by the human interface device",
    "reference image has an unsupported color profile",
    "upstream: policy 'retry' exhausted",
    "IAM policy does not allow s3:PutObject",
    "blocked by CORS policy",
    "The deployment violates quota rules of the subscription",
    "Input should be a valid string",
    "filter 'scale' not found in filtergraph",
    "moderation queue full",
    "moderation queue rejected the job",
    "The content filter took 3 s",
    "Denied by content management system",
    "You are blocked: fair use policy limit exceeded",
    "Output buffer is unsafe to free",
    "The prompt contains illegal characters",
    "The image is an inappropriate format",
    "prompt contains disallowed characters",
    "The input must be explicit about its size",
    "It is a price-sensitive route",
    "input with child process 12 died",
    "image contains individual layers",
    "content contains human text",
    "input contains face indices out of range",
    "upload of people.csv failed",
    "No faces were detected by the stabilizer",
    "A person must confirm this request",
    "People Operations is not reachable",
    "the human eye cannot see the difference",
    "checked against our guidelines, then the worker died",
    "insufficient GPU memory",
    "flag provided but not defined: -person",
]
RULES = [
    "Content blocked due to safety concerns",
    "Content policy violation: input may not meet the guidelines",
    "Input may not meet the guidelines",
    "Your request was blocked by our moderation system.",
    "Your request was rejected as a result of our safety system.",
    "Your request was rejected by the safety system. If you believe this is an error, contact us.",
    "This content may violate our content policies.",
    "This prompt goes against our usage guidelines",
    "The prompt violates our usage policies.",
    "This content may violate our guardrails concerning similarity to third-party content.",
    "Blocked by guardrail",
    "Guardrails intervened",
    "Violated guardrail policy",
    "content_policies",
    "usage guidelines",
    "raiMediaFilteredReasons",
    "Veo could not generate videos because the input image violates Vertex AI's usage guidelines.",
    "The prompt is sensitive",
    "The prompt may contain sensitive words",
    "Output video may contain sensitive information",
    "Input text contains inappropriate content",
    "NSFW content detected",
    "prohibited content",
    "输入内容包含敏感词",
    "内容审核未通过",
    "Sexual content is not permitted",
    "The generated video was flagged as unsafe",
    "The image is inappropriate",
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy",
    "litellm.BadRequestError: OpenAIException - moderation_blocked",
    "Generation refused: does not comply with the community guidelines",
    "DataInspectionFailed",
    "rejected for sexual content",
    "Prompt rejected by content filter",
    "This request has been declined: it is not allowed by our content policy",
]
PERSONS = [
    "people-in-user-uploads",
    "The image contains a real person: people-in-user-uploads.",
    "InputImageSensitiveContentDetected.PrivacyInformation",
    "Image contains a human face",
    "Input images with faces of humans are rejected",
    "moderation: image shows a person",
    "The input image may contain real person",
    "We do not allow real people in uploads",
    "Videos of real people are not supported",
    "Human faces are not allowed",
    "Face detected",
    "detected a human face in input_reference",
    "The picture depicts a public figure",
    "This model does not animate people",
    "Uploads that include recognizable people are blocked",
    "The likeness of a real person cannot be used: rejected",
]
CODES = [
    ("moderation_blocked", FailureKind.MODERATED),
    ("sentinel_block", FailureKind.MODERATED),
    ("content_policy_violation", FailureKind.MODERATED),
    ("safety_violation", FailureKind.MODERATED),
    ("SAFETY", FailureKind.MODERATED),
    ("PROHIBITED_CONTENT", FailureKind.MODERATED),
    ("guardrail_violation", FailureKind.MODERATED),
    ("OutputVideoSensitiveContentDetected", FailureKind.MODERATED),
    ("InputImageSensitiveContentDetected.PrivacyInformation", FailureKind.PERSON),
    ("moderation_service_unavailable", None),
    ("safety_checker_timeout", None),
    ("case_sensitive_mismatch", None),
    ("server_error", None),
    ("invalid_request_error", None),
    ("person", None),
]
SHAPES: dict[str, Callable[[str], Any]] = {
    "OpenAI": lambda text: {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": None}},
    "a string": lambda text: {"error": text},
    "FastAPI": lambda text: {"detail": text},
    "LiteLLM": lambda text: {"error": {"message": "x - " + json.dumps({"error": {"message": text}}), "code": "400"}},
}


def kind_of(status: int, body: Any) -> FailureKind:
    error = error_mapping.of_create(Answer(status, {}, json.dumps(body).encode()), NOW, key="sk-test-123456")
    assert isinstance(error, VideoError)
    return error.kind


def of_render(body: Any) -> FailureKind:
    return error_mapping.of_failed_render(error_text.said(body))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("text", NOBODYS_FAULT)
def test_a_fault_of_the_server_blames_nobody(text: str, shape: str) -> None:
    body = SHAPES[shape](text)

    assert of_render(body) is FailureKind.PROVIDER
    for status in (400, 403, 422, 451, 503):
        assert kind_of(status, body) not in (FailureKind.MODERATED, FailureKind.PERSON), status


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("text", "kind"),
    [*((text, FailureKind.MODERATED) for text in RULES), *((text, FailureKind.PERSON) for text in PERSONS)],
)
def test_a_refusal_in_whole_phrases_is_told_as_one(text: str, kind: FailureKind, shape: str) -> None:
    body = SHAPES[shape](text)

    assert of_render(body) is kind
    for status in (400, 403, 422, 451):
        assert kind_of(status, body) is kind, status


@pytest.mark.parametrize("name", ["code", "type", "fail_reason", "reason", "finish_reason"])
@pytest.mark.parametrize(("code", "kind"), CODES)
def test_a_code_decides(name: str, code: str, kind: FailureKind | None) -> None:
    body = {"error": {name: code, "message": "It was not made."}}

    assert of_render(body) is (kind or FailureKind.PROVIDER)
    assert kind_of(503, body) is (kind or FailureKind.LOST_ANSWER)


@pytest.mark.parametrize(
    "body",
    [
        {"content_filter": {"filtered_count": 1}},
        {"error": {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["Support codes: 15236754"]}},
        {"response": {}, "raiMediaFilteredReasons": ["58061214"]},
    ],
)
def test_members_that_tell_of_moderation_by_being_there(body: Any) -> None:
    assert of_render(body) is FailureKind.MODERATED


def test_members_that_tell_of_no_moderation() -> None:
    assert of_render({"error": {"message": "worker died", "raiMediaFilteredCount": 0}}) is FailureKind.PROVIDER


@pytest.mark.parametrize("text", ["safety", "our content policy", "moderation", "please see the usage guidelines"])
def test_under_503_a_rule_that_is_merely_named_says_nothing(text: str) -> None:
    error = error_mapping.of_create(Answer(503, {}, json.dumps({"message": text}).encode()), NOW, key="")

    assert isinstance(error, VideoOutcomeUnknown)
