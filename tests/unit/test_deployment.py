"""The files for running the bot elsewhere are well-formed, and say what the documents promise of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate
import pytest
import yaml

from bot.secret_files import ENDING
from bot.settings import Settings
from bot.shard_settings import shard_ids
from bot.version import VERSION

PROJECT = Path(__file__).parents[2]
LATEST_STOP_S = 70
"""60 seconds for answers to requests that may cost money, and 10 for everything else."""
UNIT = "deploy/animate-bot.service"


def text_of(name: str) -> str:
    return (PROJECT / name).read_text("utf-8")


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text_of("compose.yaml"))
    return loaded


def unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", text_of(UNIT), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def resources() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text_of("deploy/kubernetes.yaml")))


def tool(name: str) -> str:
    """Of this environment, where it is not on PATH; skipped where there is none for this platform."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.prefix) / "bin"))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


class TestImage:
    @staticmethod
    def stages() -> list[list[tuple[str, str]]]:
        joined = text_of("Dockerfile").replace("\\\n", " ")
        lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
        found: list[list[tuple[str, str]]] = [[]]
        for word, _, rest in (line.partition(" ") for line in lines):
            if word == "FROM":
                found.append([])
            found[-1].append((word, re.sub(r"\s+", " ", rest)))
        return found[1:]

    def of(self, word: str, stage: int = -1) -> list[str]:
        return [rest for found, rest in self.stages()[stage] if found == word]

    def test_hadolint_has_nothing_to_say(self) -> None:
        checked = subprocess.run(
            [tool("hadolint"), "Dockerfile"], cwd=PROJECT, check=False, timeout=50,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

        assert (checked.returncode, checked.stdout) == (0, "")

    def test_it_runs_the_bot_as_process_1_and_not_as_root(self) -> None:
        assert [json.loads(rest) for rest in self.of("CMD")] == [["python", "-m", "bot"]]
        assert self.of("ENTRYPOINT") == []
        assert self.of("STOPSIGNAL") == ["SIGTERM"]
        assert self.of("USER") == ["10001:10001"]
        words = [word for word, _ in self.stages()[-1]]
        assert words.index("USER") > max(at for at, word in enumerate(words) if word in ("RUN", "COPY"))

    def test_it_installs_by_hash_and_compiles_no_package(self) -> None:
        (install,) = [rest for rest in self.of("RUN", 0) if " install " in rest]

        assert '--require-hashes -r "${REQUIREMENTS}"' in install
        assert self.of("ARG", 0) == ["REQUIREMENTS=requirements.lock"]
        assert "--only-binary :all:" in install
        assert [rest for rest in self.of("RUN") if "pip" in rest or "apt" in rest] == []

    def test_both_stages_stand_on_the_same_python(self) -> None:
        (base,) = re.findall(r"^ARG PYTHON=(.+)$", text_of("Dockerfile"), re.MULTILINE)

        assert [self.of("FROM", stage) for stage in (0, 1)] == [["${PYTHON} AS build"], ["${PYTHON}"]]
        assert re.fullmatch(r"python:3\.\d+(\.\d+)?-slim-\w+(@sha256:[0-9a-f]{64})?", base)

    def test_it_holds_the_bot_alone_and_keeps_its_data_in_the_volume(self) -> None:
        assert self.of("COPY", 0) == ["requirements*.lock ./", "bot ./bot", "cogs ./cogs"]
        assert self.of("COPY") == ["--from=build /opt/venv /opt/venv", "--from=build /app ./"]
        assert self.of("VOLUME") == ["/data"]
        assert "DATABASE_URL=sqlite:////data/animate.db DATA_DIR=/data" in self.of("ENV")[0]
        kept = [line for line in text_of(".dockerignore").splitlines() if line and not line.startswith("#")]
        assert kept[0] == "*"
        assert {line for line in kept if line.startswith("!")} == {"!bot", "!cogs", "!requirements*.lock"}

    def test_it_asks_the_bot_itself_whether_it_is_healthy(self) -> None:
        (check,) = self.of("HEALTHCHECK")

        assert json.loads(check.partition("CMD ")[2]) == ["python", "-m", "bot", "healthy"]
        assert "HTTP_PORT=8080" in self.of("ENV")[0]


class TestCompose:
    def test_it_is_what_the_specification_says(self) -> None:
        schema = json.loads(text_of("tests/data/compose-spec/compose-spec.json"))

        faults = jsonschema_rs.validator_for(schema).iter_errors(compose())

        assert [str(fault) for fault in faults] == []

    def test_it_stops_in_time_and_holds_no_right_that_the_bot_does_not_need(self) -> None:
        (service,) = compose()["services"].values()

        assert int(service["stop_grace_period"].removesuffix("s")) > LATEST_STOP_S
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}
        assert "privileged" not in service
        assert "ports" not in service

    def test_a_wrong_setting_does_not_start_it_again_and_again(self) -> None:
        (service,) = compose()["services"].values()

        assert (service["restart"], service["command"][-1]) == ("unless-stopped", "--stay")

    def test_what_is_turned_on_for_secrets_in_files_is_right_too(self) -> None:
        remarked = re.sub(r"^( *)# ((?:environment|  DISCORD|secrets|  discord|    file).*)$", r"\1\2", text_of("compose.yaml"), flags=re.MULTILINE)  # fmt: skip # noqa: E501
        loaded = yaml.safe_load(remarked)
        schema = json.loads(text_of("tests/data/compose-spec/compose-spec.json"))

        assert loaded["services"]["bot"]["environment"] == {"DISCORD_TOKEN_FILE": "/run/secrets/discord_token"}
        assert loaded["services"]["bot"]["secrets"] == list(loaded["secrets"])
        assert list(jsonschema_rs.validator_for(schema).iter_errors(loaded)) == []


