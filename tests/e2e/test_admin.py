"""/animate-admin through the whole bot: what an admin reads, and what a member reads and gets after it."""

from __future__ import annotations

import asyncio

from sandbox.discord.messages import Interaction, Message
from sandbox.discord.permissions import Permission
from sandbox.discord.record import Exchange, Phase
from sandbox.discord.world import Person
from tests.e2e.asking import alone, keys, quota, refused, told
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage

CANNOT = "You cannot make clips on this server (“spam”). Ask an admin about it."
PAUSED = "Clips are paused on this server (“a feast”). Please try again later."
LOST_IT = "You may no longer manage this server, so its list is not shown to you."


class TestQuotas:
    async def test_what_an_admin_sets_is_what_the_member_reads(self, stage: Stage) -> None:
        ana, artist = stage.discord.world.people["ana"], stage.discord.world.artist

        assert await told(stage, "quota default", credits=30, per="week") == (
            "The default quota for all members is now 30 credits a week. Before: 20 a day, the bot's own default."
        )
        assert await quota(stage, stage.mia) == (
            "**30 credits left** of 30 a week · 0 used this week · renews <t>\nAllowance this server's default."
        )
        assert await told(stage, "quota role", role=artist, credits=1, per="month") == (
            f"Members with <@&{artist.id}> now have this quota: 1 credit a month. Before, there was none."
        )
        assert await quota(stage, ana) == (
            f"**1 credit left** of 1 a month · 0 used this month · renews <t>\nAllowance from the role <@&{artist.id}>."
        )
        assert await told(stage, "quota set", user=ana, credits=1_000_000, per="total") == (
            f"<@{ana.id}> now has a quota of their own: 1,000,000 credits in all. "
            f"Before: 1 a month, from <@&{artist.id}>."
        )
        assert await told(stage, "quota grant", user=ana, credits=5, reason="won the contest") == (
            f"<@{ana.id}> got 5 bonus credits. They now have 5 bonus credits."
        )
        await stage.over(await stage.animate(ana))
        await stage.settled()
        assert await quota(stage, ana) == (
            "**999,996 credits left** of 1,000,000 in all · 4 used so far\n"
            "Allowance set for you by an admin.\nGranted on top: 5 credits."
        )

    async def test_a_ceiling_bounds_all_members_together_and_grants_too(self, stage: Stage) -> None:
        ana = stage.discord.world.people["ana"]
        assert await told(stage, "quota server", credits=7) == (
            "The server limit is now 7 credits a day. Before, there was none."
        )
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
            f"<@{ana.id}> now has the quota of <@&{artist.id}>: 6 credits a day. Before: 4 a day.",
            f"<@{ana.id}> had no quota of their own.",
            f"<@&{artist.id}> no longer has a quota of its own. Before: 6 a day, from <@&{artist.id}>.",
            f"<@&{artist.id}> had no quota of its own.",
        ]
        assert await quota(stage, ana) == (
            "**20 credits left** of 20 a day · 0 used today · renews <t>\nAllowance this bot's default."
        )

    async def test_default_and_server_limit_can_be_removed_again(self, stage: Stage) -> None:
        await told(stage, "quota default", credits=0)
        await told(stage, "quota server", credits=0, per="month")
        shut = await told(stage, "status")

        assert (await told(stage, "quota server", credits=0)).endswith(
            "Before: 0 a month. No videos can be made here until it is raised or removed."
        )
        assert "⚠️ no videos: the server limit is 0" in shut
        assert await told(stage, "quota default") == (
            "This server now has the bot's own default quota: 20 credits a day. Before: 0 a day."
        )
        assert await told(stage, "quota server") == "The server limit is removed. Before: 0 a day."
        assert await told(stage, "quota server") == "This server has no server limit."
        assert "no ceiling" in await told(stage, "status")
        await stage.over(await stage.animate())

    async def test_bonus_credits_can_be_taken_back_as_far_as_there_are_any(self, stage: Stage) -> None:
        mia = stage.mia
        await told(stage, "quota set", user=mia, credits=0)
        await told(stage, "quota grant", user=mia, credits=9, reason="won the contest")
        await stage.over(await stage.animate())

        assert await told(stage, "quota revoke", user=mia, credits=2, reason="a mistake") == (
            f"2 bonus credits of <@{mia.id}> were taken back. They now have 3 bonus credits."
        )
        assert await told(stage, "quota revoke", user=mia, credits=1_000) == (
            f"3 bonus credits of <@{mia.id}> were taken back. They now have 0 bonus credits."
        )
        assert await told(stage, "quota revoke", user=mia, credits=1) == (
            f"<@{mia.id}> has no bonus credits to take back."
        )
        assert "-2 bonus credits taken back (“a mistake”)" in await told(stage, "quota show", user=mia)
        assert (await refused(stage, mia)).startswith("This clip costs 4 credits, and you have 0 left")

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

        for _ in range(5):  # and the reservation is no longer among the ten: its refund stands alone
            await told(stage, "quota grant", user=mia, credits=1_000_000, reason="x" * 200)
        lines = (await told(stage, "quota show", user=mia)).split("\n")[-10:]
        assert lines[:5] == [f"- +1,000,000 granted (“{'x' * 59}…”) · {by}"] * 5
        assert lines[-2:] == [
            f"- -8 · <t> · clip {delivered}",
            f"- clip {refunded} · +4 back: refused by moderation · <t>",
        ]
        for _ in range(5):
            await told(stage, "quota grant", user=mia, credits=1_000_000, reason="x" * 200)
        assert (await told(stage, "quota show", user=mia)).count("xxx…") == 10  # and Discord took it

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
        await told(stage, "quota server", credits=300, per="total")
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
        await stage.provider.wait_for(lambda: len(stage.provider.jobs) == 1, 10, "the first")
        held = await stage.animate(ana)
        card = await held.answer()
        assert card is not None

        async def passes_by(known: int) -> None:
            """A clip from a direct message goes to the service while the older one of the server waits."""
            await stage.animate(channel=dm)
            await stage.provider.wait_for(lambda: len(stage.provider.jobs) == known + 1, 10, "the one that passes")
            stage.provider.finish(list(stage.provider.jobs)[-1])
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
        stage.provider.finish(next(iter(stage.provider.jobs)))
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
        await stage.provider.wait_for(lambda: len(stage.provider.jobs) == 4, 10, "the one that was held")
        stage.provider.finish(list(stage.provider.jobs)[-1])
        assert DONE in (await stage.over(held)).text()
        assert PAUSED not in await quota(stage, ana)

    async def test_a_block_cancels_and_refunds_what_waits_and_its_card_says_so(self, build: Build) -> None:
        stage = await build({"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
        ana = stage.discord.world.people["ana"]
        running = await stage.animate(ana)
        await stage.provider.wait_for(lambda: len(stage.provider.jobs) == 1, 10, "the first")
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
        stage.provider.finish(next(iter(stage.provider.jobs)))
        assert DONE in (await stage.over(running)).text()
        await stage.provider.wait_for(lambda: len(stage.provider.jobs) == 2, 10, "the other member's")
        stage.provider.finish(list(stage.provider.jobs)[-1])
        await stage.over(others)
        await stage.settled()
        assert stage.states() == ["delivered", "cancelled", "delivered"]

        assert await told(stage, "unblock", user=ana) == f"<@{ana.id}> can make clips again."
        again = await stage.animate(ana)
        await stage.provider.wait_for(lambda: len(stage.provider.jobs) == 3, 10, "the next")
        stage.provider.finish(list(stage.provider.jobs)[-1])
        assert DONE in (await stage.over(again)).text()

    async def test_a_block_in_the_moment_of_the_first_answer_ends_on_the_card_too(self, stage: Stage) -> None:
        """The bot does not know yet that Discord has taken the card."""
        ana, go = stage.discord.world.people["ana"], asyncio.Event()

        async def hold(phase: Phase, x: Exchange) -> None:
            if phase == "inside" and "AI-generated" in str(x.body):
                await go.wait()

        stage.discord.on_exchange(hold)
        asked = await stage.animate(ana)
        card = await asked.answer()
        assert card is not None

        answer = await told(stage, "block", user=ana)
        unplaced = stage.rows("SELECT message FROM cards")
        go.set()

        assert answer == f"<@{ana.id}> cannot make clips here any more. 1 waiting clip was cancelled."
        assert unplaced == [(None,)]
        await stage.until(card, "Cancelled")
        assert stage.provider.creates == 0
