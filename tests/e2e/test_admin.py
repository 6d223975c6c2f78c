"""/animate-admin through the whole bot: what an admin reads, and what a member reads and gets after it."""

from __future__ import annotations

import asyncio
import csv
import io
import re

import pytest

from sandbox.discord.messages import Interaction, Message
from sandbox.discord.permissions import Permission
from sandbox.discord.world import Person
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage

PRICES = (
    "**What a clip costs**\n"
    "- Sora 2: 4 s 4, 8 s 8, 12 s 12 (720x1280 or 1280x720)\n"
    "- Sora 2 Pro: 4 s 12, 8 s 24, 12 s 36 (720x1280 or 1280x720); "
    "4 s 20, 8 s 40, 12 s 60 (1024x1792 or 1792x1024)"
)
CANNOT = "You cannot make clips on this server (“spam”). Ask an admin about it."
PAUSED = "Clips are paused on this server (“a feast”). Please try again later."
LOST_IT = "You may no longer manage this server, so its list is not shown to you."


async def alone(asked: Interaction) -> Message:
    """The answer, which nobody else may see and which wakes nobody."""
    message = await asked.answer()
    assert message is not None
    assert message.is_ephemeral
    assert message.pinged == []
    return message


def plain(text: str) -> str:
    """Every timestamp as <t>; the clock is the real one."""
    return re.sub(r"<t:\d+:R>", "<t>", text)


async def told(stage: Stage, command: str, *, by: Person | None = None, **options: object) -> str:
    """What the admin, or somebody else, reads as the answer to an admin command."""
    person = by or stage.admin
    asked = await stage.discord.invoke_with(person, f"animate-admin {command}", options, forge=by is not None)  # type: ignore[arg-type]  # checked at the door
    return plain((await alone(asked)).text())


async def quota(stage: Stage, person: Person) -> str:
    """What /quota says, without the prices."""
    text = plain(await stage.reply(person, "quota"))
    assert text.endswith(f"\n{PRICES}")
    return text.removesuffix(f"\n{PRICES}")


async def refused(stage: Stage, person: Person, **options: object) -> str:
    """What the person reads in place of a card."""
    return plain((await alone(await stage.animate(person, **options))).text())  # type: ignore[arg-type]  # checked at the door


def keys(stage: Stage) -> list[str]:
    """Every clip's key, oldest first."""
    return [str(key) for (key,) in stage.rows("SELECT key FROM jobs ORDER BY id")]


