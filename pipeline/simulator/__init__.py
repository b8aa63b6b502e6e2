"""A shop that does not exist, with the figures of shops that do, and a truth that is known: pure, seeded, timeless."""

from pipeline.simulator.happening import Happening
from pipeline.simulator.parameters import SimulatedShop
from pipeline.simulator.shop import simulate
from pipeline.simulator.truth import CadenceTruth, CartTruth, Outcome, SessionTruth, Truth

__all__ = ["CadenceTruth", "CartTruth", "Happening", "Outcome", "SessionTruth", "SimulatedShop", "Truth", "simulate"]
