from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from apps.api import (
    approvals,
    audit,
    batches,
    bulk,
    cases,
    entities,
    fees,
    imports,
    intake,
    journals,
    listings,
    orders,
    runs,
    settlements,
)
from apps.api.documents import Document
from apps.api.resources import NothingHere

router = SimpleRouter()
for prefix, resource in {
    "entities": entities.Entities,
    "cases": cases.Cases,
    "bulk": bulk.Bulks,
    "approvals": approvals.Approvals,
    "settlements": settlements.Settlements,
    "journals": journals.Journals,
    "batches": batches.Batches,
    "orders": orders.Orders,
    "listings": listings.Listings,
    "fee-signatures": fees.FeeSignatures,
    "fee-rules": fees.FeeRules,
    "imports": imports.Imports,
    "sources": runs.Sources,
    "runs": runs.Runs,
    "audit": audit.Audit,
}.items():
    router.register(prefix, resource, basename=f"api-{prefix}")

urlpatterns = [
    *router.urls,
    path("intake/", intake.Intake.as_view(), name="api-intake"),
    path("schema/", Document.as_view(), name="api-schema"),
    re_path("", NothingHere.as_view(), name="api-nothing"),
]
