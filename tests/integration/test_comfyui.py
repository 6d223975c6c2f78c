"""ComfyUI's wire against a local ComfyUI: creates, lost answers, the queue, progress, cancels, downloads."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.errors import VideoNotReady, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind, Ticket
from bot.providers.comfyui import ComfyUIProvider
from bot.providers.http import Timeouts
from bot.providers.protocols import Phase, Provider
from bot.wire_config import ModelWire, ProviderConfig
from sandbox.providers.comfy_workflow import ComfySettings
from sandbox.providers.comfyui import LocalComfyUI
from sandbox.providers.exchange import CUT, Answer, ErrorReply
from sandbox.providers.mp4 import tiny_mp4
from tests.integration.comfy import PICTURE, QUICK, WAN, answering, comfyui, request, sent


@contextlib.asynccontextmanager
async def world(
    *, seconds: float | None = None, key: str | None = None, slow_seconds: float = 5.0, **given: Any
) -> AsyncIterator[tuple[LocalComfyUI, ComfyUIProvider]]:
    settings = ComfySettings(render_seconds=seconds, wants_key=key is not None, slow_seconds=slow_seconds)
    async with LocalComfyUI(render=tiny_mp4, settings=settings, key=key) as local:
        api = comfyui(local, key=key, **given)
        try:
            yield local, api
        finally:
            await api.close()


async def test_the_adapter_is_a_provider() -> None:
    async with world() as (local, api):
        provider: Provider = api

        assert (provider.name, provider.endpoint) == ("own-gpu", local.url)
        assert provider.knows_keys
        assert provider.can_cancel


async def test_a_picture_becomes_a_video(tmp_path: Path) -> None:
    async with world() as (local, api):
        asked = request(seconds=2)
        ticket = await api.create(asked)
        job = local.jobs[asked.key]
        waiting = await api.status(ticket)
        local.advance(job.id, 40)
        running = await api.status(ticket)
        local.finish(job.id)
        done = await api.status(ticket)
        await api.download(ticket, done.url, tmp_path / "video.mp4")

    assert (waiting.phase, waiting.queue_position, waiting.percent) == (Phase.RUNNING, 1, None)
    assert (running.phase, running.queue_position) == (Phase.RUNNING, None)
    assert done.phase is Phase.DONE
    assert (job.prompt, job.seconds, job.size, job.picture) == ("a hat", "2", "64x96", PICTURE)
    assert (tmp_path / "video.mp4").read_bytes() == tiny_mp4()
    assert len(ticket) < 2048


async def test_the_id_of_the_job_is_the_key_and_the_picture_lies_in_a_folder_of_its_own() -> None:
    async with world() as (local, api):
        asked = request()
        await api.create(asked)

    (upload,), (create,) = sent(local, "upload"), sent(local, "create")
    assert list(local.uploads) == [f"animate-bot/{asked.key}-image.jpg"]
    assert upload.fields == {"type": "input", "subfolder": "animate-bot", "overwrite": "true"}
    assert create.fields["prompt_id"] == asked.key
    assert create.fields["prompt"]["saved"]["inputs"]["filename_prefix"] == f"animate-bot/{asked.key}"
    assert create.fields["prompt"]["first_frame"]["inputs"]["length"] == 25
    assert str(uuid.UUID(create.fields["client_id"])) != asked.key
    assert "authorization" not in create.headers


async def test_a_download_without_an_address_asks_for_it(tmp_path: Path) -> None:
    async with world() as (local, api):
        asked = request()
        ticket = await api.create(asked)
        local.finish(asked.key)
        await api.download(ticket, None, tmp_path / "video.mp4")

    assert (tmp_path / "video.mp4").read_bytes() == tiny_mp4()


async def test_those_who_wait_stand_in_the_order_in_which_they_came() -> None:
    async with world() as (local, api):
        tickets = [await api.create(request(f"{n}")) for n in range(4)]
        local.advance(next(iter(local.jobs)), 10)
        positions = [(await api.status(ticket)).queue_position for ticket in tickets]

    assert positions == [None, 1, 2, 3]


async def heard(api: ComfyUIProvider, ticket: Ticket, percent: int) -> None:
    async with asyncio.timeout(5):
        while (await api.status(ticket)).percent != percent:  # noqa: ASYNC110 - what came on the socket shows here alone
            await asyncio.sleep(0.01)


async def test_progress_is_heard_on_one_socket_for_all_jobs() -> None:
    async with world() as (local, api):
        asked = [request(), request()]
        tickets = [await api.create(each) for each in asked]
        for each in asked:
            local.advance(each.key, 50)
        for ticket in tickets:
            await heard(api, ticket, 47)  # half of the sampler, which is 95% of the whole
        local.advance(asked[0].key, 100)
        await heard(api, tickets[0], 95)

        assert len(sent(local, "progress")) == 1


async def test_without_a_socket_polling_alone_ends_the_job() -> None:
    async with world() as (local, api):
        answering(local, "progress", Answer(404))
        asked = request()
        ticket = await api.create(asked)
        local.advance(asked.key, 50)
        running = await api.status(ticket)
        local.finish(asked.key)

        assert (running.phase, running.percent) == (Phase.RUNNING, None)
        assert (await api.status(ticket)).phase is Phase.DONE


async def test_closing_the_provider_closes_its_socket() -> None:
    async with world() as (local, api):
        asked = request()
        ticket = await api.create(asked)
        local.advance(asked.key, 50)
        await heard(api, ticket, 47)
        assert local.listeners == 1
        await api.close()

        await local.wait_for(lambda: local.listeners == 0, what="the socket's end")
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "comfyui progress"]


@pytest.mark.parametrize("fault", ["lost", "cut", "500-late", "html", "empty"])
async def test_a_lost_answer_is_settled_by_asking_for_our_id(fault: str) -> None:
    async with world() as (local, api):
        local.faults.inject(f"create:{fault}")
        asked = request()
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(asked)
        ticket = await api.settle(asked)

        assert ticket is not None
        local.finish(asked.key)
        assert (await api.status(ticket)).phase is Phase.DONE
        assert local.times_created() == 1


async def test_a_job_that_has_ended_by_then_is_found_too() -> None:
    async with world() as (local, api):
        local.faults.inject("create:lost")
        asked = request()
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(asked)
        local.finish(asked.key)

        assert await api.settle(asked) is not None


async def test_a_request_that_never_arrived_may_be_sent_again_under_its_key() -> None:
    async with world() as (local, api):
        local.faults.inject("create:cut-early")
        asked = request()
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(asked)

        assert await api.settle(asked) is None
        await api.create(asked)
        assert local.times_created() == 1


async def test_a_request_that_the_server_still_has_in_its_hands_is_not_taken_for_lost() -> None:
    """Our patience ends first, and the first look comes too early."""
    quick = Timeouts(connect_s=5, create_s=0.2, poll_s=2)
    async with world(slow_seconds=0.8, settle_s=2.0) as (local, _):
        api = ComfyUIProvider(ProviderConfig("own-gpu", "comfyui", local.url), timeouts=quick, settle_s=2.0)
        local.faults.inject("create:slow-early")
        asked = request()
        with pytest.raises(VideoOutcomeUnknown):
            await api.create(asked)
        assert not local.jobs

        assert await api.settle(asked) is not None
        assert local.times_created() == 1
        await api.close()


@pytest.mark.parametrize("route", ["poll", "history", "stats"])
@pytest.mark.parametrize("answer", [Answer(502, "<html>"), Answer(200, "no JSON"), Answer(401), Answer(200, [])])
async def test_nothing_is_settled_by_a_server_that_does_not_say(route: str, answer: Answer) -> None:
    async with world() as (local, api):
        answering(local, route, answer)

        with pytest.raises(VideoUnavailable):
            await api.settle(request())


async def test_an_old_server_that_gives_its_own_ids_cannot_settle() -> None:
    async with world() as (local, api):
        local.settings.version = "0.3.44"

        with pytest.raises(VideoOutcomeUnknown):
            await api.settle(request())
        assert await api.check([WAN]) == [
            "own-gpu: this ComfyUI is older than 0.3.45, so lost answers cannot be settled"
        ]


async def test_a_stopped_provider_creates_nothing() -> None:
    async with world() as (local, api):
        api.stop_creating()
        with pytest.raises(VideoUnavailable):
            await api.create(request())

    assert not local.jobs


async def test_nobody_there_is_certainly_nothing_made() -> None:
    async with world() as (local, api):
        await local.stop()
        with pytest.raises(VideoUnavailable):
            await api.create(request())
        with pytest.raises(VideoUnavailable):
            await api.settle_auth()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(401), FailureKind.KEY),
        (Answer(403, "<html>forbidden"), FailureKind.KEY),
        (Answer(413), FailureKind.TOO_LARGE),
        (Answer(404), FailureKind.MODEL),
        (Answer(302, b"", {"Location": "/login"}), FailureKind.BAD_REQUEST),
    ],
)
@pytest.mark.parametrize("route", ["upload", "create"])
async def test_a_refusal_is_final(route: str, answer: Answer, kind: FailureKind) -> None:
    async with world() as (local, api):
        answering(local, route, answer)
        with pytest.raises(VideoRejected) as caught:
            await api.create(request())

    assert caught.value.kind is kind
    assert not local.jobs


@pytest.mark.parametrize("answer", [Answer(500), Answer(200, "x"), Answer(200, {"name": ""}), CUT])
async def test_a_failed_upload_has_made_nothing(answer: Any) -> None:
    async with world() as (local, api):
        answering(local, "upload", answer)
        with pytest.raises(VideoUnavailable):
            await api.create(request())

    assert not sent(local, "create")


async def test_too_many_at_once_is_asked_again_later() -> None:
    async with world() as (local, api):
        local.faults.inject("create:429")
        with pytest.raises(VideoUnavailable) as caught:
            await api.create(request())

    assert caught.value.rate_limited
    assert caught.value.retry_after_s == 2


async def test_a_missing_node_or_model_file_is_the_models_fault_and_named() -> None:
    async with world() as (local, api):
        local.settings.nodes = [name for name in local.settings.nodes if name != "CreateVideo"]
        with pytest.raises(VideoRejected) as node:
            await api.create(request())
        local.settings.nodes = [*local.settings.nodes, "CreateVideo"]
        local.settings.files = {"VAELoader": {"vae_name": ["other.safetensors"]}}
        with pytest.raises(VideoRejected) as file:
            await api.create(request())

    assert node.value.kind is file.value.kind is FailureKind.MODEL
    assert "CreateVideo" in node.value.provider_text
    assert "wan2.2_vae.safetensors" in file.value.provider_text
    assert not local.jobs


async def test_a_wrong_workflow_is_refused_before_anything_is_sent() -> None:
    async with world() as (local, api):
        with pytest.raises(VideoRejected, match="no workflow"):
            await api.create(request(model=ModelWire("bare")))

    assert not local.requests


async def test_a_check_names_what_is_missing() -> None:
    async with world() as (local, api):
        assert await api.check([WAN]) == []
        local.settings.nodes = [name for name in local.settings.nodes if "Wan" not in name]
        local.settings.files = {"UNETLoader": {"unet_name": []}}
        missing = await api.check([WAN])

    nodes, file = missing
    assert nodes == "ComfyUI lacks nodes that the workflow of wan-2.2 uses: Wan22ImageToVideoLatent"
    assert file.startswith('ComfyUI has no "wan2.2_ti2v_5B_fp16.safetensors" as unet_name of UNETLoader, which')


async def test_a_failed_render_is_told_in_plain_words_and_costs_nothing() -> None:
    async with world() as (local, api):
        asked = request()
        ticket = await api.create(asked)
        local.fail(asked.key, ErrorReply(500, "Allocation on device 0", "torch.OutOfMemoryError"))
        status = await api.status(ticket)

    assert (status.phase, status.failure, status.charged) == (Phase.FAILED, FailureKind.PROVIDER, False)
    assert status.provider_text.startswith("the GPU ran out of memory in KSampler (sampler)")


async def test_a_restarted_comfyui_knows_the_job_no_more() -> None:
    async with world() as (local, api):
        ticket = await api.create(request())
        local.forget()
        status = await api.status(ticket)

    assert (status.phase, status.failure, status.charged) == (Phase.FAILED, FailureKind.GONE, False)


async def test_a_finished_video_is_found_after_comfyui_was_restarted(tmp_path: Path) -> None:
    """The history is gone, the file is not: the workflow has our key in its name."""
    async with world() as (local, api):
        asked = request()
        ticket = await api.create(asked)
        local.finish(asked.key)
        await local.wait_for(lambda: local.jobs[asked.key].is_over)
        local.forget()

        assert (await api.status(ticket)).phase is Phase.DONE
        await api.download(ticket, None, tmp_path / "video.mp4")
        assert await api.settle(asked) == ticket
        answering(local, "content", Answer(503))
        with pytest.raises(VideoUnavailable):
            await api.status(ticket)

    assert (tmp_path / "video.mp4").read_bytes() == tiny_mp4()


async def test_an_address_of_the_operators_own_network_is_not_shown() -> None:
    async with world() as (local, api):
        asked = request()
        ticket = await api.create(asked)
        local.finish(asked.key)

        assert (await api.status(ticket)).url is None


@pytest.mark.parametrize("fault", ["500", "502-html", "404", "429", "cut", "not-json", "empty"])
async def test_no_poll_error_ends_a_job(fault: str) -> None:
    async with world() as (local, api):
        ticket = await api.create(request())
        local.faults.inject(f"poll:{fault}")
        with pytest.raises(VideoUnavailable):
            await api.status(ticket)

        assert (await api.status(ticket)).phase is Phase.RUNNING


@pytest.mark.parametrize("route", ["poll", "history"])
@pytest.mark.parametrize("body", [{"queue_running": [[0, 7]], "queue_pending": []}, [], 7, None])
async def test_odd_words_about_a_job_neither_end_nor_settle_it(route: str, body: Any) -> None:
    async with world() as (local, api):
        ticket = await api.create(request())
        local.forget()  # so that the history is asked
        answering(local, route, Answer(200, body))
        for asked in (api.status(ticket), api.cancel(ticket), api.settle(request())):
            with pytest.raises(VideoUnavailable):
                await asked


async def test_a_queue_that_is_too_long_to_read_hides_no_finished_video() -> None:
    async with world() as (local, api):
        asked = request()
        ticket = await api.create(asked)
        answering(local, "poll", Answer(200, b'{"queue_running": [], "queue_pending": [' + b" " * 9_000_000 + b"]}"))
        with pytest.raises(VideoUnavailable):
            await api.status(ticket)
        local.finish(asked.key)

        assert (await api.status(ticket)).phase is Phase.DONE


async def test_a_waiting_job_is_cancelled_without_a_trace() -> None:
    async with world() as (local, api):
        asked, other = request(), request()
        ticket = await api.create(asked)
        await api.create(other)

        assert await api.cancel(ticket)
        assert not local.jobs[other.key].is_deleted
        assert local.times_charged() == 1


async def test_a_running_job_is_interrupted_and_has_failed() -> None:
    async with world() as (local, api):
        asked = request()
        ticket = await api.create(asked)
        local.advance(asked.key, 30)

        assert await api.cancel(ticket)
        assert (await api.status(ticket)).phase is Phase.FAILED
        assert local.times_charged() == 0


async def test_a_finished_job_is_too_late_to_be_cancelled() -> None:
    async with world() as (local, api):
        asked = request()
        ticket = await api.create(asked)
        local.finish(asked.key)
        await local.wait_for(lambda: local.jobs[asked.key].is_over)

        assert not await api.cancel(ticket)
        assert (await api.status(ticket)).phase is Phase.DONE


@pytest.mark.parametrize(("progress", "route"), [(None, "dequeue"), (30, "interrupt")])
async def test_an_older_server_is_asked_by_its_own_routes(progress: int | None, route: str) -> None:
    async with world() as (local, api):
        answering(local, "cancel", Answer(405))
        asked = request()
        ticket = await api.create(asked)
        if progress is not None:
            local.advance(asked.key, progress)

        assert await api.cancel(ticket)
        assert len(sent(local, route)) == 1


async def test_a_cancel_that_does_not_take_effect_is_not_known() -> None:
    async with world(cancel_s=0.3) as (local, api):
        answering(local, "cancel", Answer(200, {"cancelled": True}))
        asked = request()
        ticket = await api.create(asked)
        local.advance(asked.key, 30)
        with pytest.raises(VideoUnavailable):
            await api.cancel(ticket)

        assert len(sent(local, "cancel")) == 1  # the next one may be somebody else's


async def test_the_key_of_a_proxy_goes_to_its_own_origin_alone(tmp_path: Path) -> None:
    async with world(key="sk-proxy-1234567890") as (local, api):
        asked = request()
        ticket = await api.create(asked)
        await api.settle_auth()
        local.finish(asked.key)
        url = (await api.status(ticket)).url
        await api.download(ticket, url, tmp_path / "video.mp4")
        elsewhere = Ticket(json.dumps({**json.loads(ticket), "root": local.elsewhere}))
        with pytest.raises(VideoUnavailable):
            await api.status(elsewhere)

    given = {exchange.headers.get("authorization") for exchange in local.requests[:-2]}
    assert given == {"Bearer sk-proxy-1234567890"}
    assert {exchange.headers.get("authorization") for exchange in local.requests[-2:]} == {None}


async def test_a_wrong_key_is_told() -> None:
    async with world(key="sk-proxy-1234567890") as (local, _):
        api = comfyui(local, key="sk-other-1234567890")
        with pytest.raises(VideoRejected) as caught:
            await api.settle_auth()
        await api.close()

    assert caught.value.kind is FailureKind.KEY


async def test_a_file_that_is_gone_is_surely_gone(tmp_path: Path) -> None:
    async with world() as (local, api):
        asked = request()
        ticket = await api.create(asked)
        local.finish(asked.key)
        url = (await api.status(ticket)).url
        local.faults.inject("content:502-html")
        with pytest.raises(VideoNotReady) as trouble:
            await api.download(ticket, url, tmp_path / "video.mp4")
        answering(local, "content", Answer(404))  # ComfyUI says no more than that
        with pytest.raises(VideoNotReady) as gone:
            await api.download(ticket, url, tmp_path / "video.mp4")

    assert (trouble.value.refused, gone.value.refused) == (False, True)
    assert not (tmp_path / "video.mp4").exists()


@pytest.mark.parametrize("fault", ["redirect-private", "html", "cut", "json"])
async def test_a_download_is_guarded_and_checked_as_any_other(fault: str, tmp_path: Path) -> None:
    async with world() as (local, api):
        asked = request()
        ticket = await api.create(asked)
        local.finish(asked.key)
        url = (await api.status(ticket)).url
        local.faults.inject(f"content:{fault}")
        with pytest.raises(VideoNotReady):
            await api.download(ticket, url, tmp_path / "video.mp4")
        await api.download(ticket, url, tmp_path / "video.mp4")

    assert (tmp_path / "video.mp4").read_bytes() == tiny_mp4()


async def test_a_real_render_plays(tmp_path: Path) -> None:
    async with LocalComfyUI(settings=ComfySettings(render_seconds=0)) as local:
        api = ComfyUIProvider(ProviderConfig("own-gpu", "comfyui", local.url), timeouts=QUICK)
        asked = request()
        ticket = await api.create(asked)
        await local.wait_for(lambda: local.jobs[asked.key].is_over, 20, "the end of the render")
        await api.download(ticket, (await api.status(ticket)).url, tmp_path / "video.mp4")
        await api.close()

    assert (tmp_path / "video.mp4").read_bytes()[4:8] == b"ftyp"
