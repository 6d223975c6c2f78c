"""Workflows for ComfyUI: placeholders, the packaged ones, and what a server lacks for them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from bot.providers import comfy_workflow
from bot.providers.protocols import CreateRequest
from bot.wire_config import ModelWire

PACKAGED = sorted(Path("bot/catalogs/workflows").glob("*.json"))
KEY = "0b8f7a7c-54d6-4c60-9a5e-1f2a5a0c9d11"
SMALL = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "{{image}}"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "{{prompt}}, a {cat|dog} of {{seconds}} s"}},
    "3": {"class_type": "KSampler", "inputs": {"seed": "{{ seed }}", "steps": 20, "model": ["2", 0]}},
}


def request(**changes: Any) -> CreateRequest:
    model = ModelWire("wan", workflow=changes.pop("workflow", SMALL), fps=changes.pop("fps", 24))
    given: dict[str, Any] = {"key": KEY, "prompt": "a hat", "seconds": 5, "size": "704x1280", "picture": b"\xff\xd8"}
    return CreateRequest(model=model, **{**given, **changes})


def filled(asked: CreateRequest, **more: Any) -> dict[str, Any]:
    values = {**comfy_workflow.values(asked), "image": "animate-bot/x.jpg", "last_image": None, **more}
    return comfy_workflow.filled(asked.model.workflow or {}, values)


def test_a_string_that_is_only_a_placeholder_takes_the_value_with_its_type() -> None:
    found = filled(request(seed=7))

    assert found["3"]["inputs"] == {"seed": 7, "steps": 20, "model": ["2", 0]}
    assert found["1"]["inputs"]["image"] == "animate-bot/x.jpg"


def test_inside_of_a_text_a_value_is_text_and_single_braces_stay() -> None:
    assert filled(request())["2"]["inputs"]["text"] == "a hat, a {cat|dog} of 5 s"


def test_a_prompt_that_looks_like_a_placeholder_is_not_filled_again() -> None:
    assert filled(request(prompt="{{seed}} {{image}}"))["2"]["inputs"]["text"].startswith("{{seed}} {{image}}, a")


def test_an_input_whose_placeholder_has_no_value_is_left_out() -> None:
    workflow = {**SMALL, "4": {"class_type": "Last", "inputs": {"image": "{{last_image}}", "x": 1}}}

    assert filled(request(workflow=workflow))["4"] == {"class_type": "Last", "inputs": {"x": 1}}


def test_a_request_is_filled_the_same_each_time_it_is_sent() -> None:
    first, again = filled(request()), filled(request())
    other = filled(request(key=str(uuid.uuid4())))

    assert first == again
    assert first["3"]["inputs"]["seed"] != other["3"]["inputs"]["seed"]
    assert 0 <= first["3"]["inputs"]["seed"] < 2**53


def test_frames_are_one_more_than_seconds_times_fps() -> None:
    assert comfy_workflow.values(request(seconds=5, fps=24))["frames"] == 121
    assert comfy_workflow.values(request(seconds=3, fps=12.5))["frames"] == 39


def test_the_id_of_a_job_is_the_key_as_comfyui_takes_it() -> None:
    assert comfy_workflow.job_id_of(KEY.upper()) == KEY
    assert comfy_workflow.job_id_of(KEY.replace("-", "")) == KEY
    made = comfy_workflow.job_id_of("job 17")
    assert made == str(uuid.UUID(made)) == comfy_workflow.job_id_of("job 17")


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.stem)
def test_a_packaged_workflow_has_nothing_wrong_and_is_filled_to_the_last_placeholder(path: Path) -> None:
    model = ModelWire(path.stem, workflow=json.loads(path.read_text()), fps=24)

    assert comfy_workflow.faults(model) == []
    found = filled(request(workflow=model.workflow))
    assert comfy_workflow.placeholders(found) == frozenset()
    assert found["first_frame"]["inputs"]["length"] == 121
    assert comfy_workflow.samplers(model.workflow or {}) == ["sampler"]
    links = [value for node in found.values() for value in node["inputs"].values() if isinstance(value, list)]
    assert {node for node, _ in links} <= found.keys()
    assert found["saved"]["inputs"]["filename_prefix"] == f"animate-bot/{KEY}"


def test_both_workflows_of_the_readme_are_packaged() -> None:
    assert [path.name for path in PACKAGED] == ["ltx.json", "wan-2.2.json"]
    readme = Path("bot/catalogs/workflows/README.md").read_text()
    for path in PACKAGED:
        assert path.name in readme
        for node in json.loads(path.read_text()).values():
            files = [v for v in node["inputs"].values() if isinstance(v, str) and v.endswith(".safetensors")]
            assert all(name in readme for name in files)
    assert all(f"{{{{{name}}}}}" in readme for name in comfy_workflow.PLACEHOLDERS)


@pytest.mark.parametrize(
    ("workflow", "fps", "told"),
    [
        (None, 24, "has no workflow"),
        ({"nodes": [], "links": []}, 24, "Export (API)"),
        ({"1": {"inputs": {}}}, 24, "class_type"),
        ({**SMALL, "4": {"class_type": "X", "inputs": {"a": "{{colour}}"}}}, 24, "unknown placeholder {{colour}}"),
        ({"2": SMALL["2"]}, 24, "has no {{image}}"),
        ({"1": SMALL["1"]}, 24, "has no {{prompt}}"),
        ({**SMALL, "4": {"class_type": "X", "inputs": {"a": "{{frames}}"}}}, None, "needs fps"),
    ],
)
def test_what_is_wrong_with_a_workflow_is_one_sentence(workflow: Any, fps: float | None, told: str) -> None:
    (sentence,) = comfy_workflow.faults(ModelWire("wan", workflow=workflow, fps=fps))

    assert told in sentence
    assert "wan" in sentence


def test_missing_nodes_are_named_in_one_sentence() -> None:
    model = ModelWire("wan", workflow=SMALL)

    (sentence,) = comfy_workflow.missing(model, {"LoadImage": {"input": {}}})
    assert sentence == "ComfyUI lacks nodes that the workflow of wan uses: CLIPTextEncode, KSampler"


@pytest.mark.parametrize(
    "spec", [[["a.safetensors"], {}], ["COMBO", {"options": ["a.safetensors"]}]], ids=["old form", "new form"]
)
def test_a_model_file_that_is_not_there_is_named(spec: list[Any]) -> None:
    workflow = {"1": {"class_type": "UNETLoader", "inputs": {"unet_name": "wan.safetensors", "dtype": "{{prompt}}"}}}
    info = {"UNETLoader": {"input": {"required": {"unet_name": spec, "dtype": [["default"], {}]}}}}

    (sentence,) = comfy_workflow.missing(ModelWire("wan", workflow=workflow), info)
    assert '"wan.safetensors" as unet_name of UNETLoader' in sentence
    spec_with = [["wan.safetensors"], {}]
    info["UNETLoader"]["input"]["required"]["unet_name"] = spec_with
    assert comfy_workflow.missing(ModelWire("wan", workflow=workflow), info) == []


@pytest.mark.parametrize("info", [{}, {"X": None}, {"X": {"input": []}}, {"X": {"input": {"required": {"a": "?"}}}}])
def test_odd_words_about_a_node_are_no_fault(info: Any) -> None:
    model = ModelWire("wan", workflow={"1": {"class_type": "X", "inputs": {"a": "b"}}})

    assert len(comfy_workflow.missing(model, info)) == (0 if "X" in info else 1)


@pytest.mark.parametrize("inputs", [None, [], "x", {"a": None}])
def test_odd_inputs_of_a_node_are_none(inputs: Any) -> None:
    model = ModelWire("wan", workflow={"1": {"class_type": "X", "inputs": inputs}})

    assert comfy_workflow.saved_as(model.workflow or {}, KEY) is None
    assert comfy_workflow.missing(model, {"X": {"input": {"required": {"a": [["b"]]}}}}) == []


def test_samplers_are_the_nodes_that_take_the_time() -> None:
    names = ["KSampler", "KSamplerAdvanced", "KSamplerSelect", "SamplerCustomAdvanced", "WanVideoSampler", "VAEDecode"]
    workflow = {str(n): {"class_type": name, "inputs": {}} for n, name in enumerate(names)}

    assert comfy_workflow.samplers(workflow) == ["0", "1", "3", "4"]


def test_the_name_of_a_file_is_known_where_the_key_stands_in_it() -> None:
    def saved(prefix: object) -> str | None:
        return comfy_workflow.saved_as({"1": {"class_type": "X"}, "2": {"inputs": {"filename_prefix": prefix}}}, KEY)

    assert saved("animate-bot/{{key}}") == f"animate-bot/{KEY}"
    for prefix in ("video/x", "{{seed}}/{{key}}", "%date:yyyy%/{{key}}", 7, None):
        assert saved(prefix) is None
