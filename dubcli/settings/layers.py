"""Resolves settings: flag > environment > dubcli.toml by the job > user config > preset > default."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field

from dubcli.errors import ConfigError, DubError, UsageError
from dubcli.settings import yamltext
from dubcli.settings.config import PERSONAL, Settings
from dubcli.settings.document import Document, attempt, fields_at, problems_of, read, suggestion

DEFAULT_PRESET = "film"
PREFIX = "DUBCLI_"
_NAMED = (f"{PREFIX}PRESET", f"{PREFIX}STORE")  # variables that are no settings
_NEAR = 0.9  # likeness above which a variable's name is mistyped, and not another program's; set by hand


class Preset(Settings):
    """A preset: a name for a set of settings; settings it lacks keep their default."""

    summary: str = Field(default="", description="one line that says when to use it")


class ConfigFile(Settings):
    """`dubcli.toml` by the job, or the user's own: settings, and which preset and store to use."""

    preset: str | None = Field(
        default=None, min_length=1, description="name or file of the preset to start from"
    )
    store: str | None = Field(default=None, min_length=1, description="folder of a store that jobs share")


@dataclass(frozen=True)
class Resolved:
    """Settings with the origin of every value.

    Attributes:
        settings: the result.
        origins: `section.field` → where its value came from, in words.
        preset: name or path of the preset at the bottom.
        store: the shared store that a flag, the environment or a config file names.
    """

    settings: Settings
    origins: Mapping[str, str]
    preset: str
    store: Path | None = None

    def rows(self) -> list[tuple[str, Any, str]]:
        """(`section.field`, value, origin) of every setting, in the order of the sections."""
        values = flatten(self.settings.model_dump(mode="json"), Settings)
        return [(name, values[name], self.origins.get(name, "default")) for name in values]


def nearest(settings: Settings) -> tuple[str, dict[str, Any]]:
    """The shipped preset that settings differ least from, and those that differ from it.

    Left out is how to run (section `run`), and what names files of this machine or is the user's alone.
    """

    def shown(values: Settings) -> dict[str, Any]:
        flat = flatten(values.model_dump(mode="json"), Settings)
        apart = ("run.", "engines.", "provenance.")
        return {k: v for k, v in flat.items() if k != "learn.prior" and not k.startswith(apart)}

    own, best = shown(settings), ("", {"": None} | shown(settings))
    for name in sorted(presets(), key=lambda name: (name != DEFAULT_PRESET, name)):
        other = shown(read(presets()[name]).model(Preset))
        differing = {dotted: value for dotted, value in own.items() if value != other[dotted]}
        if len(differing) < len(best[1]):
            best = name, differing
    return best


@dataclass
class _Stack:
    """Values of the layers so far; a stronger layer replaces weaker ones."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def put(self, values: Mapping[str, Any], origin: str) -> None:
        self.values.update(values)
        self.origins.update(dict.fromkeys(values, origin))


def resolve(
    *,
    preset: str | None = None,
    store: Path | None = None,
    folder: Path | None = None,
    flags: Mapping[str, tuple[str, Any]] | None = None,
    assignments: tuple[str, ...] = (),
    base: Settings | None = None,
    environ: Mapping[str, str] | None = None,
) -> Resolved:
    """Settings from every layer.

    Args:
        preset: `--preset`, a name or a file.
        store: `--store`.
        folder: the job's folder; its `dubcli.toml` is read.
        flags: `section.field` → (flag as typed, value) of options that stand for one setting.
        assignments: `--set` values, `section.field=value`.
        base: settings of an existing job; they take the place of the layers below the environment,
            unless a preset is named.
        environ: the environment, for tests.

    Raises:
        ConfigError: a preset, config file or environment variable is invalid.
        UsageError: a flag is.
    """
    environ = os.environ if environ is None else environ
    stack = _Stack()
    if base is not None and preset is None:
        stack.put(flatten(base.model_dump(mode="json"), Settings), "the job")
        for document, _, label in _config_files(None):
            own = flatten(document.fitted(ConfigFile), Settings)
            stack.put({dotted: own[dotted] for dotted in PERSONAL if dotted in own}, label)
        name, shared = "", None
    else:
        name, shared = _put_files(stack, preset or environ.get(f"{PREFIX}PRESET"), folder)
    for dotted, origin, text in _from_environment(environ):
        stack.put({dotted: _read_value(dotted, text, origin, ConfigError)}, origin)
    stack.put(assigned(assignments), "--set")
    for dotted, (flag, value) in (flags or {}).items():
        stack.put({dotted: value}, flag)
    if named := environ.get(f"{PREFIX}STORE"):
        shared = Path(named)
    return Resolved(_settings(stack), stack.origins, name, store or shared)


def assigned(assignments: tuple[str, ...]) -> dict[str, Any]:
    """`section.field` → value of `--set` options.

    Raises:
        UsageError: one is not written so, or there is no such setting or value.
    """
    found: dict[str, Any] = {}
    for assignment in assignments:
        dotted, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment}: write it as SECTION.FIELD=VALUE")
        if dotted not in names():
            near = suggestion(dotted, _candidates(dotted))
            raise UsageError(f"--set {assignment}: there is no setting {dotted!r}{near}")
        found[dotted] = _read_value(dotted, text, f"--set {dotted}", UsageError)
    return found


def names() -> list[str]:
    """Every setting as `section.field`."""
    return list(flatten(Settings().model_dump(mode="json"), Settings))


def flatten(data: Mapping[str, Any], model: type[BaseModel], above: tuple[str, ...] = ()) -> dict[str, Any]:
    """Nested settings → `section.field`: value; keys of the file that are no settings are left out."""
    known = fields_at(model, above)
    flat: dict[str, Any] = {}
    for key, value in data.items():
        path = (*above, key)
        if key not in known:
            continue
        if isinstance(value, Mapping) and fields_at(model, path):
            flat |= flatten(value, model, path)
        elif value != {}:
            flat[".".join(path)] = value
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`section.field`: value → nested settings."""
    data: dict[str, Any] = {}
    for dotted, value in flat.items():
        *above, last = dotted.split(".")
        here = data
        for key in above:
            here = here.setdefault(key, {})
        here[last] = value
    return data


