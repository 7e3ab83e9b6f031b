"""Which training and papers a person needs, and until when those that it has count."""
