"""Every wire through the whole bot: a video comes, a lost answer is settled or unknown, kill -9 at each create.

On wires that know a key of ours nothing stays unknown; on every wire nothing is paid for twice.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sandbox.discord.cdn import Upload
from sandbox.providers.base import LocalProvider
from sandbox.providers.exchange import CUT
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.registry import PROVIDERS, make_provider
from tests import catalogs
from tests.e2e.conftest import Build
from tests.e2e.killing import is_create, killer
from tests.e2e.stage import DONE, Stage, png
from tests.thorough import mostly_thorough

KNOW_KEYS = ("comfy-router", "comfyui", "comfy-api")
WIRES = tuple(PROVIDERS)
PHASES = ("before", "inside", "after")


def local(name: str) -> LocalProvider:
    """One whose renders take a tenth of a second."""
    provider = type(make_provider(name))(render=tiny_mp4)
    provider.name = name
    provider.settings.render_seconds = 0.1
    return provider


def paid(provider: LocalProvider) -> int:
    return len(provider.jobs)


@pytest.mark.parametrize("name", mostly_thorough(WIRES, by_default=["openai"]))  # others: test_other_apis, test_comfyui
async def test_a_video_comes(build: Build, name: str) -> None:
    stage = await build(provider=local(name))

    card = await stage.over(await stage.animate())

    assert DONE in card.text()
    assert paid(stage.provider) == 1


@pytest.mark.parametrize("fault", mostly_thorough(["lost", "cut", "cut-early"], by_default=["lost"]))
@pytest.mark.parametrize("name", mostly_thorough(WIRES, by_default=["openai", "comfy-router"]))
async def test_a_lost_answer_is_settled_by_our_key_or_unknown(build: Build, name: str, fault: str) -> None:
    stage = await build(provider=local(name))
    stage.provider.faults.inject(f"create:{fault}")

    await stage.over(await stage.animate())
    await stage.settled()

    assert paid(stage.provider) <= 1
    if name in KNOW_KEYS:
        assert stage.states() == ["delivered"]
    else:  # half an answer may hold the id
        assert stage.states() == ["unknown"] or (fault == "cut" and stage.states() == ["delivered"])


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", mostly_thorough(WIRES, by_default=["openrouter", "comfy-router"]))
async def test_killed_at_the_create(build: Build, name: str, phase: str) -> None:
    stage = await build(provider=local(name))
    stage.provider.on_exchange(killer(stage, is_create, phase, CUT))
    await stage.animate()
    assert stage.bot is not None
    assert await stage.bot.wait() == -9

    await stage.start_bot()
    await stage.settled()

    assert paid(stage.provider) <= 1
    if name in KNOW_KEYS:
        assert stage.states() == ["delivered"]
    else:
        assert stage.states() == ["unknown"] or (phase == "after" and stage.states() == ["delivered"])


@pytest.mark.parametrize("name", mostly_thorough(["comfyui", "comfy-api"], by_default=["comfyui"]))
async def test_cancel_ends_a_render_and_every_credit_is_back(build: Build, name: str) -> None:
    provider = local(name)
    provider.settings.render_seconds = 60.0
    stage = await build(provider=provider)
    asked = await stage.animate()
    card = await asked.answer()
    assert card is not None
    await stage.until(card, "Rendering")
    await stage.discord.wait_for(lambda: any(b.label == "Cancel" for b in card.buttons), 20, "the button")

    custom_id = next(button.custom_id for button in card.buttons if button.label == "Cancel")
    await stage.discord.press(stage.mia, card, str(custom_id))

    await stage.until(card, "Video canceled")
    await stage.settled()
    assert stage.states() == ["cancelled"]
    assert stage.rows("SELECT COALESCE(SUM(credits), 0) FROM budget_usage") == [(0,)]


class TestSideBySide:
    """One bot with models of four providers, each spoken to on its own wire."""

    def catalog(self, folder: Path, providers: dict[str, LocalProvider], **more: str) -> dict[str, str]:
        """Writes it; the settings that go with it."""
        path = folder / "catalog.toml"
        path.write_text(catalogs.catalog(providers.values(), more=more))
        return {"VIDEO_CATALOG": str(path)} | catalogs.settings(providers.values())

    async def staged(self, build: Build, **more: str) -> tuple[Stage, dict[str, LocalProvider]]:
        providers = {name: local(name) for name in ("openai", "openrouter", "fal", "comfy-router")}
        stage = await build(provider=providers["openai"], start=False)
        for provider in list(providers.values())[1:]:
            await provider.start()
            stage.more_providers.append(provider)
        stage.use(self.catalog(stage.folder, providers, **more))
        await stage.start_bot()
        return stage, providers

    async def test_each_makes_its_own(self, build: Build) -> None:
        stage, providers = await self.staged(build)
        stage.use({"MAX_JOBS_PER_USER": "9"})

        for name in providers:
            card = await stage.over(await stage.animate(model=f"on-{name}"))
            assert DONE in card.text()

        assert [paid(provider) for provider in providers.values()] == [1, 1, 1, 1]
        for provider in providers.values():
            for other in providers.values():
                sent = b"".join(str(x.headers).encode() for x in provider.requests)
                assert provider is other or other.key.encode() not in sent

    async def test_one_that_is_down_is_stood_in_for_and_the_card_says_so(self, build: Build) -> None:
        stage, providers = await self.staged(build, openai='fallback = ["on-fal"]')
        providers["openai"].faults.inject("create:402", times=None)

        card = await stage.over(await stage.animate(model="on-openai"))

        assert DONE in card.text()
        assert "on-fal instead of on-openai" in card.text()
        assert [paid(provider) for provider in providers.values()] == [0, 0, 1, 0]

    @pytest.mark.thorough
    async def test_one_that_is_down_is_refused_and_the_others_work(self, build: Build) -> None:
        stage, providers = await self.staged(build)
        providers["openai"].key = "sk-another"
        await stage.over(await stage.animate(model="on-openai"))

        refused = await (await stage.animate(stage.admin, model="on-openai")).answer()
        cards = [await stage.over(await stage.animate(model=f"on-{name}")) for name in list(providers)[1:]]

        assert refused is not None
        assert refused.is_ephemeral
        assert "does not accept anything from this bot right now. Nothing was charged." in refused.text()
        assert all(DONE in card.text() for card in cards)
        assert [paid(provider) for provider in providers.values()] == [0, 1, 1, 1]


ONE = """
[providers.gptproto]
wire = "openai"
url = "http://127.0.0.1:1/v1"
key = "GPTPROTO_API_KEY"

