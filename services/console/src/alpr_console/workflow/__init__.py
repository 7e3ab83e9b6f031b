"""The work on a hit: every step from the comparison with the picture to the closed call, in the policy's order."""
