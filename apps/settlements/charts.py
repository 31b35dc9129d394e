"""Charts of accounts with tax and mapping, shipped as JSON (fixtures/charts), applied by a person."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import Model

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import APPLY_CHART, check_may
from apps.exceptions.sweep import sweep_each
from apps.exceptions.types import Scope
from apps.ledger.models import Account, TaxClass, TaxCode, TaxRule
from apps.settlements import causes, journals
from apps.settlements.models import FeeRule
from apps.settlements.resolutions import lock_mapping, resolve, span_of
from apps.settlements.rules import FIELDS, Signature, Span

FOLDER = Path(settings.BASE_DIR) / "fixtures" / "charts"


Create = Callable[[type[Model], list], list]
"""Saves new rows of a model, or only hands them on where nothing is to be written."""


@dataclass
class Applied:
    """What a chart added, by kind, and what it left as a person had it, in words."""

    chart: str
    entity: Entity
    added: dict[str, int] = field(
        default_factory=lambda: {"accounts": 0, "tax codes": 0, "tax classes": 0, "tax rules": 0, "mapping rules": 0}
    )
    left_alone: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        if not any(self.added.values()):
            return f"{self.entity.name} has all of chart {self.chart}. Nothing to do."
        counts = ", ".join(f"{count} {name}" for name, count in self.added.items() if count)
        return f"Chart {self.chart} is applied to {self.entity.name}: added {counts}."


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def preview(*, chart: str, entity: Entity, actor: User) -> Applied:
    """What `apply_chart` would add and leave alone now. Writes nothing."""
    _check(chart, entity, actor)
    return _fill(chart, entity, actor, lambda model, rows: rows)


@transaction.atomic
def apply_chart(*, chart: str, entity: Entity, actor: User) -> Applied:
    """Add what the company lacks of a chart, rebuild its drafts and sweep. What is there already is never changed.

    Raises Refused for an unknown chart, NotAllowed without the permission. Applied twice, the second time adds nothing.
    """
    _check(chart, entity, actor)
    lock_mapping(entity.pk)
    applied = _fill(chart, entity, actor, lambda model, rows: model.objects.bulk_create(rows))
    if not any(applied.added.values()):
        return applied
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="chart.applied",
        subject=f"entity:{entity.pk}",
        after={"chart": chart, "added": applied.added, "left alone": applied.left_alone},
    )
    resolve(entity, None)
    journals.rebuild(
        [version.pk for version in journals.buildable(entity)], because=f"{actor.name} applied chart {chart}."
    )
    sweep_each({code: Scope(entity=entity) for code in causes.JOURNALS})
    return applied


def _check(chart: str, entity: Entity, actor: User) -> None:
    if chart not in names():
        raise Refused(f"There is no chart {chart}. The charts are {', '.join(names())}.", code="chart-unknown")
    check_may(actor, APPLY_CHART, entity)


def _fill(chart: str, entity: Entity, actor: User, create: Create) -> Applied:
    content = json.loads((FOLDER / f"{chart}.json").read_text())
    applied = Applied(chart, entity)
    accounts = _accounts(content, applied, create)
    codes = _tax_codes(content, accounts, applied, create)
    classes = _tax_classes(content, codes, applied, create)
    _rules(content, accounts, classes, actor, applied, create)
    return applied


def _accounts(content: dict, applied: Applied, create: Create) -> dict[str, Account]:
    known = {account.code: account for account in Account.objects.filter(entity=applied.entity)}
    roles = {account.role: account for account in known.values() if account.role}
    new = []
    for row in content["accounts"]:
        code, role = row["code"], row.get("role", "")
        there = known.get(code)
        if there is None:
            if role in roles:
                applied.left_alone.append(
                    f"Role {role} stays with {roles[role]}; the chart gives it to {code} {row['name']}."
                )
                role = ""
            new.append(Account(entity=applied.entity, code=code, name=row["name"], kind=row["kind"], role=role))
        elif (there.name, there.kind, there.role) != (row["name"], row["kind"], role):
            applied.left_alone.append(f"Account {there} stays as it is; the chart calls it {code} {row['name']}.")
    applied.added["accounts"] = len(new)
    return known | {account.code: account for account in create(Account, new)}


def _tax_codes(content: dict, accounts: dict[str, Account], applied: Applied, create: Create) -> dict[str, TaxCode]:
    known = {code.code: code for code in TaxCode.objects.filter(entity=applied.entity)}
    new = []
    for row in content["tax_codes"]:
        wanted = TaxCode(
            entity=applied.entity,
            code=row["code"],
            name=row["name"],
            rate=row["rate"],
            account=accounts.get(row.get("account")),
        )
        there = known.get(row["code"])
        if there is None:
            new.append(wanted)
        elif f"{there.rate:f}".rstrip("0").rstrip(".") != row["rate"] or there.account_id != wanted.account_id:
            applied.left_alone.append(
                f"Tax code {there.code} stays as it is, {there.name}; the chart's is {wanted.name}."
            )
    applied.added["tax codes"] = len(new)
    return known | {code.code: code for code in create(TaxCode, new)}


def _tax_classes(content: dict, codes: dict[str, TaxCode], applied: Applied, create: Create) -> dict[str, TaxClass]:
    """New classes with their rules. A class that is there keeps the rules it has: a person may have chosen them."""
    known = {found.name: found for found in TaxClass.objects.filter(entity=applied.entity)}
    new = {
        row["name"]: TaxClass(entity=applied.entity, name=row["name"], default_leg=row["default_leg"])
        for row in content["tax_classes"]
        if row["name"] not in known
    }
    create(TaxClass, list(new.values()))
    rules = [
        TaxRule(tax_class=new[row["name"]], leg=rule["leg"], period=_period(rule), tax_code=codes[rule["code"]])
        for row in content["tax_classes"]
        if row["name"] in new
        for rule in row["rules"]
    ]
    create(TaxRule, rules)
    applied.added |= {"tax classes": len(new), "tax rules": len(rules)}
    return known | new


def _rules(
    content: dict,
    accounts: dict[str, Account],
    classes: dict[str, TaxClass],
    actor: User,
    applied: Applied,
    create: Create,
) -> None:
    entity = applied.entity
    known: dict[Signature, list[tuple[FeeRule, Span]]] = {}
    for row in FeeRule.objects.in_force().filter(entity=entity).select_related("account"):
        known.setdefault(Signature.of(row), []).append((row, span_of(row.period)))
    undone = {Signature.of(row) for row in FeeRule.objects.filter(entity=entity, account=None)}
    new = []
    for group in content["rules"]:
        account, tax_class = accounts[group["account"]], classes[group["tax_class"]] if "tax_class" in group else None
        for pattern in _patterns(group):
            wanted = FeeRule(
                entity=entity,
                **pattern,
                period=_period(group),
                account=account,
                tax_class=tax_class,
                source=f"chart:{applied.chart}",
                made_by=actor,
            )
            same, span = Signature.of(wanted), span_of(wanted.period)
            there = next((row for row, other in known.get(same, ()) if other.meets(span)), None)
            if there and (there.account_id, there.tax_class_id) != (account.pk, tax_class.pk if tax_class else None):
                applied.left_alone.append(f"{wanted} stays with {there.account}; the chart maps it to {account}.")
            elif there is None and same in undone:
                applied.left_alone.append(f"{wanted} stays unmapped: that was undone; the chart maps it to {account}.")
            elif there is None and account.closed_at:
                applied.left_alone.append(f"{wanted} gets no rule: {account} is closed.")
            elif there is None:
                new.append(wanted)
    applied.added["mapping rules"] = len(create(FeeRule, new))


def _patterns(group: dict) -> Iterator[dict[str, str]]:
    """A group of rules names lists of values; each combination is one rule. What it does not name matches anything."""
    for values in product(*(group.get(name, [""]) for name in FIELDS)):
        yield dict(zip(FIELDS, values, strict=True))


def _period(row: dict) -> DateRange:
    since, until = (date.fromisoformat(row[name]) if name in row else None for name in ("since", "until"))
    return DateRange(since, until, "[)")
