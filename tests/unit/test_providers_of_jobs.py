"""Who follows a job: its own provider, with its own key, also after the catalog or the settings have changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from bot.jobs import request_keys
from bot.jobs.providers import Providers
from bot.provider_settings import former
from bot.providers.protocols import CreateRequest
from bot.wire_config import ModelWire, ProviderConfig
from tests.builders import a_job

MINE = ProviderConfig("mine", "openai", "https://mine.example/v1", "key-of-mine", "bearer")
REQUEST = CreateRequest("", ModelWire("ray", body={"a": "{prompt}"}), "a hat", 4, "720x1280", b"picture")


class Adapter:
    def __init__(self, config: ProviderConfig) -> None:
        self.config = config
        self.is_closed = False

    def stop_creating(self) -> None: ...

    async def close(self) -> None:
        self.is_closed = True


def connected(*configs: ProviderConfig) -> Providers:
    def keyless(name: str, wire: str, url: str) -> ProviderConfig:
        return ProviderConfig(name, wire, url)

    return Providers(configs, lambda config: cast("Any", Adapter(config)), keyless)


def follower(providers: Providers, **job: str) -> ProviderConfig:
    given = {"provider": "mine", "wire": "openai", "endpoint": MINE.url, **job}
    return cast("Adapter", providers.of(replace(a_job(), **given))).config  # type: ignore[arg-type]


def test_a_job_is_followed_by_the_provider_it_was_sent_to() -> None:
    other = replace(MINE, name="other", url="https://other.example/v1", key="key-of-other")

    assert follower(connected(other, MINE)) == MINE


def test_after_the_address_has_changed_it_is_asked_without_the_new_key() -> None:
    providers = connected(replace(MINE, url="https://new.example/v1", key="new"))

    assert follower(providers).url == "https://new.example/v1"  # whose adapter gives its key to its own origin alone


def test_a_provider_that_has_left_the_catalog_while_the_bot_runs_keeps_its_key_for_its_jobs() -> None:
    providers = connected(MINE)

    providers.use([replace(MINE, name="other")])

    assert follower(providers) == MINE
    assert providers.named("mine") is None


def test_one_that_had_left_before_the_start_is_asked_all_the_same() -> None:
    elsewhere = replace(MINE, name="other", url="https://other.example/v1")

    assert follower(connected(elsewhere)) == ProviderConfig("mine", "openai", MINE.url)


def test_one_that_has_another_name_since_the_start_is_asked_with_the_key_of_the_same_place() -> None:
    renamed = replace(MINE, name="renamed")

    assert follower(connected(replace(MINE, name="other", wire="openrouter"), renamed)) == renamed


def test_another_wire_under_the_same_name_does_not_read_its_ticket() -> None:
    providers = connected(replace(MINE, wire="queue", dialect="fal"))

    assert follower(providers).wire == "openai"
    assert follower(providers, wire="queue/fal").wire == "queue"


def test_a_new_key_for_the_same_address_is_used_for_older_jobs_too() -> None:
    providers = connected(MINE)

    changed = providers.use([replace(MINE, key="rotated"), replace(MINE, name="other")])

    assert changed == ["mine"]
    assert follower(providers).key == "rotated"


async def test_whatever_was_replaced_is_closed_at_the_end() -> None:
    providers = connected(MINE)
    first = cast("Adapter", providers.named("mine"))
    providers.use([replace(MINE, key="rotated")])
    second = cast("Adapter", providers.named("mine"))

    await providers.close()

    assert (first.is_closed, second.is_closed) == (True, True)


class _Settings:
    video_download_hosts: frozenset[str] = frozenset()

    def variable(self, name: str) -> str | None:
        return f"value of {name}"


def test_a_former_provider_of_a_packaged_catalog_gets_its_key_back_at_its_own_origin_alone() -> None:
    settings = cast("Any", _Settings())

    known = former(settings, "fal", "queue/fal", "https://queue.fal.run")
    elsewhere = former(settings, "fal", "queue/fal", "https://queue.fal.example")

    assert (known.key, known.auth, known.dialect) == ("value of FAL_KEY", "key", "fal")
    assert elsewhere.key is None


class TestRequestKeys:
    def test_a_key_is_new_each_time_and_is_kept_by_its_own_request(self) -> None:
        first, second = request_keys.key_for(MINE, REQUEST), request_keys.key_for(MINE, REQUEST)

        assert first != second
        assert request_keys.key_for(MINE, replace(REQUEST, key=first)) == first

    @pytest.mark.parametrize(
        "changed",
        [
            {"prompt": "a cap"},
            {"seconds": 8},
            {"size": "1280x720"},
            {"model": ModelWire("ray", body={"a": "{prompt}", "b": 1})},
            {"model": ModelWire("other", body={"a": "{prompt}"})},
            {"seed": 7},
            {"resolution": "720p"},
        ],
        ids=str,
    )
    def test_another_request_does_not_have_it(self, changed: dict[str, Any]) -> None:
        key = request_keys.key_for(MINE, REQUEST)

        assert not request_keys.is_for(MINE, replace(REQUEST, key=key, **changed))

    @pytest.mark.parametrize("changed", [{"key": "other"}, {"url": "https://x.example"}, {"wire": "queue"}], ids=str)
    def test_nor_has_another_account(self, changed: dict[str, Any]) -> None:
        key = request_keys.key_for(MINE, REQUEST)

        assert not request_keys.is_for(replace(MINE, **changed), replace(REQUEST, key=key))

    def test_the_picture_and_the_time_are_no_part_of_it_and_no_secret_is(self) -> None:
        key = request_keys.key_for(MINE, REQUEST)

        assert request_keys.is_for(MINE, replace(REQUEST, key=key, picture=b"", max_usd=1.0))
        assert MINE.key is not None
        assert MINE.key not in key

    @pytest.mark.parametrize("key", ["", "no key", "0" * 32])
    def test_what_is_none_of_ours_is_for_nothing(self, key: str) -> None:
        assert not request_keys.is_for(MINE, replace(REQUEST, key=key))
