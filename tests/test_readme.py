"""The README's tables are those that the registry gives."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def writer():
    spec = importlib.util.spec_from_file_location("readme", ROOT / "docs" / "readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("block", ["entries", "axes"])
def test_tables_are_those_of_the_registry(writer, block):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"<!-- {block} -->\n(.*?)\n<!-- /{block} -->", text, flags=re.S)
    assert found == getattr(writer, block)(), "run: make readme, or python docs/readme.py --tables-only"
