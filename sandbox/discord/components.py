"""The component tree of a message: what may stand where, its bounds, and its form in answers."""

import enum
from collections.abc import Callable, Iterable, Iterator

from sandbox.discord.rules import Form, Path
from sandbox.discord.wire import Wire

COMPONENTS_LIMIT = 40  # components/reference.mdx:13-18
TEXT_LIMIT = 4000  # all text of a V2 message together
ROWS_LIMIT = 5
CUSTOM_ID_LIMIT = 100
ATTACHMENT = "attachment://"


class Kind(enum.IntEnum):
    """components/reference.mdx#component-object-component-types."""

    ROW = 1
    BUTTON = 2
    STRING_SELECT = 3
    TEXT_INPUT = 4
    USER_SELECT = 5
    ROLE_SELECT = 6
    MENTIONABLE_SELECT = 7
    CHANNEL_SELECT = 8
    SECTION = 9
    TEXT = 10
    THUMBNAIL = 11
    GALLERY = 12
    FILE = 13
    SEPARATOR = 14
    CONTAINER = 17
    LABEL = 18
    UPLOAD = 19


LINK_STYLE, PREMIUM_STYLE = 5, 6
SELECTS = {
    Kind.STRING_SELECT,
    Kind.USER_SELECT,
    Kind.ROLE_SELECT,
    Kind.MENTIONABLE_SELECT,
    Kind.CHANNEL_SELECT,
}


def walk(components: Iterable[Wire]) -> Iterator[Wire]:
    """Every component, the nested ones and accessories too, in reading order."""
    for component in components:
        yield component
        yield from walk(component.get("components") or ())
        if accessory := component.get("accessory"):
            yield accessory


def _placed(components: Iterable[Wire], path: Path) -> Iterator[tuple[Path, Wire]]:
    """As `walk`, each with where it stands."""
    for number, component in enumerate(components):
        at = (*path, number)
        yield at, component
        yield from _placed(component.get("components") or (), (*at, "components"))
        if accessory := component.get("accessory"):
            yield (*at, "accessory"), accessory


def media_of(components: Iterable[Wire]) -> Iterator[Wire]:
    """Every media object that is shown: of galleries, files and thumbnails."""
    for component in walk(components):
        match component["type"]:
            case Kind.GALLERY:
                yield from (item["media"] for item in component["items"])
            case Kind.FILE:
                yield component["file"]
            case Kind.THUMBNAIL:
                yield component["media"]


