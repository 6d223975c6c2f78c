// The bot of the interop tests, with discord.js.
const {
  ActionRowBuilder, AttachmentBuilder, ButtonBuilder, ButtonStyle, Client, Events, GatewayIntentBits, MessageFlags,
  ModalBuilder, REST, Routes, SlashCommandBuilder, TextInputBuilder, TextInputStyle,
} = require("discord.js");

const api = process.env.DISCORD_API_URL.replace(/\/v10$/, "");
const client = new Client({ intents: [GatewayIntentBits.Guilds], rest: { api, version: "10" } });

client.once(Events.ClientReady, async () => {
  await client.application.commands.set([
    new SlashCommandBuilder().setName("hello").setDescription("Says hello")
      .addStringOption((name) => name.setName("name").setDescription("Whom to greet").setRequired(true)),
    new SlashCommandBuilder().setName("later").setDescription("Answers later"),
  ]);
});

client.on(Events.InteractionCreate, async (asked) => {
  if (asked.isModalSubmit()) {
    const name = asked.fields.getTextInputValue("name");
    await asked.reply({ content: `You are ${name}.`, flags: MessageFlags.Ephemeral });
  } else if (asked.isButton()) {
    const name = new TextInputBuilder().setCustomId("name").setLabel("Name").setStyle(TextInputStyle.Short);
    const form = new ModalBuilder().setCustomId("form").setTitle("Your name");
    await asked.showModal(form.addComponents(new ActionRowBuilder().addComponents(name)));
  } else if (asked.isChatInputCommand() && asked.commandName === "hello") {
    const name = asked.options.getString("name");
    const button = new ButtonBuilder().setCustomId("open").setLabel("Name").setStyle(ButtonStyle.Primary);
    await asked.reply({ content: `Hello ${name}`, components: [new ActionRowBuilder().addComponents(button)] });
    await asked.editReply({ content: `Hello ${name}!` });
  } else if (asked.isChatInputCommand()) {
    await asked.deferReply();
    await asked.editReply({ content: "Here it is.", files: [new AttachmentBuilder(__filename, { name: "bot.txt" })] });
  }
});

client.login(process.env.DISCORD_TOKEN);
