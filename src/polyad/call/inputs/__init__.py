"""What comes in: arguments, directions, scratch memory, and the checks of them."""
