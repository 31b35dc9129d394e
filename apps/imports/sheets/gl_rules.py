"""GL rules: which account a kind of fee posts to, from a day on, and how it is taxed. Empty names match any fee."""

from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import Any

from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import F

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import IMPORT_RULES
from apps.exceptions.models import Case
from apps.imports.columns import Cell, Choice, Column, Columns, Day, Fault, Key, Text, nearest
from apps.imports.importable import Effect, Good, Importable, Record, Undoing, Values, register_sheet
from apps.imports.models import Import, ImportRow
from apps.ledger.models import Account, TaxClass
from apps.settlements import causes
from apps.settlements.models import FeeRule, FeeSignature, Treatment
from apps.settlements.operations import PERSON, new_rule
from apps.settlements.resolutions import as_rule, lock_mapping, rules_of
from apps.settlements.rule_versions import Foreseen, Step, change, foresee, take
from apps.settlements.rule_versions import undo as undone
from apps.settlements.rules import FIELDS, clean

NO_TAX = "No tax"
NAMED = 5
FEE_CASE = "settlement.fee-unmapped"


class Name(str):
    """A part of a fee's name: case and surrounding blanks do not tell two apart, as apps.settlements.rules compares them."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and clean(self) == clean(other)

    def __hash__(self) -> int:
        return hash(clean(self))


class Part(Text):
    def empty(self) -> Name:
        return Name("")

    def read(self, value: Any, known: Collection[str]) -> Name:
        return Name(super().read(value, known))

    def same(self, old: str, new: str) -> bool:
        return old == new


class Tax(Cell):
    """A class of fees that is taxed alike, or the words "No tax": leaving it out is no answer."""

    def __init__(self) -> None:
        super().__init__(required=True)

    def read(self, value: Any, known: Collection[str]) -> str:
        text = " ".join(str(value).split())
        return "" if text.casefold() == NO_TAX.casefold() else text

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return value or NO_TAX


class RuleColumns(Columns):
    transaction_type = Column("Transaction type", Part(longest=120), example="Order", hint="Empty matches any")
    amount_type = Column("Amount type", Part(longest=120), example="ItemFees")
    amount_description = Column(
        "Amount description", Part(longest=240), example="FBAPerUnitFulfillmentFee", hint="A * at the end matches any ending"
    )
    marketplace = Column("Marketplace", Part(longest=80), example="Amazon.co.uk")
    treatment = Column(
        "Treatment",
        Choice({label: value for value, label in Treatment.choices if value != Treatment.NONE}, required=False),
        example="Seller",
        hint="Who owes the tax",
    )
    since = Column("From", Day(), example="2026-11-01", hint="Empty: from the beginning")
    account = Column("Account", Key(required=True, longest=20), example="5110")
    tax = Column("Tax class", Tax(), example="FBA fees", hint="Or: No tax")


KEY = (*FIELDS, "since")


def present(entity: Entity) -> Iterable[Record]:
    rows = FeeRule.objects.in_force().filter(entity=entity).order_by(*FIELDS, "period")
    for row in rows.values(
        "id", *FIELDS, since=F("period__startswith"), code=F("account__code"), class_name=F("tax_class__name")
    ).iterator():
        names = {name: Name(row[name]) for name in FIELDS if name != "treatment"}
        yield {**row, **names, "account": row["code"], "tax": row["class_name"] or ""}


def known(entity: Entity) -> dict[str, Collection[str]]:
    return {"account": set(Account.objects.filter(entity=entity).values_list("code", flat=True))}


def checks(entity: Entity):
    accounts = {account.code: account for account in Account.objects.filter(entity=entity)}
    postable = set(Account.objects.postable().filter(entity=entity).values_list("code", flat=True))
    classes = set(TaxClass.objects.filter(entity=entity).values_list("name", flat=True))
    versions: dict[tuple, list[Record]] = {}
    for rule in FeeRule.objects.in_force().filter(entity=entity).values("id", "period", *FIELDS):
        versions.setdefault(_pattern(rule), []).append(rule)
    taken: dict[int, date | None] = {}

    def check(values: Values, record: Record | None) -> Iterator[Fault]:
        moves = record is None or (record["account"], record["tax"]) != (values["account"], values["tax"])
        if values["account"] not in accounts:
            near = nearest(values["account"], accounts, accounts.__getitem__)
            yield Fault(f"Not an account here.{near}", "account")
        elif moves and values["account"] not in postable:
            yield Fault(f"{accounts[values['account']]} takes no fees: it is closed, or the builder's own.", "account")
        if values["tax"] and values["tax"] not in classes:
            near = nearest(values["tax"], classes)
            yield Fault(f"Not a tax class here. Expected one, or “{NO_TAX}”.{near}", "tax")
        if record is None and values["since"] is None:
            yield Fault("Empty. Expected the first day of a new rule.", "since")
        elif record is None or moves:
            cut = record["id"] if record else _in_force(versions, values)
            if cut is not None and taken.setdefault(cut, values["since"]) != values["since"]:
                yield Fault("Another row changes the same rule. Bring one of them in a file of its own.", "since")

    return check


def effect(entity: Entity, good: list[Good]) -> Effect:
    if not good:
        return Effect()
    steps, added, _ = _plan(entity, good, None, "")
    seen = foresee(entity, steps, added)
    closes = _closes(entity, seen)
    comparison = seen.comparison
    lines = [["Journals", f"{comparison.journals:,}", "rebuilt"]] if comparison.journals else []
    if comparison.corrections:
        lines.append(["Corrections", f"{len(comparison.corrections):,}", "of what has left"])
    if comparison.lines:
        lines.append(["Lines that get an account", f"{comparison.lines:,}", comparison.freed_words])
    if comparison.moved:
        lines.append(["Lines that move to another account", f"{comparison.moved:,}", ""])
    if closes:
        lines.insert(0, ["Fees without an account", f"{closes:,}", "exceptions that close"])
    parts = [f"closes {closes:,} exception{'' if closes == 1 else 's'}"] if closes else []
    parts += [f"frees {comparison.freed_words}"] if comparison.freed else []
    return Effect(says=" and ".join(parts), closes=closes, lines=lines, weight=comparison.weight)


def apply(row: Import, good: list[Good], actor: User) -> dict[int, int]:
    """Rules are a person's own, as if mapped on the screen: who imports them does not approve what they map."""
    lock_mapping(row.entity_id)
    if not good:
        return {}
    steps, added, rules = _plan(row.entity, good, actor, f"Imported from {row.name}"[:240])
    take(row.entity, steps, because=f"{actor.name} imported {row.name}.", added=added)
    before = {id(step.new): str(step.old.account) for step in steps}
    AuditEntry.objects.record_all(
        AuditEntry(
            actor=actor,
            actor_name=actor.name,
            entity=row.entity,
            verb="rule.changed" if id(rule) in before else "fee.mapped",
            subject=f"rule:{rule.pk}",
            before={"account": before[id(rule)]} if id(rule) in before else {},
            after={"rule": str(rule), "account": str(rule.account), "source": row.source},
            reason=rule.reason,
        )
        for rule in rules.values()
    )
    return {number: rule.pk for number, rule in rules.items()}


