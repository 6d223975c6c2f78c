"""`python -m sandbox`: the real bot turns a picture into a video, without an account or a key."""

import argparse
import asyncio
import contextlib
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av

from sandbox.bot_settings import setting, settings
from sandbox.command_parser import CommandNotUnderstood, parse, upload
from sandbox.discord.cdn import Upload
from sandbox.discord.commands import CannotInvoke
from sandbox.discord.messages import Interaction, Message, NotAnswered
from sandbox.discord.world import Person
from sandbox.environment import Environment
from sandbox.picture import sample_picture
from sandbox.process import BotEndedError
from sandbox.providers.prompt_faults import PROMPT_FAULTS
from sandbox.providers.registry import DEFAULT_PROVIDER, PROVIDERS, make_provider
from sandbox.signals import run_in
from sandbox.terminal import Screen

FINISHED = ("### ✅", "### ⚠️", "### 🚫")
"""How the head of a card begins that has had its last edit; no prompt stands before it."""
CARD = "### "
"""How every card begins, also one that only its member sees; a refusal does not."""
CARD_WITHIN_S = 600
QUIET_S, QUIET_WITHIN_S = 2, 20
MOST_PORT = 65_535
DEFAULT_PROMPT = "The cat blinks, puts on a hat and looks at the sunset"
_FOR_THE_PAGE = ("real_provider", "port", "no_open")
_FOR_THE_TERMINAL = ("image", "prompt", "model", "seconds", "size", "command", "log")
_DEFAULTS = {"real_provider": False, "port": 0, "no_open": False, "log": False}
OUTPUT = Path(tempfile.gettempdir()) / "animate-sandbox"


@dataclass
class Script:
    """The commands to use, in order, each with the member who uses it."""

    person: str = "mia"
    commands: list[tuple[str, str]] = field(default_factory=list)


class _As(argparse.Action):
    def __call__(self, _parser: object, space: argparse.Namespace, values: object, _option: object = None) -> None:
        space.script.person = str(values).removeprefix("@")


class _Command(argparse.Action):
    def __call__(self, _parser: object, space: argparse.Namespace, values: object, _option: object = None) -> None:
        space.script.commands.append((space.script.person, str(values)))
        space.command = space.script.commands


def _port(words: str) -> int:
    if not words.isdecimal() or int(words) > MOST_PORT:
        raise argparse.ArgumentTypeError(
            f"{words} is not a port. Use a number from 1 to {MOST_PORT}, or 0 for any free port."
        )
    return int(words)


def _parser() -> argparse.ArgumentParser:
    words = "\n".join(f"  {word:<18} {fault.meaning}" for word, fault in PROMPT_FAULTS.items())
    apis = "\n".join(f"  {name:<18} {choice.label}: {choice.meaning}" for name, choice in PROVIDERS.items())
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Runs the real bot with a local Discord and a local video service. "
        "Nothing leaves this computer, and nothing costs money.",
        epilog=f"video services:\n{apis}\n\nwords in a prompt that inject a fault into that video:\n{words}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(script=Script())
    parser.add_argument("--image", type=Path, help="your picture (default: a sample picture)")
    parser.add_argument("--prompt", help="what happens in the video")
    parser.add_argument("--model", help="model, such as sora-2-pro")
    parser.add_argument("--seconds", type=int, help="length in seconds, such as 8")
    parser.add_argument("--size", help="size of the video, such as 1280x720")
    parser.add_argument(
        "--as",
        action=_As,
        metavar="NAME",
        help="who uses the commands that follow: mia (default), ana, admin, newcomer",
    )
    parser.add_argument(
        "--command",
        action=_Command,
        metavar='"/…"',
        help='any command, such as "/animate-admin quota set user:@mia credits:40"; can be repeated; each run of the '
        "sandbox begins with nothing, and /animate without image: uses the sample picture",
    )
    parser.add_argument(
        "--set",
        action="append",
        type=setting,
        metavar="NAME=VALUE",
        help="a setting of the bot, such as QUOTA_DEFAULT_CREDITS=50; can be repeated; .env.example lists all settings",
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"folder for the video (default: {OUTPUT})")
    parser.add_argument(
        "--serve", action="store_true", help="start everything except the bot, and print the settings for your own"
    )
    parser.add_argument("--page", action="store_true", help="open it in your browser; can be combined with --serve")
    parser.add_argument("--port", type=_port, default=0, help="port of the page (default: any free port)")
    parser.add_argument("--no-open", action="store_true", help="print the address of the page, do not open a browser")
    parser.add_argument(
        "--real-provider",
        action="store_true",
        help="with --page: make videos at VIDEO_API_URL with VIDEO_API_KEY from the environment; costs real money",
    )
    parser.add_argument(
        "--provider",
        choices=PROVIDERS,
        default=DEFAULT_PROVIDER,
        help=f"the API of the local video service (default: {DEFAULT_PROVIDER}), see below",
    )
    parser.add_argument("--log", action="store_true", help="print the bot's log at the end")
    return parser


