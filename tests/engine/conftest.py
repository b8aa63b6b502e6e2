"""Hypothesis profiles: `HYPOTHESIS_PROFILE=deep` searches for minutes."""

import os

from hypothesis import HealthCheck, settings

COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("quick", max_examples=200, **COMMON)  # type: ignore[arg-type]
settings.register_profile("deep", max_examples=20_000, **COMMON)  # type: ignore[arg-type]
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
