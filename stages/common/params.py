"""Read a section of `params.yaml`, strictly: a typo is an error, never a silent default."""

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from stages.common.errors import StageError

SECTIONS = ("points", "mlp", "imdb")


class Section(BaseModel):
    """A group of parameters; unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


SectionT = TypeVar("SectionT", bound=Section)


def load(path: Path, section: str, schema: type[SectionT]) -> SectionT:
    """Read and validate one section of a parameters file.

    Raises:
        StageError: naming each wrong key in full, its value and what is allowed.
    """
    document = _read_yaml(path)
    for key in document:
        if key not in SECTIONS:
            raise StageError(f"{path}: unknown key {key!r}; the sections are {', '.join(SECTIONS)}")
    if section not in document:
        raise StageError(f"{path}: the section {section!r} is missing")
    try:
        return schema.model_validate(document[section])
    except ValidationError as error:
        lines = [_explain(section, detail) for detail in error.errors()]
        raise StageError(f"{path}: " + f"\n       {path}: ".join(lines)) from None


def _explain(section: str, detail: Any) -> str:
    key = ".".join([section, *map(str, detail["loc"])])
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{key} is not a known key; correct or remove it"
    return f"{key} = {detail['input']!r}: {detail['msg']}"


class _Loader(yaml.SafeLoader):
    """YAML without its traps: no aliases, tags or duplicate keys, and 1e-3 is a number."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"aliases are not allowed{event.start_mark}")
        if event.tag is not None:
            raise yaml.YAMLError(f"tags are not allowed{event.start_mark}")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.YAMLError(f"a key must be a word{key_node.start_mark}")
            if key_node.value in seen:
                raise yaml.YAMLError(f"duplicate key {key_node.value!r}{key_node.start_mark}")
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


# YAML 1.1, which PyYAML speaks, reads 1e-3 as a string; YAML 1.2, which DVC writes, as a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # a SafeLoader  # noqa: S506
    except FileNotFoundError:
        raise StageError(f"{path}: no such file") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or the 31st of June
        raise StageError(f"{path}: not valid YAML: {error}") from None
    except RecursionError:
        raise StageError(f"{path}: not valid YAML: nested too deeply") from None
    if not isinstance(document, dict):
        raise StageError(
            f"{path}: expected sections ({', '.join(SECTIONS)}), found {document!r:.80}"
        )
    return document
