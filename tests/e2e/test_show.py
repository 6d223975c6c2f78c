"""To whom a video is shown: to all, covered, or to its member alone, whatever happens to the card."""

from __future__ import annotations

from sandbox.discord.cdn import Upload
from tests.e2e.asking import alone, shown_again, told
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage, png


async def test_a_video_for_its_member_alone_never_stands_in_the_channel_and_a_spoiler_is_covered(stage: Stage) -> None:
    await told(stage, "log", channel=stage.discord.world.general)
    card = await stage.over(await stage.animate(show="me", prompt="a secret hat"))
    await stage.settled()

    assert card.is_ephemeral
    assert DONE in card.text()
    assert "a secret hat" in card.text()
    await stage.discord.wait_for(stage.public, 10, "the line in the log channel")
    (listed,) = stage.public()
    assert "shown only to this member" in listed.text()
    assert "secret" not in listed.text()
    assert "discord.com/channels" not in listed.text()

    listing = await alone(await stage.discord.invoke(stage.mia, "videos"))
    assert "Go to message" not in [button.label for button in listing.buttons]
    assert await shown_again(stage) == card.media[0].data
    again = next(button.custom_id for button in card.buttons if button.label == "Again")
    second = await stage.over(await stage.discord.press(stage.mia, card, again or ""))
    assert second.is_ephemeral
    assert all("video `" in message.text() and not message.media for message in stage.public())
    await _spoilers(stage)


async def test_a_private_video_whose_card_is_out_of_reach_comes_as_a_direct_message(build: Build) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering(show="me")
    (job,) = stage.provider.jobs.values()
    assert stage.bot is not None
    stage.bot.kill()
    await stage.bot.wait()
    stage.shorten_token(-1)
    stage.provider.finish(job.id)

    await stage.start_bot()
    direct = stage.discord.world.dm(stage.mia)
    await stage.discord.wait_for(lambda: stage.public(direct), 20, "the direct message")
    await stage.settled()

    (message,) = stage.public(direct)
    assert [file.data for file in message.media] == [job.video]
    assert card.is_ephemeral
    assert stage.public() == []
    assert stage.states() == ["delivered"]


async def _spoilers(stage: Stage) -> None:
    """One by choice, one because its picture is one."""
    chosen = await stage.over(await stage.animate(show="spoiler"))
    hidden = Upload("SPOILER_cat.png", png(), "image/png")
    by_picture = await stage.over(await stage.animate(image=hidden, show="here"))

    assert "'description': 'puts on a hat'" in str(chosen.now["components"])
    for card in (chosen, by_picture):
        assert not card.is_ephemeral
        (video,) = card.media
        assert video.filename.startswith("SPOILER_")
        assert "'spoiler': True" in str(card.now["components"])
