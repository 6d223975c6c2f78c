"""One contract for all wires: each adapter against the local provider of its wire."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import TicketUnreadable, VideoNotReady, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind, Ticket
from bot.providers.protocols import Phase, Provider
from sandbox.providers.mp4 import tiny_mp4
from tests.integration.wires import SECRET, WIRES, Bench, Wire, carries_key, is_clean, picture

pytestmark = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)

REFUSALS = {
    "401": FailureKind.KEY,
    "402": FailureKind.BALANCE,
    "403": FailureKind.BALANCE,
    "404": FailureKind.MODEL,
    "400-policy": FailureKind.MODERATED,
    "400-person": FailureKind.PERSON,
    "redirect": FailureKind.BAD_REQUEST,
    "redirect-307": FailureKind.BAD_REQUEST,
    "redirect-elsewhere": FailureKind.BAD_REQUEST,
}
NOTHING_DONE = ("cut-early", "500", "502-html", "503", "409")
DONE_BUT_LOST = ("lost", "500-late", "html", "empty", "no-id")
CUT_SHORT = ("cut", "not-json")
NO_ANSWERS = (
    "401", "402", "403", "404", "409", "429", "500", "502-html", "503", "503-job", "cut-early", "redirect", "lost",
    "cut", "html", "empty", "not-json",
)  # fmt: skip


async def made(bench: Bench) -> Ticket:
    """A job that runs, alone at its provider."""
    return await bench.api.create(bench.request())


def left_in(folder: Path) -> list[str]:
    """The names of the files in a folder."""
    return [path.name for path in folder.iterdir()]


def test_the_adapter_is_a_provider(wire: Wire) -> None:
    api: Provider = wire.adapter("https://api.example.com/base/", SECRET)

    assert api.endpoint == "https://api.example.com/base"
    assert api.name == wire.name
    assert (api.knows_keys, api.can_cancel) == (wire.knows_keys, wire.can_cancel)
    assert api.faults() == []
    assert SECRET not in repr(api)


@pytest.mark.parametrize(
    ("url", "key"), [("ftp://a/v1", "k"), ("api.example.com", "k"), ("http://a", " "), ("http://a", "k\nx")]
)
def test_an_address_or_key_that_cannot_work_is_refused_at_once(wire: Wire, url: str, key: str) -> None:
    with pytest.raises(ValueError, match="provider"):
        wire.adapter(url, key)


async def test_of_a_ticket_that_cannot_be_read_nobody_is_asked(
    wire: Wire, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    async with wire.bench() as bench:
        whole = await made(bench)
        parts = json.loads(whole)
        others = (json.dumps(dict.fromkeys(parts, "nowhere")), json.dumps(dict.fromkeys(parts, 7)))
        sent = len(bench.local.requests)
        for broken in ("", "video_1", "[]", "null", "{}", whole[:-5], *others):
            with subtests.test(broken):
                ticket = Ticket(broken)
                with pytest.raises(TicketUnreadable):
                    await bench.api.status(ticket)
                with pytest.raises(TicketUnreadable):
                    await bench.api.download(ticket, None, tmp_path / "video.mp4")
                if wire.can_cancel:
                    with pytest.raises(TicketUnreadable):
                        await bench.api.cancel(ticket)

        assert len(bench.local.requests) == sent


async def test_a_picture_becomes_a_video(wire: Wire, tmp_path: Path) -> None:
    target = tmp_path / "video.mp4"
    async with wire.bench() as bench:
        ticket = await made(bench)
        (job,) = bench.local.jobs.values()
        waiting = await bench.api.status(ticket)
        bench.local.advance(job.id, 40)
        running = await bench.api.status(ticket)
        done = await bench.ended(ticket)
        await bench.api.download(ticket, done.url, target)

    assert (job.prompt, job.seconds, job.picture) == (
        "Put a hat on the cat",
        str(wire.seconds),
        picture(wire.size),
    )
    assert waiting.phase is running.phase is Phase.RUNNING
    assert waiting.queue_position == (1 if wire.tells_position else None)
    assert (waiting.can_cancel, running.can_cancel) == wire.may_be_cancelled
    assert running.queue_position is None
    assert done.phase is Phase.DONE
    assert (done.cost_usd == pytest.approx(0.1)) if wire.tells_cost else done.cost_usd is None
    assert (done.url is not None) is wire.tells_address
    assert SECRET not in (done.url or "")
    assert target.read_bytes() == tiny_mp4()
    assert left_in(tmp_path) == ["video.mp4"]


async def test_a_ticket_is_small_json_without_any_secret(wire: Wire) -> None:
    async with wire.bench() as bench:
        ticket = await made(bench)

    assert isinstance(json.loads(ticket), dict)
    assert len(ticket.encode()) <= 2048
    assert SECRET not in ticket


async def test_a_ticket_outlives_the_adapter_and_the_catalog(wire: Wire, tmp_path: Path) -> None:
    async with wire.bench() as bench:
        ticket = await made(bench)
        later = wire.adapter(f"{bench.local.url}/", SECRET)
        try:
            done = await replace(bench, api=later).ended(ticket)
            await later.download(ticket, done.url, tmp_path / "video.mp4")
        finally:
            await later.close()

    assert done.phase is Phase.DONE


async def test_the_id_is_logged_before_the_ticket_is_returned(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bot.providers")
    async with wire.bench() as bench:
        await made(bench)
        (job,) = bench.local.jobs.values()

    assert job.id in caplog.text
    assert SECRET not in caplog.text
    assert "hat" not in caplog.text


async def test_a_prompt_that_is_no_text_is_refused_before_anything_is_sent(wire: Wire) -> None:
    async with wire.bench() as bench:
        with pytest.raises(VideoRejected) as refused:
            await bench.api.create(bench.request("half \ud800"))
        assert bench.local.requests == []

    assert refused.value.kind is FailureKind.BAD_REQUEST


async def test_a_refusal_is_final_and_of_its_kind(wire: Wire, subtests: pytest.Subtests) -> None:
    async with wire.bench() as bench:
        for number, (fault, kind) in enumerate(REFUSALS.items(), 1):
            with subtests.test(fault):
                bench.local.faults.inject(f"create:{fault}")
                with pytest.raises(VideoRejected) as refused:
                    await made(bench)
                assert (bench.local.creates, bench.local.times_created()) == (number, 0)
                assert refused.value.kind is kind
                assert is_clean(refused.value)


async def test_a_model_that_is_gone_is_refused_as_such(wire: Wire) -> None:
    async with wire.bench() as bench:
        with pytest.raises(VideoRejected) as refused:
            await bench.api.create(bench.request(model=wire.gone))

    assert refused.value.kind is (FailureKind.MODEL if wire.names_gone_models else FailureKind.BAD_REQUEST)


async def test_a_rate_limit_is_waited_for(wire: Wire) -> None:
    async with wire.bench() as bench:
        bench.local.settings.retry_after = "17"
        bench.local.faults.inject("create:429")
        with pytest.raises(VideoUnavailable) as limited:
            await made(bench)
        assert bench.local.times_created() == 0
        await made(bench)

    assert limited.value.rate_limited
    assert limited.value.retry_after_s == 17


async def test_nothing_is_made_where_nobody_listens(wire: Wire) -> None:
    async with wire.bench() as bench:
        url = bench.local.url
        await bench.local.stop()
        nobody = wire.adapter(url, SECRET)
        try:
            with pytest.raises(VideoUnavailable) as unheard:
                await nobody.create(bench.request())
        finally:
            await nobody.close()

    assert not unheard.value.rate_limited


@pytest.mark.parametrize("fault", [*NOTHING_DONE, *DONE_BUT_LOST])
async def test_a_lost_answer_is_settled_by_its_key_or_never_sent_again(wire: Wire, fault: str) -> None:
    async with wire.bench() as bench:
        request = bench.request()
        bench.local.faults.inject(f"create:{fault}")
        with pytest.raises(VideoOutcomeUnknown) as lost:
            await bench.api.create(request)
        assert bench.local.creates == 1
        assert bench.local.times_created() == (0 if fault in NOTHING_DONE else 1)
        assert is_clean(lost.value)

        if wire.knows_keys:
            ticket = await bench.api.settle(request)
            if ticket is None:  # surely not made: it may be created again under the same key
                ticket = await bench.api.create(request)
            assert (await bench.ended(ticket)).phase is Phase.DONE
            assert bench.local.times_created() == bench.local.times_charged() == 1
        else:
            with pytest.raises(VideoOutcomeUnknown):
                await bench.api.settle(request)
            assert bench.local.creates == 1


@pytest.mark.parametrize("fault", CUT_SHORT)
async def test_an_id_that_came_before_the_answer_was_cut_is_followed(wire: Wire, fault: str) -> None:
    """Where it did not come, the answer is a lost one."""
    async with wire.bench() as bench:
        bench.local.faults.inject(f"create:{fault}")
        request = bench.request()
        try:
            ticket = await bench.api.create(request)
        except VideoOutcomeUnknown:
            if not wire.knows_keys:
                pytest.fail("the id stands at the beginning of the answer")
            settled = await bench.api.settle(request)
            assert settled is not None
            ticket = settled
        assert (await bench.ended(ticket)).phase is Phase.DONE
        assert bench.local.times_created() == 1


async def test_an_id_beside_an_error_can_be_followed(wire: Wire) -> None:
    if not wire.follows_an_id_beside_an_error:
        pytest.skip("this wire has no id beside an error")
    async with wire.bench() as bench:
        bench.local.faults.inject("create:500-job")
        with pytest.raises(VideoOutcomeUnknown) as lost:
            await made(bench)
        assert lost.value.ticket is not None
        assert (await bench.ended(lost.value.ticket)).phase is Phase.DONE


async def test_no_answer_to_a_poll_ends_a_job(wire: Wire, subtests: pytest.Subtests) -> None:
    async with wire.bench() as bench:
        ticket = await made(bench)
        (job,) = bench.local.jobs.values()
        bench.local.finish(job.id)
        for route, fault in itertools.product(wire.polls, NO_ANSWERS):
            with subtests.test(route=route, fault=fault):
                bench.local.faults.inject(f"{route}:{fault}", times=None)
                with pytest.raises(VideoUnavailable) as silent:
                    await bench.api.status(ticket)
                bench.local.faults.clear()
                assert is_clean(silent.value)
                assert silent.value.rate_limited == (fault == "429")
                assert (await bench.api.status(ticket)).phase is Phase.DONE
        assert bench.local.creates == 1


@pytest.mark.parametrize(
    ("fault", "kind", "charged"),
    [("fails", FailureKind.PROVIDER, (False, None)), ("moderated", FailureKind.MODERATED, ())],
)
async def test_a_failed_render_says_why_and_whether_it_is_charged(
    wire: Wire, fault: str, kind: FailureKind, charged: tuple[object, ...]
) -> None:
    async with wire.bench() as bench:
        bench.local.faults.inject(f"create:{fault}")
        failed = await bench.ended(await made(bench))

    assert failed.phase is Phase.FAILED
    assert failed.failure is kind
    assert failed.provider_text
    assert failed.url is None
    if charged:
        assert failed.charged in charged


async def test_a_refused_result_is_charged_as_the_catalog_says(wire: Wire) -> None:
    """Where the provider itself tells the cost, that decides."""
    async with wire.bench() as bench:
        bench.local.faults.inject("create:moderated")
        failed = await bench.ended(await made(bench))
        bench.local.faults.inject("create:moderated")
        unsaid = await bench.api.create(bench.request(model=replace(wire.model, charges_refusals=None)))
        *_, job = bench.local.jobs.values()
        bench.local.finish(job.id)
        unknown = await bench.api.status(unsaid)

    if failed.charged is not False:
        assert (failed.charged, unknown.charged) == (True if wire.tells_charge else None, None)


async def test_a_job_that_waits_can_be_cancelled_and_costs_nothing(wire: Wire) -> None:
    async with wire.bench() as bench:
        ticket = await made(bench)
        assert await bench.api.cancel(ticket) is wire.can_cancel
        if wire.can_cancel:
            assert bench.local.times_charged() == 0
            assert (await bench.api.status(ticket)).phase is Phase.FAILED


async def test_what_is_done_is_not_cancelled(wire: Wire) -> None:
    async with wire.bench() as bench:
        ticket = await made(bench)
        await bench.ended(ticket)
        assert await bench.api.cancel(ticket) is False
        assert (await bench.api.status(ticket)).phase is Phase.DONE


async def test_the_video_is_had_where_its_address_fails(wire: Wire, tmp_path: Path) -> None:
    async with wire.bench() as bench:
        ticket = await made(bench)
        await bench.ended(ticket)
        for number, url in enumerate(
            (None, "http://127.0.0.1:9/gone.mp4", "http://169.254.169.254/meta", "file:///etc")
        ):
            target = tmp_path / f"{number}.mp4"
            await bench.api.download(ticket, url, target)
            assert target.read_bytes() == tiny_mp4()


async def test_a_download_that_fails_leaves_nothing_behind(
    wire: Wire, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    target = tmp_path / "video.mp4"
    async with wire.bench() as bench:
        ticket = await made(bench)
        url = (await bench.ended(ticket)).url
        routes = [
            name for name in ("file", "content") if name == "file" or name in {r.name for r in bench.local.routes}
        ]
        for fault in ("404", "500", "cut", "html", "empty", "json", "cut-early", "redirect-private"):
            with subtests.test(fault):
                for route in routes:
                    bench.local.faults.inject(f"{route}:{fault}", times=None)
                with pytest.raises((VideoNotReady, VideoUnavailable)) as missing:
                    await bench.api.download(ticket, url, target)
                assert left_in(tmp_path) == []
                assert is_clean(missing.value)
                bench.local.faults.clear()
                await bench.api.download(ticket, url, target)
                target.unlink()


async def test_the_key_stays_at_its_own_origin(wire: Wire, tmp_path: Path) -> None:
    async with wire.bench() as bench:
        ticket = await made(bench)
        url = (await bench.ended(ticket)).url
        names = {each.name for each in bench.local.routes if each.kind in ("poll", "file")} | {"file"}
        for name in names:
            bench.local.faults.inject(f"{name}:redirect-elsewhere", times=None)
        with pytest.raises(VideoUnavailable):
            await bench.api.status(ticket)
        with contextlib.suppress(VideoNotReady, VideoUnavailable):
            await bench.api.download(ticket, url, tmp_path / "video.mp4")
        elsewhere = [each for each in bench.local.requests if each.origin == bench.local.elsewhere]
        own = [each for each in bench.local.requests if each.origin == bench.local.origin]

    assert not any(map(carries_key, elsewhere))
    assert any(map(carries_key, own))


async def test_an_address_elsewhere_in_an_answer_is_not_asked(wire: Wire) -> None:
    """A provider that names itself by another address, or one that was taken over, gets no request sent there."""
    async with wire.bench() as bench:
        real, bench.local.origin = bench.local.origin, bench.local.elsewhere
        ticket = await made(bench)
        bench.local.origin = real
        assert bench.local.elsewhere not in ticket
        assert (await bench.api.status(ticket)).phase is Phase.RUNNING
        assert not [each for each in bench.local.requests if each.origin == bench.local.elsewhere]


async def test_a_job_of_another_origin_is_asked_for_without_the_key(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    async with wire.bench() as bench:
        ticket = await made(bench)
        moved = wire.adapter("https://api.example.com/v1", SECRET)
        before = len(bench.local.requests)
        try:
            with pytest.raises(VideoUnavailable):
                await moved.status(ticket)
        finally:
            await moved.close()
        asked = bench.local.requests[before:]

    assert asked
    assert not any(map(carries_key, asked))
    assert "without a key" in caplog.text


async def test_a_key_is_settled_by_a_free_question(wire: Wire) -> None:
    async with wire.bench() as bench:
        await bench.api.settle_auth()
        assert bench.local.times_created() == bench.local.creates == 0
    async with wire.bench(key="sk-wrong-0123456789") as bench:
        with pytest.raises(VideoRejected) as refused:
            await bench.api.settle_auth()
        assert bench.local.creates == 0

    assert refused.value.kind is FailureKind.KEY
    assert is_clean(refused.value)


async def test_models_that_are_gone_are_named_where_the_provider_tells(wire: Wire) -> None:
    async with wire.bench() as bench:
        assert await bench.api.check([wire.model]) == []
        sentences = await bench.api.check([wire.model, wire.gone])

    assert all(wire.gone_model in sentence for sentence in sentences)
    assert len(sentences) <= 1


async def test_nothing_is_created_once_the_bot_stops_and_polls_go_on(wire: Wire) -> None:
    async with wire.bench() as bench:
        ticket = await made(bench)
        bench.api.stop_creating()
        with pytest.raises(VideoUnavailable):
            await made(bench)
        assert bench.local.creates == 1
        assert (await bench.api.status(ticket)).phase is Phase.RUNNING


async def test_the_size_of_the_picture_is_that_of_the_video(wire: Wire) -> None:
    async with wire.bench() as bench:
        await made(bench)
        (job,) = bench.local.jobs.values()

    width, height = job.pixels
    expected = tuple(map(int, wire.size.split("x")))
    assert width * expected[1] == pytest.approx(height * expected[0], rel=0.02)
