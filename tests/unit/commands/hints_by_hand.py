"""Hints about secrets of the service, made by hand for the commands that print them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

HINT = "bat2influx has its secret in a credential"


def give_hint(monkeypatch: pytest.MonkeyPatch, command: ModuleType) -> list[dict[str, Any]]:
    """Give the module of a command one hint; return the options with which it asks for hints."""
    asked: list[dict[str, Any]] = []

    def hints(_settings: object, _environment: object, **options: Any) -> list[str]:
        asked.append(options)
        return [HINT]

    monkeypatch.setattr(command, "unreadable_secrets", hints)
    return asked
