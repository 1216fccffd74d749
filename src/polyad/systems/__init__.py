"""AD systems: the contract, the registry, every operator from one primitive, and a folder for each system."""
