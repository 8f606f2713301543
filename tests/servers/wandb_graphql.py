"""Answers GraphQL from plain values, without a schema: enough for clients whose queries are right.

A value is a mapping from field to value, a list of such, or plain. A field's value can be a
function: it gets the field's arguments by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    value_from_ast_untyped,
)


class Unknown(KeyError):
    """A field that the stand-in has no answer for."""


def answer(query: str, variables: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """The selected part of `root`. Raises Unknown for a field that it does not hold."""
    document = parse(query)
    (operation,) = (d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    return _Selector(document, variables).select(operation.selection_set, root)


class _Selector:
    def __init__(self, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self.variables = dict(variables)
        self.fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }

    def select(self, selection: SelectionSetNode | None, value: Any) -> Any:
        if selection is None or value is None:
            return value
        if isinstance(value, list):
            return [self.select(selection, each) for each in value]
        chosen: dict[str, Any] = {}
        for node in self.fields(selection):
            key = (node.alias or node.name).value
            found = self.select(node.selection_set, self.value_of(node, value))
            # Fragments may ask for parts of one field each.
            chosen[key] = {**chosen.get(key, {}), **found} if isinstance(found, dict) else found
        return chosen

    def fields(self, selection: SelectionSetNode) -> Iterator[FieldNode]:
        for node in selection.selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, FragmentSpreadNode):
                yield from self.fields(self.fragments[node.name.value].selection_set)
            else:
                yield from self.fields(node.selection_set)

    def value_of(self, node: FieldNode, parent: Mapping[str, Any]) -> Any:
        name = node.name.value
        if name not in parent:
            raise Unknown(f"{name} of {sorted(parent)}")
        value: Any | Callable[..., Any] = parent[name]
        if not callable(value):
            return value
        arguments = {
            given.name.value: value_from_ast_untyped(given.value, self.variables)
            for given in node.arguments or ()
        }
        return value(**arguments)
