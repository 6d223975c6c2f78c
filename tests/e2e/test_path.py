"""The main job, end to end: the bot as a process between a local Discord and a local /v1/videos."""

from __future__ import annotations

import io

import av
import pytest
from PIL import Image

from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage, png
from tests.thorough import mostly_thorough


async def test_a_picture_and_a_prompt_become_a_posted_video(stage: Stage) -> None:
    asked = await stage.animate()
    card = await stage.over(asked)

    (job,) = stage.provider.jobs.values()
    assert (job.model, job.seconds, job.size, job.prompt) == ("sora-2", "4", "720x1280", "puts on a hat")
    assert [file.data for file in card.media] == [job.video]
    assert DONE in card.text()
    assert "soraVideoUrl" not in card.text()
    assert stage.provider.video_url(job) in card.text()
    assert not card.is_ephemeral
    await stage.settled()
    assert stage.states() == ["delivered"]
    assert stage.rows("SELECT token FROM cards") == [(None,)]


async def test_the_card_tells_how_far_it_is(build: Build) -> None:
    stage = await build(render_s=None)
    asked, card = await stage.rendering()
    (job,) = stage.provider.jobs.values()

    stage.provider.advance(job.id, 42)
    await stage.until(card, "42%")
    stage.provider.finish(job.id)

    await stage.over(asked)
    key = stage.rows("SELECT key FROM jobs")[0][0]
    assert all(f"video `{key}`" in card.text(revision) for revision in range(len(card.revisions)))


async def test_a_finished_video_does_not_wait_for_the_pause_between_two_edits(build: Build) -> None:
    stage = await build({"PROGRESS_SECONDS": "60"}, render_s=None)
    asked = await stage.animate()
    await stage.provider.wait_for(lambda: stage.provider.jobs, 10, "the job")
    (job,) = stage.provider.jobs.values()
    await stage.provider.wait_for(lambda: len(job.polls) > 2, 10, "polls")

    stage.provider.finish(job.id)

    assert DONE in (await stage.over(asked, within_s=15)).text()


async def test_an_upright_phone_photo_goes_out_upright_and_without_exif(stage: Stage) -> None:
    photo = Image.new("RGB", (4000, 3000), (20, 90, 160))
    photo.paste((250, 250, 250), (0, 0, 4000, 1000))  # the right side, once turned upright
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", exif=exif)

    await stage.over(await stage.animate(picture=buffer.getvalue()))

    (job,) = stage.provider.jobs.values()
    assert job.picture is not None
    sent = Image.open(io.BytesIO(job.picture))
    assert (sent.size, job.size, dict(sent.getexif())) == ((720, 1280), "720x1280", {})
    assert sent.getpixel((710, 640)) > (200, 200, 200)  # type: ignore[operator]  # RGB


async def test_a_wide_picture_goes_out_wide(stage: Stage) -> None:
    await stage.over(await stage.animate(picture=png(320, 180)))

    (job,) = stage.provider.jobs.values()
    assert job.size == "1280x720"


@pytest.mark.parametrize("lengths", mostly_thorough([(4, 8, 12), (12,)], by_default=[(12,)]))
async def test_every_choice_is_sent_as_chosen(build: Build, lengths: tuple[int, ...]) -> None:
    stage = await build({"QUOTA_DEFAULT_CREDITS": "100000", "BUDGET_CREDITS": "100000", "MAX_JOBS_PER_USER": "18"})
    wanted = {
        (model, str(seconds), size)
        for model, sizes in (
            ("sora-2", ("720x1280", "1280x720")),
            ("sora-2-pro", ("720x1280", "1280x720", "1024x1792", "1792x1024")),
        )
        for seconds in lengths
        for size in sizes
    }

    asked = [await stage.animate(model=m, seconds=int(s), size=z) for m, s, z in sorted(wanted)]
    for one in asked:
        assert DONE in (await stage.over(one, within_s=40)).text()

    assert {(job.model, job.seconds, job.size) for job in stage.provider.jobs.values()} == wanted


async def test_a_size_that_the_model_lacks_is_refused_privately_before_anything_is_reserved(stage: Stage) -> None:
    asked = await stage.animate(model="sora-2", size="1792x1024")
    answer = await asked.answer()

    assert answer is not None
    assert answer.is_ephemeral
    assert answer.text() == (
        "Sora 2 does not make this size: 1792×1024. Nothing was charged. Choose one of these sizes: 720×1280 "
        "and 1280×720. Models that make 1792×1024: Sora 2 Pro."
    )
    assert stage.rows("SELECT * FROM ledger") == []
    assert stage.provider.requests == []


async def test_a_member_reads_their_credits_and_an_admin_changes_them(stage: Stage) -> None:
    before = await stage.reply(stage.mia, "quota")
    said = await stage.reply(stage.admin, "animate-admin quota set", user=stage.mia, credits=7, per="week")
    asked = await stage.animate(seconds=8)
    refused = await asked.answer()
    after = await stage.reply(stage.mia, "quota")
    shown = await stage.reply(stage.admin, "animate-admin quota show", user=stage.mia)

    assert before.startswith("**20 credits left** · 0 credits used today · renews <t:")
    assert said == (
        f"<@{stage.mia.id}> now has a quota of their own: 7 credits per week. "
        "Before: 20 credits per day, the bot's default."
    )
    assert refused is not None
    assert refused.is_ephemeral
    assert refused.text() == (
        "This video costs 8 credits. You have 7 credits left. Nothing was charged. "
        "You can make this now: Sora 2 · 4 s = 4 credits."
    )
    assert after.startswith("**7 credits left** · 0 credits used this week")
    assert "An admin set this quota." in after
    ((at,),) = stage.rows("SELECT at / 1000 FROM ledger")
    assert f"own quota: 7 credits per week · <t:{at}:R> · by <@{stage.admin.id}>" in shown


async def test_a_video_over_the_upload_limit_is_posted_re_encoded(stage: Stage) -> None:
    card = await stage.over(await stage.animate(prompt="a whale [big]"), within_s=40)
    await stage.settled()

    (job,) = stage.provider.jobs.values()
    (posted,) = card.media
    assert job.video is not None
    assert len(job.video) > 20_000_000 >= len(posted.data)
    assert "Converted so that it plays on Discord." in card.text()
    assert _seconds_and_size(posted.data) == _seconds_and_size(job.video)
    assert stage.states() == ["delivered"]
    await stage.booked(lambda: not list((stage.folder / "data" / "videos").iterdir()))  # they go after the commit


async def test_a_video_that_cannot_be_made_to_fit_is_shown_as_a_link_and_kept(stage: Stage) -> None:
    stage.discord.world.guild.upload_limit = stage.mia.upload_limit = 1_000

    card = await stage.over(await stage.animate(), within_s=40)
    await stage.settled()

    (job,) = stage.provider.jobs.values()
    assert "Your video is ready" in card.text()
    assert stage.provider.video_url(job) in card.text()
    assert card.media == []
    assert stage.states() == ["undelivered"]
    (kept,) = (stage.folder / "data" / "videos").iterdir()
    assert kept.read_bytes() == job.video


def _seconds_and_size(video: bytes) -> tuple[float, int, int]:
    with av.open(io.BytesIO(video), "r") as opened:
        stream = opened.streams.video[0]
        assert opened.duration is not None
        return round(opened.duration / 1_000_000, 1), stream.width, stream.height
