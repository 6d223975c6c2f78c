"""What a local ComfyUI makes of a workflow: are its nodes, files and pictures there, and what is to be rendered.

Two servers share it: ComfyUI's own routes, and the Comfy API v2 before them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.providers.settings import ProviderSettings

Workflow = Mapping[str, Any]

FILES: Mapping[str, Mapping[str, list[str]]] = {
    "UNETLoader": {"unet_name": ["wan2.2_ti2v_5B_fp16.safetensors"]},
    "CLIPLoader": {"clip_name": ["t5xxl_fp16.safetensors", "umt5_xxl_fp8_e4m3fn_scaled.safetensors"]},
    "VAELoader": {"vae_name": ["wan2.2_vae.safetensors"]},
    "CheckpointLoaderSimple": {"ckpt_name": ["ltx-video-2b-v0.9.5.safetensors"]},
}
"""What is in the model folders, by the loader and the input that names it."""
SAVES = ("SaveVideo", "SaveWEBM", "VHS_VideoCombine")
NODES = (
    *FILES, *SAVES, "LoadImage", "CLIPTextEncode", "Wan22ImageToVideoLatent", "LTXVImgToVideo", "LTXVConditioning",
    "LTXVScheduler", "KSamplerSelect", "KSampler", "SamplerCustom", "ModelSamplingSD3", "VAEDecode", "CreateVideo",
)  # fmt: skip
DEFAULT_FPS = 24.0
DEFAULT_SECONDS = 5


@dataclass(kw_only=True)
class ComfySettings(ProviderSettings):
    """`nodes` are the classes that are installed, `version` is ComfyUI's."""

    nodes: Collection[str] = NODES
    files: Mapping[str, Mapping[str, list[str]]] = field(default_factory=lambda: FILES)
    version: str = "0.3.64"
    wants_key: bool = False  # as a proxy before ComfyUI may


@dataclass(frozen=True, slots=True)
class Asked:
    """What a workflow is to make; `sampler` shows progress, `saved_as` is how the name of the video's file begins."""

    prompt: str
    seconds: str
    size: str
    picture: str
    last_picture: str | None
    seed: int | None
    sampler: str
    saved_as: str

    @property
    def folder(self) -> str:
        """Below the output folder."""
        return self.saved_as.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a workflow is not taken, in ComfyUI's words."""

    type: str
    message: str
    node_errors: Mapping[str, Any] = field(default_factory=dict)


def read(workflow: Any, settings: ComfySettings, pictures: Collection[str]) -> Asked | Refusal:
    """What to render, or the first thing that ComfyUI would refuse."""
    if not isinstance(workflow, dict) or not all(isinstance(node, dict) for node in workflow.values()):
        return Refusal("no_prompt", "No prompt provided")
    for name, node in workflow.items():
        if node.get("class_type") not in settings.nodes:
            kind = node.get("class_type")
            return Refusal("invalid_prompt", f"Cannot execute because node {kind} does not exist. Node ID '#{name}'")
    if not any(node["class_type"] in SAVES for node in workflow.values()):
        return Refusal("prompt_no_outputs", "Prompt has no outputs")
    wrong = {name: error for name, node in workflow.items() if (error := _error(node, settings, pictures))}
    if wrong:
        return Refusal("prompt_outputs_failed_validation", "Prompt outputs failed validation", wrong)
    return _asked(workflow)


def prompt_of(workflow: Any) -> str:
    """The words of the first node that encodes some."""
    return str(_first_input(workflow, "text", "CLIPTextEncode") or "")


def object_info(settings: ComfySettings, name: str) -> dict[str, Any]:
    """What /object_info tells of a class; nothing of one that is not installed."""
    if name not in settings.nodes:
        return {}
    inputs = {field: [options, {}] for field, options in settings.files.get(name, {}).items()}
    saves = name in SAVES
    return {
        name: {"input": {"required": inputs}, "output": [], "name": name, "output_node": saves, "category": "local"}
    }


def _error(node: Mapping[str, Any], settings: ComfySettings, pictures: Collection[str]) -> dict[str, Any] | None:
    kind, inputs = node["class_type"], node.get("inputs") or {}
    for name, options in settings.files.get(kind, {}).items():
        if inputs.get(name) not in options:
            details = f"{name}: '{inputs.get(name)}' not in {options}"
            return _node_error(kind, "value_not_in_list", "Value not in list", details)
    if kind == "LoadImage" and inputs.get("image") not in pictures:
        details = f"image - Invalid image file: {inputs.get('image')}"
        return _node_error(kind, "custom_validation_failed", "Custom validation failed for node", details)
    for name in ("width", "height", "length", "seed", "noise_seed"):
        if name in inputs and not isinstance(inputs[name], int):
            return _node_error(kind, "invalid_input_type", "Failed to convert an input value to a INT value", name)
    return None


def _node_error(kind: str, error: str, message: str, details: str) -> dict[str, Any]:
    return {
        "errors": [{"type": error, "message": message, "details": details, "extra_info": {}}],
        "dependent_outputs": [],
        "class_type": kind,
    }


def _asked(workflow: Workflow) -> Asked:
    pictures = [node["inputs"].get("image") for node in workflow.values() if node["class_type"] == "LoadImage"]
    seed = _first_input(workflow, "seed")
    seed = _first_input(workflow, "noise_seed") if seed is None else seed
    width, height = (_first_input(workflow, name) or 512 for name in ("width", "height"))
    fps, frames = _first_input(workflow, "fps") or DEFAULT_FPS, _first_input(workflow, "length")
    seconds = round((frames - 1) / fps) if frames else DEFAULT_SECONDS
    return Asked(
        prompt=prompt_of(workflow),
        seconds=str(max(1, seconds)),
        size=f"{width}x{height}",
        picture=str(_first_input(workflow, "image", "LoadImage") or ""),
        last_picture=str(pictures[1]) if len(pictures) > 1 else None,
        seed=seed if isinstance(seed, int) else None,
        sampler=next((name for name, node in workflow.items() if "steps" in node.get("inputs", {})), "?"),
        saved_as=str(_first_input(workflow, "filename_prefix") or "ComfyUI"),
    )


def _first_input(workflow: Any, name: str, kind: str | None = None) -> Any:
    """The first value of an input of this name, of nodes of this class; links to other nodes are none."""
    for node in workflow.values() if isinstance(workflow, dict) else ():
        inputs = node.get("inputs") if isinstance(node, dict) else None
        if isinstance(inputs, dict) and kind in (None, node.get("class_type")):
            value = inputs.get(name)
            if value is not None and not isinstance(value, list | dict):
                return value
    return None