def _sample() -> Upload:
    return Upload("cat.jpg", sample_picture(), "image/jpeg")


class Stage:
    """One run of the sandbox in the terminal."""

    def __init__(self, environment: Environment, screen: Screen, options: argparse.Namespace) -> None:
        self._environment = environment
        self._screen = screen
        self._options = options

    async def play(self) -> bool:
        """Uses every command; True if all went well."""
        options, script = self._options, self._options.script
        well = True
        for person, text in script.commands:
            well &= await self._command(person, text)
        if not script.commands or options.image or options.prompt is not None:
            well &= await self._animate(script.person)
        return well

    async def _command(self, name: str, text: str) -> bool:
        try:
            person = self._person(name)
            command, given = parse(text, self._environment.discord.commands, self._environment.discord.world)
        except CommandNotUnderstood as error:
            self._screen.say(f"@{name}: {text}\n  {error}")
            return False
        if command == "animate" and "image" not in given:
            given["image"] = _sample()
        return await self._invoke(person, command, text, given)

    async def _animate(self, name: str) -> bool:
        options = self._options
        try:
            picture = upload(options.image) if options.image else _sample()
        except OSError as error:
            self._screen.say(f"The sandbox cannot read the picture {options.image}: {error.strerror}.")
            return False
        given = {"image": picture, "prompt": DEFAULT_PROMPT if options.prompt is None else options.prompt}
        given |= {key: value for key in ("model", "seconds", "size") if (value := getattr(options, key)) is not None}
        shown = " ".join(
            f"{key}:{value.filename if isinstance(value, Upload) else value}" for key, value in given.items()
        )
        try:
            person = self._person(name)
        except CommandNotUnderstood as error:
            self._screen.say(f"  {error}")
            return False
        return await self._invoke(person, "animate", f"/animate {shown}", given)

    async def _invoke(self, person: Person, command: str, text: str, given: dict[str, Any]) -> bool:
        self._screen.say(f"@{person.name}: {text}")
        try:
            asked = await self._environment.discord.invoke_with(person, command, given)
            message = await asked.answer()
        except (CannotInvoke, NotAnswered) as error:
            self._screen.say(f"  {error}")
            return False
        if message is None:
            return False
        if command != "animate" or (message.is_ephemeral and not message.text().startswith(CARD)):
            self._screen.draw(message.text(), self._names())
            self._screen.say("  (Only you can see this.)" if message.is_ephemeral else "")
            return command != "animate"
        self._screen.say("Below is the bot's message about the video, the card. It changes while the video is made.")
        return await self._follow(asked, message)

    async def _follow(self, asked: Interaction, message: Message) -> bool:
        """The card as it changes, to its end."""
        seen = -1

        def changed() -> bool:
            return message.deleted or len(message.revisions) != seen

        while not message.deleted:
            seen = len(message.revisions)
            self._screen.draw(message.text(), self._names())
            if message.text().startswith(FINISHED):
                break
            await self._environment.discord.wait_for(changed, CARD_WITHIN_S, "the card to change")
        if message.deleted:
            self._screen.say("  (The bot deleted this message.)")
        elif message.is_ephemeral:
            self._screen.say("  (Only you can see this.)")
        if message.deleted or not message.media:
            await self._quiet()
        for private in asked.followups:
            self._screen.say()
            self._screen.draw(private.text(), self._names())
            self._screen.say("  (Only you can see this.)" if private.is_ephemeral else "")
        return self._keep([message, *asked.followups])

    async def _quiet(self) -> None:
        """Until the bot has asked Discord for nothing for a while: the private reason follows the card's last edit."""
        requests, known = self._environment.discord.requests, -1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_WITHIN_S):
                while known != len(requests) or not all(x.status or x.cut for x in requests):
                    known = len(requests)
                    await asyncio.sleep(QUIET_S)

    def _keep(self, messages: Sequence[Message]) -> bool:
        """The MP4 where it stays, and what it is."""
        video = next((file for message in messages if not message.deleted for file in message.media), None)
        if video is None:
            self._screen.say("There is no video.")
            return False
        path: Path = self._options.output / video.filename
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(video.data)
        except OSError as error:
            self._screen.say(f"The sandbox cannot write the video to {path}: {error.strerror}.")
            return False
        with av.open(io.BytesIO(video.data), "r") as opened:
            stream = opened.streams.video[0]
            length = round(float(opened.duration or 0) / 1_000_000, 1)
            megabytes = len(video.data) / 1_000_000
            size = f"{megabytes:.1f}" if megabytes < 10 else f"{megabytes:.0f}"
            what = f"{stream.width}×{stream.height}, {length:g} s, {size} MB"
        self._screen.say(f"\nThe video is in the card above ({what}). It is saved here:\n{path}")
        return True

    def _person(self, name: str) -> Person:
        people = self._environment.discord.world.people
        if name not in people:
            raise CommandNotUnderstood(f"There is no member called {name}. The members are {', '.join(people)}.")
        return people[name]

    def _names(self) -> dict[int, str]:
        world = self._environment.discord.world
        names = {person.id: name for name, person in world.people.items()}
        names |= {role.id: role.name for role in world.guild.roles.values()}
        return names | {channel.id: channel.name for channel in world.guild.channels}