class TestAllowances:
    async def test_what_an_admin_sets_is_what_the_member_reads(self, stage: Stage) -> None:
        ana, artist = stage.discord.world.people["ana"], stage.discord.world.artist

        assert await told(stage, "quota default", credits=30, per="week") == (
            "Everybody here may now spend 30 credits a week."
        )
        assert await quota(stage, stage.mia) == (
            "**30 credits left** of 30 a week · 0 used this week · renews <t>\nAllowance this server's default."
        )
        assert await told(stage, "quota role", role=artist, credits=1, per="month") == (
            f"Everybody with <@&{artist.id}> may now spend 1 credit a month."
        )
        assert await quota(stage, ana) == (
            f"**1 credit left** of 1 a month · 0 used this month · renews <t>\nAllowance from the role <@&{artist.id}>."
        )
        assert await told(stage, "quota set", user=ana, credits=1_000_000, per="ever") == (
            f"<@{ana.id}> may now spend 1,000,000 credits in all."
        )
        assert await told(stage, "quota grant", user=ana, credits=5, reason="won the contest") == (
            f"<@{ana.id}> has 5 credits more, to be spent after the allowance."
        )
        await stage.over(await stage.animate(ana))
        await stage.settled()
        assert await quota(stage, ana) == (
            "**999,996 credits left** of 1,000,000 in all · 4 used so far\n"
            "Allowance set for you by an admin.\nGranted on top: 5 credits."
        )

    async def test_a_ceiling_bounds_all_members_together_and_grants_too(self, stage: Stage) -> None:
        ana = stage.discord.world.people["ana"]
        assert await told(stage, "quota server", credits=7) == "This server as a whole may now spend 7 credits a day."
        await told(stage, "quota grant", user=ana, credits=100)
        await stage.over(await stage.animate())

        assert await refused(stage, ana) == (
            "This server has used up what its admins allow for now. Nothing was charged; please try again later."
        )

    async def test_reset_and_clear_say_what_they_did(self, stage: Stage) -> None:
        ana, artist = stage.discord.world.people["ana"], stage.discord.world.artist
        await told(stage, "quota set", user=ana, credits=4)
        await told(stage, "quota role", role=artist, credits=6)
        await stage.over(await stage.animate(ana))
        spent = await refused(stage, ana)

        reset = await told(stage, "quota reset", user=ana)
        after_reset = await quota(stage, ana)
        cleared = [await told(stage, "quota clear", target=target) for target in (ana, ana, artist, artist)]

        assert spent == ("This clip costs 4 credits, and you have 0 left of 4 a day. Your allowance renews <t>.")
        assert reset == f"<@{ana.id}> starts afresh: the use so far is forgotten."
        assert after_reset == (
            "**4 credits left** of 4 a day · 0 used today · renews <t>\nAllowance set for you by an admin."
        )
        assert cleared == [
            f"<@{ana.id}> has no allowance of its own any more.",
            f"<@{ana.id}> had no allowance of its own.",
            f"<@&{artist.id}> has no allowance of its own any more.",
            f"<@&{artist.id}> had no allowance of its own.",
        ]
        assert await quota(stage, ana) == (
            "**20 credits left** of 20 a day · 0 used today · renews <t>\nAllowance this bot's default."
        )

    async def test_show_tells_the_last_ten_lines_in_words(self, stage: Stage) -> None:
        mia, by = stage.mia, f"<t> by <@{stage.admin.id}>"
        assert await told(stage, "quota show") == (
            f"<@{stage.admin.id}>\n**20 credits left** of 20 a day · 0 used today · renews <t>\n"
            "Allowance this bot's default.\n**Latest**\n- nothing yet"
        )
        await told(stage, "quota clear", target=mia)  # had none: no line
        await told(stage, "quota set", user=mia, credits=40)
        await told(stage, "quota clear", target=mia)
        await told(stage, "quota set", user=mia, credits=6, per="week")
        await told(stage, "quota grant", user=mia, credits=9, reason="won the contest")
        await told(stage, "quota reset", user=mia)
        await stage.over(await stage.animate(prompt="[moderated]"))
        await stage.over(await stage.animate(seconds=8))
        await told(stage, "block", user=mia)
        await told(stage, "unblock", user=mia)
        await told(stage, "block", user=mia, reason="spam")
        refunded, delivered = keys(stage)

        assert await told(stage, "quota show", user=mia) == (
            f"<@{mia.id}>\nBlocked (“spam”).\n"
            "**0 credits left** of 6 a week · 6 used this week · renews <t>\n"
            "Allowance set by an admin.\nGranted on top: 7 credits.\n"
            "**Latest**\n"
            f"- blocked: spam · {by}\n"
            f"- unblocked · {by}\n"
            f"- blocked · {by}\n"
            f"- -8 · <t> · clip {delivered}\n"
            f"- -4 · <t> · clip {refunded} · +4 back: refused by moderation\n"
            f"- use forgotten · {by}\n"
            f"- +9 granted (“won the contest”) · {by}\n"
            f"- own allowance 6 a week · {by}\n"
            f"- own allowance taken away · {by}"
        )

        # Two lines more, and the reservation is no longer among the ten: its refund stands alone.
        for _ in range(6):
            await told(stage, "quota grant", user=mia, credits=1_000_000, reason="x" * 200)
        lines = (await told(stage, "quota show", user=mia)).split("\n")
        assert lines[-10:-4] == [f"- +1,000,000 granted (“{'x' * 59}…”) · {by}"] * 6
        assert lines[-1] == f"- -8 · <t> · clip {delivered}"
        await told(stage, "quota grant", user=mia, credits=1)
        shown = await stage.discord.invoke(stage.admin, "animate-admin quota show", user=mia)
        assert len((await alone(shown)).text()) <= 2_000

    async def test_all_allowances_are_turned_page_by_page_also_after_a_restart(self, build: Build) -> None:
        stage = await build(start=False)
        people = [stage.discord.world.add_member(f"member{n}") for n in range(30)]
        ana, world = stage.discord.world.people["ana"], stage.discord.world
        manager = world.add_role("manager", permissions=Permission.MANAGE_GUILD, members=(ana,))
        await stage.start_bot()
        assert await told(stage, "quota list") == (
            "**Allowances**\n- Default: the bot’s own\n- The whole server: no ceiling"
        )
        await told(stage, "quota default", credits=30, per="week")
        await told(stage, "quota server", credits=300, per="ever")
        await told(stage, "quota role", role=world.artist, credits=50, per="month")
        await asyncio.gather(*(told(stage, "quota set", user=one, credits=n) for n, one in enumerate(people)))
        rules = [
            "- Default: 30 a week",
            "- The whole server: 300 in all",
            f"- <@&{world.artist.id}>: 50 a month",
            *(f"- <@{one.id}>: {n} a day" for n, one in enumerate(people)),
        ]
        pages = ["\n".join(["**Allowances**", *rules[15 * n : 15 * n + 15], f"-# page {n + 1} of 3"]) for n in range(3)]

        async def press(person: Person, shown: Message, label: str) -> Interaction:
            (button,) = [one for one in shown.buttons if one.label == label]
            asked = await stage.discord.press(person, shown, str(button.custom_id))
            await asked.answer()
            return asked

        async def labels_and_page(shown: Message) -> tuple[list[str], str]:
            return [button.label for button in shown.buttons], shown.text()

        of_admin = await alone(await stage.discord.invoke(stage.admin, "animate-admin quota list"))
        of_ana = await alone(await stage.discord.invoke(ana, "animate-admin quota list"))
        of_mia = await alone(await stage.discord.invoke(stage.mia, "animate-admin quota list", forge=True))
        assert await labels_and_page(of_admin) == (["▶"], pages[0])
        await press(stage.admin, of_admin, "▶")
        assert await labels_and_page(of_admin) == (["◀", "▶"], pages[1])

        assert stage.bot is not None
        await stage.bot.stop()
        await stage.start_bot()

        await press(stage.admin, of_admin, "▶")
        assert await labels_and_page(of_admin) == (["◀"], pages[2])
        await press(stage.admin, of_admin, "◀")
        assert await labels_and_page(of_admin) == (["◀", "▶"], pages[1])

        # Whom the owner let in without Manage Server turns pages too; who lost Manage Server does not.
        await press(stage.mia, of_mia, "▶")
        assert await labels_and_page(of_mia) == (["◀", "▶"], pages[1])
        await press(ana, of_ana, "▶")
        world.guild.members[ana.id].roles.remove(manager)
        late = await press(ana, of_ana, "▶")
        assert [word.text() for word in stage.discord.messages(world.general, ana) if word.text() == LOST_IT] == [
            LOST_IT
        ]
        assert late.message is not None
        assert await labels_and_page(of_ana) == (["◀", "▶"], pages[1])

        # The list has become shorter than the page that stands there.
        await asyncio.gather(*(told(stage, "quota clear", target=one) for one in people))
        await press(stage.admin, of_admin, "▶")
        assert await labels_and_page(of_admin) == ([], "\n".join(["**Allowances**", *rules[:3]]))


