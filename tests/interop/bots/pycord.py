"""The bot of the interop tests, with py-cord."""

import os

import discord
from discord.http import Route

Route.API_BASE_URL = os.environ["DISCORD_API_URL"]
bot = discord.Bot(intents=discord.Intents(guilds=True))


class Form(discord.ui.Modal):
    def __init__(self) -> None:
        super().__init__(title="Your name", custom_id="form")
        self.add_item(discord.ui.InputText(label="Name", custom_id="name"))

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"You are {self.children[0].value}.", ephemeral=True)


class Buttons(discord.ui.View):
    @discord.ui.button(label="Name", custom_id="open")
    async def open(self, _button: discord.ui.Button, interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Form())


@bot.slash_command(description="Says hello")
@discord.option("name", str, description="Whom to greet")
async def hello(context: discord.ApplicationContext, name: str) -> None:
    answer = await context.respond(f"Hello {name}", view=Buttons(timeout=None))
    await answer.edit_original_response(content=f"Hello {name}!")


@bot.slash_command(description="Answers later")
async def later(context: discord.ApplicationContext) -> None:
    await context.defer()
    await context.followup.send("Here it is.", file=discord.File(__file__, "bot.txt"))


bot.run(os.environ["DISCORD_TOKEN"])
