"""The raw copy of a file, byte for byte as it came."""

from django.http import FileResponse, HttpRequest
from django.shortcuts import get_object_or_404

from apps.console.screens import door
from apps.core.permissions import READ_MONEY
from apps.integrations.files import open_raw
from apps.integrations.models import StoredFile


@door(READ_MONEY)
def file_raw(request: HttpRequest, pk: int) -> FileResponse:
    mine = StoredFile.objects.filter(connection__entity_id__in=request.user.entities_where(READ_MONEY))
    file = get_object_or_404(mine, pk=pk)
    return FileResponse(open_raw(file), as_attachment=True, filename=file.name, content_type="application/octet-stream")
