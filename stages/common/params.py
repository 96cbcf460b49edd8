"""Read and validate a section of `params.yaml`: a misspelled key or a wrong type is an error."""

from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common.errors import UserError

SECTIONS = ("points", "mlp", "imdb")


class ParamsSection(BaseModel):
    """A group of parameters. Unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    RENAMED: ClassVar[dict[str, str]] = {}  # earlier names of parameters, for the error message


SectionT = TypeVar("SectionT", bound=ParamsSection)


def load_params(path: Path, section: str, schema: type[SectionT]) -> SectionT:
    """Read and validate one section of a parameters file.

    Args:
        path: Path of the YAML file.
        section: Key of the section at the top level of the file.
        schema: Class that describes the section.

    Returns:
        The parameters, an instance of `schema`.

    Raises:
        UserError: If the file cannot be read, or a key or value is wrong. The message names every
            wrong key in full, its value and what is allowed.
    """
    document = _read_yaml(path)
    for key in document:
        if key not in SECTIONS:
            raise UserError(f"{path}: unknown key {key!r}; the sections are {', '.join(SECTIONS)}")
    if section not in document:
        raise UserError(f"{path}: the section {section!r} is missing")
    try:
        return schema.model_validate(document[section])
    except ValidationError as error:
        lines = [_explain(section, schema, detail) for detail in error.errors()]
        raise UserError(f"{path}: " + f"\n       {path}: ".join(lines)) from None


def _explain(section: str, schema: type[ParamsSection], detail: Any) -> str:
    *parents, key = detail["loc"] or [""]
    name = ".".join([section, *map(str, detail["loc"])])
    if detail["type"] == "missing":
        return f"{name} is missing"
    if detail["type"] == "extra_forbidden":
        for parent in parents:
            annotation = schema.model_fields[str(parent)].annotation
            assert isinstance(annotation, type) and issubclass(annotation, ParamsSection)  # noqa: S101, PT018
            schema = annotation
        if new := schema.RENAMED.get(str(key)):
            return f"{name} is now called {new}; rename it"
        return f"{name} is not a known key; correct or remove it"
    return f"{name} = {detail['input']!r}: {detail['msg'].removeprefix('Value error, ')}"


def _read_yaml(path: Path) -> dict[str, Any]:
    # ruamel.yaml reads YAML 1.2, as DVC does, and refuses duplicate keys.
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    # ValueError, KeyError: not UTF-8, or a value that does not fit its tag or type.
    except (YAMLError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: not valid YAML: nested too deeply") from None
    if not isinstance(document, dict):
        raise UserError(
            f"{path}: expected sections ({', '.join(SECTIONS)}), found {document!r:.80}"
        )
    return document
