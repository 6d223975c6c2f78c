"""The bot of the interop tests, with disnake."""

import os

import disnake
from disnake.ext import commands
from disnake.http import Route

Route.BASE = os.environ["DISCORD_API_URL"]
bot = commands.InteractionBot(intents=disnake.Intents(guilds=True))


class Form(disnake.ui.Modal):
    def __init__(self) -> None:
        name = disnake.ui.TextInput(label="Name", custom_id="name")
        super().__init__(title="Your name", custom_id="form", components=[name])

    async def callback(self, interaction: disnake.ModalInteraction) -> None:
        await interaction.response.send_message(f"You are {interaction.text_values['name']}.", ephemeral=True)


class Buttons(disnake.ui.View):
    @disnake.ui.button(label="Name", custom_id="open")
    async def open(self, _button: disnake.ui.Button, interaction: disnake.MessageInteraction) -> None:
        await interaction.response.send_modal(Form())


@bot.slash_command(description="Says hello")
async def hello(
    interaction: disnake.ApplicationCommandInteraction, name: str = commands.Param(description="Whom to greet")
) -> None:
    await interaction.response.send_message(f"Hello {name}", view=Buttons(timeout=None))
    await interaction.edit_original_response(content=f"Hello {name}!")


@bot.slash_command(description="Answers later")
async def later(interaction: disnake.ApplicationCommandInteraction) -> None:
    await interaction.response.defer()
    await interaction.followup.send("Here it is.", file=disnake.File(__file__, "bot.txt"))


bot.run(os.environ["DISCORD_TOKEN"])
