"""docs/pricing.md knows every finding and every verdict."""

from __future__ import annotations

import re
from pathlib import Path

from ocpi_hub.clearing import pricing
from ocpi_hub.clearing.pricing import Verdict

PAGE = (Path(__file__).parents[3] / "docs" / "pricing.md").read_text(encoding="utf-8")
CODE = re.compile(r"""(?:add|NotCheckable)\(\s*"([a-z_]+)\"""")


def test_every_code_of_a_finding_is_on_the_page() -> None:
    sources = Path(pricing.__file__).parent.glob("*.py")
    codes = {code for each in sources for code in CODE.findall(each.read_text(encoding="utf-8"))}
    assert len(codes) > 30
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()


def test_every_verdict_is_on_the_page() -> None:
    assert all(f"| `{each}` |" in PAGE for each in Verdict)
