"""Fields of servers and channels that play no part here, as Discord fills them by default."""

from sandbox.discord.wire import Wire

_NONE_OF_GUILD = (
    "icon", "description", "home_header", "splash", "discovery_splash", "banner", "application_id", "afk_channel_id",
    "system_channel_id", "widget_channel_id", "vanity_url_code", "rules_channel_id", "safety_alerts_channel_id",
    "public_updates_channel_id", "incidents_data", "max_presences",
)  # fmt: skip
EMPTY_OF_GUILD = ("features", "emojis", "stickers", "presences", "voice_states", "stage_instances",
                   "guild_scheduled_events", "soundboard_sounds")  # fmt: skip
USUAL_OF_GUILD: Wire = {
    **dict.fromkeys(_NONE_OF_GUILD), "afk_timeout": 300, "system_channel_flags": 0, "widget_enabled": False,
    "verification_level": 1, "default_message_notifications": 1, "mfa_level": 0, "explicit_content_filter": 2,
    "max_members": 500_000, "max_video_channel_users": 25, "max_stage_video_channel_users": 50, "region": "deprecated",
    "premium_subscription_count": 0, "premium_progress_bar_enabled": False, "nsfw": False, "nsfw_level": 0,
    "large": False,
}  # fmt: skip
"""What a server says of itself that plays no part here (resources/guild.mdx#guild-object)."""

_VOICE: Wire = {"bitrate": 64_000, "user_limit": 0, "rtc_region": None, "video_quality_mode": 1}
_FORUM: Wire = {
    "available_tags": [], "default_reaction_emoji": None, "default_sort_order": None, "default_forum_layout": 0,
    "default_thread_rate_limit_per_user": 0, "default_auto_archive_duration": 1440,
}  # fmt: skip
USUAL_OF_CHANNEL: dict[int, Wire] = {2: _VOICE, 13: _VOICE, 15: _FORUM, 16: _FORUM}
"""By type, what only the rarer channels have (resources/channel.mdx#channel-object)."""
