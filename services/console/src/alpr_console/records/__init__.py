"""The life of a record on pages: stored, held, released on paper, purged with proof."""
