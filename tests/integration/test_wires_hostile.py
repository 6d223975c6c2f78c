"""Whatever a provider answers, on any wire: nothing is raised but what the protocol allows, and no value is absurd."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import VideoError
from bot.models import Ticket
from bot.providers.protocols import VideoStatus
from sandbox.providers.exchange import Answer, Exchange
from tests.integration.wires import WIRES, Bench, Wire

NAMES = (
    "id", "status", "error", "error_type", "detail", "message", "code", "request_id", "queue_position", "status_url",
    "response_url", "cancel_url", "polling_url", "urls", "unsigned_urls", "usage", "cost", "expires_at", "estimate",
    "amount", "source", "max_amount", "video", "url", "content", "video_url", "data", "msg", "type", "loc", "prompt_id",
    "outputs", "history", "queue_running", "queue_pending", "progress", "value", "name", "filename", "node_errors",
)  # fmt: skip
WORDS = (
    "COMPLETED", "IN_QUEUE", "completed", "failed", "pending", "exact", "https://a.example/v.mp4", "cancelled", "0.15",
    "succeeded", "error", "success",
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(WORDS)
)
BODIES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)
STATUSES = (200, 201, 202, 302, 400, 401, 402, 403, 404, 409, 410, 422, 429, 500, 503, 504)
ANSWERS = st.builds(
    lambda status, body, bucket: Answer(status, body, {"X-Comfy-Error-Type": bucket} if bucket else {}),
    st.sampled_from(STATUSES),
    BODIES.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=30),
    st.sampled_from((None, "content_policy_violation", "cancelled", "concurrency_limit_exceeded", "?")),
)
SOME = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))

pytestmark = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)


def answering(bench: Bench, answers: list[Answer]) -> None:
    """Every request gets the next of these answers, the last of them again and again."""
    left = list(answers)

    async def instead(phase: str, exchange: Exchange) -> Answer | None:
        if phase != "before":
            return None
        exchange.fault = "scripted"
        return left.pop(0) if len(left) > 1 else left[0]

    bench.local.on_exchange(instead)


@SOME
@given(answers=st.lists(ANSWERS, min_size=1, max_size=3))
async def test_a_create_gives_a_small_ticket_of_the_provider_or_an_error_of_the_protocol(
    wire: Wire, answers: list[Answer]
) -> None:
    async with wire.bench() as bench:
        answering(bench, answers)
        with contextlib.suppress(VideoError):
            ticket = await bench.api.create(bench.request(max_usd=1))
            assert len(ticket.encode()) <= 2048
            assert "a.example" not in ticket


@SOME
@given(answers=st.lists(ANSWERS, min_size=1, max_size=3))
async def test_a_question_gives_a_sound_answer_or_an_error_of_the_protocol(wire: Wire, answers: list[Answer]) -> None:
    async with wire.bench() as bench:
        request = bench.request()
        ticket = await bench.api.create(request)
        answering(bench, answers)
        for question in (
            lambda: bench.api.status(ticket),
            lambda: bench.api.cancel(ticket),
            lambda: bench.api.settle(request),
            lambda: bench.api.check([wire.model]),
            bench.api.settle_auth,
        ):
            with contextlib.suppress(VideoError):
                _is_sound(await question())


@pytest.mark.parametrize("listed", [[{"id": [1]}], [{"id": {}}], [[]], [None], {"id": "a"}], ids=str)
async def test_a_list_of_models_with_odd_names_is_read_as_far_as_it_goes(wire: Wire, listed: Any) -> None:
    async with wire.bench() as bench:
        answering(bench, [Answer(200, json.dumps({"data": listed}).encode(), {})])
        with contextlib.suppress(VideoError):
            assert all(isinstance(fault, str) for fault in await bench.api.check([wire.model]))


def _is_sound(found: Any) -> None:
    if isinstance(found, VideoStatus):
        assert found.cost_usd is None or found.cost_usd >= 0
        assert found.queue_position is None or found.queue_position >= 1
        assert found.percent is None or 0 <= found.percent <= 100
        assert len(found.provider_text) <= 220
        assert found.url is None or found.url.startswith("http")
    elif isinstance(found, str):
        assert isinstance(json.loads(Ticket(found)), dict)
