"""The bot of the interop tests, with nextcord."""

import os

import nextcord
from nextcord.ext import commands
from nextcord.http import Route

Route.BASE = os.environ["DISCORD_API_URL"]
bot = commands.Bot(intents=nextcord.Intents(guilds=True))


class Form(nextcord.ui.Modal):
    def __init__(self) -> None:
        super().__init__("Your name", custom_id="form", timeout=None)
        self.name = nextcord.ui.TextInput("Name", custom_id="name")
        self.add_item(self.name)

    async def callback(self, interaction: nextcord.Interaction) -> None:
        await interaction.response.send_message(f"You are {self.name.value}.", ephemeral=True)


class Buttons(nextcord.ui.View):
    @nextcord.ui.button(label="Name", custom_id="open")
    async def open(self, _button: nextcord.ui.Button, interaction: nextcord.Interaction) -> None:
        await interaction.response.send_modal(Form())


@bot.slash_command(description="Says hello")
async def hello(
    interaction: nextcord.Interaction, name: str = nextcord.SlashOption(description="Whom to greet")
) -> None:
    await interaction.response.send_message(f"Hello {name}", view=Buttons(timeout=None))
    await interaction.edit_original_message(content=f"Hello {name}!")


@bot.slash_command(description="Answers later")
async def later(interaction: nextcord.Interaction) -> None:
    await interaction.response.defer()
    await interaction.followup.send("Here it is.", file=nextcord.File(__file__, "bot.txt"))


bot.run(os.environ["DISCORD_TOKEN"])
