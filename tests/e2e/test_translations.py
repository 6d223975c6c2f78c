"""A Japanese member on a German server: all read the card in German, she reads her own answers in Japanese."""

from __future__ import annotations

from bot.chat.text import NOTHING_CHARGED
from bot.i18n.translations import TranslationCatalog
from bot.images.precheck import A_PDF
from sandbox.discord.cdn import Upload
from tests.e2e.asking import alone, told
from tests.e2e.conftest import Build


async def test_each_reads_their_own_language_also_after_a_restart(build: Build) -> None:
    german, japanese = (TranslationCatalog().of(locale).gettext for locale in ("de", "ja"))
    stage = await build(render_s=None)  # rendered for ever
    stage.discord.world.guild.locale = "de"
    stage.mia.locale = "ja"

    card = await (await stage.animate()).answer()
    assert card is not None
    await stage.until(card, german("### 🎬 Rendering"))
    refused = await alone(await stage.animate(image=Upload("cat.pdf", b"%PDF-1.7", "application/pdf")))
    assert refused.text() == f"{japanese(A_PDF)}{japanese(NOTHING_CHARGED)}"
    assert await told(stage, "resume") == "Videos are not paused in this server. Nothing was changed."  # in English

    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    (job,) = stage.provider.jobs
    stage.provider.finish(job)
    await stage.until(card, german("### ✅ Here is your video"))
    assert "KI-generiert" in card.text()
    assert "16クレジット" in await stage.reply(stage.mia, "quota")
    assert stage.rows("SELECT locale, member_locale FROM cards") == [("de", "ja")]