def refuse_personal(document: Document) -> None:
    """Check that a file from anybody runs no program and accepts no licence.

    Raises:
        ConfigError: it does; one line per setting, each with its place.
    """
    given = flatten(document.fitted(Settings), Settings)
    there = [name for name in PERSONAL if given.get(name)]
    lines = [f"{document.at(tuple(name.split('.')))}: {refusal(name)}" for name in there]
    if lines:
        raise ConfigError("\n".join(lines))


def refusal(dotted: str) -> str:
    """The error for a personal setting in a file that may come from anybody."""
    return (
        f"{dotted} is not allowed here, since it runs a program, accepts a licence or signs; use --set, "
        f"{variable(dotted)} or your own {user_config()}"
    )


def shipped() -> Path:
    """The folder of the presets that come with the package."""
    return Path(str(resources.files("dubcli"))) / "presets"


def presets() -> dict[str, Path]:
    """Name → file of every preset that comes with the package."""
    return {path.stem: path for path in sorted(shipped().glob("*.yaml"))}


def preset_path(name: str) -> Path:
    """The file of a preset given by name or by path.

    Raises:
        ConfigError: there is none.
    """
    if name in presets():
        return presets()[name]
    path = Path(name).expanduser()
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        return path
    raise ConfigError(f"no preset is called {name!r}{suggestion(name, presets())}")


def user_config() -> Path:
    """The user's own config file, which need not exist."""
    import platformdirs

    return Path(platformdirs.user_config_path("dubcli")) / "config.toml"


def variable(dotted: str) -> str:
    """The environment variable that sets `section.field`."""
    return PREFIX + dotted.replace(".", "_").upper()


def _put_files(stack: _Stack, preset: str | None, folder: Path | None) -> tuple[str, Path | None]:
    """Read the preset and the config files over it; returns the preset's name and the store they name."""
    files = list(_config_files(folder))
    name = preset or next((data.preset for _, data, _ in files if data.preset), None) or DEFAULT_PRESET
    path = preset_path(name)
    chosen = read(path)
    chosen.model(Preset)
    refuse_personal(chosen)
    stack.put(
        flatten(chosen.fitted(Preset), Settings), f"preset {name if path.parent == shipped() else path}"
    )
    store = None
    for document, data, label in reversed(files):
        stack.put(flatten(document.fitted(ConfigFile), Settings), label)
        if data.store:
            store = Path(document.name).parent / Path(data.store).expanduser()
    return name, store


def _config_files(folder: Path | None) -> Iterator[tuple[Document, ConfigFile, str]]:
    """The config files that exist, strongest first."""
    places = [(folder / "dubcli.toml", "")] if folder is not None else []
    for path, label in [*places, (user_config(), "user config ")]:
        if path.is_file():
            document = read(path)
            data = document.model(ConfigFile)
            if not label:
                refuse_personal(document)
            yield document, data, f"{label}{path}"


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    known = {variable(name): name for name in names()}
    sections = tuple(f"{PREFIX}{section.upper()}_" for section in Settings.model_fields)
    for key in sorted(name for name in environ if name.startswith(PREFIX)):
        if key in known:
            yield known[key], key, environ[key]
            continue
        mistyped = key.startswith(sections) or difflib.get_close_matches(key, [*known, *_NAMED], 1, _NEAR)
        if mistyped and key not in _NAMED:
            raise ConfigError(f"{key}: no such setting{suggestion(key, [*known, *_NAMED])}")


def _read_value(dotted: str, text: str, origin: str, error: type[DubError]) -> Any:
    """A value typed as text: parsed as YAML, or used unchanged where the setting is text."""
    path = tuple(dotted.split("."))

    def problems(value: Any) -> list[str]:
        # What does not go together with other settings is known when all of them are.
        found = problems_of(nest({dotted: value}), Settings)
        return [problem for keys, problem in found if keys[: len(path)] == path]

    try:
        value = yamltext.value(text)
    except (yaml.YAMLError, RecursionError):
        value = text
    if not (wrong := problems(value)):
        return value
    if not problems(text):
        return text
    raise error(f"{origin}: {wrong[0]}")


def _candidates(key: str) -> list[str]:
    """Settings to suggest for a mistyped one: those of its section, or with its last word, or all."""
    section, _, last = key.rpartition(".")
    same = [name for name in names() if section and name.startswith(f"{section}.")]
    return same or [name for name in names() if name.endswith(f".{last}")] or names()


def _settings(stack: _Stack) -> Settings:
    made = attempt(nest(stack.values), Settings)
    if isinstance(made, Settings):
        return made
    keys, text = made[0]
    place = ".".join(map(str, keys))
    origins = [one for name, one in stack.origins.items() if name == place or name.startswith(f"{place}.")]
    if flag := next((one for one in origins if one.startswith("-")), ""):
        raise UsageError(f"{flag}: {text}")
    raise ConfigError(f"{origins[-1] if origins else 'settings'}: {text}")


def describe(dotted: str) -> str:
    """The description of a setting from its model, "" where there is none."""
    model: type[BaseModel] = Settings
    *above, last = dotted.split(".")
    for key in above:
        annotation = model.model_fields[key].annotation
        assert isinstance(annotation, type)
        model = annotation
    return model.model_fields[last].description or ""
