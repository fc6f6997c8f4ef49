"""The Lua scripts: atomic application of decisions that Python made. See each file's head."""

from functools import cache
from importlib.resources import files


@cache
def source(name: str) -> str:
    """The text of NAME.lua."""
    return files(__name__).joinpath(f"{name}.lua").read_text()
