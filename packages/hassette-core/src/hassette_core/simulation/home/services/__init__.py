"""The services of the simulated home: the registry validates a call, and a service carries it out.

Each module has the services of some domains. `table` lists all of them.
"""

from hassette_core.simulation.home.services.registry import (
    EntityCall,
    PreparedCall,
    ServiceRegistry,
    SimulatedService,
)

__all__ = ["EntityCall", "PreparedCall", "ServiceRegistry", "SimulatedService"]
