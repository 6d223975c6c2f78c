"""What admins and the operator forbid, through the whole bot: refusals, bad input, closed servers, races."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

import pytest

from bot.models import JobId, Scope, UserId
from sandbox.discord.commands import OptionValue
from sandbox.discord.permissions import NONE
from sandbox.discord.world import Person, Role
from tests.builders import limits
from tests.e2e.asking import alone, quota, refused, told
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage
from tests.money_model import MoneyModel, follow

FROM_ELSEWHERE = "This command works only in servers that have added the bot. Ask a server admin to add it."
LOOP = "Five of your videos failed at the video service today, so you cannot make more until tomorrow."
THEN = "Try other pictures or prompts then."
UNCHARGED = "Nothing was charged."
BUDGET = "This video would exceed what the bot may spend right now. Nothing was charged. Try again later."
CLOSED = (
    "This bot does not make videos in direct messages or in servers that have not added it. Nothing was "
    "charged. Use the bot in a server that has added it."
)
DAY_S = 86_400
AHEAD = 20
"""So many commands may be under way for which no change was answered yet: neither side is through before the other."""


def written(stage: Stage) -> list[int]:
    """How many rows there are of all that an admin's command may write."""
    return [stage.rows(f"SELECT COUNT(*) FROM {table}")[0][0] for table in ("ledger", "servers", "members", "roles")]  # type: ignore[misc]


