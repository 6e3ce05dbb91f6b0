"""What tests of plugins use: the records a dressed simulator sees, and a clock that stands still."""

from tickwire.model.clock import ManualClock
from tickwire.simulation.records import Dress, SimBook, SimClient, SimMarket, SimReply, SimTrade

__all__ = ["Dress", "ManualClock", "SimBook", "SimClient", "SimMarket", "SimReply", "SimTrade"]
