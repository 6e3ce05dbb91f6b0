"""The simulated exchange: a seeded market, its ground truth, and a server on loopback that a plugin dresses."""

from tickwire.simulation.abilities import Abilities, default_instruments
from tickwire.simulation.candles import bucket_of, is_bucket
from tickwire.simulation.faults import Fault, FaultKind, Faults, Injected, Site
from tickwire.simulation.figures import SimCandle, SimMark, SimOpenInterest, SimTicker
from tickwire.simulation.market import SeededMarket
from tickwire.simulation.memory import MemoryExchange, MemoryTransport
from tickwire.simulation.memory_connection import MemoryConnection
from tickwire.simulation.records import Dress, SimBook, SimClient, SimLevels, SimMarket, SimOrder, SimReply, SimTrade
from tickwire.simulation.server import SimServer
from tickwire.simulation.storm import fault_kinds, random_fault, storm
from tickwire.simulation.truth import FileTruth, MemoryTruth, TruthFiles, TruthLog, TruthReader

__all__ = [
    "Abilities",
    "Dress",
    "Fault",
    "FaultKind",
    "Faults",
    "FileTruth",
    "Injected",
    "MemoryConnection",
    "MemoryExchange",
    "MemoryTransport",
    "MemoryTruth",
    "SeededMarket",
    "SimBook",
    "SimCandle",
    "SimClient",
    "SimLevels",
    "SimMark",
    "SimMarket",
    "SimOpenInterest",
    "SimOrder",
    "SimReply",
    "SimServer",
    "SimTicker",
    "SimTrade",
    "Site",
    "TruthFiles",
    "TruthLog",
    "TruthReader",
    "bucket_of",
    "default_instruments",
    "fault_kinds",
    "is_bucket",
    "random_fault",
    "storm",
]