class TestRefusals:
    async def test_they_say_what_is_left_and_what_would_fit_or_whom_to_ask(self, build: Build) -> None:
        stage = await build({"QUOTA_DEFAULT_CREDITS": "10"})
        await stage.over(await stage.animate())
        left = f"You have 6 credits left. {UNCHARGED}"
        fits = "You can make this now: Sora 2 · 4 s = 4 credits."

        assert await refused(stage, stage.mia, seconds=8) == (
            f"This video costs 8 credits. {left} {fits} Your quota renews <t>."
        )
        assert await refused(stage, stage.mia, seconds=12) == f"This video costs 12 credits. {left} {fits}"
        await told(stage, "quota set", user=stage.mia, credits=18)
        assert await refused(stage, stage.mia, model="sora-2-pro", size="1024x1792") == (
            f"This video costs 20 credits. You have 14 credits left. {UNCHARGED} "
            "You can make this now, with `size` left empty: Sora 2 Pro · 4 s = 12 credits."
        )
        await told(stage, "quota set", user=stage.mia, credits=3)
        assert await refused(stage, stage.mia) == (
            f"This video costs 4 credits. You have 0 credits left. {UNCHARGED} Ask an admin for a larger quota."
        )
        await told(stage, "quota grant", user=stage.mia, credits=2)
        assert await refused(stage, stage.mia) == (
            f"This video costs 4 credits. You have 2 credits left. {UNCHARGED} Your quota renews <t>."
        )
        assert stage.rows("SELECT SUM(credits) FROM budget_usage") == [(4,)]

    async def test_a_quota_renews_at_the_next_midnight_in_utc(self, stage: Stage) -> None:
        before = datetime.now(UTC)
        text = await stage.reply(stage.mia, "quota")
        after = datetime.now(UTC)

        renews_at = int(text.split("<t:")[1].split(":")[0])
        assert renews_at in {(int(now.timestamp()) // DAY_S + 1) * DAY_S for now in (before, after)}

    async def test_a_loop_of_refused_videos_is_free_five_times_for_the_member_and_never_for_the_budget(
        self, stage: Stage
    ) -> None:
        for _ in range(5):
            await stage.over(await stage.animate(prompt="[moderated-late]"))
        await stage.settled()

        assert await refused(stage, stage.mia) == f"{LOOP} {UNCHARGED} {THEN}"
        assert await quota(stage, stage.mia) == (
            f"{LOOP} {THEN}\n**20 credits left** · 0 credits used today · renews <t>\n"
            "Quota: 20 credits per day. This is the bot's default quota."
        )
        assert (await told(stage, "quota show", user=stage.mia)).split("\n")[1] == (
            "Five of this member's videos failed at the video service today, so this member cannot make more until "
            "tomorrow. To allow it now, use `/animate-admin quota reset`."
        )
        assert stage.rows("SELECT SUM(credits) FROM budget_usage") == [(20,)]
        await told(stage, "quota reset", user=stage.mia)
        await stage.over(await stage.animate())
        await stage.settled()
        assert stage.states() == ["failed"] * 5 + ["delivered"]


class TestBadInput:
    @pytest.fixture(name="strangers")
    async def _strangers(self, build: Build) -> tuple[Stage, dict[str, OptionValue]]:
        """A bot, somebody who left, a role that was deleted, @everyone, and a channel of another server."""
        stage = await build(start=False)
        world = stage.discord.world
        robot = world.add_member("robot")
        robot.is_bot = True
        gone = world.add_role("gone")
        await stage.start_bot()
        world.delete_role(gone)
        strangers: dict[str, OptionValue] = {
            "robot": robot,
            "everyone": world.guild.everyone,
            "gone": gone,
            "channel": world.foreign.general,
        }
        return stage, strangers

    async def test_each_is_one_clear_private_sentence_and_writes_nothing(
        self, strangers: tuple[Stage, dict[str, OptionValue]]
    ) -> None:
        stage, them = strangers
        mia = stage.mia
        bot = "Bots cannot make videos, so they have no quota. Choose a person."
        everyone = "All members have @everyone. Use `/animate-admin quota default` instead."
        credits_ = "`credits` must be a whole number from 0 to 1,000,000."
        unknown = "Discord does not know what you chose for `user`. Choose it again."
        cases: list[tuple[str, dict[str, OptionValue], str]] = [
            ("quota set", {"user": mia, "credits": -1}, credits_),
            ("quota set", {"user": mia, "credits": 1_000_001}, credits_),
            ("quota set", {"user": mia, "credits": 10**30}, credits_),
            ("quota set", {"user": mia, "credits": 1.5}, credits_),
            ("quota set", {"user": mia, "credits": "many"}, credits_),
            ("quota default", {"credits": -1}, credits_),
            ("quota server", {"credits": -1}, credits_),
            ("quota role", {"role": stage.discord.world.artist, "credits": -1}, credits_),
            ("quota grant", {"user": mia, "credits": 0}, "`credits` must be a whole number from 1 to 1,000,000."),
            (
                "quota grant", {"user": mia, "credits": 1, "reason": "x" * 201},
                "`reason` must have 1 to 200 characters.",
            ),
            ("usage", {"days": 0}, "`days` must be a whole number from 1 to 366."),
            ("usage", {"days": 10**9}, "`days` must be a whole number from 1 to 366."),
            (
                "quota default", {"credits": 5, "per": "year"},
                "`per` must be one of these: per day, per week, per month or in total.",
            ),
            *[(f"quota {name}", {"user": them["robot"]}, bot) for name in ("reset", "show")],
            ("quota clear", {"target": them["robot"]}, bot),
            ("quota set", {"user": them["robot"], "credits": 5}, bot),
            ("quota grant", {"user": them["robot"], "credits": 5}, bot),
            ("block", {"user": them["robot"]}, bot),
            ("quota role", {"role": them["everyone"], "credits": 5}, everyone),
            ("quota clear", {"target": them["everyone"]}, everyone),
            (
                "quota role", {"role": them["gone"], "credits": 5},
                "This role no longer exists. Choose another one.",
            ),
            ("quota set", {"user": "12345", "credits": 5}, unknown),
            ("quota show", {"user": "12345"}, unknown),
            ("quota clear", {"target": "12345"}, unknown.replace("user", "target")),
            (
                "log", {"channel": them["channel"]},
                "One of your choices no longer exists. Choose again.",
            ),
            (
                "quota set", {"user": mia},
                "This command has changed. Restart Discord, then try again.",
            ),
        ]  # fmt: skip

        for command, options, sentence in cases:
            assert (command, await told(stage, command, by=stage.admin, **options)) == (command, sentence)
        assert written(stage) == [0, 0, 0, 0]

    async def test_where_only_the_commands_were_added_no_role_gets_a_quota(self, build: Build) -> None:
        """Without the bot as a member there is no list of roles, and no telling who has one."""
        stage = await build(start=False)
        world = stage.discord.world
        bare = world.add_guild("Bare", owner=stage.admin, members=(stage.mia,), has_bot=False)
        role = world.add_role("painter", guild=bare, members=(stage.mia,))
        await stage.start_bot()

        async def read(command: str, **options: OptionValue) -> str:
            asked = await stage.discord.invoke_with(
                stage.admin, f"animate-admin {command}", options, channel=bare.general
            )
            return (await alone(asked)).text()

        assert await read("quota role", role=role, credits=5) == (
            "The bot is not a member of this server, so it cannot see the roles here. Ask the person who runs this bot "
            "for the invite link, add the bot with that link, then try again."
        )
        assert written(stage) == [0, 0, 0, 0]
        assert (
            await read("quota default", credits=5)
            == "New default quota for all members: 5 credits per day. Before: 20 credits per day, the bot's default."
        )
        card = await stage.over(await stage.animate(channel=bare.general))
        assert card.channel is bare.general
        assert (await read("quota show", user=stage.mia)).startswith(
            f"<@{stage.mia.id}>\n**1 credit left** · 4 credits used today"
        )

    async def test_somebody_who_left_still_has_a_quota(self, stage: Stage) -> None:
        ana = stage.discord.world.people["ana"]
        stage.discord.world.leave(ana)

        assert await told(stage, "quota set", user=ana, credits=5) == (
            f"<@{ana.id}> now has a quota of their own: 5 credits per day. "
            "Before: 20 credits per day, the bot's default."
        )
        assert await told(stage, "block", user=ana) == f"<@{ana.id}> can no longer make videos in this server."
        assert (await told(stage, "quota show", user=ana)).startswith(
            f"<@{ana.id}>\nThis member is blocked.\n**5 credits left** · 0 credits used today"
        )

    async def test_no_admin_command_works_from_a_direct_message_or_a_server_without_the_bot(self, stage: Stage) -> None:
        world, mia = stage.discord.world, stage.mia
        options: dict[str, dict[str, OptionValue]] = {
            "quota set": {"user": mia, "credits": 9},
            "quota role": {"role": world.artist, "credits": 9},
            "quota default": {"credits": 9},
            "quota server": {"credits": 9},
            "quota grant": {"user": mia, "credits": 9},
            "quota revoke": {"user": mia, "credits": 9},
            "quota reset": {"user": mia},
            "quota clear": {"target": mia},
            "quota show": {"user": mia},
            "quota list": {},
            "pause": {},
            "resume": {},
            "block": {"user": mia},
            "unblock": {"user": mia},
            "usage": {},
            "log": {},
            "status": {},
            "models": {"role_or_channel": world.artist, "models": "sora-2"},
            "rules": {},
            "audit": {},
        }
        declared = {command["name"]: command for command in stage.discord.commands}["animate-admin"]["options"]
        names = {one["name"] for one in declared} | {
            f"quota {one['name']}" for group in declared if group["name"] == "quota" for one in group["options"]
        }
        assert names - {"quota", "others"} == options.keys()

        for place in (world.dm(mia), world.private(mia, world.people["ana"]), world.foreign.general):
            for command, given in options.items():
                asked = await stage.discord.invoke_with(
                    mia, f"animate-admin {command}", given, channel=place, forge=True
                )
                assert (await alone(asked)).text() == FROM_ELSEWHERE
        assert written(stage) == [0, 0, 0, 0]


class TestRoles:
    async def test_a_deleted_role_loses_its_quota_while_the_bot_runs_and_at_its_start(self, build: Build) -> None:
        stage = await build(start=False)
        world, ana = stage.discord.world, stage.discord.world.people["ana"]
        first, second, kept = (world.add_role(name, members=(ana,)) for name in ("first", "second", "kept"))
        await stage.start_bot()
        for role, credits_ in ((first, 90), (second, 60), (kept, 30)):
            await told(stage, "quota role", role=role, credits=credits_)

        async def listed(*roles: Role) -> bool:
            rows = stage.rows("SELECT role FROM roles ORDER BY credits DESC")
            return rows == [(role.id,) for role in roles]

        assert await listed(first, second, kept)
        assert (await quota(stage, ana)).startswith("**90 credits left** · 0 credits used today")
        world.delete_role(first)
        await stage.booked(lambda: len(stage.rows("SELECT role FROM roles")) == 2)
        assert await listed(second, kept)
        assert (await quota(stage, ana)).startswith("**60 credits left** · 0 credits used today")

        assert stage.bot is not None
        await stage.bot.stop()
        world.delete_role(second)
        await stage.start_bot()
        await stage.booked(lambda: len(stage.rows("SELECT role FROM roles")) == 1)
        assert await listed(kept)
        assert (await quota(stage, ana)).startswith("**30 credits left** · 0 credits used today")
        assert stage.rows("SELECT role, actor, reason FROM ledger WHERE limit_credits IS NULL") == [
            (role.id, world.bot.id, "the role was deleted") for role in (first, second)
        ]


class TestWhomTheOperatorAdmits:
    async def test_direct_messages_can_be_shut(self, build: Build) -> None:
        stage = await build({"DIRECT_CREDITS": "0"})
        world = stage.discord.world

        for place in (world.dm(stage.mia), world.foreign.general):
            assert await refused(stage, stage.mia, channel=place) == CLOSED
        assert written(stage) == [0, 0, 0, 0]
        await stage.over(await stage.animate())

    async def test_only_the_servers_of_the_list_are_served(self, build: Build) -> None:
        stage = await build(start=False)
        world = stage.discord.world
        other = world.add_guild("Other", owner=world.people["admin"], members=(stage.mia,))
        stage.use({"ALLOWED_GUILDS": str(world.guild.id)})
        await stage.start_bot()
        not_here = "This bot is not available in this server. Ask the person who runs this bot to allow the server."

        for command in ("quota", "animate-admin status", "animate-admin quota list"):
            asked = await stage.discord.invoke(stage.admin, command, channel=other.general)
            assert (await alone(asked)).text() == not_here
        assert await refused(stage, stage.mia, channel=other.general) == not_here
        await stage.over(await stage.animate())
        await stage.over(await stage.animate(channel=world.dm(stage.mia)))
        assert [scope for (scope,) in stage.rows("SELECT scope FROM jobs ORDER BY id")] == [world.guild.id, 0]

    async def test_no_admin_passes_the_budget(self, build: Build) -> None:
        stage = await build({"BUDGET_CREDITS": "9", "BUDGET_PERIOD": "total"})
        await told(stage, "quota default", credits=1_000_000, per="day")
        await told(stage, "quota server", credits=1_000_000)
        await told(stage, "quota grant", user=stage.mia, credits=1_000_000)

        await stage.over(await stage.animate())
        await stage.over(await stage.animate(channel=stage.discord.world.dm(stage.mia)))

        assert await refused(stage, stage.mia) == BUDGET
        nothing = "Any video would exceed what the bot may spend right now. Try again later."
        assert nothing in (await quota(stage, stage.mia)).splitlines()
        assert stage.rows("SELECT DISTINCT budget_credits, budget_per FROM ledger WHERE kind = 'reserve'") == [
            (9, "total")
        ]


async def test_two_hundred_commands_while_an_admin_changes_the_rules_pass_none_of_them(build: Build) -> None:
    """Ten members; the model follows the ledger and finds each reservation within the rules as they stood then."""
    operator = limits(12, budget=180)
    stage = await build(
        {
            "QUOTA_DEFAULT_CREDITS": "12", "BUDGET_CREDITS": "180", "MAX_JOBS_PER_USER": "1000",
            "MAX_CONCURRENT_JOBS": "1",
        },
        start=False, render_s=None,
    )  # fmt: skip
    world = stage.discord.world
    painter = world.add_role("painter", permissions=NONE)
    people = [world.add_member(f"member{n}", roles=[painter] if n in (3, 4, 5) else []) for n in range(10)]
    roles: dict[UserId, Sequence[int]] = {UserId(person.id): [painter.id] for person in people[3:6]}
    await stage.start_bot()
    await told(stage, "quota set", user=people[0], credits=40, per="week")
    await told(stage, "quota set", user=people[1], credits=0)
    await told(stage, "quota role", role=painter, credits=16)
    await told(stage, "quota server", credits=150, per="month")

    async def change(turn: int) -> None:
        n = turn // 5
        changes: list[tuple[str, dict[str, OptionValue]]] = [
            ("default", {"credits": 12 + n}),
            ("role", {"role": painter, "credits": 20 + 2 * n}),
            ("set", {"user": people[n % 3], "credits": 8 * n, "per": "month"}),
            ("server", {"credits": 120 + 8 * n}),
            ("grant", {"user": people[n], "credits": n + 1}),
        ]
        command, options = changes[turn % 5]
        await told(stage, f"quota {command}", by=None, **options)

    async def ask(person: Person) -> bool:
        answer = await (await stage.animate(person)).answer()
        assert answer is not None
        return not answer.is_ephemeral

    asking: list[asyncio.Task[bool]] = []
    changing: list[asyncio.Task[None]] = []

    async def ask_in_turn(turn: int) -> bool:
        if turn >= AHEAD:
            await asyncio.wait({changing[(turn - AHEAD) // 4]})
        return await ask(people[turn % 10])

    async def change_in_turn(turn: int) -> None:
        if 4 * turn >= AHEAD:
            await asyncio.wait({asking[4 * turn - AHEAD]})
        await change(turn)

    async with asyncio.TaskGroup() as group:
        asking += [group.create_task(ask_in_turn(turn)) for turn in range(200)]
        changing += [group.create_task(change_in_turn(turn)) for turn in range(50)]
    accepted = sum(task.result() for task in asking)

    model = MoneyModel(operator)
    with closing(sqlite3.connect(stage.database)) as connection:
        connection.row_factory = sqlite3.Row
        lines = connection.execute("SELECT * FROM ledger ORDER BY id").fetchall()
    for line in lines:
        follow(model, line, roles)
    reserved = [line for line in lines if line["kind"] == "reserve"]
    assert len(reserved) == accepted == len(stage.rows("SELECT id FROM jobs"))
    assert {line["limit_source"] for line in reserved} >= {"own", "role", "server"}
    first, last = reserved[0]["id"], reserved[-1]["id"]
    assert len([line for line in lines if first < line["id"] < last and line["kind"] != "reserve"]) >= 10
    scope, today = Scope(world.guild.id), int(reserved[-1]["day"])
    for person in people:  # and now each is taken or refused as the rules stand now
        member = UserId(person.id)
        fits = model.refusal(scope, member, roles.get(member, ()), 4, today) is None
        assert await ask(person) == fits
        if fits:
            model.reserve(JobId(len(model.videos)), scope, member, roles.get(member, ()), 4, today)
