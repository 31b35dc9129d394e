from django.urls import path

from apps.console import (
    audit, case, charts, files, home, jobs, journals, lines, login, mapping, queue, settlements, start, tieout, upload,
)  # fmt: skip

urlpatterns = [
    path("", home.home, name="home"),
    path("start/", start.start, name="start"),
    path("login/", login.SignIn.as_view(), name="login"),
    path("logout/", login.SignOut.as_view(), name="logout"),
    path("company/", login.company, name="company"),
    path("queue/<str:team>/", queue.queue, name="queue"),
    path("cases/<int:pk>/", case.case, name="case"),
    path("cases/<int:pk>/do/<str:action>/", case.act, name="act"),
    path("cases/<int:pk>/<str:name>/", case.move, name="case_move"),
    path("settlements/", settlements.settlements, name="settlements"),
    path("settlements/upload/", upload.upload, name="upload"),
    path("settlements/<str:settlement_id>/", tieout.settlement, name="settlement"),
    path("settlements/<str:settlement_id>/lines/", lines.settlement_lines, name="settlement_lines"),
    path("settlements/<str:settlement_id>/lines/<int:line>/", lines.settlement_line, name="settlement_line"),
    path("files/<int:pk>/raw/", files.file_raw, name="file_raw"),
    path("jobs/", jobs.job_list, name="jobs"),
    path("jobs/<int:pk>/", jobs.job, name="job"),
    path("journals/", journals.journals, name="journals"),
    path("journals/<int:pk>/", journals.journal, name="journal"),
    path("mapping/", mapping.mapping, name="mapping"),
    path("mapping/signatures/<int:pk>/", mapping.signature, name="signature"),
    path("mapping/chart/", charts.charts, name="charts"),
    path("audit/", audit.audit, name="audit"),
]