class Check:
    """One pass over the components of a request; faults go to `form`.

    What can be said of one component alone is in Discord's published description; here is what goes beyond it.
    """

    def __init__(self, form: Form, types_by_name: dict[str, str], *, v2: bool) -> None:
        self._form = form
        self._types_by_name = types_by_name
        self._v2 = v2
        self._custom_ids: set[str] = set()

    def run(self, components: list[Wire]) -> None:
        self._check_whole(components)
        if self._form.errors:
            return
        for path, component in _placed(components, ("components",)):
            match component["type"]:
                case Kind.BUTTON:
                    self._button(component, path)
                case kind if kind in SELECTS:
                    self._custom_id(component, path)
                case Kind.THUMBNAIL:
                    self._media(component["media"], (*path, "media"), image=True)
                case Kind.GALLERY:
                    for number, item in enumerate(component["items"]):
                        self._media(item["media"], (*path, "items", number, "media"))
                case Kind.FILE:
                    self._media(component["file"], (*path, "file"), uploaded=True)

    def _check_whole(self, components: list[Wire]) -> None:
        everything, at = list(walk(components)), ("components",)
        if not self._v2:
            for number, component in enumerate(components):
                if component.get("type") != Kind.ROW:
                    self._fault(
                        (*at, number, "type"), "UNION_TYPE_CHOICES", 'Value of field "type" must be one of (1).'
                    )
            if len(components) > ROWS_LIMIT:
                self._fault(at, "BASE_TYPE_MAX_LENGTH", f"Must be {ROWS_LIMIT} or fewer in length.")
        if len(everything) > COMPONENTS_LIMIT:
            self._fault(at, "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED",
                        f"The total number of components cannot exceed {COMPONENTS_LIMIT}")  # fmt: skip
        if sum(len(c.get("content") or "") for c in everything if c.get("type") == Kind.TEXT) > TEXT_LIMIT:
            self._fault(at, "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
                        f"The total displayable text cannot exceed {TEXT_LIMIT}")  # fmt: skip
        self._form.check_published(("MessageCreateRequest", "properties", "components"), components, at)

    def _fault(self, path: Path, code: str, message: str) -> None:
        self._form.add(path, code, message)

    def _button(self, button: Wire, path: Path) -> None:
        if button["style"] == LINK_STYLE:
            if not (button.get("url") or "").startswith(("http://", "https://", "discord://")):
                self._fault(
                    (*path, "url"),
                    "URL_TYPE_INVALID_SCHEME",
                    "Scheme must be one of ('http', 'https', 'discord').",
                )
        elif button["style"] != PREMIUM_STYLE:
            self._custom_id(button, path)
        if button["style"] != PREMIUM_STYLE and not button.get("label") and not button.get("emoji"):
            self._fault((*path, "label"), "BUTTON_COMPONENT_MISSING_LABEL", "A button needs a label or an emoji.")

    def _custom_id(self, component: Wire, path: Path) -> None:
        custom_id = component.get("custom_id") or ""
        self._form.check_length((*path, "custom_id"), custom_id, CUSTOM_ID_LIMIT, least=1)
        if custom_id in self._custom_ids:
            self._fault(
                (*path, "custom_id"),
                "COMPONENT_CUSTOM_ID_DUPLICATED",
                "Component custom id cannot be duplicated",
            )
        self._custom_ids.add(custom_id)

    def _media(self, media: Wire, path: Path, *, uploaded: bool = False, image: bool = False) -> None:
        url = media["url"]
        if url.startswith(ATTACHMENT):
            content_type = self._types_by_name.get(url.removeprefix(ATTACHMENT))
            if content_type is None:
                self._fault((*path, "url"), "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND",
                            f"The referenced attachment {url} could not be found")  # fmt: skip
            elif image and not content_type.startswith("image/"):
                self._fault((*path, "url"), "UNFURLED_MEDIA_ITEM_INVALID_TYPE", "Only images are accepted here.")
        elif uploaded or not url.startswith(("http://", "https://")):
            self._fault((*path, "url"), "URL_TYPE_INVALID_SCHEME", "The scheme is not accepted here.")


_DEFAULTS: dict[int, Wire] = {
    Kind.THUMBNAIL: {"description": None, "spoiler": False},
    Kind.FILE: {"spoiler": False},
    Kind.SEPARATOR: {"spacing": 1, "divider": True},
    Kind.CONTAINER: {"accent_color": None, "spoiler": False},
    Kind.STRING_SELECT: {"min_values": 1, "max_values": 1},
}


def id_giver(components: Iterable[Wire]) -> Callable[[Wire], int]:
    """Says each component's id: its own, or the next that none of these has."""
    taken = {component.get("id") for component in components}
    free = (number for number in range(1, 1 << 16) if number not in taken)
    return lambda component: component.get("id") or next(free)


def render(components: list[Wire], media: Callable[[str], Wire], sizes: dict[str, int]) -> list[Wire]:
    """The components as answers carry them: ids given, defaults filled in, media resolved from their URL."""
    give = id_giver(walk(components))

    def one(component: Wire) -> Wire:
        kind = component["type"]
        wire = _DEFAULTS.get(kind, {}) | {k: v for k, v in component.items() if v is not None}
        wire["id"] = give(component)
        match kind:
            case Kind.ROW | Kind.CONTAINER | Kind.SECTION:
                wire["components"] = [one(child) for child in component["components"]]
                if "accessory" in component:
                    wire["accessory"] = one(component["accessory"])
            case Kind.THUMBNAIL:
                wire["media"] = media(component["media"]["url"])
            case Kind.GALLERY:
                wire["items"] = [
                    {
                        "media": media(item["media"]["url"]),
                        "description": item.get("description"),
                        "spoiler": bool(item.get("spoiler")),
                    }
                    for item in component["items"]
                ]
            case Kind.FILE:
                name = component["file"]["url"].removeprefix(ATTACHMENT)
                wire |= {"file": media(component["file"]["url"]), "name": name, "size": sizes.get(name)}
        return wire

    return [one(component) for component in components]
