"""What the environment of tests and benchmarks says of a bot that does not start."""

from __future__ import annotations

import pytest

from sandbox.environment import Environment
from sandbox.process import BotEndedError


async def test_a_bot_that_ends_at_its_start_is_told_with_its_log_and_not_waited_for() -> None:
    script = "import sys; print('DISCORD_TOKEN is wrong', file=sys.stderr); sys.exit(3)"

    environment = Environment(arguments=("-c", script))
    try:
        with pytest.raises(BotEndedError, match="exit code 3:\nDISCORD_TOKEN is wrong"):
            await environment.start()
    finally:
        await environment.stop()
