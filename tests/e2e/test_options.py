"""What a member can choose beside model, length and size: the last picture, sound; and the seed that the bot draws."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from PIL import Image

from sandbox.discord.cdn import Upload
from sandbox.discord.exchange import CUT, Cut, Exchange, Reply
from sandbox.discord.messages import Message
from sandbox.discord.modals import fields_of
from sandbox.providers.jobs import VideoJob
from tests import catalogs
from tests.e2e.asking import alone
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, FIRST_LINE, Stage, png
from tests.e2e.test_wires import local
from tests.thorough import mostly_thorough

ALL_DONE = "Here are your videos"
MORE = "sound = true\nsound_credits = 2\nlast_image = true\nseed = true\n"


@pytest.fixture
async def stage(build: Build) -> Stage:
    """With one model that can all of it, and another that can none."""
    provider = local("openrouter")
    stage = await build(provider=provider, start=False)
    path = stage.folder / "catalog.toml"
    plain = catalogs.catalog([provider], models={"openrouter": "plain"})
    able = catalogs.catalog([provider], models={"openrouter": "able"}, more={"openrouter": MORE})
    path.write_text(able + "[[models]]" + plain.split("[[models]]")[1])
    stage.use({"VIDEO_CATALOG": str(path), "MAX_JOBS_PER_USER": "4"} | catalogs.settings([provider]))
    await stage.start_bot()
    return stage


def jobs(stage: Stage) -> list[VideoJob]:
    return list(stage.provider.jobs.values())


def blue() -> bytes:
    """Another picture than `png`."""
    buffer = io.BytesIO()
    Image.new("RGB", (400, 300), (20, 40, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def button(card: Message, label: str) -> str:
    return next(button.custom_id or "" for button in card.buttons if button.label == label)


def keys(stage: Stage) -> list[str]:
    """Of every job, in the order of its takes."""
    return [str(key) for (key,) in stage.rows("SELECT key FROM jobs ORDER BY id DESC")]


def upright(picture: bytes | None) -> tuple[int, int]:
    with Image.open(io.BytesIO(picture or b"")) as image:
        return image.size


async def test_a_video_ends_with_its_last_picture_and_another_of_it_does_so_after_a_restart(stage: Stage) -> None:
    last = Upload("SPOILER_end.png", blue(), "image/png")
    refused = await alone(await stage.animate(model="plain", last_image=last))
    refusal = "plain cannot end a video with a picture you choose. Nothing was charged. These models can: able."
    assert refused.text() == refusal
    both = await alone(await stage.animate(last_image=last, loop=True))
    assert both.text() == "Choose `last_image` or `loop`, not both. Nothing was charged."

    card = await stage.over(await stage.animate(model="able", last_image=last))
    await stage.settled()
    (first,) = jobs(stage)
    assert (upright(first.picture), upright(first.last_picture)) == ((720, 1280), (720, 1280))
    assert first.picture != first.last_picture
    assert card.media[0].filename.startswith("SPOILER_")  # one of its pictures was one
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    await stage.over(await stage.discord.press(stage.mia, card, button(card, "Again")))
    await stage.settled()

    again = jobs(stage)[1]
    assert upright(again.last_picture) == (720, 1280)
    assert again.seed != first.seed
    folder = stage.folder / "data" / "pictures"

    def is_copies_alone() -> bool:
        """The fitted pictures go once the job is over."""
        return all(path.name.endswith(".copy.jpg") for path in folder.iterdir())

    await stage.booked(is_copies_alone)
    assert len(list(folder.glob("*.last.copy.jpg"))) == 2

    question = await alone(await stage.discord.press(stage.mia, card, button(card, "Delete")))
    await stage.discord.press(stage.mia, question, button(question, "Delete"))

    def is_erased() -> bool:
        """With its address."""
        left = stage.rows("SELECT options FROM jobs ORDER BY id")[0] != (None,)
        return not left and len(list(folder.glob("*.last.copy.jpg"))) == 1

    await stage.booked(is_erased)


async def _loops_twice(stage: Stage) -> None:
    card = await stage.over(await stage.animate(loop=True))
    first = jobs(stage)[-1]
    assert first.picture == first.last_picture
    assert first.seed is not None
    assert f"seed {first.seed}" in card.text()

    form = await stage.discord.press(stage.mia, card, button(card, "Edit"))
    await form.answer()
    fields = {field["custom_id"]: field for field in fields_of(form.response_data)}
    assert [(option["label"], option["default"]) for option in fields["video"]["options"]] == [
        ("able · 4 s · without sound · 4 credits", True),
        ("able · 4 s · with sound · 8 credits", False),
    ]
    await stage.over(await stage.discord.submit(stage.mia, form, {"prompt": "dances"}))

    edited = jobs(stage)[-1]
    assert (edited.prompt, edited.seed, edited.picture) == ("dances", first.seed, first.picture)
    assert edited.picture == edited.last_picture


async def test_sound_has_its_price_and_a_loop_ends_as_it_begins_also_when_edited_with_the_same_seed(
    stage: Stage,
) -> None:
    listed = await stage.discord.complete(stage.mia, "animate", "sound", {})
    assert [(choice["value"], choice["name"]) for choice in listed] == [
        ("on", "with sound · able · 8 credits · you have 20"),
        ("off", "without sound · able · 4 credits · you have 20"),
    ]
    models = await stage.discord.complete(stage.mia, "animate", "model", {"sound": "on"})
    assert [choice["value"] for choice in models] == ["able"]

    await _loops_twice(stage)
    card = await stage.over(await stage.animate(sound="on"))

    assert [job.sound for job in jobs(stage)] == [False, False, True]
    assert "with sound · 8 credits" in card.text()
    assert stage.rows("SELECT credits FROM jobs ORDER BY id") == [(4,), (4,), (8,)]
    refused = await alone(await stage.animate(model="plain", sound="on"))
    assert refused.text() == "plain cannot make sound. Nothing was charged. These models can: able."


@pytest.mark.thorough
async def test_the_form_takes_a_last_picture_and_the_export_names_it(stage: Stage) -> None:
    message = await stage.discord.post(stage.mia, "look", Upload("cat.png", png(), "image/png"))
    form = await stage.discord.menu(stage.mia, "Animate this", message)
    await form.answer()
    fields = {field["custom_id"]: field for field in fields_of(form.response_data)}
    assert list(fields) == ["prompt", "video", "size", "last_image"]
    last = Upload("end.png", png(300, 300), "image/png")

    card = await stage.over(
        await stage.discord.submit(stage.mia, form, {"prompt": "it yawns", "size": "landscape", "last_image": [last]})
    )

    assert DONE in card.text()
    (job,) = jobs(stage)
    assert (upright(job.picture), upright(job.last_picture)) == ((1280, 720), (1280, 720))
    (options,) = (json.loads(str(options)) for (options,) in stage.rows("SELECT options FROM jobs"))
    assert options["last_image"].endswith("end.png") or "end.png?" in options["last_image"]


class TestTakes:
    """Several videos of one request on one card: each is a job, and all are reserved or none."""

    async def test_all_takes_come_on_one_card_over_a_restart(self, stage: Stage) -> None:
        listed = await stage.discord.complete(stage.mia, "animate", "takes", {"model": "able"})
        assert [choice["name"] for choice in listed] == [
            "2 videos · 8 credits · you have 20",
            "3 videos · 12 credits · you have 20",
            "4 videos · 16 credits · you have 20",
        ]
        refused = await alone(await stage.animate(takes=3, sound="on"))
        assert "These videos cost 24 credits. You have 20 credits left. Nothing was charged." in refused.text()
        stage.provider.settings.render_seconds = None
        asked = await stage.animate(takes=3)
        await stage.booked(lambda: stage.states() == ["rendering"] * 3)
        card = asked.message
        assert card is not None
        assert [f"video {n} of 3" in card.text() for n in (1, 2, 3)] == [True] * 3
        stage.provider.finish(jobs(stage)[0].id)
        await stage.until(card, "✅ done")
        assert (await stage.reply(stage.mia, "videos")).count("**✅ done**") == 1
        assert stage.bot is not None
        await stage.bot.stop()
        await stage.start_bot()
        for job in jobs(stage)[1:]:
            stage.provider.finish(job.id)

        await stage.until(card, ALL_DONE)
        await stage.settled()
        assert [word for word in asked.followups if not word.is_ephemeral] == []
        assert stage.states() == ["delivered"] * 3
        assert len({job.seed for job in jobs(stage)}) == 3
        assert [file.filename for file in card.media] == [f"video-{key}.mp4" for key in keys(stage)]
        assert [button.label for button in card.buttons] == ["Again", "Edit", "Delete", *["Continue"] * 3]
        assert sum(bool(request.files) for request in stage.discord.requests) == 1
        again = await alone(await stage.discord.press(stage.mia, card, button(card, "Again")))
        assert "These videos cost 12 credits. You have 8 credits left. Nothing was charged." in again.text()

    async def test_one_fails_one_is_slow_and_the_others_are_shown_with_it(self, stage: Stage) -> None:
        stage.provider.settings.render_seconds = None
        asked, card = await stage.rendering(takes=3)
        await stage.booked(lambda: stage.states() == ["rendering"] * 3)
        first, second, third = jobs(stage)
        stage.provider.fail(second.id)
        stage.provider.finish(third.id)
        await stage.booked(lambda: sorted(stage.states()) == ["delivering", "failed", "rendering"])
        await stage.until(card, "Your 4 credits are back.")
        assert card.media == []

        stage.provider.finish(first.id)

        await stage.until(card, ALL_DONE)
        await stage.settled()
        assert len(card.media) == 2
        assert "Your 4 credits are back." in card.text()
        assert sorted(stage.states()) == ["delivered", "delivered", "failed"]
        assert stage.rows("SELECT SUM(credits) FROM member_usage") == [(8,)]
        assert [word for word in asked.followups if FIRST_LINE not in word.text()] == []

    @pytest.mark.thorough
    async def test_all_are_reserved_or_none(self, stage: Stage) -> None:
        stage.provider.settings.render_seconds = None
        await stage.rendering(takes=2)
        refused = await alone(await stage.animate(takes=3))
        assert refused.text() == (
            "You can have only 2 more videos in progress right now. Nothing was charged. Choose a smaller number for "
            "`takes`."
        )
        assert stage.rows("SELECT COUNT(*) FROM jobs") == [(2,)]
        assert len(stage.rows("SELECT 1 FROM ledger WHERE kind = 'reserve'")) == 2

    @pytest.mark.thorough
    async def test_cancel_on_the_card_ends_what_waits_and_the_others_go_on(self, stage: Stage) -> None:
        stage.use({"MAX_CONCURRENT_JOBS": "1"})
        assert stage.bot is not None
        await stage.bot.stop()
        await stage.start_bot()
        stage.provider.settings.render_seconds = None
        _, card = await stage.rendering(takes=2)
        await stage.booked(lambda: sorted(stage.states()) == ["rendering", "waiting"])

        await stage.discord.press(stage.mia, card, button(card, "Cancel"))

        await stage.until(card, "This video was canceled. Your 4 credits are back.")
        (job,) = jobs(stage)
        stage.provider.finish(job.id)
        await stage.until(card, DONE)
        await stage.settled()
        assert len(card.media) == 1
        assert stage.rows("SELECT SUM(credits) FROM member_usage") == [(4,)]

    @pytest.mark.parametrize("moment", mostly_thorough(["before", "inside"], by_default=["inside"]))
    async def test_killed_at_the_edit_with_the_videos_it_is_made_again(self, stage: Stage, moment: str) -> None:
        bot, killed = stage.bot, asyncio.Event()
        assert bot is not None

        async def kill(phase: str, exchange: Exchange) -> Cut | None:
            if phase != moment or not exchange.files:
                return None
            stage.discord.remove(kill)
            bot.kill()
            await bot.wait()
            killed.set()
            return CUT

        stage.discord.on_exchange(kill)
        asked = await stage.animate(takes=2)
        async with asyncio.timeout(20):
            await killed.wait()
        assert stage.states() == ["delivering"] * 2
        await stage.start_bot()

        await stage.settled()
        card = await stage.over(asked)
        assert ALL_DONE in card.text()
        assert [file.filename for file in card.media] == [f"video-{key}.mp4" for key in keys(stage)]
        assert stage.states() == ["delivered"] * 2
        assert len(jobs(stage)) == 2
        assert stage.rows("SELECT SUM(credits) FROM member_usage") == [(8,)]

    @pytest.mark.thorough
    async def test_killed_once_the_answer_stands_both_takes_are_made(self, stage: Stage) -> None:
        bot, killed = stage.bot, asyncio.Event()
        assert bot is not None

        async def kill(phase: str, exchange: Exchange) -> Cut | None:
            if phase != "after" or not exchange.path.endswith("/callback"):
                return None
            stage.discord.remove(kill)
            bot.kill()
            await bot.wait()
            killed.set()
            return CUT

        stage.discord.on_exchange(kill)
        asked = await stage.animate(takes=2)
        async with asyncio.timeout(20):
            await killed.wait()
        await stage.start_bot()

        assert ALL_DONE in (await stage.over(asked)).text()
        await stage.settled()
        assert stage.states() == ["delivered"] * 2

    @pytest.mark.thorough
    async def test_a_take_that_comes_after_its_time_stands_in_a_message_of_its_own(self, stage: Stage) -> None:
        stage.use({"JOB_TIMEOUT_MINUTES": "0.02"})
        assert stage.bot is not None
        await stage.bot.stop()
        await stage.start_bot()
        stage.provider.settings.render_seconds = None
        asked = await stage.animate(takes=2)
        await stage.booked(lambda: stage.states() == ["rendering"] * 2)
        late, soon = jobs(stage)
        stage.provider.finish(soon.id)
        card = await stage.over(asked)
        assert DONE in card.text()
        assert "The video service did not finish this video in time. Your 4 credits are back." in card.text()
        assert len(card.media) == 1

        stage.provider.finish(late.id)

        await stage.discord.wait_for(lambda: any(m.media for m in stage.public() if m is not card), 20, "the late one")
        assert len(card.media) == 1
        await stage.settled()
        assert stage.states() == ["delivered"] * 2

    @pytest.mark.thorough
    async def test_where_discord_takes_no_upload_on_the_card_each_video_has_a_message_of_its_own(
        self, stage: Stage
    ) -> None:
        async def refuse(phase: str, exchange: Exchange) -> Reply | None:
            is_card = phase == "before" and exchange.files and exchange.method == "PATCH"
            return Reply(400, {"code": 50035, "message": "Invalid Form Body"}) if is_card else None

        stage.discord.on_exchange(refuse)
        card = await stage.over(await stage.animate(takes=2))
        await stage.settled()

        assert stage.states() == ["delivered"] * 2
        assert card.media == []
        assert card.text().count("The video is in the next message.") == 2
        assert [len(message.media) for message in stage.public() if message is not card] == [1, 1]

    async def test_one_is_deleted_from_the_list_and_then_all_from_the_card(self, stage: Stage) -> None:
        card = await stage.over(await stage.animate(takes=2))
        await stage.settled()
        listed = await alone(await stage.discord.invoke(stage.mia, "videos"))
        await stage.discord.press(stage.mia, listed, button(listed, "Delete"))
        await stage.until(listed, "Delete this video for good?")
        ask = await stage.discord.press(stage.mia, listed, button(listed, "Delete"))
        assert (await stage.told(ask, 1))[0].startswith("The bot's message still shows this video")
        assert not card.deleted

        ask = await stage.discord.press(stage.mia, card, button(card, "Delete"))
        question = await alone(ask)
        assert question.text().startswith("Delete this video for good?")  # the other one is deleted
        await stage.discord.press(stage.mia, question, button(question, "Delete"))
        await stage.until(question, "The video is deleted.")
        await stage.discord.wait_for(lambda: card.deleted, 20, "the card is gone")
        assert stage.rows("SELECT COUNT(*) FROM jobs WHERE deleted_at IS NOT NULL") == [(2,)]

    async def test_whoever_deletes_all_on_the_card_is_asked_about_all(self, stage: Stage) -> None:
        card = await stage.over(await stage.animate(takes=2))
        await stage.settled()
        question = await alone(await stage.discord.press(stage.mia, card, button(card, "Delete")))
        assert question.text().startswith("Delete all these videos for good?")

        await stage.discord.press(stage.mia, question, button(question, "Delete"))
        await stage.until(question, "The videos are deleted.")
        assert stage.rows("SELECT COUNT(*) FROM jobs WHERE deleted_at IS NOT NULL") == [(2,)]

    async def test_one_that_failed_is_not_said_to_be_in_progress_while_others_are(self, stage: Stage) -> None:
        stage.provider.settings.render_seconds = None
        await stage.rendering(takes=2)
        await stage.booked(lambda: stage.states() == ["rendering"] * 2)
        ((ticket,),) = stage.rows("SELECT ticket FROM jobs WHERE id = (SELECT MAX(request) FROM cards)")
        first, second = sorted(jobs(stage), key=lambda job: job.id not in str(ticket))  # the card is the first one's
        stage.provider.fail(first.id)
        await stage.booked(lambda: sorted(stage.states()) == ["failed", "rendering"])
        listed = await alone(await stage.discord.invoke(stage.mia, "videos"))
        refused = await alone(await stage.discord.press(stage.mia, listed, button(listed, "Delete")))
        assert refused.text().startswith("Another video of the same request is still in progress.")
        stage.provider.finish(second.id)
        await stage.settled()

    async def test_who_waited_long_is_mentioned_also_where_the_videos_are_too_large_to_be_posted(
        self, stage: Stage
    ) -> None:
        async def refuse(phase: str, exchange: Exchange) -> Reply | None:
            too_large = Reply(413, {"message": "Request entity too large", "code": 40005})
            return too_large if phase == "before" and exchange.files else None

        stage.discord.on_exchange(refuse)
        stage.provider.settings.render_seconds = None
        _, card = await stage.rendering(takes=2)
        await stage.booked(lambda: stage.states() == ["rendering"] * 2)
        assert stage.bot is not None
        await stage.bot.stop()
        stage.age(40)
        await stage.start_bot()
        for job in jobs(stage):
            stage.provider.finish(job.id)

        await stage.until(card, "Your videos are ready")
        await stage.discord.wait_for(lambda: len(stage.public()) == 2, 10, "a mention")
        (mention,) = [message for message in stage.public() if message is not card]
        assert mention.text() == f"<@{stage.mia.id}> Your videos are ready."

    async def test_where_none_came_in_an_archived_thread_its_message_tells_of_each(self, stage: Stage) -> None:
        stage.provider.settings.render_seconds = None
        thread = stage.discord.world.add_thread("cats")
        _, card = await stage.rendering(takes=2, channel=thread)
        await stage.booked(lambda: stage.states() == ["rendering"] * 2)
        stage.discord.world.set_thread(thread, archived=True)
        for job in jobs(stage):
            stage.provider.fail(job.id)

        await stage.until(card, "No videos")
        (opening,) = [message for message in stage.public(thread) if message is not card]
        assert opening.text().count("Your 4 credits are back.") == 2

    @pytest.mark.thorough
    async def test_takes_for_oneself_and_by_a_command_that_only_the_member_installed(self, stage: Stage) -> None:
        mine = await stage.animate(takes=2, show="me")
        await stage.over(mine)
        await stage.settled()
        foreign = await stage.animate(takes=2, channel=stage.discord.world.foreign.general)
        await stage.over(foreign)
        await stage.settled()

        for asked, is_private in ((mine, True), (foreign, False)):
            assert asked.message is not None
            assert (len(asked.message.media), asked.message.is_ephemeral) == (2, is_private)
            assert ALL_DONE in asked.message.text()
        assert stage.states() == ["delivered"] * 4
