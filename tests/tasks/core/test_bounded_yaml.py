from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.bounded_yaml import MAX_DEPTH, load_yaml
from tasks.core.errors import BadInput

LAUGHS = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 200_000, ":1: the registry is not YAML that can be used (nested deeper"),
        (
            "a: 1\nb: " + "{c: " * 200_000,
            ":2: the registry is not YAML that can be used (nested deeper",
        ),
        (LAUGHS, "entries with what aliases stand for"),
        ("a: &a [*a]", "entries with what aliases stand for"),
        (
            "a: 1\nb: !!python/object/apply:os.system [ls]",
            ":2: the registry is not YAML that can be used (could not determine",
        ),
        (
            "a: 1\n? [b, c]\n: 2",
            ":2: the registry is not YAML that can be used (a list or a mapping is no key",
        ),
        (
            "a: 1\nb:\n  c: 1\n  c: 2",
            ":4: the registry is not YAML that can be used ('c' is given twice",
        ),
        ("when: 2026-99-99", "month must be in 1..12"),
        (
            "a: 1\nb: 1" + ":00" * 1_000_000,
            ":2: the registry is not YAML that can be used (a number",
        ),
        ("a: 1\nb: " + "1" * 1_000_000, ":2: the registry is not YAML that can be used (a number"),
        (
            "a: 1\nb: .1" + "1" * 1_000_000,
            ":2: the registry is not YAML that can be used (a number",
        ),
        ("a: [1, 2", ":2: the registry is not YAML"),
        ("a: *nothing", ":1: the registry is not YAML that can be used (found undefined alias"),
        ("\x00", "is not YAML that can be used"),
    ],
)
def test_what_is_not_understood_is_one_line_with_its_place(
    text: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        load_yaml(path, "registry")
    message = str(refused.value)
    assert problem in message
    assert message.startswith(f"{path}:")
    assert "\n" not in message


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load_yaml(tmp_path / "gone.yaml", "registry")
    (tmp_path / "file.yaml").write_bytes(b"a: \xff")
    with pytest.raises(BadInput, match="cannot be read"):
        load_yaml(tmp_path / "file.yaml", "registry")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc: -#", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=MAX_DEPTH // 2,
)


@given(plain)
def test_all_else_is_what_yaml_says(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    path = tmp_path_factory.mktemp("yaml") / "file.yaml"
    path.write_text(yaml.safe_dump(value), encoding="utf-8")
    assert load_yaml(path, "registry")[0] == value


def test_aliases_and_merged_defaults_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("base: &b {a: 1, b: 2}\nown: {<<: *b, b: 3}\nsame: *b\n", encoding="utf-8")
    value, root = load_yaml(path, "registry")
    assert value == {"base": {"a": 1, "b": 2}, "own": {"a": 1, "b": 3}, "same": {"a": 1, "b": 2}}
    assert root is not None
    assert root.value[1][0].start_mark.line == 1