async def _show(options: argparse.Namespace, screen: Screen) -> int:
    from sandbox.page.run import show  # takes a while to load, and the terminal does not want it

    return await show(
        screen.say,
        make_provider(options.provider),
        port=options.port,
        opens=not options.no_open,
        bot=not options.serve,
        real=options.real_provider,
        more=settings(options.set or ()),
    )


async def _serve(environment: Environment, screen: Screen) -> int:
    """Servers only, until Ctrl-C."""
    await environment.start(bot=False)
    discord = environment.discord
    screen.say("A local Discord and a local video service are running. Start your bot with these settings:\n")
    for name, value in environment.settings_of_yours().items():
        screen.say(f"{name}={value}")
    screen.say(f"\nApplication ID: {discord.application_id}. Members: {', '.join(discord.world.people)}.")
    screen.say("Press Ctrl-C to stop.")
    await asyncio.Event().wait()
    return 0


async def run(options: argparse.Namespace) -> int:
    """The exit code: 0 if all went well."""
    screen = Screen()
    if (unfit := _unfit(options)) is not None:
        screen.say(unfit)
        return 2
    if options.page:
        return await _show(options, screen)
    environment = Environment(provider=make_provider(options.provider), settings=settings(options.set or ()))
    if options.serve:
        return await run_in(environment, _serve(environment, screen), ended=0)
    return await run_in(environment, _play(environment, screen, options))


def _unfit(options: argparse.Namespace) -> str | None:
    """Why the options do not go together; None where they do."""
    for names, fits, where in (
        (_FOR_THE_PAGE, options.page, "with --page"),
        (_FOR_THE_TERMINAL, not options.page and not options.serve, "without --page and --serve"),
        (("set",), not options.serve, "without --serve"),
    ):
        for name in names:
            if getattr(options, name) != _DEFAULTS.get(name) and not fits:
                return f"You can use --{name.replace('_', '-')} only {where}."
    return None


async def _play(environment: Environment, screen: Screen, options: argparse.Namespace) -> int:
    try:
        await environment.start()
        well = await Stage(environment, screen, options).play()
        if options.log and environment.bot is not None:
            await environment.bot.stop()
            screen.say(f"\n{environment.bot.log()}")
    except BotEndedError as error:
        screen.say(f"The bot did not start. It says:\n{error.log.strip()}")
        return 1
    except TimeoutError as error:
        screen.say(f"The bot took too long: {error}. This is its log:")
        screen.say(environment.bot.log() if environment.bot is not None else "")
        return 1
    return 0 if well else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the sandbox and returns the exit code."""
    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(run(_parser().parse_args(arguments)))
    return 130


if __name__ == "__main__":
    sys.exit(main())
