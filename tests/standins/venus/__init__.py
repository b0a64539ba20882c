"""The stand-in for a Venus OS device, its front door, a fleet of it, and what is around it."""
