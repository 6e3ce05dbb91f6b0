"""The simulated exchange: a seeded market, its ground truth, and a server on loopback that a plugin dresses."""

from tickwire.simulation.abilities import Abilities, default_instruments
from tickwire.simulation.candles import bucket_of, is_bucket
from tickwire.simulation.figures import SimCandle, SimMark, SimOpenInterest, SimTicker
from tickwire.simulation.market import SeededMarket
from tickwire.simulation.records import Dress, SimBook, SimClient, SimLevels, SimMarket, SimReply, SimTrade
from tickwire.simulation.server import SimServer
from tickwire.simulation.truth import FileTruth, MemoryTruth, TruthFiles, TruthLog, TruthReader

__all__ = [
    "Abilities",
    "Dress",
    "FileTruth",
    "MemoryTruth",
    "SeededMarket",
    "SimBook",
    "SimCandle",
    "SimClient",
    "SimLevels",
    "SimMark",
    "SimMarket",
    "SimOpenInterest",
    "SimReply",
    "SimServer",
    "SimTicker",
    "SimTrade",
    "TruthFiles",
    "TruthLog",
    "TruthReader",
    "bucket_of",
    "default_instruments",
    "is_bucket",
]