class TestSeveralProcesses:
    """Compose with three bots, and a StatefulSet."""

    @staticmethod
    def services() -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load(text_of("deploy/compose.cluster.yaml"))["services"]
        return found

    @staticmethod
    def pods() -> tuple[dict[str, Any], dict[str, Any]]:
        """The StatefulSet's spec and what is set for all pods."""
        found = {each["kind"]: each for each in yaml.safe_load_all(text_of("deploy/kubernetes.cluster.yaml"))}
        return found["StatefulSet"]["spec"], found["ConfigMap"]["data"]

    def test_they_are_what_the_specifications_say(self) -> None:
        schema = json.loads(text_of("tests/data/compose-spec/compose-spec.json"))
        loaded = yaml.safe_load(text_of("deploy/compose.cluster.yaml"))

        assert list(jsonschema_rs.validator_for(schema).iter_errors(loaded)) == []
        for resource in yaml.safe_load_all(text_of("deploy/kubernetes.cluster.yaml")):
            kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)

    def test_every_shard_of_compose_has_one_process_and_all_share_database_and_folder(self) -> None:
        bots = [each for name, each in self.services().items() if name.startswith("bot-")]
        shards = [shard_ids(each["environment"]["SHARD_IDS"]) for each in bots]

        assert sorted(shard for each in shards for shard in each) == [0, 1, 2]
        assert {each["environment"]["SHARD_COUNT"] for each in bots} == {"3"}
        assert len({each["environment"]["DATABASE_URL"] for each in bots}) == 1
        assert {tuple(each["volumes"]) for each in bots} == {("animate-shared:/data",)}
        assert all((PROJECT / each["build"]["args"]["REQUIREMENTS"]).exists() for each in bots)

    def test_every_shard_of_the_pods_has_one(self) -> None:
        spec, settings = self.pods()
        (container,) = spec["template"]["spec"]["containers"]
        (each,) = [int(one["value"]) for one in container["env"] if one["name"] == "SHARDS_EACH"]
        script = container["command"][-1].replace("python -m bot", "sh -c 'echo $SHARD_IDS'")
        found = [
            subprocess.run(
                ["sh", "-c", script], check=True, capture_output=True, text=True, timeout=20,
                env={**os.environ, "POD_INDEX": str(pod), "SHARDS_EACH": str(each)},
            ).stdout.strip()
            for pod in range(spec["replicas"])
        ]  # fmt: skip

        assert [sorted(shard_ids(one)) for one in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
        assert int(settings["SHARD_COUNT"]) == spec["replicas"] * each

    def test_they_stop_in_time_and_hold_no_right_that_the_bot_does_not_need(self) -> None:
        spec, _ = self.pods()
        (container,) = spec["template"]["spec"]["containers"]
        bots = [each for name, each in self.services().items() if name.startswith("bot-")]

        assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > LATEST_STOP_S
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert all(int(each["stop_grace_period"].removesuffix("s")) > LATEST_STOP_S for each in bots)
        assert all((each["cap_drop"], each["read_only"]) == (["ALL"], True) for each in bots)

    def test_what_they_set_are_settings(self) -> None:
        spec, settings = self.pods()
        (container,) = spec["template"]["spec"]["containers"]
        names = [*settings, *(one["name"] for one in container["env"])]
        names += [name for each in self.services().values() for name in each["environment"]]
        ours = {name.upper() for name in Settings.model_fields} | {"POD_INDEX", "SHARDS_EACH"}
        unknown = {name for name in names if name.removesuffix(ENDING) not in ours}

        assert unknown == {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}


class TestRelease:
    @staticmethod
    def steps() -> list[dict[str, Any]]:
        jobs = yaml.safe_load(text_of(".github/workflows/release.yml"))["jobs"]
        return [step for job in jobs.values() for step in job["steps"]]

    def test_every_action_is_named_by_its_whole_version(self) -> None:
        used = [step["uses"] for step in self.steps() if "uses" in step]

        assert [name for name in used if not re.search(r"@(v\d+\.\d+\.\d+|[0-9a-f]{40})$", name)] == []
        assert len(used) > 5

    def test_nothing_is_published_that_was_not_tested_and_no_job_has_more_rights_than_it_needs(self) -> None:
        workflow = yaml.safe_load(text_of(".github/workflows/release.yml"))

        assert workflow["jobs"]["publish"]["needs"] == "test"
        assert ".ci/run" in [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
        assert (workflow["permissions"], workflow["jobs"]["test"]["permissions"]) == ({}, {"contents": "read"})

    def test_no_text_of_others_is_put_into_a_script(self) -> None:
        """It would run there; an environment variable is a text."""
        assert [step["run"] for step in self.steps() if "${{" in step.get("run", "")] == []

    def test_the_notes_of_this_version_are_found(self, tmp_path: Path) -> None:
        (script,) = [step["run"] for step in self.steps() if "notes.md" in step.get("run", "")]
        awk = script.splitlines()[0]
        (tmp_path / "CHANGELOG.md").write_text(text_of("CHANGELOG.md"))

        subprocess.run(
            ["bash", "-ec", awk], cwd=tmp_path, env={**os.environ, "VERSION": VERSION}, check=True, timeout=20
        )

        notes = (tmp_path / "notes.md").read_text()
        assert "/animate" in notes
        assert "\n## " not in notes


class TestSystemd:
    def test_systemd_understands_it(self, tmp_path: Path) -> None:
        """With a program that is there: that of the unit is where the operator puts it."""
        copy = tmp_path / "animate-bot.service"
        copy.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text_of(UNIT), flags=re.MULTILINE))

        checked = subprocess.run(
            [tool("systemd-analyze"), "verify", "--man=no", str(copy)], check=False, timeout=50,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

        assert (checked.returncode, [line for line in checked.stdout.splitlines() if copy.name in line]) == (0, [])

    def test_it_stops_in_time_and_a_wrong_setting_does_not_start_it_again(self) -> None:
        found = unit()

        assert int(found["TimeoutStopSec"][0]) > LATEST_STOP_S
        assert (found["Restart"], found["RestartPreventExitStatus"]) == (["on-failure"], ["2"])
        assert found["KillMode"] == ["mixed"]
        assert found["CapabilityBoundingSet"] == [""]
        assert {"NoNewPrivileges", "ProtectSystem", "DynamicUser"} <= found.keys()

    def test_what_it_sets_are_settings(self) -> None:
        ours = {name.upper() for name in Settings.model_fields}
        set_here = [value.partition("=")[0] for value in unit()["Environment"]]

        assert [name for name in set_here if name.removesuffix(ENDING) not in ours] == ["PYTHONUNBUFFERED"]


class TestKubernetes:
    @pytest.mark.parametrize("resource", resources(), ids=lambda resource: resource["kind"])
    def test_it_is_what_the_schema_says(self, resource: dict[str, Any]) -> None:
        kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)

    def test_one_bot_runs_and_the_old_one_is_gone_before(self) -> None:
        spec = self.deployment()["spec"]

        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
        assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > LATEST_STOP_S

    def test_it_holds_no_right_that_the_bot_does_not_need(self) -> None:
        pod = self.deployment()["spec"]["template"]["spec"]
        (container,) = pod["containers"]

        assert pod["automountServiceAccountToken"] is False
        assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (10001, True)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip

    def test_a_provider_that_is_down_restarts_nothing(self) -> None:
        (container,) = self.deployment()["spec"]["template"]["spec"]["containers"]

        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"

    def test_what_it_sets_are_settings(self) -> None:
        ours = {name.upper() for name in Settings.model_fields}
        (container,) = self.deployment()["spec"]["template"]["spec"]["containers"]
        names = [variable["name"] for variable in container["env"]] + list(resources()[0]["data"])

        assert [name for name in names if name.removesuffix(ENDING) not in ours] == []
        assert len(names) > 4

    @staticmethod
    def deployment() -> dict[str, Any]:
        (found,) = [resource for resource in resources() if resource["kind"] == "Deployment"]
        return found
