"""The Comfy API v2 against a local server: keys that are taken once, listed jobs, cancels, downloads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.errors import VideoNotReady, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind, Ticket
from bot.providers.comfy_api import ComfyAPIProvider
from bot.providers.protocols import Phase, Provider
from sandbox.providers.comfy_api import ComfyAPISettings, LocalComfyAPI
from sandbox.providers.exchange import Answer, ErrorReply
from sandbox.providers.mp4 import tiny_mp4
from tests.integration.comfy import PICTURE, WAN, answering, comfy_api, request, sent
from tests.thorough import mostly_thorough

EXPIRED: dict[str, Any] = {"status": "expired", "outputs": [], "error": None}


@contextlib.asynccontextmanager
async def world(**settings: Any) -> AsyncIterator[tuple[LocalComfyAPI, ComfyAPIProvider]]:
    given = ComfyAPISettings(render_seconds=None, **settings)
    async with LocalComfyAPI(render=tiny_mp4, settings=given) as local:
        api = comfy_api(local, cancel_s=1.0)
        try:
            yield local, api
            assert [found for exchange in local.requests for found in local.violations(exchange)] == []
        finally:
            await api.close()


def refused(code: str, status: int = 422) -> Answer:
    return Answer(status, {"error": {"code": code, "message": "no", "details": None}})


async def test_a_picture_becomes_a_video(tmp_path: Path) -> None:
    async with world() as (local, api):
        provider: Provider = api
        asked = request(seconds=2)
        ticket = await provider.create(asked)
        (job,) = local.jobs.values()
        waiting = await api.status(ticket)
        local.advance(job.id, 40)
        running = await api.status(ticket)
        local.finish(job.id)
        done = await api.status(ticket)
        await api.download(ticket, done.url, tmp_path / "video.mp4")

    assert (waiting.phase, waiting.queue_position, waiting.percent) == (Phase.RUNNING, 1, None)
    assert (running.phase, running.queue_position, running.percent) == (Phase.RUNNING, None, 40)
    assert done.phase is Phase.DONE
    assert done.expires_at is not None
    assert (job.prompt, job.seconds, job.size, job.picture, job.key) == ("a hat", "2", "64x96", PICTURE, asked.key)
    assert (tmp_path / "video.mp4").read_bytes() == tiny_mp4()
    assert all(exchange.headers["authorization"] == f"Bearer {local.key}" for exchange in local.requests)
    assert len(ticket) < 2048


async def test_the_address_may_be_given_with_its_path() -> None:
    async with world() as (local, _):
        api = comfy_api(local, url=f"{local.url}/api/v2/")
        await api.settle_auth()
        await api.create(request())
        await api.close()

    assert local.times_created() == 1


@pytest.mark.parametrize("fault", ["lost", "500-late", "html", "empty"])
async def test_a_lost_answer_leads_to_the_job_that_was_made(fault: str) -> None:
    async with world() as (local, api):
        local.faults.inject(f"create:{fault}")
        asked = request()
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(asked)
        await api.create(request("another, made since"))
        ticket = await api.settle(asked)

    assert ticket is not None
    assert json.loads(ticket)["id"] == next(job.id for job in local.jobs.values() if job.prompt == "a hat")
    assert local.times_created("a hat") == 1


async def test_a_request_that_never_arrived_is_sent_once_more_under_its_key() -> None:
    async with world() as (local, api):
        local.faults.inject("create:cut-early")
        asked = request()
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(asked)
        ticket = await api.settle(asked)

        assert ticket is not None
        assert (await api.status(ticket)).phase is Phase.RUNNING
    assert local.times_created() == 1
    assert [exchange.headers["idempotency-key"] for exchange in sent(local, "create")] == [asked.key] * 2


async def test_where_nothing_is_listed_a_request_that_had_arrived_stays_unknown() -> None:
    """As in the cloud: the key is taken, and nobody tells for which job."""
    async with world(lists=False) as (local, api):
        local.faults.inject("create:lost")
        asked = request()
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(asked)
        with pytest.raises(VideoOutcomeUnknown, match="may have arrived"):
            await api.settle(asked)

    assert local.times_created() == 1


async def test_where_nothing_is_listed_one_that_had_not_arrived_is_made_after_all() -> None:
    async with world(lists=False) as (local, api):
        local.faults.inject("create:cut-early")
        asked = request()
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(asked)

        assert await api.settle(asked) is not None
    assert local.times_created() == 1


async def test_an_answer_that_is_lost_twice_is_asked_for_again_later() -> None:
    async with world(lists=False) as (local, api):
        local.faults.inject("create:cut-early", times=2)
        asked = request()
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(asked)
        with pytest.raises(VideoUnavailable):
            await api.settle(asked)

        assert await api.settle(asked) is not None
    assert local.times_created() == 1


@pytest.mark.parametrize(
    "answer", [refused("missing_asset"), refused("deployment_stopped"), refused("invalid_request", 400)]
)
async def test_a_refusal_of_what_is_sent_once_more_says_nothing_of_the_first(answer: Answer) -> None:
    async with world(lists=False) as (local, api):
        answering(local, "create", answer)
        with pytest.raises(VideoOutcomeUnknown):
            await api.settle(request())


@pytest.mark.parametrize("answer", [Answer(401), refused("insufficient_credits", 402), Answer(429), Answer(503)])
async def test_what_may_pass_is_asked_again_later(answer: Answer) -> None:
    async with world(lists=False) as (local, api):
        answering(local, "create", answer)
        with pytest.raises(VideoUnavailable):
            await api.settle(request())


async def test_a_workflow_that_is_wrong_was_wrong_the_first_time() -> None:
    async with world() as (local, api):
        local.settings.nodes = []
        with pytest.raises(VideoRejected) as caught:
            await api.settle(request())

    assert caught.value.kind is FailureKind.MODEL


async def test_a_job_that_is_not_listed_yet_is_waited_for() -> None:
    """The proxy lists it once ComfyUI has answered."""
    async with world() as (local, api):
        asked = request(sent_at=datetime.now(UTC))
        await api.create(asked)
        answering(local, "list", Answer(200, {"jobs": [], "truncated": False}))
        with pytest.raises(VideoUnavailable):
            await api.settle(asked)
        with pytest.raises(VideoOutcomeUnknown):
            await api.settle(replace(asked, sent_at=datetime.now(UTC) - timedelta(minutes=3)))

    assert local.times_created() == 1


async def test_a_picture_that_was_lost_cannot_be_sent_once_more() -> None:
    async with world() as (local, api):
        local.faults.inject("create:lost")
        asked, other = request(), request(picture=b"", sent_at=None)
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(asked)

        assert await api.settle(request(key=asked.key, picture=b"")) is not None
        with pytest.raises(VideoOutcomeUnknown):
            await api.settle(other)
    assert local.times_created() == 1


@pytest.mark.parametrize("ago", [timedelta(hours=23, minutes=1), None])
async def test_a_request_whose_key_may_be_forgotten_is_not_sent_once_more(ago: timedelta | None) -> None:
    """It would be paid for anew."""
    async with world() as (local, api):
        local.faults.inject("create:cut-early")
        asked = request(sent_at=None if ago is None else datetime.now(UTC) - ago)
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(asked)
        with pytest.raises(VideoOutcomeUnknown):
            await api.settle(asked)

    assert local.creates == 1


async def test_a_create_under_a_key_that_is_taken_finds_its_job() -> None:
    async with world() as (local, api):
        asked = request()
        first = await api.create(asked)

        assert await api.create(asked) == first
    assert local.times_created() == 1


async def test_while_comfyui_is_down_no_key_is_spent() -> None:
    """The proxy keeps the key of a request that it could not pass on."""
    async with world() as (local, api):
        local.settings.is_unreachable = True
        asked = request()
        for ask in (api.create, api.settle):
            with pytest.raises(VideoUnavailable):
                await ask(asked)
        assert not sent(local, "create")
        local.settings.is_unreachable = False
        assert await api.settle(asked) is not None

    assert local.times_created() == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(401), FailureKind.KEY),
        (refused("insufficient_credits", 402), FailureKind.BALANCE),
        (Answer(403), FailureKind.BALANCE),
        (refused("invalid_workflow"), FailureKind.MODEL),
        (refused("deployment_stopped"), FailureKind.MODEL),
        (refused("missing_asset"), FailureKind.BAD_REQUEST),
        (Answer(404), FailureKind.MODEL),
        (Answer(413), FailureKind.TOO_LARGE),
    ],
)
async def test_a_refusal_is_final(answer: Answer, kind: FailureKind) -> None:
    async with world() as (local, api):
        answering(local, "create", answer)
        with pytest.raises(VideoRejected) as caught:
            await api.create(request())

    assert caught.value.kind is kind
    assert not local.jobs


@pytest.mark.parametrize(
    "answer", [Answer(500), Answer(200, "x"), Answer(201, {"id": ""}), refused("upstream_error", 500)]
)
async def test_a_failed_upload_has_made_nothing(answer: Answer) -> None:
    async with world() as (local, api):
        answering(local, "upload", answer)
        with pytest.raises(VideoUnavailable):
            await api.create(request())

    assert not sent(local, "create")


async def test_a_full_queue_is_asked_again_later() -> None:
    async with world() as (local, api):
        answering(
            local, "create", Answer(429, {"error": {"code": "queue_full", "message": "full"}}, {"Retry-After": "7"})
        )
        with pytest.raises(VideoUnavailable) as caught:
            await api.create(request())

    assert (caught.value.rate_limited, caught.value.retry_after_s) == (True, 7)


async def test_a_failed_job_says_why() -> None:
    async with world() as (local, api):
        ticket = await api.create(request())
        (job,) = local.jobs
        local.fail(job, ErrorReply(500, "CUDA out of memory. Tried to allocate 2 GiB"))
        status = await api.status(ticket)

    assert (status.phase, status.failure) == (Phase.FAILED, FailureKind.PROVIDER)
    assert "ran out of memory" in status.provider_text


async def test_a_job_that_is_gone_behind_the_proxy_has_failed() -> None:
    async with world() as (local, api):
        ticket = await api.create(request())
        answering(local, "poll", Answer(200, EXPIRED))
        status = await api.status(ticket)

    assert (status.phase, status.failure) == (Phase.FAILED, FailureKind.GONE)


@pytest.mark.parametrize("fault", ["500", "502-html", "404", "429", "cut", "not-json", "empty", "odd-status"])
async def test_no_poll_error_ends_a_job(fault: str) -> None:
    async with world() as (local, api):
        ticket = await api.create(request())
        local.faults.inject(f"poll:{fault}")
        with pytest.raises(VideoUnavailable):
            await api.status(ticket)

        assert (await api.status(ticket)).phase is Phase.RUNNING


ODD: list[Any] = [
    {"status": {}}, {"status": []}, [], {"status": "succeeded", "outputs": 7},
    {"status": "succeeded", "outputs": [None, {"name": "v.mp4", "url": 7}, {"name": "v.mp4", "url": "http://["}]},
    {"status": "running", "progress": [], "queue_position": "x"}, {"status": "running", "progress": {"value": "NaN"}},
    {"status": "failed", "error": []}, {"status": "failed", "error": {"message": [], "node_id": {}}},
    {"status": "queued", "urls": {"cancel": 7, "self": []}, "started_at": []},
]  # fmt: skip


@pytest.mark.parametrize("body", mostly_thorough(ODD, by_default=ODD[:6]))
async def test_odd_words_about_a_job_do_no_harm(body: Any) -> None:
    async with world() as (local, api):
        ticket = await api.create(request())
        answering(local, "poll", Answer(200, body))
        answering(local, "list", Answer(200, {"jobs": [None, 7, {"id": []}, {"id": "1", "urls": 7}]}))
        with contextlib.suppress(VideoUnavailable):
            await api.status(ticket)
        with contextlib.suppress(VideoUnavailable):
            await api.cancel(ticket)
        with pytest.raises(VideoOutcomeUnknown):
            await api.settle(request(picture=b"", sent_at=None))


async def test_a_job_is_cancelled_for_nothing() -> None:
    async with world() as (local, api):
        tickets = [await api.create(request()) for _ in range(2)]
        waiting, running = local.jobs
        local.advance(running, 30)

        assert [await api.cancel(ticket) for ticket in tickets] == [True, True]
        assert (await api.status(tickets[0])).phase is Phase.FAILED
    assert local.times_charged() == 0
    assert waiting != running


async def test_a_job_that_is_known_to_have_begun_is_left_alone() -> None:
    """In the cloud its time costs something from then on."""
    async with world(tells_start=True) as (local, api):
        ticket = await api.create(request())
        (job,) = local.jobs
        local.advance(job, 30)

        assert not await api.cancel(ticket)
        assert (await api.status(ticket)).phase is Phase.RUNNING
    assert not sent(local, "cancel")


async def test_a_finished_job_is_too_late_to_be_cancelled() -> None:
    async with world() as (local, api):
        ticket = await api.create(request())
        (job,) = local.jobs.values()
        local.finish(job.id)
        await local.wait_for(lambda: job.is_over)

        assert not await api.cancel(ticket)


async def test_a_cancel_that_does_not_take_effect_is_not_known() -> None:
    async with world() as (local, api):
        ticket = await api.create(request())
        answering(local, "cancel", Answer(200, {}))
        with pytest.raises(VideoUnavailable):
            await api.cancel(ticket)


async def test_addresses_in_an_answer_lead_nobody_elsewhere(tmp_path: Path) -> None:
    async with world() as (local, api):
        made = {"id": "17", "status": "queued", "urls": {"self": "http://169.254.169.254/x", "cancel": "//evil/x"}}
        answering(local, "create", Answer(201, made))
        ticket = await api.create(request())

        assert json.loads(ticket)["self"] == f"{local.url}/api/v2/jobs/17"
        output = {"name": "v.mp4", "content_type": "video/mp4", "url": "http://169.254.169.254/v.mp4"}
        answering(local, "poll", Answer(200, {"status": "succeeded", "outputs": [output]}))
        status = await api.status(ticket)
        with pytest.raises((VideoNotReady, VideoUnavailable)):
            await api.download(ticket, status.url, tmp_path / "video.mp4")


async def test_only_an_address_that_needs_no_key_is_shown() -> None:
    async with world() as (local, api):
        ticket = await api.create(request())
        output = {"name": "v.mp4", "content_type": "video/mp4", "url": "https://storage.example.com/v.mp4?sig=1"}
        answering(local, "poll", Answer(200, {"status": "succeeded", "outputs": [output]}))
        assert (await api.status(ticket)).url == "https://storage.example.com/v.mp4?sig=1"
        output["url"] = "/api/v2/assets/v.mp4/content"
        assert (await api.status(ticket)).url is None


async def test_the_key_goes_to_its_own_origin_alone() -> None:
    async with world() as (local, api):
        ticket = await api.create(request())
        kept = json.loads(ticket)
        moved = Ticket(json.dumps({**kept, "self": kept["self"].replace(local.origin, local.elsewhere)}))
        with pytest.raises(VideoUnavailable) as caught:
            await api.status(moved)

    assert caught.value.http_status == 401
    assert "authorization" not in local.requests[-1].headers


async def test_a_wrong_key_is_told() -> None:
    async with world() as (local, api):
        await api.settle_auth()
        local.key = "sk-another-1234567890"
        with pytest.raises(VideoRejected) as caught:
            await api.settle_auth()

    assert caught.value.kind is FailureKind.KEY


async def test_a_check_finds_what_is_wrong_with_a_workflow() -> None:
    async with world() as (_, api):
        assert await api.check([WAN]) == []
