"""Raw files are kept whole, once, and can be read back byte for byte."""

import hashlib
from pathlib import Path
from threading import Barrier, Thread

import pytest
from django.core.files.storage import default_storage
from django.db import connections

from apps.core.errors import Refused
from apps.integrations.files import open_raw, store
from apps.integrations.models import StoredFile
from tests.factories import ConnectionFactory, UserFactory

BYTES = b"settlement-id\tcurrency\r\n\x00\xff00123\tGBP\r\n"


def stored_paths(settings) -> list[str]:
    return sorted(path.name for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def storage_of_its_own(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.mark.django_db
def test_bytes_come_back_as_they_came(settings):
    connection, actor = ConnectionFactory(), UserFactory()
    file = store(connection=connection, name="in/october.txt", chunks=[BYTES[:7], BYTES[7:]], actor=actor)
    assert (file.name, file.size, file.received_by) == ("october.txt", len(BYTES), actor)
    assert file.sha256 == hashlib.sha256(BYTES).hexdigest()
    with open_raw(file) as raw:
        assert raw.read() == BYTES
        raw.seek(7)
        assert raw.read(6) == BYTES[7:13]
    assert stored_paths(settings) == [file.sha256]


@pytest.mark.django_db
def test_the_same_bytes_are_the_same_file(settings):
    connection = ConnectionFactory()
    first = store(connection=connection, name="october.txt", chunks=[BYTES], actor=None)
    again = store(connection=connection, name="renamed.txt", chunks=[BYTES], actor=None)
    assert again == first
    assert again.name == "october.txt"
    elsewhere = store(connection=ConnectionFactory(), name="october.txt", chunks=[BYTES], actor=None)
    assert elsewhere != first
    assert stored_paths(settings) == [first.sha256]


@pytest.mark.django_db
def test_a_broken_upload_leaves_nothing(settings):
    def cut_off():
        yield BYTES
        raise ConnectionResetError("the browser went away")

    with pytest.raises(ConnectionResetError):
        store(connection=ConnectionFactory(), name="october.txt", chunks=cut_off(), actor=None)
    assert not StoredFile.objects.exists()
    assert stored_paths(settings) == []


@pytest.mark.django_db(transaction=True)
def test_the_same_bytes_twice_at_once(settings):
    connection = ConnectionFactory()
    both, found = Barrier(2), []

    def chunks():
        yield BYTES
        both.wait(timeout=20)

    def upload():
        try:
            found.append(store(connection=connection, name="october.txt", chunks=chunks(), actor=None))
        finally:
            connections.close_all()

    threads = [Thread(target=upload) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]
    assert stored_paths(settings) == [Path(StoredFile.objects.get().path).name]


@pytest.mark.django_db
def test_a_raw_copy_that_is_gone_is_named():
    file = store(connection=ConnectionFactory(), name="october.txt", chunks=[BYTES], actor=None)
    default_storage.delete(file.path)
    with pytest.raises(Refused, match=r"raw copy of october\.txt is not in the storage"):
        open_raw(file)
