"""What auditing decides: what counts as an access, how a report reads, which audits are due and what they look at."""
