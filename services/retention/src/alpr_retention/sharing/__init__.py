"""Data that goes to others without a request for each: agreements, the standing repository, demands, custodians."""
