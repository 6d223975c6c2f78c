"""What ComfyUI answers: its queue, its history, its refusals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import FailureKind
from bot.providers import comfy_answers

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def entry(outputs: Any = None, status: str = "success", messages: Any = ()) -> dict[str, Any]:
    told = {"status_str": status, "completed": status == "success", "messages": list(messages)}
    return {"job": {"prompt": [], "outputs": outputs or {}, "status": told}}


def failed(**error: Any) -> comfy_answers.Failure:
    body = entry(status="error", messages=[["execution_start", {}], ["execution_error", error]])
    found = comfy_answers.ended(body, "job")
    assert found is not None
    assert found.failure is not None
    return found.failure


def test_the_position_in_the_queue_follows_the_numbers_not_the_order_of_the_list() -> None:
    """ComfyUI lists a heap."""
    body = {
        "queue_running": [[0, "now", {}, {}, []]],
        "queue_pending": [[1, "first", {}], [9, "last", {}], [2, "second", {}]],
    }
    queue = comfy_answers.queue_of(body)

    assert queue is not None
    assert [queue.position(name) for name in ("first", "second", "last", "now", "gone")] == [1, 2, 3, None, None]
    assert "now" in queue
    assert "gone" not in queue


@pytest.mark.parametrize("odd", [None, 7, [], [0], [0, 7], {"id": "x"}])
@pytest.mark.parametrize("name", ["queue_running", "queue_pending"])
def test_a_queue_with_something_unreadable_in_it_tells_nothing(name: str, odd: Any) -> None:
    """The job that is looked for may be the one that cannot be read."""
    body: dict[str, Any] = {"queue_running": [[0, "a"]], "queue_pending": [[1, "b"]]}
    body[name] = [*body[name], odd]

    assert comfy_answers.queue_of(body) is None


@pytest.mark.parametrize("body", [None, [], {}, {"queue_running": []}, {"queue_running": 1, "queue_pending": []}])
def test_what_is_no_queue_is_none(body: Any) -> None:
    assert comfy_answers.queue_of(body) is None


@pytest.mark.parametrize("key", ["images", "gifs", "video", "videos"])
def test_a_video_is_found_under_whatever_name_a_node_lists_it(key: str) -> None:
    outputs = {
        "5": {"images": [{"filename": "preview.png", "subfolder": "", "type": "temp"}], "animated": [False]},
        "9": {key: [{"filename": "a b.MP4", "subfolder": "video", "type": "output"}], "animated": [True]},
    }
    found = comfy_answers.ended(entry(outputs), "job")

    assert found == comfy_answers.Ended(
        is_interrupted=False, failure=None, view="filename=a+b.MP4&subfolder=video&type=output"
    )


def test_a_saved_video_comes_before_a_preview() -> None:
    outputs = {
        "1": {"images": [{"filename": "p.mp4", "subfolder": "", "type": "temp"}]},
        "2": {"images": [{"filename": "v.webm", "subfolder": "", "type": "output"}]},
    }
    found = comfy_answers.ended(entry(outputs), "job")

    assert found is not None
    assert found.view == "filename=v.webm&subfolder=&type=output"


def test_a_workflow_without_a_video_file_has_failed_and_says_what_it_needs() -> None:
    found = comfy_answers.ended(entry({"9": {"images": [{"filename": "a.png"}]}}), "job")

    assert found is not None
    assert found.failure is not None
    assert found.failure.kind is FailureKind.PROVIDER
    assert "node that saves" in found.failure.text


def test_a_job_that_is_not_in_the_history_has_not_ended() -> None:
    assert comfy_answers.ended({}, "job") is None
    assert comfy_answers.ended({"other": {}}, "job") is None


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("torch.OutOfMemoryError", "Allocation on device 0 would exceed allowed memory."),
        ("torch.cuda.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB"),
        ("RuntimeError", "HIP out of memory"),
    ],
)
def test_out_of_memory_is_told_in_plain_words(kind: str, message: str) -> None:
    found = failed(node_id="3", node_type="KSampler", exception_type=kind, exception_message=message)

    assert found.kind is FailureKind.PROVIDER
    assert found.text == (
        "the GPU ran out of memory in KSampler (3): offer smaller sizes or fewer seconds, or a smaller model"
    )


def test_another_failure_names_its_node() -> None:
    found = failed(node_id="8", node_type="VAEDecode", exception_type="RuntimeError", exception_message="bad shape\n")

    assert found == comfy_answers.Failure(FailureKind.PROVIDER, "VAEDecode (8) failed: RuntimeError: bad shape")
    assert failed().text == "a node (?) failed: nothing was said why"


def test_a_rule_of_a_partner_node_is_moderation() -> None:
    found = failed(node_type="KlingImage2Video", exception_message="The prompt was rejected by our content policy.")

    assert found.kind is FailureKind.MODERATED


def test_an_interrupted_job_has_no_video_whatever_it_had_saved() -> None:
    outputs = {"9": {"images": [{"filename": "v.mp4", "type": "output"}]}}
    found = comfy_answers.ended(entry(outputs, "error", [["execution_interrupted", {"node_id": "3"}]]), "job")

    assert found is not None
    assert found.is_interrupted
    assert found.view is None


def refused(kind: str, *node_errors: str) -> comfy_answers.Failure | None:
    errors = [{"type": each, "message": "Value not in list", "details": f"x: '{each}'"} for each in node_errors]
    nodes = {"1": {"errors": errors, "class_type": "UNETLoader"}} if node_errors else {}
    error = {"type": kind, "message": "Prompt outputs failed validation", "details": "much\ntext"}
    return comfy_answers.not_accepted({"error": error, "node_errors": nodes})


def test_a_missing_node_or_file_is_about_the_model_and_anything_else_about_the_request() -> None:
    for kind, errors, wanted in (
        ("invalid_prompt", (), FailureKind.MODEL),
        ("prompt_outputs_failed_validation", ("value_not_in_list",), FailureKind.MODEL),
        ("prompt_outputs_failed_validation", ("value_bigger_than_max",), FailureKind.BAD_REQUEST),
        ("prompt_no_outputs", (), FailureKind.BAD_REQUEST),
        ("invalid_prompt_id", (), FailureKind.BAD_REQUEST),
    ):
        found = refused(kind, *errors)
        assert found is not None
        assert found.kind is wanted, kind


def test_a_refusal_names_the_node_and_repeats_little() -> None:
    found = refused("prompt_outputs_failed_validation", "value_not_in_list")

    assert found is not None
    assert found.text == ("Prompt outputs failed validation; UNETLoader (1): Value not in list: x: 'value_not_in_list'")


@pytest.mark.parametrize("body", [None, {}, {"error": "no"}, {"error": {"message": "x"}}, []])
def test_an_error_in_other_words_is_not_comfyuis(body: Any) -> None:
    assert comfy_answers.not_accepted(body) is None


def test_an_upload_is_named_as_a_workflow_takes_it() -> None:
    assert comfy_answers.uploaded({"name": "x.jpg", "subfolder": "animate-bot", "type": "input"}) == "animate-bot/x.jpg"
    assert comfy_answers.uploaded({"name": "x (1).jpg", "subfolder": ""}) == "x (1).jpg"
    assert comfy_answers.uploaded({"name": ""}) is None


def test_a_file_is_looked_for_as_the_nodes_number_it() -> None:
    first, *others = comfy_answers.views("animate-bot/x y")

    assert first == "filename=x+y_00001_.mp4&subfolder=animate-bot&type=output"
    assert len(others) == 2
    assert comfy_answers.views("x")[0] == "filename=x_00001_.mp4&subfolder=&type=output"


def test_versions_are_read_and_odd_ones_are_not_known() -> None:
    for told, wanted in (("0.3.64", (0, 3, 64)), ("v0.26.0-beta", (0, 26, 0)), ("main", None), (7, None)):
        assert comfy_answers.version({"system": {"comfyui_version": told}}) == wanted
    assert comfy_answers.version({}) is None


@given(JSON)
def test_no_json_is_too_odd_to_be_read(body: Any) -> None:
    for found in (body, {"job": body}, {"job": {"outputs": body, "status": body}}, {"job": {"outputs": {"1": body}}}):
        comfy_answers.ended(found, "job")
    comfy_answers.queue_of({"queue_running": [body], "queue_pending": [body, [body, "x"]]})
    comfy_answers.not_accepted({"error": {"type": "x", "message": body}, "node_errors": body})
    comfy_answers.not_accepted({"error": {"type": "x"}, "node_errors": {"1": {"errors": body}, "2": body}})
    comfy_answers.uploaded(body)
    comfy_answers.version({"system": body})