def undoing(row: Import) -> Undoing:
    try:
        steps = _steps_back(row, row.made_by)
    except Refused as refused:
        return Undoing(why_not=[refused.words])
    if not steps:
        return Undoing()
    seen = foresee(row.entity, steps)
    count = f"{len(steps):,} rule{' goes' if len(steps) == 1 else 's go'} back to what was before."
    return Undoing(says=[count, f"That would {seen.comparison.effect}."], weight=seen.comparison.weight)


def undo(row: Import, actor: User) -> None:
    lock_mapping(row.entity_id)
    if steps := _steps_back(row, actor):
        take(row.entity, steps, because=f"{actor.name} undid {row.name}.")
        AuditEntry.objects.record_all(
            AuditEntry(
                actor=actor,
                actor_name=actor.name,
                entity=row.entity,
                verb="rule.undone",
                subject=f"rule:{step.new.pk}",
                before={"rule": str(step.old), "account": str(step.old.account)},
                after={"account": str(step.new.account) if step.new.account else "none"},
                reason=step.new.reason,
            )
            for step in steps
        )


def _plan(
    entity: Entity, good: list[Good], actor: User | None, reason: str
) -> tuple[list[Step], list[FeeRule], dict[int, FeeRule]]:
    """New versions of rules that are there, rules of new patterns, and row number -> the one that the row makes."""
    accounts = {account.code: account for account in Account.objects.filter(entity=entity)}
    classes = {found.name: found for found in TaxClass.objects.filter(entity=entity)}
    in_force = FeeRule.objects.in_force().filter(entity=entity).select_related("entity", "account", "tax_class")
    there = {rule.pk: rule for rule in in_force}
    versions: dict[tuple, list[Record]] = {}
    for rule in there.values():
        named = {name: getattr(rule, name) for name in FIELDS}
        versions.setdefault(_pattern(named), []).append({"id": rule.pk, "period": rule.period})
    steps: list[Step] = []
    added: list[FeeRule] = []
    rules: dict[int, FeeRule] = {}
    known = rules_of(entity)
    # The later of two new rules of one pattern first: the earlier one then ends where it begins.
    for each in sorted(good, key=lambda each: each.values["since"] or date.min, reverse=True):
        says = each.values
        maps_to = {
            "account": accounts[says["account"]],
            "tax_class": classes[says["tax"]] if says["tax"] else None,
            "reason": reason,
            "actor": actor,
        }
        cut = each.record["id"] if each.record else _in_force(versions, says)
        if cut is not None:
            since = None if each.record else says["since"]
            step = change(there[cut], since=since, **maps_to)
            steps.append(step)
            rules[each.number] = step.new
            continue
        pattern = {name: str(says[name]) for name in FIELDS}
        rule = new_rule(entity=entity, pattern=pattern, since=says["since"], rules=known, **maps_to)
        known.append(as_rule(rule))
        added.append(rule)
        rules[each.number] = rule
    return steps, added, rules


