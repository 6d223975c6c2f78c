"""What admins allow: models by role and channel, age-restricted channels, words; told before anything is charged."""

from __future__ import annotations

from sandbox.discord.cdn import Upload
from tests.e2e.asking import alone, refused, told
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage, png

UNCHARGED = "Nothing was charged."


async def models_offered(stage: Stage, **where: object) -> list[str]:
    found = await stage.discord.complete(stage.mia, "animate", "model", {}, **where)  # type: ignore[arg-type]
    return [choice["value"] for choice in found]


async def test_which_models_a_role_and_a_channel_may_use_is_kept_to_in_lists_forms_and_commands(build: Build) -> None:
    stage = await build({"QUOTA_DEFAULT_CREDITS": "100"}, start=False)
    world = stage.discord.world
    gallery = world.add_channel("gallery")
    thread = world.add_thread("works", gallery)
    await stage.start_bot()
    ana, everyone = world.people["ana"], world.guild.id

    assert await told(stage, "models", role_or_channel="@everyone", models="Sora 2") == (
        "@everyone can only use these models: Sora 2. Before: all models."
    )
    assert await told(stage, "models", role_or_channel=f"<@&{world.artist.id}>", models="sora-2-pro") == (
        f"<@&{world.artist.id}> can only use these models: Sora 2 Pro. Before: all models."
    )
    assert await told(stage, "models", role_or_channel="#gallery", models="Sora 2 Pro, Sora 2, Sora 2 Pro") == (
        f"<#{gallery.id}> can only use these models: Sora 2 Pro and Sora 2. Before: all models."
    )
    assert (await told(stage, "models", role_or_channel="#gallery", models="Sora 2, Veo")).startswith(
        "There is no model “Veo”. Nothing was changed."
    )
    assert await models_offered(stage) == ["sora-2"]
    assert (await stage.reply(stage.mia, "quota")).endswith("\n- Sora 2 · 4 s = 4 credits · 8 s = 8 · 12 s = 12")
    pro = await refused(stage, stage.mia, model="sora-2-pro")
    assert pro == f"You cannot use Sora 2 Pro here. {UNCHARGED} Choose one of these models: Sora 2."
    by_artist = await stage.over(await stage.animate(ana, model="Sora 2 Pro"))
    assert DONE in by_artist.text()

    await told(stage, "models", role_or_channel=f"channel:{gallery.id}", models="sora-2-pro")
    assert await models_offered(stage, channel=thread) == []
    nothing = f"You cannot use any model in this channel. {UNCHARGED} Ask an admin about it."
    assert await refused(stage, stage.mia, channel=thread) == nothing
    there = await stage.reply(stage.mia, "quota", channel=thread)
    assert there.startswith(f"{nothing}\n**100 credits left**")
    assert "Sora" not in there
    picture = await stage.discord.post(stage.mia, "look", Upload("a.png", png(), "image/png"), channel=gallery)
    assert (await alone(await stage.discord.menu(stage.mia, "Animate this", picture))).text() == nothing

    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    listed = await told(stage, "rules")
    assert listed == (
        "**Rules of this server**\n- Videos can be made in all channels.\n- All words are allowed.\n"
        f"- @everyone: Sora 2\n- <@&{world.artist.id}>: Sora 2 Pro\n- <#{gallery.id}>: Sora 2 Pro"
    )
    assert await refused(stage, stage.mia, channel=gallery) == nothing
    assert await told(stage, "models", role_or_channel=f"role:{everyone}", models="All") == (
        "@everyone can use all models. Before: Sora 2."
    )
    await told(stage, "quota set", user=stage.mia, credits=10)
    assert await refused(stage, stage.mia, channel=gallery) == (  # and no cheaper video of a model that is not allowed
        f"This video costs 12 credits. You have 10 credits left. {UNCHARGED} Ask an admin for a larger quota."
    )
    choices = await stage.discord.complete(
        stage.admin, "animate-admin models", "role_or_channel", {"role_or_channel": "ART"}
    )
    assert [choice["name"] for choice in choices] == ["@artist"]
    choices = await stage.discord.complete(stage.admin, "animate-admin models", "models", {"models": "Sora 2,"})
    assert [choice["value"] for choice in choices] == ["Sora 2, Sora 2 Pro"]


async def test_words_and_channels_that_are_not_allowed_are_refused_privately_and_never_logged(build: Build) -> None:
    stage = await build(start=False)
    world = stage.discord.world
    adults = world.add_channel("adults")
    adults.nsfw = True
    thread = world.add_thread("late", adults)
    await stage.start_bot()

    assert await told(stage, "rules", barred_words="Gore, nud*, spider man") == (
        "Words that are not allowed: Gore, nud*, spider man. Before, all words were allowed."
    )
    refusal = await refused(stage, stage.mia, prompt="g 0 r e everywhere")
    assert refusal == (
        "Your prompt has a word that is not allowed in this server: “Gore”. Nothing was charged. Change the prompt, "
        "then try again."
    )
    assert await told(stage, "rules", age_restricted_only=True, barred_words="none") == (
        "Videos can now only be made in age-restricted channels. Before: in all channels.\n"
        "All words are allowed. Before, these words were not allowed: Gore, nud*, spider man."
    )
    assert await refused(stage, stage.mia) == (
        "In this server, videos can only be made in age-restricted channels. Nothing was charged. Use one of them."
    )
    assert await models_offered(stage) == []
    card = await stage.over(await stage.animate(prompt="gore", channel=thread))

    assert DONE in card.text()
    assert await told(stage, "rules", age_restricted_only=True) == "This is already set. Nothing was changed."
    assert stage.bot is not None
    assert "Gore" not in stage.bot.log()
    assert "g 0 r e" not in stage.bot.log()
