"""YAML from outside: its depth, its size and its aliases are bounded before anything is built.

PyYAML builds nodes by recursion, which a deep text ends in a crash of the process, and an alias is
as small as it is: nine lists of nine aliases each are a billion entries for whoever walks them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from tasks.core.errors import BadInput

MAX_BYTES = 10_000_000
MAX_DEPTH = 30
# Of all nodes, with what aliases stand for counted as often as they occur.
MAX_NODES = 1_000_000
# Numbers and dates: Python takes time quadratic in the length of one, and YAML's `1:00:00:00` too.
MAX_NUMBER = 100
_TEXTS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:binary")


# The C loader, where there is one, reads thousands of bots in a fraction of a second.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc]  # its types are a package of their own
    """Refuses a key that is given twice, instead of taking the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        own = {pair[0].value for pair in node.value if isinstance(pair[0], yaml.ScalarNode)}
        if len(own) < len(node.value):
            seen = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise _fault("a list or a mapping is no key", key)
                if key.value in seen:
                    raise _fault(f"{key.value[:40]!r} is given twice", key)
                seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found


def load_yaml(path: Path, what: str) -> tuple[Any, yaml.Node | None]:
    """The values of a YAML file, and its nodes, which know their lines.

    what: the file is, for messages. Raises BadInput, which names the file and the line.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path}: the {what} cannot be read ({_reason(error)}): check the path"
        ) from error
    if len(data) > MAX_BYTES:
        raise BadInput(f"{path}: over {MAX_BYTES // 1_000_000} MB, too large for a {what}")
    try:
        _check_depth(text)
        root = yaml.compose(text, Loader=_SafeLoader)
        if root is not None and _size(root, {}) > MAX_NODES:
            raise _fault(f"over {MAX_NODES:,} entries with what aliases stand for", root)
        return yaml.load(text, Loader=_Loader), root  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise BadInput(_unusable(f"{path}{line}", what, error.problem or error.context)) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # such as a date in month 99
        raise BadInput(_unusable(str(path), what, _first_line(error))) from error


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return "it is not UTF-8 text"


def _unusable(where: str, what: str, problem: str) -> str:
    return f"{where}: the {what} is not YAML that can be used ({problem}): correct it"


def _check_depth(text: str) -> None:
    """By events, which PyYAML reads without recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=_SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _fault(f"nested deeper than {MAX_DEPTH} levels", event)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Nodes at and below a node, those of an alias each time that it occurs."""
    if id(node) not in known:
        known[id(node)] = MAX_NODES + 1  # of an alias that contains itself
        children = []
        if isinstance(node, yaml.SequenceNode):
            children = node.value
        elif isinstance(node, yaml.MappingNode):
            children = [part for pair in node.value for part in pair]
        elif node.tag not in _TEXTS and len(node.value) > MAX_NUMBER:
            raise _fault(f"a number of {len(node.value):,} characters", node)
        known[id(node)] = 1 + sum(_size(child, known) for child in children)
    return known[id(node)]


def _fault(problem: str, at: yaml.Node | yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