class TestPauseAndBlock:
    async def test_a_pause_holds_what_waits_also_over_a_restart_until_it_ends(self, build: Build) -> None:
        stage = await build({"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
        ana, newcomer = stage.discord.world.people["ana"], stage.discord.world.people["newcomer"]
        dm = stage.discord.world.dm(stage.mia)
        first = await stage.animate(newcomer)
        await stage.videos.wait_for(lambda: len(stage.videos.jobs) == 1, 10, "the first")
        held = await stage.animate(ana)
        card = await held.answer()
        assert card is not None

        async def passes_by(known: int) -> None:
            """A clip from a direct message goes to the service while the older one of the server waits."""
            await stage.animate(channel=dm)
            await stage.videos.wait_for(lambda: len(stage.videos.jobs) == known + 1, 10, "the one that passes")
            stage.videos.finish(list(stage.videos.jobs)[-1])
            await stage.booked(lambda: stage.states().count("delivered") == known + 1)

        assert await told(stage, "pause", reason="a feast") == (
            "No new clips are taken here. What waits is held, what is being made is finished. "
            "`/animate-admin resume` goes on."
        )
        assert await refused(stage, ana) == PAUSED
        assert await quota(stage, ana) == (
            f"{PAUSED}\n**16 credits left** of 20 a day · 4 used today · renews <t>\n"
            "Allowance this bot's default.\nUnder way: 1 clip."
        )
        stage.videos.finish(next(iter(stage.videos.jobs)))
        await stage.over(first)
        await passes_by(1)
        assert stage.bot is not None
        await stage.bot.stop()
        await stage.start_bot()
        await passes_by(2)
        assert stage.states() == ["delivered", "waiting", "delivered", "delivered"]
        assert "In line" in card.text()
        assert "paused <t> (“a feast”)" in await told(stage, "status")

        assert await told(stage, "resume") == "Clips are taken again."
        await stage.videos.wait_for(lambda: len(stage.videos.jobs) == 4, 10, "the one that was held")
        stage.videos.finish(list(stage.videos.jobs)[-1])
        assert DONE in (await stage.over(held)).text()
        assert PAUSED not in await quota(stage, ana)

    async def test_a_block_cancels_and_refunds_what_waits_and_its_card_says_so(self, build: Build) -> None:
        stage = await build({"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
        ana = stage.discord.world.people["ana"]
        running = await stage.animate(ana)
        await stage.videos.wait_for(lambda: len(stage.videos.jobs) == 1, 10, "the first")
        waiting = await stage.animate(ana)
        card = await waiting.answer()
        assert card is not None
        others = await stage.animate(stage.mia)
        await stage.booked(lambda: stage.rows("SELECT COUNT(*) FROM cards WHERE message IS NOT NULL") == [(3,)])

        assert await told(stage, "block", user=ana, reason="spam") == (
            f"<@{ana.id}> cannot make clips here any more. 1 waiting clip was cancelled."
        )
        await stage.until(card, "Cancelled")
        assert "### 🚫 Cancelled" in card.text()
        assert "This was cancelled. The 4 credits are back." in card.text()
        assert await refused(stage, ana) == CANNOT
        assert await quota(stage, ana) == (
            f"{CANNOT}\n**16 credits left** of 20 a day · 4 used today · renews <t>\n"
            "Allowance this bot's default.\nUnder way: 1 clip."
        )
        assert await told(stage, "block", user=ana) == f"<@{ana.id}> cannot make clips here any more."
        stage.videos.finish(next(iter(stage.videos.jobs)))
        assert DONE in (await stage.over(running)).text()
        await stage.videos.wait_for(lambda: len(stage.videos.jobs) == 2, 10, "the other member's")
        stage.videos.finish(list(stage.videos.jobs)[-1])
        await stage.over(others)
        await stage.settled()
        assert stage.states() == ["delivered", "cancelled", "delivered"]

        assert await told(stage, "unblock", user=ana) == f"<@{ana.id}> can make clips again."
        again = await stage.animate(ana)
        await stage.videos.wait_for(lambda: len(stage.videos.jobs) == 3, 10, "the next")
        stage.videos.finish(list(stage.videos.jobs)[-1])
        assert DONE in (await stage.over(again)).text()


class TestReports:
    async def test_usage_is_told_in_text_and_when_it_is_long_in_a_file_too(self, build: Build) -> None:
        stage = await build({"BUDGET_CREDITS": "1000", "QUOTA_DEFAULT_CREDITS": "60"})
        people = [stage.discord.world.add_member(f"member{n}") for n in range(40)]
        assert await told(stage, "usage") == "No clips in the last 7 days."
        await stage.over(await stage.animate(seconds=12, model="sora-2-pro", size="1024x1792"))
        await stage.over(await stage.animate(people[0], prompt="[fail]"))
        await stage.over(await stage.animate(people[0], prompt="[moderated]"))

        asked = await stage.discord.invoke(stage.admin, "animate-admin usage", days=1)
        short = await alone(asked)
        await asyncio.gather(*[stage.over(await stage.animate(one)) for one in people])
        await stage.settled()
        long = await alone(await stage.discord.invoke(stage.admin, "animate-admin usage", days=366))

        failed = "1 × failed at the service · 1 × refused by moderation"
        assert short.attachments == []
        assert short.text() == (
            "**Usage, today**\n"
            f"All: 3 clips · 60 credits · 8 refunded · about 6.40 USD · {failed}\n"
            f"- <@{stage.mia.id}>: 1 clip · 60 credits · about 6.00 USD\n"
            f"- <@{people[0].id}>: 2 clips · 0 credits · 8 refunded · about 0.40 USD · {failed}"
        )
        lines = long.text().split("\n")
        assert lines[0] == "**Usage, the last 366 days**"
        assert lines[1] == f"All: 43 clips · 220 credits · 8 refunded · about 22.40 USD · {failed}"
        assert lines[3] == f"- <@{people[0].id}>: 3 clips · 4 credits · 8 refunded · about 0.80 USD · {failed}"
        assert lines[4] == f"- <@{people[1].id}>: 1 clip · 4 credits · about 0.40 USD"
        assert lines[-1] == "- and more, in the file"
        assert len(long.text()) <= 2_000
        (file,) = long.attachments
        assert file.filename == "usage-366-days.csv"
        rows = list(csv.DictReader(io.StringIO(file.data.decode("utf-8-sig"))))
        assert len(rows) == 43
        assert {row["member"] for row in rows} == {f"<@{one.id}>" for one in [stage.mia, *people]}
        assert sum(int(row["credits"]) - int(row["refunded"]) for row in rows) == 220
        assert sum(float(row["usd"] or 0) for row in rows) == pytest.approx(22.4)
        (failure,) = [row for row in rows if row["failure"] == "provider"]
        assert failure == {
            "member": f"<@{people[0].id}>", "model": "sora-2", "seconds": "4", "size": "720x1280", "state": "failed",
            "failure": "provider", "clips": "1", "credits": "4", "refunded": "4", "usd": "0.40",
        }  # fmt: skip

    async def test_each_clip_is_listed_in_the_channel_an_admin_chose_and_only_there(self, build: Build) -> None:
        stage = await build(start=False)
        world = stage.discord.world
        listing, mute = world.add_channel("listing"), world.add_channel("mute")
        mute.deny(world.bot, Permission.SEND_MESSAGES)
        await stage.start_bot()
        await stage.over(await stage.animate())  # off at first
        for channel in (mute, world.restricted):
            assert await told(stage, "log", channel=channel) == (
                f"The bot cannot write in <#{channel.id}>. Give it View Channel and Send Messages there first."
            )
        assert "log off" in await told(stage, "status")

        assert await told(stage, "log", channel=listing) == f"Each clip is listed in <#{listing.id}>."
        card = await stage.over(await stage.animate(prompt="waves ``` @everyone", seconds=8))
        await stage.discord.wait_for(lambda: stage.discord.messages(listing), 10, "the list")
        assert f"log <#{listing.id}>" in await told(stage, "status")
        assert await told(stage, "log") == "Clips are not listed anywhere."
        await stage.over(await stage.animate())
        await stage.settled()

        (entry,) = stage.discord.messages(listing)
        assert entry.text() == (
            f"<@{stage.mia.id}> · sora-2 · 8 s · 8 credits · clip `{keys(stage)[1]}` · "
            f"https://discord.com/channels/{world.guild.id}/{world.general.id}/{card.id}\n"
            "```\nwaves ˋˋˋ @everyone\n```"
        )
        assert entry.pinged == []

    async def test_status_tells_how_bot_and_server_stand(self, build: Build) -> None:
        stage = await build({"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
        assert re.sub(r"\d+ ms", "5 ms", await told(stage, "status")) == (
            "**This server**: taking clips · no ceiling · log off\n"
            "**Video service**: 0 of 1 clips at work · 0 in line\n"
            "**Discord**: 5 ms · 1 server"
        )
        await told(stage, "quota server", credits=50, per="week")
        for person in (stage.mia, stage.discord.world.people["ana"]):
            await (await stage.animate(person)).answer()
        await stage.videos.wait_for(lambda: stage.videos.jobs, 10, "the first")
        await stage.animate(channel=stage.discord.world.dm(stage.mia))
        await stage.booked(lambda: stage.rows("SELECT COUNT(size) FROM jobs") == [(3,)])

        status = await told(stage, "status")
        assert status.split("\n")[0] == "**This server**: taking clips · 8 used of 50 a week · log off"
        assert "1 of 1 clips at work · 2 in line, 1 of them from here" in status
