from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from apps.api import (
    approvals,
    audit,
    batches,
    bulk,
    cases,
    chains,
    entities,
    fees,
    imports,
    intake,
    jobs,
    journals,
    listings,
    orders,
    routines,
    runbooks,
    runs,
    saved_views,
    settlements,
    shifts,
    stock,
    trends,
)
from apps.api.documents import Document
from apps.api.resources import NothingHere

router = SimpleRouter()
for prefix, resource in {
    "entities": entities.Entities,
    "cases": cases.Cases,
    "bulk": bulk.Bulks,
    "approvals": approvals.Approvals,
    "saved-views": saved_views.SavedViews,
    "runbooks": runbooks.Runbooks,
    "routines": routines.Routines,
    "shifts": shifts.Shifts,
    "settlements": settlements.Settlements,
    "chains": chains.Chains,
    "journals": journals.Journals,
    "batches": batches.Batches,
    "orders": orders.Orders,
    "listings": listings.Listings,
    "stock": stock.Stock,
    "fee-signatures": fees.FeeSignatures,
    "fee-rules": fees.FeeRules,
    "imports": imports.Imports,
    "sources": runs.Sources,
    "runs": runs.Runs,
    "jobs": jobs.Jobs,
    "audit": audit.Audit,
}.items():
    router.register(prefix, resource, basename=f"api-{prefix}")

urlpatterns = [
    *router.urls,
    path("intake/", intake.Intake.as_view(), name="api-intake"),
    path("trends/", trends.Trends.as_view(), name="api-trends"),
    path("schema/", Document.as_view(), name="api-schema"),
    re_path("", NothingHere.as_view(), name="api-nothing"),
]
