"""/animate-admin through the whole bot: what an admin reads, and what a member reads and gets after it."""

from __future__ import annotations

import asyncio

from sandbox.discord.exchange import Exchange, Phase
from sandbox.discord.messages import Interaction, Message
from sandbox.discord.permissions import Permission
from sandbox.discord.world import Person
from tests.e2e.asking import alone, keys, quota, refused, told
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage

CANNOT, ASK = "You cannot make videos in this server (“spam”).", "Ask an admin about it."
PAUSED, LATER = "Videos are paused in this server (“a feast”).", "Try again later."
UNCHARGED = "Nothing was charged."
LOST_IT = "You can no longer manage this server, so its quotas are not shown to you."


class TestQuotas:
    async def test_what_an_admin_sets_is_what_the_member_reads(self, stage: Stage) -> None:
        ana, artist = stage.discord.world.people["ana"], stage.discord.world.artist

        assert await told(stage, "quota default", credits=30, per="week") == (
            "New default quota for all members: 30 credits per week. Before: 20 credits per day, the bot's default."
        )
        assert await quota(stage, stage.mia) == (
            "**30 credits left** · 0 credits used this week · renews <t>\n"
            "Quota: 30 credits per week. This is the server's default quota."
        )
        assert await told(stage, "quota role", role=artist, credits=1, per="month") == (
            f"Members with the role <@&{artist.id}> now have this quota: 1 credit per month. Before: no quota set."
        )
        assert await quota(stage, ana) == (
            "**1 credit left** · 0 credits used this month · renews <t>\n"
            f"Quota: 1 credit per month. This quota comes from the role <@&{artist.id}>."
        )
        assert await told(stage, "quota set", user=ana, credits=1_000_000, per="total") == (
            f"<@{ana.id}> now has a quota of their own: 1,000,000 credits in total. "
            f"Before: 1 credit per month, from the role <@&{artist.id}>."
        )
        assert await told(stage, "quota grant", user=ana, credits=5, reason="won the contest") == (
            f"<@{ana.id}> got 5 bonus credits. They now have 5 bonus credits."
        )
        await stage.over(await stage.animate(ana))
        await stage.settled()
        assert await quota(stage, ana) == (
            "**1,000,001 credits left** (quota: 999,996, bonus credits: 5) · 4 credits used so far\n"
            "Quota: 1,000,000 credits in total. An admin set this quota."
        )

    async def test_a_server_limit_bounds_all_members_together_and_grants_too(self, stage: Stage) -> None:
        ana = stage.discord.world.people["ana"]
        assert await told(stage, "quota server", credits=7) == (
            "New server limit: 7 credits per day. Before: no limit."
        )
        await told(stage, "quota grant", user=ana, credits=100)
        await stage.over(await stage.animate())

        assert await refused(stage, ana) == (
            "This video would exceed the server limit. 3 credits of the server limit are left. Nothing was charged. "
            "The server limit renews <t>."
        )
        assert await quota(stage, ana) == (
            "3 credits of the server limit are left. The server limit renews <t>.\n"
            "**120 credits left** (quota: 20, bonus credits: 100) · 0 credits used today · renews <t>\n"
            "Quota: 20 credits per day. This is the bot's default quota."
        )

    async def test_reset_and_clear_say_what_they_did(self, stage: Stage) -> None:
        ana, artist = stage.discord.world.people["ana"], stage.discord.world.artist
        await told(stage, "quota set", user=ana, credits=4)
        await told(stage, "quota role", role=artist, credits=6)
        await stage.over(await stage.animate(ana))
        spent = await refused(stage, ana)

        reset = await told(stage, "quota reset", user=ana)
        again = await told(stage, "quota reset", user=ana)
        after_reset = await quota(stage, ana)
        cleared = [await told(stage, "quota clear", target=target) for target in (ana, ana, artist, artist)]

        assert spent == f"This video costs 4 credits. You have 0 credits left. {UNCHARGED} Your quota renews <t>."
        assert reset == (
            f"<@{ana.id}> can use their whole quota again: 4 credits per day. Before: 4 credits used today."
        )
        assert again == f"<@{ana.id}> has no usage to reset. Nothing was changed."
        assert after_reset == (
            "**4 credits left** · 0 credits used today · renews <t>\nQuota: 4 credits per day. An admin set this quota."
        )
        assert cleared == [
            f"<@{ana.id}> now has the quota of the role <@&{artist.id}>: 6 credits per day. Before: 4 credits per day.",
            f"<@{ana.id}> has no quota of their own. Nothing was changed.",
            (
                f"<@&{artist.id}> no longer has a quota of its own. "
                f"Before: 6 credits per day, from the role <@&{artist.id}>."
            ),
            f"<@&{artist.id}> has no quota of its own. Nothing was changed.",
        ]
        assert await quota(stage, ana) == (
            "**20 credits left** · 0 credits used today · renews <t>\n"
            "Quota: 20 credits per day. This is the bot's default quota."
        )

    async def test_default_and_server_limit_can_be_removed_again(self, stage: Stage) -> None:
        await told(stage, "quota default", credits=0)
        await told(stage, "quota server", credits=0, per="month")
        shut = await told(stage, "status")

        assert (await told(stage, "quota server", credits=0)).endswith(
            "Before: 0 credits per month. No videos can be made here until the limit is raised or removed."
        )
        assert "⚠️ no videos can be made: the server limit is 0" in shut
        assert await told(stage, "quota default") == (
            "This server now has the bot's default quota: 20 credits per day. Before: 0 credits per day."
        )
        assert await told(stage, "quota server") == "The server limit is removed. Before: 0 credits per day."
        assert await told(stage, "quota server") == "This server has no server limit. Nothing was changed."
        assert "no server limit" in await told(stage, "status")
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
            f"<@{mia.id}> has no bonus credits to take back. Nothing was changed."
        )
        assert "2 bonus credits taken back (“a mistake”)" in await told(stage, "quota show", user=mia)
        assert (await refused(stage, mia)).startswith("This video costs 4 credits. You have 0 credits left.")

    async def test_show_tells_the_last_ten_lines_in_words(self, stage: Stage) -> None:
        mia, by = stage.mia, f"<t> · by <@{stage.admin.id}>"
        assert await told(stage, "quota show") == (
            f"<@{stage.admin.id}>\n**20 credits left** · 0 credits used today · renews <t>\n"
            "Quota: 20 credits per day. This is the bot's default quota.\n**History**\n- Nothing yet"
        )
        await told(stage, "quota clear", target=mia)  # had none: no line
        await told(stage, "quota set", user=mia, credits=40)
        await told(stage, "quota clear", target=mia)
        await told(stage, "quota set", user=mia, credits=6, per="week")
        await told(stage, "quota grant", user=mia, credits=9, reason="won the contest")
        await told(stage, "quota reset", user=mia)  # nothing to reset: no line
        await stage.over(await stage.animate(prompt="[moderated]"))
        await told(stage, "quota reset", user=mia)
        await stage.over(await stage.animate(seconds=8))
        await told(stage, "block", user=mia)
        await told(stage, "unblock", user=mia)
        await told(stage, "block", user=mia, reason="spam")
        refunded, delivered = keys(stage)

        assert await told(stage, "quota show", user=mia) == (
            f"<@{mia.id}>\nThis member is blocked (“spam”).\n"
            "**7 credits left** (quota: 0, bonus credits: 7) · 6 credits used this week · renews <t>\n"
            "Quota: 6 credits per week. An admin set this quota.\n"
            "**History**\n"
            f"- member blocked (“spam”) · {by}\n"
            f"- member unblocked · {by}\n"
            f"- member blocked · {by}\n"
            f"- -8 credits · <t> · video {delivered}\n"
            f"- usage reset · {by}\n"
            f"- -4 credits · <t> · video {refunded} · refund: +4 credits, video refused under the content rules\n"
            f"- +9 bonus credits given (“won the contest”) · {by}\n"
            f"- own quota: 6 credits per week · {by}\n"
            f"- own quota removed · {by}"
        )

        for _ in range(4):  # and the reservation is no longer among the ten: its refund stands alone
            await told(stage, "quota grant", user=mia, credits=1_000_000, reason="x" * 200)
        lines = (await told(stage, "quota show", user=mia)).split("\n")[-10:]
        assert lines[:4] == [f"- +1,000,000 bonus credits given (“{'x' * 59}…”) · {by}"] * 4
        assert lines[-3:] == [
            f"- -8 credits · <t> · video {delivered}",
            f"- usage reset · {by}",
            f"- video {refunded} · refund: +4 credits, video refused under the content rules · <t>",
        ]
        for _ in range(6):
            await told(stage, "quota grant", user=mia, credits=1_000_000, reason="x" * 200)
        assert (await told(stage, "quota show", user=mia)).count("xxx…") == 10  # and Discord took it

    async def test_all_quotas_are_shown_page_by_page_also_after_a_restart(self, build: Build) -> None:
        stage = await build(start=False)
        people = [stage.discord.world.add_member(f"member{n}") for n in range(30)]
        ana, world = stage.discord.world.people["ana"], stage.discord.world
        manager = world.add_role("manager", permissions=Permission.MANAGE_GUILD, members=(ana,))
        await stage.start_bot()
        assert await told(stage, "quota list") == (
            "**Quotas in this server**\n- Default quota: 20 credits per day · the bot's default\n"
            "- Server limit: no limit"
        )
        await told(stage, "quota default", credits=30, per="week")
        await told(stage, "quota server", credits=300, per="total")
        await told(stage, "quota role", role=world.artist, credits=50, per="month")
        await asyncio.gather(*(told(stage, "quota set", user=one, credits=n) for n, one in enumerate(people)))
        rules = [
            "- Default quota: 30 credits per week",
            "- Server limit: 300 credits in total",
            f"- <@&{world.artist.id}>: 50 credits per month",
            *(f"- <@{one.id}>: {n} {'credit' if n == 1 else 'credits'} per day" for n, one in enumerate(people)),
        ]
        pages = [
            "\n".join(["**Quotas in this server**", *rules[15 * n : 15 * n + 15], f"-# Page {n + 1} of 3"])
            for n in range(3)
        ]

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
        assert await labels_and_page(of_admin) == ([], "\n".join(["**Quotas in this server**", *rules[:3]]))


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
            """A video from a direct message goes to the service while the older one of the server waits."""
            await stage.animate(channel=dm)
            await stage.provider.wait_for(lambda: len(stage.provider.jobs) == known + 1, 10, "the one that passes")
            stage.provider.finish(list(stage.provider.jobs)[-1])
            await stage.booked(lambda: stage.states().count("delivered") == known + 1)

        assert await told(stage, "pause", reason="a feast") == (
            f"{PAUSED} Videos that are being made will still be finished. Videos in the queue wait for up to two "
            "hours, then their credits are refunded. Use `/animate-admin resume` to start again."
        )
        assert await refused(stage, ana) == f"{PAUSED} {UNCHARGED} {LATER}"
        assert await quota(stage, ana) == (
            f"{PAUSED} {LATER}\n**16 credits left** · 4 credits used today · renews <t>\n"
            "Quota: 20 credits per day. This is the bot's default quota.\nVideos in progress: 1"
        )
        stage.provider.finish(next(iter(stage.provider.jobs)))
        await stage.over(first)
        await passes_by(1)
        assert stage.bot is not None
        await stage.bot.stop()
        await stage.start_bot()
        await passes_by(2)
        assert stage.states() == ["delivered", "waiting", "delivered", "delivered"]
        assert "In the queue" in card.text()
        assert "paused <t> (“a feast”)" in await told(stage, "status")

        assert await told(stage, "resume") == "Videos can be made in this server again."
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
            f"<@{ana.id}> can no longer make videos in this server. 1 video in the queue was canceled and refunded."
        )
        await stage.until(card, "Video canceled")
        assert "### 🚫 Video canceled" in card.text()
        assert "This video was canceled. Your 4 credits are back." in card.text()
        (word,) = await stage.told(waiting, 1)
        assert word.startswith("This video was canceled because an admin blocked you in this server.")
        assert await refused(stage, ana) == f"{CANNOT} {UNCHARGED} {ASK}"
        assert await quota(stage, ana) == (
            f"{CANNOT} {ASK}\n**16 credits left** · 4 credits used today · renews <t>\n"
            "Quota: 20 credits per day. This is the bot's default quota.\nVideos in progress: 1"
        )
        assert await told(stage, "block", user=ana) == f"<@{ana.id}> can no longer make videos in this server."
        stage.provider.finish(next(iter(stage.provider.jobs)))
        assert DONE in (await stage.over(running)).text()
        await stage.provider.wait_for(lambda: len(stage.provider.jobs) == 2, 10, "the other member's")
        stage.provider.finish(list(stage.provider.jobs)[-1])
        await stage.over(others)
        await stage.settled()
        assert stage.states() == ["delivered", "cancelled", "delivered"]

        assert await told(stage, "unblock", user=ana) == f"<@{ana.id}> can make videos in this server again."
        again = await stage.animate(ana)
        await stage.provider.wait_for(lambda: len(stage.provider.jobs) == 3, 10, "the next")
        stage.provider.finish(list(stage.provider.jobs)[-1])
        assert DONE in (await stage.over(again)).text()

    async def test_a_block_in_the_moment_of_the_first_answer_ends_on_the_card_too(self, stage: Stage) -> None:
        """The bot does not know yet that Discord has taken the card."""
        ana, go = stage.discord.world.people["ana"], asyncio.Event()

        async def hold(phase: Phase, x: Exchange) -> None:
            if phase == "inside" and "In the queue" in str(x.body):
                await go.wait()

        stage.discord.on_exchange(hold)
        asked = await stage.animate(ana)
        card = await asked.answer()
        assert card is not None

        answer = await told(stage, "block", user=ana)
        unplaced = stage.rows("SELECT message FROM cards")
        go.set()

        assert (
            answer == f"<@{ana.id}> can no longer make videos in this server. "
            "1 video in the queue was canceled and refunded."
        )
        assert unplaced == [(None,)]
        await stage.until(card, "Video canceled")
        assert stage.provider.creates == 0
