"""What can be done with an operation: forward mode, reverse mode, expansion, the lift to another library."""
