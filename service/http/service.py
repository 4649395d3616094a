"""What the routes work on: the pack, its workers, and each tenant's state, policies and evidence."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import CapacityLimiter

from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.presidio_names import entity_names
from dlpagent.classifiers.sit import Pack
from dlpagent.errors import ConfigurationError
from dlpagent.evidence import Evidence
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.policy import Policy
from dlpagent.ports import Classifier
from dlpagent.service.http.api_keys import KEY_FILE, ApiKeys, load_service_secret
from dlpagent.service.http.classifying import Lanes, WaitingClassifier, Workers
from dlpagent.service.http.settings import ServeSettings, TenantSettings
from dlpagent.service.packs import load_packs
from dlpagent.service.session import read_policy
from dlpagent.service.settings import Home
from dlpagent.state import State, open_state
from dlpagent.violations import ZERO_TENANT

if TYPE_CHECKING:
    from dlpagent.service.redact.operators import Cipher


FILES_AT_ONCE = 4
"""Uploaded files that are read side by side; others wait."""


@dataclass(slots=True)
class Tenant:
    """All that belongs to one tenant. policies: by id.

    waiting: for code in a thread; lanes: for the event loop. Both have the same workers.
    """

    id: str
    state: State
    evidence: Evidence
    classifier: Classifier
    workers: Workers
    lanes: Lanes
    policies: dict[str, Policy]
    deciders: dict[str, PolicyDecider]
    cipher_key: Path
    keys: ApiKeys
    labels: str | None = None

    def cipher(self, *, make: bool) -> Cipher | None:
        """The tenant's key of ciphertexts; made when wanted. Raises ConfigurationError, StateError."""
        from dlpagent.service.redact.operators import Cipher

        return Cipher.of_file(self.cipher_key) if make or self.cipher_key.exists() else None

    @property
    def waiting(self) -> Classifier:
        """The classifier for code that runs in a thread and waits."""
        return WaitingClassifier(self.workers, self.classifier)


@dataclass(slots=True)
class Service:
    """An open service. Made by open_service(); closed with close().

    entities: SIT id → Presidio's name for it.
    """

    settings: ServeSettings
    home: Home
    pack: Pack
    tenants: dict[str, Tenant]
    secret: bytes = field(repr=False)
    entities: dict[str, str] = field(default_factory=dict, repr=False)
    is_ready: bool = False
    uploads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(FILES_AT_ONCE))
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def main(self) -> Tenant:
        """The first tenant."""
        return next(iter(self.tenants.values()))

    def warm_up(self) -> None:
        """Make the classifiers ready; until then /readyz says no."""
        for tenant in self.tenants.values():
            tenant.workers.warm_up()
        self.is_ready = True

    def close(self) -> None:
        """End the workers and let go of the states."""
        self._stack.close()


def open_service(settings: ServeSettings) -> Service:
    """Open pack, states and policies. Raises DlpAgentError before anything is served."""
    home = Home.of_environment()
    cache = home.path / "cache"
    pack = load_packs(settings.packs, settings.profile, cache, settings.ner)  # type: ignore[arg-type]
    secret = load_service_secret(home.path / KEY_FILE)
    stack = ExitStack()
    try:
        tenants = {
            each.id: _tenant(each, settings, home, pack, secret, stack) for each in settings.tenants
        }
    except BaseException:
        stack.close()
        raise
    places = [tenant.state.place for tenant in tenants.values()]
    if len(set(places)) != len(places):
        stack.close()
        raise ConfigurationError(
            "two tenants have the same state", where="tenants", expected="a state for each"
        )
    return Service(settings, home, pack, tenants, secret, entity_names(pack), _stack=stack)


def folder_of(wanted: TenantSettings, home: Home) -> Path:
    """Where a tenant's keys lie: the installation's own folder where there is only one tenant."""
    return home.path if wanted.id == ZERO_TENANT else home.path / "tenants" / wanted.id


def place_of(wanted: TenantSettings, home: Home) -> str | Path:
    """Where a tenant's state lies; its folder is made if needed."""
    if wanted.state is not None:
        return wanted.state
    place = folder_of(wanted, home) / home.state.name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _tenant(
    wanted: TenantSettings,
    settings: ServeSettings,
    home: Home,
    pack: Pack,
    secret: bytes,
    stack: ExitStack,
) -> Tenant:
    folder = folder_of(wanted, home)
    evidence = home.evidence(wanted.key_file or folder / home.key_file.name)
    state = stack.enter_context(open_state(place_of(wanted, home)))
    classifier = classifier_of(pack, evidence, home.path / "cache")
    workers = Workers(classifier, settings.workers)
    stack.callback(workers.close)
    policies = [read_policy(name, pack, wanted.labels) for name in wanted.policies]
    by_id = {policy.ref().id: policy for policy in policies}
    if len(by_id) != len(policies):
        raise ConfigurationError(
            "two policies of a tenant have the same id", where=wanted.id, expected="each id once"
        )
    return Tenant(
        wanted.id,
        state,
        evidence,
        classifier,
        workers,
        Lanes(workers, settings.limits.waiting_chars),
        by_id,
        {ident: PolicyDecider(policy) for ident, policy in by_id.items()},
        folder / "cipher.key",
        ApiKeys(wanted.id, state, secret),
        wanted.labels,
    )
