"""The whole permission vocabulary of the product. Being admin does not imply approving (architecture.md section 6)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import TextChoices

from apps.core.errors import NotAllowed

if TYPE_CHECKING:
    from apps.core.models import Entity, User


class Role(TextChoices):
    FINANCE = "finance", "Finance"
    ECOMMERCE = "ecommerce", "Ecommerce"
    OPS = "ops", "Operations"
    ADMIN = "admin", "Admin"
    VIEWER = "viewer", "Viewer"


class Team(TextChoices):
    """Who owns a queue. A team's queue is read by its own role, by admins and by viewers; only its own role acts on it."""

    FINANCE = "finance", "Finance"
    ECOMMERCE = "ecommerce", "Ecommerce"
    OPS = "ops", "Operations"
    ADMIN = "admin", "Admin"


@dataclass(frozen=True, kw_only=True)
class Permission:
    """`does` completes "Your role cannot …" and "… can do this"."""

    name: str
    does: str
    roles: frozenset[Role]


PERMISSIONS: list[Permission] = []


def _permission(name: str, does: str, *roles: Role) -> Permission:
    PERMISSIONS.append(Permission(name=name, does=does, roles=frozenset(roles)))
    return PERMISSIONS[-1]


READ_MONEY = _permission("money.read", "read settlements and journals", Role.FINANCE, Role.ADMIN, Role.VIEWER)
TAKE_FILES = _permission("files.take", "upload files", Role.FINANCE, Role.ADMIN)
MAP_FEES = _permission("fees.map", "map fees to accounts", Role.FINANCE)
KEEP_CHAINS = _permission("chains.keep", "confirm or change reserve chains", Role.FINANCE)
APPLY_CHART = _permission("chart.apply", "apply a chart of accounts or close an account", Role.FINANCE, Role.ADMIN)
APPROVE_JOURNALS = _permission("journals.approve", "approve journals", Role.FINANCE)
EXPORT_JOURNALS = _permission("journals.export", "export journals", Role.FINANCE)
LOCK_PERIODS = _permission("periods.lock", "lock months or ask for one to be unlocked", Role.FINANCE)
POST_LATER = _permission("journals.post-later", "post what waits for a locked month in a later one", Role.FINANCE)
CONFIRM_UNLOCK = _permission("periods.unlock", "unlock months that somebody else asked for", Role.FINANCE, Role.ADMIN)
SET_SECOND_PERSON = _permission("company.second-person", "say which changes take a second person", Role.ADMIN)
SET_ONE_PERSON = _permission("company.one-person", "allow one person to map and approve", Role.ADMIN)
KEEP_PEOPLE = _permission("people.keep", "invite people or change their roles", Role.ADMIN)
READ_JOBS = _permission("jobs.read", "read background work", Role.FINANCE, Role.OPS, Role.ADMIN, Role.VIEWER)
RUN_JOBS = _permission("jobs.run", "run or stop background work", Role.OPS, Role.ADMIN)
KEEP_CONNECTIONS = _permission("connections.keep", "connect systems or change their schedules", Role.ADMIN)
READ_RUNS = _permission("runs.read", "read connections and sync runs", Role.OPS, Role.ADMIN, Role.VIEWER)
READ_ORDERS = _permission("orders.read", "read orders and listings", *Role)
READ_BUYERS = _permission("buyers.read", "read buyers' names and addresses", Role.OPS, Role.ADMIN)
WORK_ORDERS = _permission("orders.work", "route, release or cancel orders", Role.OPS, Role.ECOMMERCE)
KEEP_ORDER_SETTINGS = _permission("orders.settings", "set how long buyers' data is kept", Role.ADMIN)
MAP_SKUS = _permission("skus.map", "map SKUs to items", Role.ECOMMERCE)
READ_STOCK = _permission("stock.read", "read stock", *Role)
KEEP_STOCK = _permission("stock.keep", "set stock buffers", Role.ECOMMERCE)
SIGN_CHECKS = _permission("checks.sign", "sign the daily check", Role.OPS)
SIGN_VARIANCE = _permission("variance.sign", "sign the inventory variance review", Role.ECOMMERCE)
SIGN_PAYOUTS = _permission("payouts.sign", "sign the payout reconciliation", Role.FINANCE)
END_SHIFTS = _permission(
    "shifts.end", "end a shift or take one over", Role.FINANCE, Role.ECOMMERCE, Role.OPS, Role.ADMIN
)
KEEP_CALENDAR = _permission("calendar.keep", "keep the company's working days", Role.OPS, Role.ADMIN)
IMPORT_SHEETS = _permission("sheets.import", "import spreadsheets", Role.ADMIN, Role.ECOMMERCE, Role.FINANCE)
IMPORT_ITEMS = _permission("sheets.items", "import items", Role.ADMIN, Role.ECOMMERCE)
IMPORT_MAPPINGS = _permission("sheets.sku-mappings", "import SKU mappings", Role.ADMIN, Role.ECOMMERCE)
IMPORT_RULES = _permission("sheets.gl-rules", "import GL rules", Role.ADMIN, Role.FINANCE)
IMPORT_STOCK = _permission("sheets.erp-stock", "import ERP stock", Role.ADMIN, Role.ECOMMERCE)
READ_ALERTS = _permission("alerts.read", "read alerts", *Role)
KEEP_ALERTS = _permission(
    "alerts.keep", "keep the channels of alerts", Role.FINANCE, Role.ECOMMERCE, Role.OPS, Role.ADMIN
)
SET_MEASURES = _permission("alerts.measures", "set from when on alerts are sent", Role.ADMIN)
READ_AUDIT = _permission("audit.read", "read the audit trail", *Role)


def check_may(actor: "User", permission: Permission, entity: "Entity") -> None:
    """Refuse what the person's roles in the company do not include, in words that say whose do."""
    if not actor.may(permission, entity.pk):
        roles = " and ".join(sorted(role.label for role in permission.roles))
        raise NotAllowed(f"{actor.name} cannot {permission.does} at {entity.name}. {roles} can. Nothing was changed.")


def teams_seen_by(role: Role) -> frozenset[Team]:
    """The queues that a role reads."""
    return frozenset(Team) if role in (Role.ADMIN, Role.VIEWER) else frozenset({Team(role.value)})


def works_for(role: Role, team: Team) -> bool:
    """Whether people of this role act on the team's cases."""
    return role.value == team.value
