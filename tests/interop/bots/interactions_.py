"""The bot of the interop tests, with interactions.py."""

import os

import interactions
from interactions.api.http.route import Route

Route.BASE = os.environ["DISCORD_API_URL"]
bot = interactions.Client(intents=interactions.Intents.GUILDS)


@interactions.slash_command("hello", description="Says hello")
@interactions.slash_option("name", "Whom to greet", interactions.OptionType.STRING, required=True)
async def hello(context: interactions.SlashContext, name: str) -> None:
    button = interactions.Button(style=interactions.ButtonStyle.BLURPLE, label="Name", custom_id="open")
    message = await context.send(f"Hello {name}", components=button)
    await context.edit(message, content=f"Hello {name}!")


@interactions.slash_command("later", description="Answers later")
async def later(context: interactions.SlashContext) -> None:
    await context.defer()
    await context.send("Here it is.", file=interactions.File(__file__, "bot.txt"))


@interactions.component_callback("open")
async def opened(context: interactions.ComponentContext) -> None:
    name = interactions.ShortText(label="Name", custom_id="name")
    await context.send_modal(interactions.Modal(name, title="Your name", custom_id="form"))


@interactions.modal_callback("form")
async def submitted(context: interactions.ModalContext, name: str) -> None:
    await context.send(f"You are {name}.", ephemeral=True)


bot.start(os.environ["DISCORD_TOKEN"])
