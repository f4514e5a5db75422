"""The documentation names every setting, metric and rule of the check that there is."""

import re
from dataclasses import fields
from pathlib import Path

from pdp.config import Settings

ROOT = Path(__file__).resolve().parents[3]
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
POLICIES = (ROOT / "docs/policies.md").read_text(encoding="utf-8")


def test_every_setting_is_documented() -> None:
    settings = {field.name for field in fields(Settings) if field.metadata}
    assert settings
    assert not {name for name in settings if f"`{name}`" not in OPERATIONS}


def test_every_metric_is_documented() -> None:
    named = re.findall(r'"(pdp_\w+)"', (ROOT / "pdp/core/src/metrics.rs").read_text(encoding="utf-8"))
    assert named
    assert not {name for name in named if f"`{name}`" not in OPERATIONS}
    assert not set(re.findall(r"`(pdp_\w+)`", OPERATIONS)) - set(named)


def test_every_rule_of_the_policy_check_is_documented() -> None:
    sources = (file.read_text(encoding="utf-8") for file in (ROOT / "pdp/policy/check").glob("*.py"))
    text = "\n".join(sources)
    rules = {
        rule for found in re.findall(r"Rules? (`[^:]*):", text) for rule in re.findall(r"`([\w-]+)`", found)
    }
    assert rules
    assert not {rule for rule in rules if f"`{rule}`" not in POLICIES}
