"""What other databases say of a hit: CLETS verification and registration, sealed and shown only with a grant."""
