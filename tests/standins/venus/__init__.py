"""The stand-in for a Venus OS device, its front door, a fleet of devices, and related servers."""
