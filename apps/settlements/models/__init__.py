"""Settlements and their files, fees and the rules that map them, lines and their sums, journals, reserve chains."""

from apps.settlements.models.chains import ChainLink, ReserveChain
from apps.settlements.models.fees import FeeRule, FeeSignature, Resolution, Treatment
from apps.settlements.models.journals import JournalPart, SettlementJournal
from apps.settlements.models.lines import Arrival, OrderLeg, RollUp, SettledOrder, SettledSku, SettlementLine
from apps.settlements.models.settlements import (
    READ_FILE,
    AcceptedColumn,
    FileReading,
    Settlement,
    SettlementVersion,
    version_that_counts,
)

__all__ = [
    "READ_FILE",
    "AcceptedColumn",
    "Arrival",
    "ChainLink",
    "FeeRule",
    "FeeSignature",
    "FileReading",
    "JournalPart",
    "OrderLeg",
    "ReserveChain",
    "Resolution",
    "RollUp",
    "SettledOrder",
    "SettledSku",
    "Settlement",
    "SettlementJournal",
    "SettlementLine",
    "SettlementVersion",
    "Treatment",
    "version_that_counts",
]
