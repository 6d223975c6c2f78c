"""What the queue wire alone has: quotes before the charge, keys that settle a lost answer, and a place in the queue."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.errors import VideoError, VideoNotReady, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind
from bot.providers.protocols import Phase
from bot.wire_config import ModelWire, PictureForm
from sandbox.providers.comfy_router import ComfyRouterSettings
from sandbox.providers.exchange import Answer, Exchange
from tests.integration.wires import SECRET, Bench, ComfyRouter, Fal, GPTProto, Wire, picture

COSTS = 0.1  # five seconds at the local provider's price


@contextlib.asynccontextmanager
async def router(**settings: Any) -> AsyncIterator[tuple[Bench, ComfyRouterSettings]]:
    """Comfy Router with these settings."""
    async with ComfyRouter().bench() as bench:
        local = bench.local.settings
        assert isinstance(local, ComfyRouterSettings)
        for name, value in settings.items():
            setattr(local, name, value)
        yield bench, local


@pytest.mark.parametrize("quotes", ["exact", "estimated"])
async def test_a_video_that_is_quoted_above_what_was_reserved_is_not_made(
    quotes: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with router(quotes=quotes) as (bench, _):
        with pytest.raises(VideoRejected) as refused:
            await bench.api.create(bench.request(max_usd=COSTS * 0.99))
        assert (bench.local.creates, bench.local.times_created()) == (0, 0)

    assert refused.value.kind is FailureKind.OVER_PRICE
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert ComfyRouter.model.name in record.getMessage()
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("quotes", "most"), [("exact", COSTS), ("estimated", 2 * COSTS), ("unknown", 0.0), ("off", 0.0)]
)
async def test_a_video_within_what_was_reserved_is_made_and_so_is_one_without_a_quote(quotes: str, most: float) -> None:
    async with router(quotes=quotes) as (bench, _):
        await bench.api.create(bench.request(max_usd=most))
        assert bench.local.times_created() == 1
        assert [each.route for each in bench.local.requests] == ["estimate", "create"]


async def test_a_quote_of_the_very_price_is_within_it() -> None:
    """100 seconds at 0.57 are 56.99999999999999 to Python."""
    async with router(usd_per_second=57 / 5) as (bench, _):
        await bench.api.create(bench.request(max_usd=0.57 * 100))
        assert bench.local.times_created() == 1


async def test_nobody_asks_for_a_quote_that_nothing_is_held_against() -> None:
    async with router() as (bench, _):
        await bench.api.create(bench.request(max_usd=None))
        assert [each.route for each in bench.local.requests] == ["create"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("401", FailureKind.KEY),
        ("402", FailureKind.BALANCE),
        ("404", FailureKind.MODEL),
        ("redirect", FailureKind.BAD_REQUEST),
        ("429", None),
        ("500", None),
        ("503", None),
        ("502-html", None),
    ],
)
async def test_nothing_is_made_where_the_quote_fails(fault: str, kind: FailureKind | None) -> None:
    async with router() as (bench, _):
        bench.local.faults.inject(f"estimate:{fault}", times=None)
        with pytest.raises(VideoRejected if kind else VideoUnavailable) as failed:
            await bench.api.create(bench.request(max_usd=1))
        assert bench.local.creates == 0

    assert isinstance(failed.value, VideoError)
    assert kind is None or failed.value.kind is kind


async def test_a_resend_under_the_same_key_is_answered_with_the_same_request() -> None:
    async with router() as (bench, _):
        request = bench.request()
        ticket = await bench.api.create(request)
        again, once_more = await bench.api.settle(request), await bench.api.settle(request)
        assert bench.local.times_created() == 1
        assert bench.local.creates == 3
        for settled in (again, once_more):
            assert settled is not None
            assert (await bench.ended(settled)).phase is Phase.DONE

    assert '"usd"' in ticket  # the quote is told once, with the first answer


async def test_a_resend_goes_out_byte_for_byte_as_the_first() -> None:
    async with router() as (bench, _):
        request = bench.request(last_image=picture())
        bench.local.faults.inject("create:lost")
        with pytest.raises(VideoOutcomeUnknown):
            await bench.api.create(request)
        await bench.api.settle(request)
        first, second = bench.sent("create")

    assert first.body == second.body
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == request.key
    assert [each["type"] for each in first.fields["content"]] == ["text", "image_url", "image_url"]


async def test_a_key_of_another_request_settles_nothing() -> None:
    async with router() as (bench, _):
        request = bench.request()
        await bench.api.create(request)
        with pytest.raises(VideoOutcomeUnknown):
            await bench.api.settle(replace(request, prompt="another"))
        assert bench.local.times_created() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"sent_at": None},
        {"sent_at": datetime.now(UTC) - timedelta(hours=23, minutes=1)},
        {"picture": b""},
    ],
    ids=["not known when it was sent", "sent almost a day ago", "the picture is gone"],
)
async def test_nothing_is_sent_again_that_might_be_paid_twice(changes: dict[str, Any]) -> None:
    """The provider forgets keys after a day: then a resend is a second video."""
    async with router() as (bench, _):
        request = bench.request()
        await bench.api.create(request)
        with pytest.raises(VideoOutcomeUnknown):
            await bench.api.settle(replace(request, **changes))
        assert bench.local.creates == 1


@pytest.mark.parametrize(
    "fault", ["lost", "cut-early", "500", "502-html", "503", "409", "429", "401", "402", "403", "404"]
)
async def test_what_cannot_be_settled_now_is_asked_for_later(fault: str) -> None:
    """A refusal of the resend says nothing of the first: it may come before the key is looked up."""
    async with router() as (bench, _):
        request = bench.request()
        bench.local.faults.inject("create:lost")
        with pytest.raises(VideoOutcomeUnknown):
            await bench.api.create(request)
        bench.local.faults.inject(f"create:{fault}")
        with pytest.raises(VideoUnavailable):
            await bench.api.settle(request)
        assert await bench.api.settle(request) is not None
        assert bench.local.times_created() == 1


@pytest.mark.parametrize("bucket", ["insufficient_credits", "unauthorized", "model_not_found"])
@pytest.mark.parametrize("status", [400, 422])
async def test_a_refusal_of_the_resend_that_is_not_about_the_request_does_not_settle_the_first(
    bucket: str, status: int
) -> None:
    """The first may have been made, and have used up the balance: another model would be a second video."""
    async with router() as (bench, _):
        request = bench.request()
        bench.local.faults.inject("create:lost")
        with pytest.raises(VideoOutcomeUnknown):
            await bench.api.create(request)

        async def refuses(phase: str, exchange: Exchange) -> Answer | None:
            exchange.fault = "scripted"
            return Answer(status, b'{"detail": "no"}', {"X-Comfy-Error-Type": bucket}) if phase == "before" else None

        bench.local.on_exchange(refuses)
        with pytest.raises(VideoUnavailable):
            await bench.api.settle(request)


async def test_what_every_such_request_is_answered_settles_as_a_refusal() -> None:
    async with router() as (bench, _):
        wrong = bench.request(model=replace(ComfyRouter.model, body={"prompt": "{prompt}"}))
        with pytest.raises(VideoRejected) as refused:
            await bench.api.settle(wrong)

    assert refused.value.kind is FailureKind.BAD_REQUEST


@pytest.mark.parametrize("wire", [Fal(), ComfyRouter()], ids=lambda wire: wire.name)
async def test_what_runs_already_is_not_cancelled_and_comes(wire: Wire) -> None:
    async with wire.bench() as bench:
        ticket = await bench.api.create(bench.request())
        (job,) = bench.local.jobs.values()
        bench.local.advance(job.id, 10)
        assert await bench.api.cancel(ticket) is False
        assert bench.sent("cancel") == []
        assert (await bench.ended(ticket)).phase is Phase.DONE


@pytest.mark.parametrize("wire", [Fal(), ComfyRouter()], ids=lambda wire: wire.name)
@pytest.mark.parametrize("ends", ["starts", "is done"])
async def test_a_cancel_that_comes_too_late_is_none(wire: Wire, ends: str) -> None:
    async with wire.bench() as bench:
        ticket = await bench.api.create(bench.request())
        (job,) = bench.local.jobs.values()

        async def in_between(phase: str, exchange: object) -> None:
            if phase == "before" and getattr(exchange, "route", "") == "cancel":
                if ends == "starts":
                    bench.local.advance(job.id, 10)
                else:
                    job.state, job.completed_at = "done", bench.local.clock()

        bench.local.on_exchange(in_between)
        if ends == "starts":
            with pytest.raises(VideoUnavailable):
                await bench.api.cancel(ticket)
        else:
            assert await bench.api.cancel(ticket) is False
        assert bench.local.times_charged() == 1


@pytest.mark.parametrize("wire", [Fal(), ComfyRouter()], ids=lambda wire: wire.name)
async def test_a_cancel_without_an_answer_is_not_known(wire: Wire) -> None:
    async with wire.bench() as bench:
        ticket = await bench.api.create(bench.request())
        bench.local.faults.inject("cancel:500", times=None)
        with pytest.raises(VideoUnavailable):
            await bench.api.cancel(ticket)


@pytest.mark.parametrize("wire", [Fal(), ComfyRouter(), GPTProto()], ids=lambda wire: wire.name)
async def test_a_private_address_in_a_result_is_not_fetched(wire: Wire, tmp_path: Path) -> None:
    async with wire.bench() as bench:
        ticket = await bench.api.create(bench.request())
        await bench.ended(ticket)
        bench.local.faults.inject("result:private-url", times=None)
        with pytest.raises(VideoNotReady, match="not allowed there"):
            await bench.api.download(ticket, None, tmp_path / "video.mp4")


@pytest.mark.parametrize(
    ("listed", "in_catalog", "charged"),
    [("yes", None, True), ("no", None, False), ("unknown", None, None), ("yes", False, False), ("no", True, True)],
)
async def test_where_the_catalog_does_not_say_the_provider_is_asked_if_it_charges_for_what_its_rules_refuse(
    listed: str, *, in_catalog: bool | None, charged: bool | None
) -> None:
    async with router(charges_on_policy_rejection=listed) as (bench, _):
        bench.local.faults.inject("create:moderated")
        model = replace(bench.wire.model, charges_refusals=in_catalog)
        failed = await bench.ended(await bench.api.create(bench.request(model=model)))

    assert failed.failure is FailureKind.MODERATED
    assert failed.charged is charged


async def test_whether_it_charges_is_not_known_where_that_question_fails() -> None:
    async with router(charges_on_policy_rejection="yes") as (bench, _):
        bench.local.faults.inject("create:moderated")
        bench.local.faults.inject("model:500")
        model = replace(bench.wire.model, charges_refusals=None)
        failed = await bench.ended(await bench.api.create(bench.request(model=model)))

    assert (failed.phase, failed.charged) == (Phase.FAILED, None)


async def test_the_queue_is_shown_as_it_moves() -> None:
    async with Fal().bench() as bench:
        first = await bench.api.create(bench.request())
        second = await bench.api.create(bench.request("another"))
        places = [(await bench.api.status(each)).queue_position for each in (first, second)]
        bench.local.advance(next(iter(bench.local.jobs)), 1)
        after = [(await bench.api.status(each)).queue_position for each in (first, second)]

    assert places == [1, 2]
    assert after == [None, 1]


async def test_a_request_is_found_under_owner_and_alias_alone() -> None:
    async with Fal().bench() as bench:
        await bench.api.create(bench.request())
        (job,) = bench.local.jobs.values()
        assert job.model == "acme/video/v1/image-to-video"
        assert bench.sent("create")[0].path == "/acme/video/v1/image-to-video"
        assert bench.local.requests[0].reply["status_url"].endswith(f"/acme/video/requests/{job.id}/status")


@pytest.mark.parametrize(
    ("flag", "prompt", "then", "phase", "is_unsafe"),
    [
        ("has_nsfw_concepts", "[unsafe]", "spoiler", Phase.DONE, True),
        ("has_nsfw_concepts", "a cat", "spoiler", Phase.DONE, False),
        ("!has_nsfw_concepts", "a cat", "spoiler", Phase.DONE, True),
        ("has_nsfw_concepts", "[unsafe]", "refuse", Phase.FAILED, False),
        (None, "[unsafe]", "spoiler", Phase.DONE, False),
        ("video.nsfw", "[unsafe]", "refuse", Phase.DONE, False),
    ],
)
async def test_the_providers_own_flag_makes_a_spoiler_or_a_refusal_as_the_catalog_wants_it(
    flag: str | None, prompt: str, then: str, phase: Phase, is_unsafe: object
) -> None:
    async with Fal().bench() as bench:
        model = replace(Fal.model, unsafe=flag, refuses_unsafe=then == "refuse")
        found = await bench.ended(await bench.api.create(bench.request(model=model, prompt=prompt)))

    assert (found.phase, found.is_unsafe) == (phase, is_unsafe)
    assert found.failure is (FailureKind.MODERATED if phase is Phase.FAILED else None)


async def test_a_result_without_a_video_is_done_and_said_to_the_operator(caplog: pytest.LogCaptureFixture) -> None:
    async with Fal().bench() as bench:
        model = replace(Fal.model, result="output.url")
        ticket = await bench.api.create(bench.request(model=model))
        bench.local.faults.inject("result:no-url")
        done = await bench.ended(ticket)
        later = await bench.api.status(ticket)

    assert (done.phase, done.url) == (Phase.DONE, None)
    assert "output.url" in caplog.text
    assert later.url is not None  # under a usual name


@pytest.mark.parametrize(
    "model",
    [ModelWire("acme/video", PictureForm.DATA_URI), replace(Fal.model, picture=PictureForm.URL)],
    ids=["no body", "no address for the picture"],
)
async def test_a_model_that_cannot_be_asked_for_is_refused_before_anything_is_sent(model: ModelWire) -> None:
    async with Fal().bench() as bench:
        with pytest.raises(VideoRejected) as refused:
            await bench.api.create(bench.request(model=model))
        assert bench.local.requests == []

    assert refused.value.kind is FailureKind.BAD_REQUEST


async def test_a_body_that_cannot_be_filled_is_named_before_anything_is_made() -> None:
    async with Fal().bench() as bench:
        wrong = replace(Fal.model, body={"prompt": "{promt}", "options": ["{secnds!s}"]})
        found = await bench.api.check([Fal.model, wrong, ModelWire("acme/none")])
        assert bench.local.requests == []

    assert [sentence.rpartition(" ")[2] for sentence in found] == ["{promt}", "{secnds}", "acme/none"]
