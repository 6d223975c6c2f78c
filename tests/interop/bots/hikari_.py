"""The bot of the interop tests, with hikari, which leaves commands and forms to whoever uses it."""

import os

import hikari

bot = hikari.GatewayBot(
    os.environ["DISCORD_TOKEN"],
    rest_url=os.environ["DISCORD_API_URL"],
    intents=hikari.Intents.GUILDS,
    banner=None,
    suppress_optimization_warning=True,
)
DEFERRED, MESSAGE = hikari.ResponseType.DEFERRED_MESSAGE_CREATE, hikari.ResponseType.MESSAGE_CREATE


@bot.listen(hikari.StartedEvent)
async def _register(_event: hikari.StartedEvent) -> None:
    name = hikari.CommandOption(
        type=hikari.OptionType.STRING, name="name", description="Whom to greet", is_required=True
    )
    me = await bot.rest.fetch_application()
    hello = bot.rest.slash_command_builder("hello", "Says hello").add_option(name)
    later = bot.rest.slash_command_builder("later", "Answers later")
    await bot.rest.set_application_commands(me.id, [hello, later])


@bot.listen(hikari.InteractionCreateEvent)
async def _answer(event: hikari.InteractionCreateEvent) -> None:
    asked = event.interaction
    if isinstance(asked, hikari.ModalInteraction):
        (row,) = asked.components
        await asked.create_initial_response(MESSAGE, f"You are {row[0].value}.", flags=hikari.MessageFlag.EPHEMERAL)
    elif isinstance(asked, hikari.ComponentInteraction):
        row = bot.rest.build_modal_action_row().add_text_input("name", "Name")
        await asked.create_modal_response("Your name", "form", components=[row])
    elif isinstance(asked, hikari.CommandInteraction) and asked.command_name == "hello":
        row = bot.rest.build_message_action_row()
        row.add_interactive_button(hikari.ButtonStyle.PRIMARY, "open", label="Name")
        await asked.create_initial_response(MESSAGE, f"Hello {asked.options[0].value}", component=row)
        await asked.edit_initial_response(f"Hello {asked.options[0].value}!")
    elif isinstance(asked, hikari.CommandInteraction):
        await asked.create_initial_response(DEFERRED)
        await asked.edit_initial_response("Here it is.", attachment=hikari.File(__file__, "bot.txt"))


bot.run(check_for_updates=False)
