"""The commands that README and the documents show, and how each is tried: `tests/e2e/test_documents.py` runs them."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(f"docs/{p.name}" for p in PROJECT.glob("docs/*.md")),
)

_BLOCK = re.compile(r"^ *```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`((?:uv run|uv sync|\.ci/|docker|pip|systemctl|kubectl) ?[^`\n]*)`(?!`)")

ENDS = {
    "cp .env.example .env": 0,
    "uv run python -m bot backup backup.db": 0,
    "uv run python -m bot backup before-update.db": 0,
    "uv run python -m bot backup FILE": 0,
    # The example's two required lines are empty: the sentences that name them are what comes.
    "uv run python -m bot": 2,
    "uv run --no-dev python -m bot": 2,
    "uv run --no-dev --extra sentry python -m bot": 2,
    "uv run python -m bot check": 2,
    "uv run python -m bot usage": 2,
    "uv run python -m bot run --restored": 2,
    "uv run python -m bot run --sync": 2,
    "uv run python -m bot --version": 0,
    "uv run pybabel extract -F pyproject.toml -o messages.pot bot cogs": 0,
    "uv run pybabel init -i messages.pot -l it -o bot/i18n/locales/it.po": 0,
    ".ci/words": 0,
    "uv run python .ci/restore_drill.py": 0,
    "uv run python -m sandbox": 0,
    "uv run python -m sandbox --provider comfy-router": 0,
    "uv run python -m sandbox"
    ' --image cat.jpg --prompt "puts on a hat" --model sora-2-pro --seconds 4 --size 1792x1024': 0,
    'uv run python -m sandbox --as admin --command "/animate-admin quota set user:@mia credits:40"': 0,
    'uv run python -m sandbox --as admin --command "/animate-admin rules barred_words:gore"'
    ' --as mia --command "/animate prompt:gore everywhere" --command "/animate prompt:a hat show:Only to me"': 1,
    'uv run python -m sandbox --set QUOTA_DEFAULT_CREDITS=50 --set MAX_JOBS_PER_USER=4 --command "/quota"': 0,
}
"""Run as they stand, and the exit code of each."""

IS_ENOUGH = {
    "cp .env.example .env",
    "uv run python -m bot backup backup.db",
    "uv run python -m bot",
    "uv run python -m sandbox --page --port 8080",
}
"""What the default run tries; to look for tests takes the longest. The others are tried by `pytest -m thorough`."""

LOOKS_FOR_TESTS = {
    "uv run pytest -n 0 tests/e2e -k kill",
    "uv run pytest tests/unit",
    "uv run pytest tests/interop",
    "uv run pytest -n 0 tests/interop/test_image.py",
    "uv run pytest -n 0 tests/page -k screenshot --remake",
    "uv run pytest -n 0 tests/unit/test_translations.py tests/unit/test_translations_lengths.py",
}
"""Run with `--collect-only`: the tests are there, and running them is the suite's own work."""

SERVES = {
    "uv run python -m sandbox --page",
    "uv run python -m sandbox --page --no-open",
    "uv run python -m sandbox --page --port 8080",
    "uv run python -m sandbox --page --serve",
}
"""Run until they tell their address, without opening a browser, and on any free port."""

NOT_RUN = {
    "litestream restore -o restored.db s3://your-bucket/animate": "is a program of its own, and wants storage",
    "uv run python -m benchmarks": "measures for an hour",
    "uv run python -m tests.interop.dashboard": "takes seven minutes; tests/interop/test_prometheus.py draws it, too",
    "promtool check config prometheus.yml": "comes with Prometheus; tests/unit/test_alerts.py runs it",
    "uv run pytest": "is what runs this",
    "uv run pytest -m postgres": "is a step of .ci/run",
    "uv run pytest -m thorough": "is a step of .ci/run, and runs most of this",
    ".ci/run": "runs all tests; tests/unit/test_structure.py runs it with a uv that does nothing",
    "uv run": "half a command",
    "uv run python -m bot move sqlite:///data/animate.db postgresql://user:password@host/name": "wants a server",
    "uv sync --extra cluster": "asks a package source",
    "uv sync": "asks a package source",
    "pip install uv": "asks a package source",
    "pipx install uv": "asks a package source",
    "pip install uv && uv run python -m sandbox": "asks a package source; its second half is run alone",
    "uv run --no-project .ci/pins.py": "asks a package source; tests/unit/test_pins.py runs it with a uv of its own",
    "uv run --no-project .ci/pins.py --upgrade": "as above",
    "uv run --no-project .ci/pins.py --upgrade aiohttp av": "as above",
    "uv run python -m sandbox.contracts.excerpt discord path/to/openapi.json": "wants the whole published description",
    "uv run python -m bot catalog openrouter": "asks a real service; tests/e2e/test_make_catalog.py runs it without",
    "uv run python -m bot catalog openrouter --output catalog.toml": "as above",
    "uv run python -m sandbox --page --real-provider": "wants a key of a real service, and costs money",
    "export VIDEO_API_URL=https://gptproto.com/v1": "goes with the one above",
    "export VIDEO_API_KEY=…": "goes with the one above",
    "export BUDGET_CREDITS=8": "goes with the one above",
}
"""And why."""


def shown() -> set[str]:
    """Every command of a block, on one line, and those that stand in a sentence; remarks behind them left out."""
    found: set[str] = set()
    for name in DOCUMENTS:
        text = (PROJECT / name).read_text("utf-8")
        for block in _BLOCK.findall(text):
            lines = re.sub(r" *\\\n *", " ", block).splitlines()
            found |= {re.sub(r"\s+# .*$", "", line).strip() for line in lines if line.strip()}
        found |= {command.strip() for command in _INLINE.findall(_BLOCK.sub("", text))}
    return found


OF_SERVICES = (
    "docker ", "kubectl ", "systemctl ", "journalctl ", "git clone ", "python3 -m venv /opt/", "/opt/", "install -",
    "cd /opt/", "export DATABASE_URL=sqlite:////var/lib/", "env $(grep ", ".venv/bin/python -m bot backup ",
)  # fmt: skip
"""How commands begin that want Docker, systemd or Kubernetes, or that install the bot for them, as root."""


def is_dockers(command: str) -> bool:
    """Needs what no test has."""
    return command.startswith(OF_SERVICES)
