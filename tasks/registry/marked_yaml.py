"""YAML of which each part knows the line that it stands in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from tasks.errors import BadInput

# Of lists and mappings in each other. libyaml's composer ends the process where it is endless.
DEEPEST = 50
# In C where it is there: thousands of bots are then read in a fraction of a second.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong; line: counted from 1."""

    line: int
    what: str


@dataclass(frozen=True)
class MarkedYaml:
    """What a file says.

    tree: as plain lists, mappings and values. root: the same with its lines; None for no content.
    repeated: keys that stand twice in a mapping, of which YAML's readers drop the first in silence.
    """

    tree: Any
    root: yaml.Node | None
    repeated: tuple[Trouble, ...]

    def line(self, *path: object) -> int:
        """The line of the deepest part of the path that exists, counted from 1."""
        node, line = self.root, 1
        for step in path:
            key, node = _child(node, step)
            if node is None:
                break
            line = int((key or node).start_mark.line) + 1
        return line


def read_yaml(path: Path) -> MarkedYaml:
    """What a file says. Raises BadInput for one that cannot be read, naming the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        _refuse_depth(text)
        loader = _Loader(text)
        root = loader.get_single_node()
        # Before it is made plain: that puts what `<<` brings among the keys.
        repeated = tuple(_repeated(root))
        return MarkedYaml(loader.construct_document(root) if root else None, root, repeated)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: the registry cannot be read ({error})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise BadInput(f"{path}{where}: the registry is no YAML ({reason}): mend it") from error
    except ValueError as error:  # what looks like a date and is none, such as 2026-99-99
        raise BadInput(f"{path}: the registry is no YAML ({error}): put dates in quotes") from error


def _refuse_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise yaml.composer.ComposerError(
                problem=f"over {DEEPEST} lists in each other", problem_mark=event.start_mark
            )


def _repeated(root: yaml.Node | None) -> Iterator[Trouble]:
    waiting, met = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, yaml.CollectionNode) or id(node) in met:
            continue
        met.add(id(node))  # by aliases a node may hold itself
        if isinstance(node, yaml.MappingNode):
            yield from _twice(node)
            waiting += [value for _, value in node.value]
        else:
            waiting += node.value


def _twice(mapping: yaml.MappingNode) -> Iterator[Trouble]:
    first: dict[str, int] = {}
    for key, _ in mapping.value:
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if key.value in first:
                said = f"{key.value[:40]} stands in line {first[key.value]} already"
                yield Trouble(line, said)
            first.setdefault(key.value, line)


def _child(node: yaml.Node | None, step: object) -> tuple[yaml.Node | None, yaml.Node | None]:
    """The key and the value below a node, or None and None."""
    if isinstance(node, yaml.MappingNode):
        # The last: what `<<` brought stands before what replaces it.
        found = [pair for pair in node.value if pair[0].value == str(step)][-1:]
        return found[0] if found else (None, None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None, None