[[models]]
id = "sora-2"
label = "Sora 2"
seconds = [4]
sizes = ["720x1280", "1280x720"]
credits = 1
"""
TWO = f"""{ONE}
retired = {{ on = 2026-01-01, instead = ["ray"] }}

[[models]]
id = "ray"
label = "Ray"
seconds = [5]
aspect_ratios = ["9:16", "16:9"]
credits = 2
"""


class TestReadAnew:
    """SIGHUP, while the bot runs."""

    async def staged(self, build: Build) -> tuple[Stage, Path]:
        stage = await build(start=False)
        path = stage.folder / "catalog.toml"
        path.write_text(ONE)
        stage.use({"VIDEO_CATALOG": str(path)})
        await stage.start_bot()
        return stage, path

    async def hang_up(self, stage: Stage, words: str) -> None:
        """Until the log says so."""
        assert stage.bot is not None
        os.kill(stage.bot.pid, signal.SIGHUP)
        log = stage.bot.log
        await stage.booked(lambda: words in log())

    async def test_members_are_offered_the_new_models_and_a_job_of_the_old_one_goes_on(self, build: Build) -> None:
        stage, path = await self.staged(build)
        stage.provider.settings.render_seconds = None
        asked, card = await stage.rendering()
        path.write_text(TWO)

        await self.hang_up(stage, "catalog read anew: ray")
        assert await offered(stage) == ["ray"]
        forged = await stage.discord.invoke(
            stage.mia,
            "animate",
            image=Upload("cat.png", png(), "image/png"),
            prompt="a hat",
            model="sora-2",
            forge=True,
        )
        refused = await forged.answer()
        (job,) = stage.provider.jobs.values()
        stage.provider.finish(job.id)

        assert refused is not None
        assert "Sora 2 is no longer available" in refused.text()
        assert DONE in (await stage.over(asked)).text()
        assert "Sora 2" in card.text()

    @pytest.mark.thorough
    async def test_a_wrong_one_is_told_in_a_sentence_and_the_old_one_stays(self, build: Build) -> None:
        stage, path = await self.staged(build)
        path.write_text(ONE.replace("credits = 1", "credits = 0"))

        await self.hang_up(stage, f"the catalog stays as it was: VIDEO_CATALOG: {path}, line 12: credits is wrong")
        card = await stage.over(await stage.animate())

        assert DONE in card.text()

    async def test_a_changed_key_file_is_read_and_what_its_key_was_refused_for_is_tried_at_once(
        self, build: Build
    ) -> None:
        """Without the signal the circuit breaker asks again after a minute, and later after a quarter of an hour."""
        stage = await build(start=False)
        before, stage.provider.key = stage.provider.key, "sk-the-new-one-0123456789"
        file = stage.folder / "key"
        file.write_text(before)
        stage.use({"VIDEO_API_KEY": "", "VIDEO_API_KEY_FILE": str(file)})
        bot = await stage.start_bot()
        await stage.over(await stage.animate())
        await stage.booked(lambda: "nothing is sent to the provider gptproto any more (key" in bot.log())

        file.write_text(stage.provider.key)
        await self.hang_up(stage, "the provider gptproto is used again (key")
        card = await stage.over(await stage.animate())

        assert DONE in card.text()
        (created,) = [x for x in stage.provider.requests if x.route == "create"]
        assert stage.provider.key in created.headers["authorization"]
        assert before not in bot.log()


class TestCatalogs:
    """What members are offered, whatever the size of the catalog."""

    @pytest.mark.parametrize("count", mostly_thorough([1, 60], by_default=[60]))
    async def test_so_many_models_lengths_and_sizes_are_offered_and_made(self, build: Build, count: int) -> None:
        names = [f"a-model-with-a-long-name-{number}" for number in range(count)]
        sizes = ["720x1280", *(f"{360 + 2 * number}x640" for number in range(1, count))]
        models = "".join(
            f'[[models]]\nid = "{name}"\nlabel = "The model with a long label, number {number}"\nname = "sora-2"\n'
            f"seconds = {[4, *range(5, 4 + count)]}\nsizes = {sizes}\ncredits = 1\n"
            for number, name in enumerate(names)
        )
        stage = await build(start=False)
        path = stage.folder / "catalog.toml"
        path.write_text(ONE.split("[[models]]", maxsplit=1)[0] + models)
        stage.use({"VIDEO_CATALOG": str(path)})
        await stage.start_bot()

        await stage.discord.wait_for(lambda: stage.discord.commands, 20, "the commands")
        assert await offered(stage) == names[:25]
        assert await offered(stage, names[-1]) == names[-1:]
        card = await stage.over(await stage.animate(model=names[-1], size=sizes[0]))

        assert DONE in card.text()

    async def test_a_model_of_aspect_ratios_alone_has_sizes_and_is_sent_its_ratio(self, build: Build) -> None:
        stage = await build(provider=local("openrouter"), start=False)
        path = stage.folder / "catalog.toml"
        sizes, shapes = 'sizes = ["720x1280", "1280x720"]', 'aspect_ratios = ["9:16", "16:9"]'
        path.write_text(catalogs.catalog([stage.provider]).replace(sizes, shapes))
        stage.use({"VIDEO_CATALOG": str(path)} | catalogs.settings([stage.provider]))
        await stage.start_bot()

        card = await stage.over(await stage.animate(size="1280x720"))

        assert DONE in card.text()
        (sent,) = (x.fields for x in stage.provider.requests if x.route == "create")
        assert (sent["aspect_ratio"], "size" in sent, "resolution" in sent) == ("16:9", False, False)


async def offered(stage: Stage, typed: str = "") -> list[str]:
    """The models that /animate lists."""
    listed = await stage.discord.complete(stage.mia, "animate", "model", {"model": typed})
    return [choice["value"] for choice in listed]
