"""All routes of the console; the app serves them when this package is there."""

from __future__ import annotations

from dlpagent.service.console import signing_in, stocktaking, triaging, tuning, watching, workbench

ROUTES = (
    *signing_in.ROUTES,
    *watching.ROUTES,
    *triaging.ROUTES,
    *stocktaking.ROUTES,
    *workbench.ROUTES,
    *tuning.ROUTES,
)
