"""Breaches of security or data: reported by anybody, worked on under the agency's policy (SEC-02)."""
