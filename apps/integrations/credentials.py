"""What connections sign in with: sealed at rest, opened for their connectors alone, never shown, logged or audited."""

import json
from collections.abc import Mapping
from hashlib import sha256

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from apps.core.errors import Refused
from apps.core.models import AuditEntry, User
from apps.core.permissions import KEEP_CONNECTIONS, check_may
from apps.integrations.models import Connection, Credential
from apps.integrations.sealing import ROTATIONS, keys

LOST = "The credentials of {} were sealed with a key that is not there any more."
MEND = "Put that key back into OPSCONSOLE_CREDENTIAL_KEYS, or enter the credentials again."


@transaction.atomic
def seal(connection: Connection, values: Mapping[str, str], actor: User | None) -> Credential:
    """Keep what a connection signs in with, in place of what it had. `actor` None is the program itself."""
    if actor:
        check_may(actor, KEEP_CONNECTIONS, connection.entity)
    values = {name: value.strip() for name, value in values.items()}
    for name, value in values.items():
        if not value:
            raise Refused(f"Enter the {name.replace('_', ' ')}.", field=name)
    credential, added = Credential.objects.update_or_create(
        connection=connection,
        defaults={
            "sealed": keys().encrypt(json.dumps(values).encode()),
            "changed_at": Now(),
            "changed_by": actor,
        },
    )
    AuditEntry.objects.record(
        actor=actor,
        entity=connection.entity,
        verb="credentials.sealed",
        subject=f"connection:{connection.pk}",
        after={"credentials": ", ".join(sorted(values)), "replaced": not added},
    )
    return credential


def open_sealed(connection: Connection) -> dict[str, str]:
    """What the connection signs in with. Refused where it has nothing, or where no key opens it."""
    credential = Credential.objects.filter(connection=connection).first()
    if credential is None:
        raise Refused(
            f"{connection.name} has no credentials yet. Enter them on its page.", code="credentials-missing"
        )
    try:
        return json.loads(keys().decrypt(bytes(credential.sealed)))
    except InvalidToken:
        raise Refused(f"{LOST.format(connection.name)} {MEND}", code="credentials-lost") from None


@transaction.atomic
def rotate() -> int:
    """Seal all credentials again with the first key; how many. Refused, with nothing done, where one cannot be opened."""
    sealing = keys()
    credentials = list(
        Credential.objects.select_related("connection").select_for_update(of=("self",)).order_by("connection_id")
    )
    for credential in credentials:
        try:
            credential.sealed = sealing.rotate(bytes(credential.sealed))
        except InvalidToken:
            words = f"{LOST.format(credential.connection.name)} {MEND} Nothing was sealed again."
            raise Refused(words, code="credentials-lost") from None
    Credential.objects.bulk_update(credentials, ["sealed"], batch_size=500)
    AuditEntry.objects.record_all(
        AuditEntry(
            actor_name="opsconsole",
            entity_id=credential.connection.entity_id,
            verb="credentials.rotated",
            subject=f"connection:{credential.connection_id}",
        )
        for credential in credentials
    )
    return len(credentials)


def fingerprints() -> list[str]:
    """What tells one key from another and opens nothing, in the order of the keys: keys are random, so a hash hides them."""
    return [sha256(key.strip().encode()).hexdigest()[:16] for key in settings.CREDENTIAL_KEYS]


ROTATIONS.append(rotate)
