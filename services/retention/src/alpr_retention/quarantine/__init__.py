"""Messages that could not be read: kept sealed as long as records are, though their topic forgets them in a week."""