def _steps_back(row: Import, actor: User) -> list[Step]:
    made = list(ImportRow.objects.filter(of=row).exclude(record=None).values_list("record", flat=True))
    made_now = FeeRule.objects.filter(pk__in=made).select_related("entity", "account", "tax_class").order_by("pk")
    rules = made_now.prefetch_related("cuts__account", "cuts__tax_class")
    built_upon = [rule for rule in rules if rule.period.isempty or rule.cut_by_id or rule.source != PERSON]
    if built_upon:
        names = ", ".join(str(rule) for rule in built_upon[:NAMED])
        raise Refused(f"Changed or undone since: {names}.", code="not-in-force")
    return [undone(rule, reason=f"{row.name} was undone", actor=actor) for rule in rules]


def _pattern(named: Record) -> tuple:
    return tuple(clean(named[name]) for name in FIELDS)


def _in_force(versions: dict[tuple, list[Record]], values: Values) -> int | None:
    """The rule of this very pattern that is in force on the row's day."""
    for version in versions.get(_pattern(values), ()):
        period: DateRange = version["period"]
        if (period.lower is None or period.lower <= values["since"]) and (
            period.upper is None or values["since"] < period.upper
        ):
            return version["id"]
    return None


def _closes(entity: Entity, seen: Foreseen) -> int:
    keys = FeeSignature.objects.filter(pk__in=seen.mapped).values("key")
    return Case.objects.live().filter(entity=entity, type=FEE_CASE, subject__in=keys).count()


GL_RULES = register_sheet(
    Importable(
        name="gl-rules",
        title="GL rules",
        says="Which account a kind of fee posts to, and how it is taxed.",
        permission=IMPORT_RULES,
        columns=RuleColumns,
        key=KEY,
        present=present,
        known=known,
        checks=checks,
        effect=effect,
        apply=apply,
        undoing=undoing,
        undo=undo,
        clears=causes.JOURNALS,
    )
)
